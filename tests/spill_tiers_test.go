package tests

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// twoTiers are the flags of a device with 24 MiB of memory, a small tier and a
// large one, and the directories of these.
func twoTiers(t *testing.T) (flags []string, dirs [2]string) {
	dirs = [2]string{diskDir(t), diskDir(t)}
	return []string{"--mem", "24M", "--spill", dirs[0] + ":24M", "--spill", dirs[1] + ":128M"}, dirs
}

// filesAgree compares what the files on the disks take with what the tiers say.
func (d *dev) filesAgree(dirs [2]string) {
	d.t.Helper()
	for i, dir := range dirs {
		d.eventually("the tier and its files agree", func() bool {
			var blocks int64
			files, err := filepath.Glob(filepath.Join(dir, "*", "*", "*"))
			must(d.t, err)
			for _, name := range files {
				var st syscall.Stat_t
				if err := syscall.Lstat(name, &st); err == nil && st.Mode&syscall.S_IFMT == syscall.S_IFREG {
					blocks += st.Blocks * 512
				}
			}
			return strconv.FormatInt(blocks, 10) == strings.TrimSpace(d.read(fmt.Sprintf("tiers/spill%d/used", i)))
		})
	}
}

// Tiers are filled in their order, none beyond its size; what each holds, st_blocks, du, df and
// the files on the disks agree. What is read there is read in place. Where all are full it is
// ENOSPC that says where how much is free, and what goes makes room.
func TestSpillTwoTiers(t *testing.T) {
	flags, dirs := twoTiers(t)
	inModes(t, func(t *testing.T, d *dev) {
		data := map[string][]byte{}
		for i := range 9 {
			name := fmt.Sprintf("a%d.npy", i)
			data[name] = small(uint64(i), 1448, 1448) // 8 MiB
			d.put(name, data[name])
			if first, free := d.number("tier.spill1.buffers"), d.number("tier.spill0.size")-d.number("tier.spill0.used"); first > 0 && free >= int64(len(data[name]))+16<<10 {
				t.Errorf("spill1 has %d buffers, and spill0 %d bytes free", first, free)
			}
		}
		if a, b := d.number("tier.spill0.buffers"), d.number("tier.spill1.buffers"); a != 2 || b < 4 {
			t.Errorf("%d buffers on the first tier, %d on the second", a, b)
		}
		d.tiersAgree()
		d.filesAgree(dirs)
		d.eventually("nothing moves", func() bool { return d.read("tiers/plan") == "" })
		promoted := d.number("moves.promotions") + d.number("moves.prefetched")
		for name, want := range data {
			home := d.tier(name)
			if d.same(name, want); d.tier(name) != home {
				t.Errorf("reading %s took it from %s to %s", name, home, d.tier(name))
			}
		}
		if now := d.number("moves.promotions") + d.number("moves.prefetched"); now != promoted {
			t.Errorf("%d buffers were brought in for readers", now-promoted)
		}
		wantErrno(t, "more than all of it", os.WriteFile(d.path("buffers/huge"), make([]byte, 150<<20), 0o644), syscall.ENOSPC)
		if text := d.read("errors"); !strings.Contains(text, "spill0 has") || !strings.Contains(text, "spill1 has") {
			t.Errorf("the errors do not say where there is room:\n%s", text)
		}
		must(t, os.Remove(d.path("buffers/huge")))
		d.run("gemm a2.npy a3.npy c.npy", "map 'z = x + y' x=a4.npy y=a5.npy z=c.npy")
		for name, want := range data {
			d.same(name, want)
			must(t, os.Remove(d.path("buffers/"+name)))
		}
		must(t, os.Remove(d.path("buffers/c.npy")))
		d.eventually("what is gone is free", func() bool { return d.number("tier.spill0.used") == 0 && d.number("tier.spill1.used") == 0 })
		// A file that outgrows memory, and then the first tier, goes on to the second.
		out, big := d.number("tier.spill0.bytes_out"), bytes.Repeat(data["a0.npy"], 5)
		d.put("big", big)
		if d.same("big", big); d.tier("big") != "spill1" || d.number("tier.spill0.bytes_out") == out {
			t.Errorf("big is in %s, and the first tier has given %d bytes", d.tier("big"), d.number("tier.spill0.bytes_out")-out)
		}
		d.tiersAgree()
		d.filesAgree(dirs)
	}, flags...)
}

// What owners say of their buffers decides which leave, and which come back.
func TestSpillAdvice(t *testing.T) {
	d := mount(t, spillFlags(t, "32M", "128M")...)
	set := func(name, attr, value string) {
		t.Helper()
		must(t, unix.Setxattr(d.path("buffers/"+name), "user.vgpu."+attr, []byte(value), 0))
	}
	for _, name := range []string{"pinned", "plain", "once", "idle"} { // in the order of use: LRU would have them leave so
		d.run(fmt.Sprintf("fill %s.npy shape=1750000 value=1 dtype=f32", name)) // 7 MB
	}
	set("pinned.npy", "pin", "1")
	set("once.npy", "advice", "sequential")
	set("idle.npy", "advice", "dontneed")
	for i, leaves := range []string{"idle", "once", "plain"} {
		d.run(fmt.Sprintf("fill new%d.npy shape=1750000 value=2 dtype=f32", i))
		set(fmt.Sprintf("new%d.npy", i), "pin", "1")
		d.eventually(leaves+" has left", func() bool { return d.tier(leaves+".npy") == "spill0" })
		if got := d.tier("pinned.npy"); got != "ram" {
			t.Errorf("a pinned buffer is in %s", got)
		}
		if i == 0 && (d.tier("plain.npy") != "ram" || d.tier("once.npy") != "ram") {
			t.Error("more has left than had to")
		}
	}
	must(t, os.Remove(d.path("buffers/new0.npy")), os.Remove(d.path("buffers/new1.npy")))
	set("idle.npy", "advice", "willneed")
	d.eventually("what will be needed is brought in", func() bool { return d.tier("idle.npy") == "ram" })
	d.eventually("that is counted", func() bool { return d.number("moves.prefetched") == 1 })
}

// A bit that flips on a disk is EIO for whoever needs it, which names the buffer and the place; it is counted, and is gone with the
// bytes.
func TestSpillBitFlips(t *testing.T) {
	flags, dirs := twoTiers(t)
	d := mount(t, flags...)
	data := small(1, 1448, 1448)
	for i := range 4 {
		d.put(fmt.Sprintf("a%d.npy", i), data)
	}
	var st syscall.Stat_t
	must(t, syscall.Stat(d.path("buffers/a0.npy"), &st))
	files, err := filepath.Glob(filepath.Join(dirs[0], "*", "data", fmt.Sprintf("%d-*", st.Ino)))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	const at = 5_000_000
	f, err := os.OpenFile(files[0], os.O_RDWR, 0)
	must(t, err)
	_, err = f.WriteAt([]byte{data[at] ^ 4}, at)
	must(t, err, f.Sync(), f.Close())
	for i, line := range []string{"sum a0.npy s.npy axis=0", "sum a0.npy s.npy axis=0 maxmem=1M"} { // brought in, and streamed
		wantErrno(t, line, d.try(line), syscall.EIO)
		text := d.read("errors")
		if want := fmt.Sprintf(`bytes %d to %d of "a0.npy"`, at&^(64<<10-1), at&^(64<<10-1)+64<<10); strings.Count(text, want) != i+1 {
			t.Errorf("there is no %q in\n%s", want, text)
		}
	}
	told := strings.TrimSpace(d.read("tiers/spill0/bad"))
	if told != "1" || d.field("metrics", `vgpu_tier_checked_chunks_total{result="bad",tier="spill0"}`) != told+".0" {
		t.Errorf("%s wrong chunks are counted, and in metrics\n%s", told, d.read("metrics"))
	}
	d.run("sum a1.npy s.npy axis=0")
	d.put("a0.npy", data)
	d.run("sum a0.npy s.npy axis=0")
	d.same("a0.npy", data)
}

// stat and metrics are one account; the trace has the moves, and what streamed jobs read and wrote, in rows beside the workers'.
func TestSpillAccount(t *testing.T) {
	flags, _ := twoTiers(t)
	d := mount(t, flags...)
	for i := range 6 {
		d.run(fmt.Sprintf("random a%d.npy:f32:1448x1448 seed=%d", i, i))
	}
	d.run("sum a0.npy s.npy axis=0", "gemm a1.npy a2.npy c.npy maxmem=6M")
	d.eventually("nothing moves", func() bool { return d.read("tiers/plan") == "" })
	keys := map[string]string{
		"moves.evictions": `moves_total{reason="eviction"}`, "moves.eager": `moves_total{reason="eager"}`, "moves.promotions": `moves_total{reason="promotion"}`,
		"moves.prefetched": `moves_total{reason="prefetch"}`, "moves.prefetch_hits": "prefetch_hits_total", "moves.stalls": "stalls_total",
		"moves.stalled": "stall_seconds_total", "moves.streamed": "streamed_jobs_total", "moves.queue": "moves_planned",
	}
	for _, tier := range d.tierNames() {
		for key, metric := range map[string]string{
			"size": "tier_size_bytes{%s}", "used": "tier_used_bytes{%s}", "buffers": "tier_buffers{%s}", "bytes_in": `tier_moved_bytes_total{direction="in",%s}`,
			"bytes_out": `tier_moved_bytes_total{direction="out",%s}`, "bytes_read": `tier_streamed_bytes_total{direction="read",%s}`,
			"bytes_written": `tier_streamed_bytes_total{direction="written",%s}`, "hits": `tier_hits_total{result="hit",%s}`, "misses": `tier_hits_total{result="miss",%s}`,
		} {
			keys["tier."+tier+"."+key] = fmt.Sprintf(metric, fmt.Sprintf("tier=%q", tier))
		}
	}
	for key, metric := range keys {
		a, aerr := strconv.ParseFloat(d.field("stat", key), 64)
		b, berr := strconv.ParseFloat(d.field("metrics", "vgpu_"+metric), 64)
		if aerr != nil || berr != nil || math.Abs(a-b) > 1e-6 {
			t.Errorf("%s is %v, %v, and %s is %v, %v", key, a, aerr, metric, b, berr)
		}
	}
	for _, key := range []string{"moves.evictions", "moves.promotions", "moves.stalls", "moves.streamed", "tier.ram.misses", "tier.spill0.bytes_in", "tier.spill1.bytes_in", "tier.ram.bytes_in"} {
		if d.number(key) == 0 {
			t.Errorf("%s is 0", key)
		}
	}
	if sec, err := strconv.ParseFloat(d.field("stat", "moves.stalled"), 64); err != nil || sec <= 0 {
		t.Errorf("jobs stalled for %v s, %v", sec, err)
	}
	d.traceHas("move", "evict ", "bring ")
	d.traceHas("io", "read ", "write ")
}

// traceHas demands events of a category whose names begin so, each with its bytes and tier.
func (d *dev) traceHas(cat string, names ...string) {
	d.t.Helper()
	var trace struct {
		TraceEvents []struct {
			Name, Cat, Ph string
			Dur           float64
			Args          struct {
				Bytes int64
				Tier  string
			}
		}
	}
	must(d.t, json.Unmarshal([]byte(d.read("trace")), &trace))
	for _, name := range names {
		n := 0
		for _, e := range trace.TraceEvents {
			if e.Cat != cat || !strings.HasPrefix(e.Name, name) {
				continue
			}
			if n++; e.Ph != "X" || e.Dur < 0 || e.Args.Bytes == 0 && cat == "io" || e.Args.Tier == "" {
				d.t.Errorf("%+v", e)
			}
		}
		if n == 0 {
			d.t.Errorf("there is no %q of %s in the trace", name, cat)
		}
	}
}
