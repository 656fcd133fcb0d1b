package tests

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
)

// spillSome makes buffers of 4 MB each, of which the first leave a memory of 32 MiB, and gives their bytes. When it is done nothing moves.
func (d *dev) spillSome(n int) map[string][]byte {
	d.t.Helper()
	all := map[string][]byte{}
	for i := range n {
		name := fmt.Sprintf("a%d.npy", i)
		all[name] = small(uint64(i), 1000, 1000)
		d.put(name, all[name])
	}
	d.eventually("nothing moves", func() bool { return d.read("tiers/plan") == "" })
	if d.tier("a0.npy") != "spill0" || d.tier(fmt.Sprintf("a%d.npy", n-1)) != "ram" {
		d.t.Fatalf("a0.npy is in %s, the last in %s", d.tier("a0.npy"), d.tier(fmt.Sprintf("a%d.npy", n-1)))
	}
	return all
}

// offline checks what the device says of a tier whose disk has failed.
func (d *dev) offline(errno, path string) {
	d.t.Helper()
	d.eventually("the tier is out of use", func() bool { return d.read("tiers/spill0/state") == "offline\n" })
	d.eventually("the error is listed", func() bool {
		e := d.read("errors")
		return strings.Contains(e, errno+": spill0 ("+path) && strings.Contains(e, "is out of use") && strings.Contains(e, "probe")
	})
	wantErrno(d.t, "trying a disk that has failed", d.write("ctl", "probe\n"), syscall.EIO)
	if free, note := d.read("tiers/spill0/free"), d.read("tiers/spill0/note"); free != "0\n" || note == "\n" {
		d.t.Errorf("free %q, note %q", free, note)
	}
}

// goesOn checks that memory can be used, and that what needs more is told so.
func (d *dev) goesOn() {
	d.t.Helper()
	d.run("fill ours.npy shape=1000 value=2", "map 'z = 3*x' x=ours.npy z=ours.npy")
	if got := d.ask("sum ours.npy"); got != "6000.0" {
		d.t.Errorf("the sum is %s", got)
	}
	err := os.WriteFile(d.path("buffers/toomuch"), make([]byte, 40<<20), 0o644)
	wantErrno(d.t, "writing more than memory has", err, syscall.ENOSPC)
	must(d.t, os.Remove(d.path("buffers/toomuch")), os.Remove(d.path("buffers/ours.npy")))
	if err := d.try("fill toomuch.npy shape=10000000 value=1"); !errors.Is(err, syscall.ENOSPC) && !errors.Is(err, syscall.ENOMEM) {
		d.t.Errorf("a command that needs more than memory has: %v", err)
	}
	if list, err := os.ReadDir(d.path("buffers")); err != nil || len(list) == 0 {
		d.t.Errorf("%v %v", list, err)
	}
}

// back checks that a tier whose disk works again is used again.
func (d *dev) back() {
	d.t.Helper()
	must(d.t, d.write("ctl", "probe\n"))
	if got := d.read("tiers/spill0/state"); got != "online\n" {
		d.t.Errorf("the disk works again, and its tier is %s", got)
	}
	big := small(77, 10000, 1000) // 40 MB: more than memory
	d.put("big.npy", big)
	d.same("big.npy", big)
	must(d.t, os.Remove(d.path("buffers/big.npy")))
}

// A disk that becomes read-only under a device still gives what it has. Nothing more goes there, until it can be written again.
func TestSpillDiskReadOnly(t *testing.T) {
	inModesOnFaultyDisks(t, func(t *testing.T, disk faultyDisk, flags []string) {
		d := spillingOn(t, disk, flags...)
		all := d.spillSome(12)
		d.eventually("nothing is open there", func() bool { return disk.readOnly(true) == nil })
		for name, data := range all {
			d.same(name, data)
		}
		d.goesOn()
		for i := 8; i < 12; i++ {
			must(t, os.Remove(d.path(fmt.Sprintf("buffers/a%d.npy", i))))
			delete(all, fmt.Sprintf("a%d.npy", i))
		}
		d.run("map 'z = x + y' x=a0.npy y=a1.npy z=z.npy") // what it needs comes back into memory; the files there stay, and are nobody's
		d.offline("EROFS", disk.path())
		wantErrno(t, "writing what is there", appendTo(d.path("buffers/"+d.spilled(all))), syscall.EROFS)
		for name, data := range all {
			d.same(name, data)
		}
		must(t, disk.readOnly(false))
		d.back()
		for name, data := range all {
			d.same(name, data)
		}
		d.tiersAgree()
	})
}

// spilled is the name of a buffer that is on a disk.
func (d *dev) spilled(all map[string][]byte) string {
	d.t.Helper()
	for name := range all {
		if d.tier(name) == "spill0" {
			return name
		}
	}
	d.t.Fatal("all are in memory")
	return ""
}

// appendTo writes a byte to the end of a file.
func appendTo(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	_, err = f.Write([]byte{1})
	return errors.Join(err, f.Close())
}

// A disk that is gone under a device takes what was on it, and nothing else: jobs that need that fail with the reason, and all others run. The
// device lets go of the disk, so that it can be repaired and mounted again, and then has what was there, or says that it is lost: never other bytes.
func TestSpillDiskVanishes(t *testing.T) {
	for _, flushed := range []bool{true, false} {
		t.Run(fmt.Sprintf("flushed=%v", flushed), func(t *testing.T) {
			inModesOnFaultyDisks(t, func(t *testing.T, disk faultyDisk, flags []string) {
				vanishes(t, disk, flushed, flags)
			})
		})
	}
}

func vanishes(t *testing.T, disk faultyDisk, flushed bool, flags []string) {
	d := spillingOn(t, disk, flags...)
	all := d.spillSome(12)
	if flushed {
		output(t, "sync", "-f", disk.path())
	}
	must(t, disk.die())
	lost := d.lossesOf(all)
	d.goesOn()
	d.offline("EIO", disk.path())
	d.eventually("the disk is let go of", func() bool { return disk.unmount(0) == nil })
	must(t, disk.mount())
	d.back()
	for name, data := range all {
		got, err := os.ReadFile(d.path("buffers/" + name))
		switch {
		case err == nil && string(got) != string(data):
			t.Errorf("%s has come back with other bytes", name)
		case err != nil && (!errors.Is(err, syscall.EIO) || !lost[name] || flushed):
			t.Errorf("%s: %v\n%s", name, err, d.log.String())
		}
	}
}

// lossesOf checks what a device says of buffers whose disk is gone, and of those in memory, and tells which are lost.
func (d *dev) lossesOf(all map[string][]byte) map[string]bool {
	d.t.Helper()
	lost := map[string]bool{}
	for name, data := range all {
		if d.tier(name) == "ram" {
			d.same(name, data)
			continue
		}
		lost[name] = true
		if st, err := os.Stat(d.path("buffers/" + name)); err != nil || st.Size() == 0 {
			d.t.Errorf("%s: %v", name, err)
		}
		_, err := os.ReadFile(d.path("buffers/" + name))
		wantErrno(d.t, "reading "+name, err, syscall.EIO)
		wantErrno(d.t, "a job on "+name, d.try("sum "+name+" s.npy axis=0"), syscall.EIO)
		if e := d.read("errors"); !strings.Contains(e, name) || !strings.Contains(e, "spill0") || !strings.Contains(e, "remedy: repair ") {
			d.t.Errorf("%s: the errors are\n%s", name, e)
		}
	}
	if len(lost) == 0 || len(lost) == len(all) {
		d.t.Errorf("%d of %d buffers are lost", len(lost), len(all))
	}
	return lost
}

// A device whose disk is gone can be stopped like any other: what was lost can be removed, jobs that wait end, and nothing is left mounted. A new
// one with the same directory starts when the disk is back.
func TestSpillDiskGoneAtStop(t *testing.T) {
	onFaultyDisks(t, func(t *testing.T, disk faultyDisk) {
		d := spillingOn(t, disk)
		all := d.spillSome(12)
		gone := d.spilled(all)
		must(t, d.write("queues/main/paused", "1\n"))
		d.queue("sum "+gone+" o.npy axis=0", "map 'z = x + 1' x=o.npy z=o2.npy", "fill ok.npy shape=10 value=1")
		must(t, disk.die())
		must(t, d.write("queues/main/paused", "0\n"))
		out, err := d.sh("sh", "cat queues/main/wait")
		if err == nil || strings.Count(out, " failed: EIO: ") != 2 || !strings.Contains(out, gone) {
			t.Errorf("%v %s", err, out)
		}
		must(t, os.Remove(d.path("buffers/"+gone)), os.Remove(d.path("buffers/a11.npy")))
		d.put(gone, all[gone])
		d.same(gone, all[gone])
		d.terminate()
		d.eventually("the disk is let go of", func() bool { return disk.unmount(0) == nil })
		must(t, disk.mount())
		d.restart()
		d.spillSome(12)
	})
}

// A disk that others fill takes nothing more, and is used again, with nobody's help, once there is room.
func TestSpillDiskFilled(t *testing.T) {
	onFaultyDisks(t, func(t *testing.T, disk faultyDisk) {
		d := spillingOn(t, disk)
		all := d.spillSome(10)
		must(t, disk.fill())
		d.goesOn()
		if got := d.read("tiers/spill0/state"); got != "online\n" {
			t.Errorf("a disk that is full, which is no fault, is %s", got)
		}
		for name, data := range all {
			d.same(name, data)
		}
		must(t, disk.drain())
		d.back()
		for name, data := range all {
			d.same(name, data)
		}
		d.tiersAgree()
	})
}

// A disk that is unmounted lazily stays the device's until that ends: nothing is lost.
func TestSpillDiskUnmounted(t *testing.T) {
	onFaultyDisks(t, func(t *testing.T, disk faultyDisk) {
		d := spillingOn(t, disk)
		all := d.spillSome(12)
		must(t, disk.unmount(syscall.MNT_DETACH))
		d.put("more.npy", small(50, 4000, 1000))
		for name, data := range all {
			d.same(name, data)
		}
		d.back()
	})
}

// Somebody removes the device's folder on the disk: what was there is lost, and what was not is not.
func TestSpillFolderRemoved(t *testing.T) {
	inModes(t, func(t *testing.T, d *dev) {
		all := d.spillSome(12)
		dir := strings.TrimSpace(d.read("tiers/spill0/path"))
		must(t, os.RemoveAll(dir))
		d.lossesOf(all)
		d.goesOn()
		d.offline("ENOENT", dir)
		for name := range all {
			must(t, os.Remove(d.path("buffers/"+name)))
		}
		d.run("fill x.npy shape=1000000 value=1")
	}, spillFlags(t, "32M", "512M")...)
}
