package device

import (
	"errors"
	"fmt"
	"syscall"

	"vgpu/alloc"
)

// tierChanged lists that a disk has failed. When it works again the mover may
// have something to do.
func (d *Device) tierChanged(e alloc.TierEvent) {
	if e.Err == nil {
		d.moves.wake()
		return
	}
	entry := ErrorEntry{Errno: syscall.EIO, Msg: e.Err.Error(), Hint: tierHint(e.Err)}
	if off := (*alloc.OfflineError)(nil); errors.As(e.Err, &off) {
		entry.Errno = Errno(off.Cause)
	}
	if e.Buffers > 0 {
		entry.Msg += fmt.Sprintf("; it holds %d buffers", e.Buffers)
	}
	d.noteError(entry)
}

// tierHint is what to do about a disk that has failed; "" for other errors.
func tierHint(err error) string {
	var off *alloc.OfflineError
	var lost *alloc.LostError
	switch {
	case errors.As(err, &lost) && lost.Tier == "":
		return "start the device with that directory, or remove the buffer"
	case errors.As(err, &lost):
		return "repair " + lost.Disk + " or mount it again, and write probe to ctl; or remove the buffer"
	case errors.As(err, &off):
		return "repair " + off.Path + " or mount it again, and write probe to ctl; what is in memory is as it was, and nothing leaves for there until then"
	}
	return ""
}

// Probe tries the spill tiers now. EIO: the disks of some do not work.
func (d *Device) Probe() error {
	if err := d.store.ProbeTiers(); err != nil {
		return fmt.Errorf("%w: %w", syscall.EIO, err)
	}
	return nil
}
