package tests

import (
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// fuseDisk is a directory that this process serves as a file system of its own, and refuses what it is told to. It needs what the device needs
// itself, /dev/fuse, and no privilege. What is written there is there when it is mounted anew, sync or not.
type fuseDisk struct {
	data, dir string
	server    *fuse.Server
	faults    *diskFaults // of the file system that is mounted now
}

func newFuseDisk(t *testing.T) *fuseDisk {
	t.Helper()
	top, dir := mountPoint(t)
	d := &fuseDisk{data: filepath.Join(top, "data"), dir: dir}
	must(t, os.Mkdir(d.data, 0o755))
	t.Cleanup(func() {
		for len(mounts(dir)) > 0 {
			must(t, d.unmount(syscall.MNT_DETACH))
		}
	})
	return d
}

func (d *fuseDisk) path() string { return d.dir }

func (d *fuseDisk) mount() error {
	root, err := fs.NewLoopbackRoot(d.data)
	if err != nil {
		return err
	}
	d.faults = &diskFaults{RawFileSystem: fs.NewNodeFS(root, &fs.Options{})} // names and attributes are asked for each time
	d.server, err = fuse.NewServer(d.faults, d.dir, &fuse.MountOptions{Name: "faulty", FsName: "faulty", DirectMount: os.Geteuid() == 0})
	if err != nil {
		return err
	}
	go d.server.Serve()
	return d.server.WaitMount()
}

// unmount does so as root, or as fusermount3 lets others.
func (d *fuseDisk) unmount(flags int) error {
	if os.Geteuid() == 0 {
		return syscall.Unmount(d.dir, flags)
	}
	if flags&syscall.MNT_DETACH != 0 {
		return run("fusermount3", "-u", "-z", d.dir)
	}
	return run("fusermount3", "-u", d.dir)
}

func (d *fuseDisk) readOnly(on bool) error { d.faults.fixed.Store(on); return nil }
func (d *fuseDisk) die() error             { d.faults.dead.Store(true); return nil }
func (d *fuseDisk) fill() error            { d.faults.full.Store(true); return nil }
func (d *fuseDisk) drain() error           { d.faults.full.Store(false); return nil }

// diskFaults refuses requests before the file system below sees them.
type diskFaults struct {
	fuse.RawFileSystem
	dead, fixed, full atomic.Bool
}

// Init does not let the file system hand its files to the kernel, which would go past us.
func (d *diskFaults) Init(*fuse.Server) {}

// looks is the status of a request that changes nothing.
func (d *diskFaults) looks() fuse.Status {
	if d.dead.Load() {
		return fuse.EIO
	}
	return fuse.OK
}

// changes is that of one that does.
func (d *diskFaults) changes() fuse.Status {
	if d.fixed.Load() && !d.dead.Load() {
		return fuse.EROFS
	}
	return d.looks()
}

// grows is that of one that takes space.
func (d *diskFaults) grows() fuse.Status {
	if s := d.changes(); s != fuse.OK || !d.full.Load() {
		return s
	}
	return fuse.Status(syscall.ENOSPC)
}

func (d *diskFaults) Lookup(c <-chan struct{}, h *fuse.InHeader, name string, out *fuse.EntryOut) fuse.Status {
	if s := d.looks(); s != fuse.OK {
		return s
	}
	return d.RawFileSystem.Lookup(c, h, name, out)
}

func (d *diskFaults) GetAttr(c <-chan struct{}, in *fuse.GetAttrIn, out *fuse.AttrOut) fuse.Status {
	if s := d.looks(); s != fuse.OK {
		return s
	}
	return d.RawFileSystem.GetAttr(c, in, out)
}

func (d *diskFaults) SetAttr(c <-chan struct{}, in *fuse.SetAttrIn, out *fuse.AttrOut) fuse.Status {
	if s := d.changes(); s != fuse.OK {
		return s
	}
	return d.RawFileSystem.SetAttr(c, in, out)
}

func (d *diskFaults) Mkdir(c <-chan struct{}, in *fuse.MkdirIn, name string, out *fuse.EntryOut) fuse.Status {
	if s := d.grows(); s != fuse.OK {
		return s
	}
	return d.RawFileSystem.Mkdir(c, in, name, out)
}

func (d *diskFaults) Unlink(c <-chan struct{}, h *fuse.InHeader, name string) fuse.Status {
	if s := d.changes(); s != fuse.OK {
		return s
	}
	return d.RawFileSystem.Unlink(c, h, name)
}

func (d *diskFaults) Rmdir(c <-chan struct{}, h *fuse.InHeader, name string) fuse.Status {
	if s := d.changes(); s != fuse.OK {
		return s
	}
	return d.RawFileSystem.Rmdir(c, h, name)
}

func (d *diskFaults) Rename(c <-chan struct{}, in *fuse.RenameIn, from, to string) fuse.Status {
	if s := d.changes(); s != fuse.OK {
		return s
	}
	return d.RawFileSystem.Rename(c, in, from, to)
}

func (d *diskFaults) Link(c <-chan struct{}, in *fuse.LinkIn, name string, out *fuse.EntryOut) fuse.Status {
	if s := d.changes(); s != fuse.OK {
		return s
	}
	return d.RawFileSystem.Link(c, in, name, out)
}

func (d *diskFaults) Symlink(c <-chan struct{}, h *fuse.InHeader, to, name string, out *fuse.EntryOut) fuse.Status {
	if s := d.grows(); s != fuse.OK {
		return s
	}
	return d.RawFileSystem.Symlink(c, h, to, name, out)
}

func (d *diskFaults) Readlink(c <-chan struct{}, h *fuse.InHeader) ([]byte, fuse.Status) {
	if s := d.looks(); s != fuse.OK {
		return nil, s
	}
	return d.RawFileSystem.Readlink(c, h)
}

func (d *diskFaults) GetXAttr(c <-chan struct{}, h *fuse.InHeader, attr string, dest []byte) (uint32, fuse.Status) {
	if s := d.looks(); s != fuse.OK {
		return 0, s
	}
	return d.RawFileSystem.GetXAttr(c, h, attr, dest)
}

func (d *diskFaults) SetXAttr(c <-chan struct{}, in *fuse.SetXAttrIn, attr string, data []byte) fuse.Status {
	if s := d.grows(); s != fuse.OK {
		return s
	}
	return d.RawFileSystem.SetXAttr(c, in, attr, data)
}

func (d *diskFaults) Create(c <-chan struct{}, in *fuse.CreateIn, name string, out *fuse.CreateOut) fuse.Status {
	if s := d.grows(); s != fuse.OK {
		return s
	}
	in.Flags &^= syscall.O_DIRECT // for the requests that come here need not be aligned
	return d.RawFileSystem.Create(c, in, name, out)
}

func (d *diskFaults) Open(c <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	s := d.looks()
	if in.Flags&syscall.O_ACCMODE != syscall.O_RDONLY {
		s = d.changes()
	}
	if s != fuse.OK {
		return s
	}
	in.Flags &^= syscall.O_DIRECT
	return d.RawFileSystem.Open(c, in, out)
}

func (d *diskFaults) Read(c <-chan struct{}, in *fuse.ReadIn, buf []byte) (fuse.ReadResult, fuse.Status) {
	if s := d.looks(); s != fuse.OK {
		return nil, s
	}
	return d.RawFileSystem.Read(c, in, buf)
}

func (d *diskFaults) Write(c <-chan struct{}, in *fuse.WriteIn, data []byte) (uint32, fuse.Status) {
	if s := d.grows(); s != fuse.OK {
		return 0, s
	}
	return d.RawFileSystem.Write(c, in, data)
}

func (d *diskFaults) CopyFileRange(c <-chan struct{}, in *fuse.CopyFileRangeIn) (uint32, fuse.Status) {
	if s := d.grows(); s != fuse.OK {
		return 0, s
	}
	return d.RawFileSystem.CopyFileRange(c, in)
}

func (d *diskFaults) Fsync(c <-chan struct{}, in *fuse.FsyncIn) fuse.Status {
	if s := d.looks(); s != fuse.OK {
		return s
	}
	return d.RawFileSystem.Fsync(c, in)
}

func (d *diskFaults) Fallocate(c <-chan struct{}, in *fuse.FallocateIn) fuse.Status {
	if s := d.grows(); s != fuse.OK {
		return s
	}
	return d.RawFileSystem.Fallocate(c, in)
}

func (d *diskFaults) OpenDir(c <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	if s := d.looks(); s != fuse.OK {
		return s
	}
	return d.RawFileSystem.OpenDir(c, in, out)
}

func (d *diskFaults) ReadDir(c <-chan struct{}, in *fuse.ReadIn, out *fuse.DirEntryList) fuse.Status {
	if s := d.looks(); s != fuse.OK {
		return s
	}
	return d.RawFileSystem.ReadDir(c, in, out)
}

func (d *diskFaults) ReadDirPlus(c <-chan struct{}, in *fuse.ReadIn, out *fuse.DirEntryList) fuse.Status {
	if s := d.looks(); s != fuse.OK {
		return s
	}
	return d.RawFileSystem.ReadDirPlus(c, in, out)
}

func (d *diskFaults) FsyncDir(c <-chan struct{}, in *fuse.FsyncIn) fuse.Status {
	if s := d.looks(); s != fuse.OK {
		return s
	}
	return d.RawFileSystem.FsyncDir(c, in)
}

func (d *diskFaults) StatFs(c <-chan struct{}, h *fuse.InHeader, out *fuse.StatfsOut) fuse.Status {
	if s := d.looks(); s != fuse.OK {
		return s
	}
	s := d.RawFileSystem.StatFs(c, h, out)
	if d.full.Load() {
		out.Bfree, out.Bavail = 0, 0
	}
	return s
}

// Statx is not asked for: the kernel does with GetAttr.
func (d *diskFaults) Statx(<-chan struct{}, *fuse.StatxIn, *fuse.StatxOut) fuse.Status {
	return fuse.ENOSYS
}
