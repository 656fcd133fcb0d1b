package tests

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
)

// holding runs a job that has 66 MB of memory, a third of it for copies of views, and computes for minutes, until it is cancelled.
func (d *dev) holding() {
	d.t.Helper()
	d.run("random x.npy:f32:4500000 seed=1", "random h.npy:f32:1000000 seed=2")
	before := d.mapped()
	d.queue("conv x.npy[::-1] h.npy[::-1] y.npy method=direct")
	d.eventually("its operands are mapped", func() bool { return d.mapped() >= before+1 })
}

// growing is a client that makes a buffer so many MiB long.
func (d *dev) growing(name string, mib int) *client {
	d.t.Helper()
	return d.client("dd", "if=/dev/null", "of=buffers/"+name, "bs=1M", "count=0", fmt.Sprintf("seek=%d", mib))
}

// long checks the size of a buffer.
func (d *dev) long(name string, size int64) {
	d.t.Helper()
	if st, err := os.Stat(d.path("buffers/" + name)); err != nil || st.Size() != size {
		d.t.Errorf("%s: %v %v, want %d bytes", name, st, err, size)
	}
}

// A file that a client holds in memory grows once the job that fills memory has ended; who does not want to wait for that can be interrupted
// and killed. One that can leave goes to the disk and grows there, with no waiting.
func TestSpillGrowthBesideJob(t *testing.T) {
	inModes(t, func(t *testing.T, d *dev) {
		const size = 48 << 20
		held, err := os.OpenFile(d.path("buffers/held"), os.O_RDWR|os.O_CREATE, 0o644)
		must(t, err)
		defer held.Close()
		d.holding()
		data := small(3, 5000, 2000)
		d.put("written.npy", data)
		if got := d.tier("written.npy"); got != "spill0" {
			t.Errorf("what memory has no room for is in %s", got)
		}
		d.same("written.npy", data)
		c := d.growing("held", size>>20)
		if d.passthrough() {
			d.stuck(c, always)
			must(t, c.cmd.Process.Signal(syscall.SIGINT))
			if status := c.wait(); status == 0 {
				t.Error("it was interrupted, and ended well")
			}
			d.long("held", 0)
			killed := d.growing("held", size>>20)
			d.stuck(killed, always)
			killed.kill()
			c = d.growing("held", size>>20)
			d.stuck(c, always)
			d.cancelAll("main")
		}
		if status := c.wait(); status != 0 {
			t.Errorf("status %d: %s\n%s", status, c.out.String(), d.read("errors"))
		}
		d.cancelAll("main")
		d.long("held", size)
		d.same("held", make([]byte, size))
		d.same("written.npy", data)
		d.tiersAgree()
	}, spillFlags(t, "96M", "512M")...)
}

// Without a tier it waits for a job's scratch, and for what is there for the job alone; what no job could free is ENOSPC at once, and listed.
func TestGrowthBesideJob(t *testing.T) {
	inModes(t, func(t *testing.T, d *dev) {
		const size = 48 << 20
		d.holding()
		must(t, os.Remove(d.path("buffers/x.npy")))
		c := d.growing("big", 120)
		if c.wait(); !strings.Contains(c.out.String(), "No space left on device") {
			t.Errorf("more than there is: %s", c.out.String())
		}
		if text := d.read("errors"); !strings.Contains(text, `"big": no room to grow by 125829120 bytes: memory has `) || !strings.Contains(text, "of 100663296 bytes free") {
			t.Errorf("no byte counts in\n%s", text)
		}
		must(t, os.Remove(d.path("buffers/big")))
		writes := d.client("sh", "-c", fmt.Sprintf("exec head -c %d /dev/zero > buffers/written", size))
		d.stuck(writes, func() bool { st, err := os.Stat(d.path("buffers/written")); return err == nil && st.Size() > 0 })
		d.cancelAll("main")
		if status := writes.wait(); status != 0 {
			t.Errorf("status %d: %s\n%s", status, writes.out.String(), d.read("errors"))
		}
		d.same("written", make([]byte, size))
	}, "--mem", "96M")
}
