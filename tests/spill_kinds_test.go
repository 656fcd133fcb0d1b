package tests

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
)

// boundWork makes arrays that are larger than 24 MiB, alone or together, and does to
// them every kind of thing that is streamed.
var boundWork = []string{
	"random x.npy:f32:7000000 seed=1",
	"random m.npy:f32:2048x2600 seed=2",
	"random n.npy:f32:2600x2048 seed=3",
	"gemm m.npy n.npy p.npy",
	"random mb.npy:bf16:2800x2800 dist=normal seed=4",
	"gemm mb.npy mb.npy pb.npy",
	"random mi.npy:i8:2800x2800 seed=5",
	"gemm mi.npy mi.npy pi.npy",
	"random batch.npy:f32:40x400x400 seed=6",
	"gemm batch.npy batch.npy pbatch.npy",
	`map "y = 2 * x + 1" x=x.npy y=y.npy`,
	"cast x.npy d.npy dtype=f64",
	"copy x.npy y.npy",
	"transpose m.npy t.npy",
	"sum x.npy",
	"var x.npy",
	"cumsum x.npy y.npy",
	"softmax m.npy s.npy axis=1",
	"sort x.npy y.npy",
	"argsort x.npy order.npy",
	"histogram x.npy h.npy",
	"random z.npy:c64:1024x2000 seed=7",
	"fft z.npy fz.npy axes=0,1",
	"fft x.npy fx.npy",
	"dct m.npy t.npy axes=0",
	"rfft m.npy rm.npy axes=0",
}

// Every kind of streamed job stays within --mem, and the daemon within what the
// documents say beside it.
func TestSpillMemoryOfEveryKind(t *testing.T) {
	const mem = 24 << 20
	dir, group := diskDir(t), newMemGroup(t)
	var d *dev
	group.in(func() { d = mount(t, "-o", "mem=24M,spill="+dir+":1G") })
	for _, line := range boundWork {
		before := d.number("moves.streamed")
		d.run(line)
		if d.number("moves.streamed") == before && !strings.HasPrefix(line, "random") {
			t.Errorf("%s: not streamed", line)
		}
		if peak, size := d.number("memory.peak"), d.number("memory.size"); peak > size || size != mem {
			t.Errorf("%s: the peak is %d of %d", line, peak, size)
		}
		if got := residentPeak(t, d); got > mem+daemonBytes {
			t.Errorf("%s: the daemon has had %d bytes resident", line, got)
		}
		if group != nil && group.most() > mem+daemonBytes {
			t.Errorf("%s: the group has had %d bytes", line, group.most())
		}
	}
	if group != nil {
		t.Logf("the group has had %d MiB, the daemon %d MiB resident", group.most()>>20, residentPeak(t, d)>>20)
	}
	d.tiersAgree()
}

// residentPeak is the most memory that a daemon has had resident, in bytes.
func residentPeak(t *testing.T, d *dev) int64 {
	t.Helper()
	_, rest, _ := strings.Cut(string(readFile(fmt.Sprintf("/proc/%d/status", d.cmd.Process.Pid))), "VmHWM:")
	kb, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
	must(t, err)
	return kb << 10
}
