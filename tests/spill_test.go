package tests

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// spillWork are commands whose results do not depend on how much memory there
// is. Each operand is a square of f32; r are results.
var spillWork = []string{
	"gemm a0.npy a1.npy r0.npy", "map 'z = 2*x - y' x=a2.npy y=a3.npy z=r1.npy", "transpose a4.npy r2.npy",
	"gemm a5.npy a6.npy r0.npy beta=1", "sum a7.npy r3.npy axis=0", "copy 'a0.npy[::-1,1:]' r4.npy",
	"map 'z = x + 1' x=r1.npy z=r1.npy", "sort a2.npy r5.npy", "gemm r1.npy r2.npy r6.npy",
}

// A working set of four times the memory: copied in, read back, computed on, in
// both modes of access and by both backends, gives the same bits as on a device
// with room for all.
func TestSpillWorkingSet(t *testing.T) {
	const n = 1448 // 8 MiB each
	ins := map[string][]byte{}
	for i := range 8 {
		ins[fmt.Sprintf("a%d.npy", i)] = small(uint64(i), n, n)
	}
	roomy := mount(t)
	want := spillResults(roomy, ins)
	for _, flags := range [][]string{nil, {"--direct", "--io", "threads"}} {
		t.Run(strings.Join(flags, " "), func(t *testing.T) {
			d := mount(t, spillFlags(t, "32M", "512M", flags...)...)
			got := spillResults(d, ins)
			for name, data := range want {
				if !bytes.Equal(got[name], data) {
					t.Errorf("%s differs", name)
				}
			}
			for name, data := range ins {
				d.same(name, data)
			}
			if d.number("moves.evictions") == 0 || d.number("moves.promotions") == 0 || d.number("tier.spill0.bytes_in") == 0 {
				t.Error(d.read("stat"))
			}
			d.tiersAgree()
		})
	}
}

// spillResults copies inputs in and gives what the commands make of them.
func spillResults(d *dev, ins map[string][]byte) map[string][]byte {
	d.t.Helper()
	for name, data := range ins {
		d.put(name, data)
	}
	d.run(spillWork...)
	out := map[string][]byte{}
	for i := range 7 {
		name := fmt.Sprintf("r%d.npy", i)
		out[name] = d.bytes(name)
	}
	return out
}

// tiersAgree compares what stat, du, df and the tiers say, once nothing moves: the
// device may still be making room ahead.
func (d *dev) tiersAgree() {
	d.t.Helper()
	var wrong []string
	if !d.within(20*time.Second, func() bool { wrong = d.tierFaults(); return len(wrong) == 0 }) {
		d.t.Errorf("%s\n%s", strings.Join(wrong, "\n"), d.read("tiers/plan"))
	}
}

// tierFaults lists what does not agree at this moment.
func (d *dev) tierFaults() (wrong []string) {
	d.t.Helper()
	differ := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	list, err := os.ReadDir(d.path("buffers"))
	must(d.t, err)
	var blocks int64
	held := map[string]int64{} // buffers, by tier
	for _, e := range list {
		var st syscall.Stat_t
		must(d.t, syscall.Stat(d.path("buffers/"+e.Name()), &st))
		blocks += st.Blocks * 512
		home := d.tier(e.Name())
		held[home]++
		switch {
		case home == "ram" && st.Blocks*512 < st.Size:
			differ("%s is in memory, and %d of its %d bytes are", e.Name(), st.Blocks*512, st.Size)
		case home != "ram" && st.Blocks != 0:
			differ("%s is not in memory, and has %d blocks", e.Name(), st.Blocks)
		}
	}
	value := func(rel string) int64 {
		n, err := strconv.ParseInt(strings.TrimSpace(d.read(rel)), 10, 64)
		must(d.t, err)
		return n
	}
	tiers := d.tierNames()
	var sizes int64
	for _, name := range tiers {
		used, size := value("tiers/"+name+"/used"), value("tiers/"+name+"/size")
		sizes += size
		if got := value("tiers/" + name + "/buffers"); got != held[name] {
			differ("tiers/%s/buffers %d, and %d are there", name, got, held[name])
		}
		if used > size || d.number("tier."+name+".used") != used {
			differ("tiers/%s/used %d of %d, and stat has %d", name, used, size, d.number("tier."+name+".used"))
		}
	}
	if used := value("tiers/ram/used"); used < blocks || used > blocks+1<<20 {
		differ("tiers/ram/used %d, and the buffers have %d", used, blocks)
	}
	var fs syscall.Statfs_t
	must(d.t, syscall.Statfs(d.path("buffers"), &fs))
	if total := int64(fs.Blocks) * fs.Bsize; total > sizes || total < sizes-sizes/16 {
		differ("df says %d, the tiers %d", total, sizes)
	}
	return wrong
}

// tierNames are the names of the tiers, memory first.
func (d *dev) tierNames() []string {
	d.t.Helper()
	list, err := os.ReadDir(d.path("tiers"))
	must(d.t, err)
	var names []string
	for _, e := range list {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names
}

// Buffers larger than memory: a file grows past it while it is copied in, is
// read in place, and is computed on, streamed or by parts.
func TestSpillLargerThanMemory(t *testing.T) {
	inModes(t, func(t *testing.T, d *dev) {
		big := small(1, 24<<20/4/1024*4, 1024) // 96 MiB
		d.put("big.npy", big)
		if d.tier("big.npy") != "spill0" {
			t.Errorf("it is in %s", d.tier("big.npy"))
		}
		d.same("big.npy", big)
		d.run("copy 'big.npy[1000:1010,::2]' part.npy", "copy 'big.npy[1000:1010,::2]' 'big.npy[0:10,0:512]'")
		part := d.bytes("part.npy")
		head := bytes.Index(big, []byte("\n")) + 1
		for r := range 10 {
			row := part[len(part)-(10-r)*512*4:][:512*4]
			copy(big[head+r*4096:], row)
		}
		d.same("big.npy", big)
		wantErrno(t, "sorting what does not fit along with its copy", d.try("sort big.npy sorted.npy maxmem=1K"), syscall.ENOMEM)
		if e := d.read("errors"); !strings.Contains(e, "maxmem") && !strings.Contains(e, "cannot fit") {
			t.Error(e)
		}
		must(t, os.Truncate(d.path("buffers/big.npy"), 100))
		d.same("big.npy", big[:100])
	}, spillFlags(t, "32M", "512M")...)
}

// A buffer on a tier is appended to, renamed, linked, unlinked while open and
// mapped like any other.
func TestSpillFiles(t *testing.T) {
	inModes(t, func(t *testing.T, d *dev) {
		data := small(3, 3000, 1000) // 12 MiB
		for i := range 4 {
			d.put(fmt.Sprintf("f%d", i), data)
		}
		if d.tier("f0") != "spill0" {
			t.Fatalf("f0 is in %s", d.tier("f0"))
		}
		must(t, os.Rename(d.path("buffers/f0"), d.path("buffers/g")), os.Link(d.path("buffers/g"), d.path("buffers/h")))
		f, err := os.OpenFile(d.path("buffers/h"), os.O_RDWR|os.O_APPEND, 0)
		must(t, err)
		_, err = f.WriteString("more")
		must(t, err)
		data = append(data, "more"...)
		d.same("g", data)
		must(t, os.Remove(d.path("buffers/g")), os.Remove(d.path("buffers/h")))
		got := make([]byte, 5)
		if _, err := f.ReadAt(got, int64(len(data)-5)); err != nil || !bytes.Equal(got, data[len(data)-5:]) {
			t.Errorf("%q %v", got, err)
		}
		must(t, f.Close())
		output(t, "cp", "-a", d.path("buffers/f1"), d.path("buffers/copy"))
		d.same("copy", data[:len(data)-4])
		wantErrno(t, "setting the tier", syscall.Setxattr(d.path("buffers/f1"), "user.vgpu.tier", []byte("ram"), 0), syscall.EPERM)
		wantErrno(t, "an advice that there is not", syscall.Setxattr(d.path("buffers/f1"), "user.vgpu.advice", []byte("x"), 0), syscall.EINVAL)
		must(t, syscall.Setxattr(d.path("buffers/f1"), "user.vgpu.pin", nil, 0))
		d.eventually("the space of what is unlinked is given back", func() bool { return d.field("stat", "buffers") == "4" })
		d.tiersAgree()
	}, spillFlags(t, "32M", "512M")...)
}

// Several clients with three times the memory.
func TestSpillClients(t *testing.T) {
	d := mount(t, spillFlags(t, "32M", "512M")...)
	const clients, n = 4, 1000 // 4 MB a buffer, 6 a client
	var wg sync.WaitGroup
	for c := range clients {
		wg.Go(func() {
			name := func(i int) string { return fmt.Sprintf("c%d-%d.npy", c, i) }
			for i := range 3 {
				if err := d.try(fmt.Sprintf("fill %s shape=%dx%d value=%d", name(i), n, n, c+i)); err != nil {
					t.Error(err)
				}
			}
			for i := range 12 {
				line := fmt.Sprintf("map 'z = x + y' x=%s y=%s z=%s", name(i%3), name((i+1)%3), name(3+i%3))
				if err := d.try(line); err != nil {
					t.Errorf("%s: %v", line, err)
				}
			}
		})
	}
	wg.Wait()
	for c := range clients {
		for i := range 3 {
			want := fmt.Sprint(c + i + c + (i+1)%3)
			if got := d.ask(fmt.Sprintf("max c%d-%d.npy", c, 3+i)); !strings.HasPrefix(got, want) {
				t.Errorf("client %d: %s, want %s", c, got, want)
			}
		}
	}
	d.tiersAgree()
}

// A disk that is full is ENOSPC, to writers and to commands, and nothing else
// is harmed.
func TestSpillDiskFull(t *testing.T) {
	d := mount(t, spillFlags(t, "32M", "32M")...)
	data := small(5, 2000, 1000)
	d.put("a.npy", data)
	err := os.WriteFile(d.path("buffers/huge"), make([]byte, 100<<20), 0o644)
	wantErrno(t, "writing more than there is", err, syscall.ENOSPC)
	wantErrno(t, "a command that makes more than there is", d.try("fill b.npy shape=10000x1000 value=1"), syscall.ENOSPC)
	d.same("a.npy", data)
	must(t, os.Remove(d.path("buffers/huge")))
	d.run("map 'z = x * 2' x=a.npy z=b.npy", "map 'z = z * 0.5' z=b.npy")
	d.tiersAgree()
}

// The daemon is killed while buffers move: a new mount has each as it was, or
// bad if a job was to write it.
func TestSpillKilled(t *testing.T) {
	rounds := 4
	if testing.Short() {
		rounds = 2
	}
	d := mount(t, spillFlags(t, "32M", "512M")...)
	ins := map[string][]byte{}
	for i := range 6 {
		name := fmt.Sprintf("a%d.npy", i)
		ins[name] = small(uint64(i), 1448, 1448)
		d.put(name, ins[name])
	}
	var told strings.Builder
	for round := range rounds {
		load := d.client("sh", "-c", `i=0; while :; do i=$((i+1)); printf "map 'z = x + y' x=a%d.npy y=a%d.npy z=r%d.npy\n" $((i%6)) $(((i*5+1)%6)) $((i%4)) >> queues/main/ctl || exit 1; done`)
		target := d.done() + 2*round + 1 // a moment that no clock chooses
		d.eventually("there is a load", func() bool { return d.done() >= target })
		d.kill()
		load.kill()
		d.restart()
		told.WriteString(d.read("errors"))
		for name, data := range ins {
			d.same(name, data)
		}
		for i := range 4 {
			name := fmt.Sprintf("r%d.npy", i)
			_, err := os.ReadFile(d.path("buffers/" + name))
			switch {
			case err == nil, errors.Is(err, syscall.ENOENT):
			case !errors.Is(err, syscall.EIO), !strings.Contains(told.String(), name+": job"):
				t.Errorf("%s: %v, and the errors are\n%s", name, err, told.String())
			}
		}
		d.run("map 'z = x + y' x=a0.npy y=a1.npy z=again.npy")
		d.tiersAgree()
	}
}

// With --persist a clean stop writes everything back, and a daemon with a new
// state finds it; without, the disk is left empty.
func TestSpillPersist(t *testing.T) {
	flags := spillFlags(t, "32M", "512M")
	spill, _, _ := strings.Cut(flags[3], ":")
	d := mount(t, append(flags, "--persist")...)
	want := map[string][]byte{}
	for i := range 6 {
		name := fmt.Sprintf("a%d.npy", i)
		want[name] = small(uint64(i), 1000, 1000)
		d.put(name, want[name])
	}
	must(t, os.Mkdir(d.path("buffers/dir"), 0o750), os.WriteFile(d.path("buffers/dir/text"), []byte("text"), 0o640), os.Symlink("dir/text", d.path("buffers/link")))
	want["dir/text"], want["link"] = []byte("text"), []byte("text")
	d.terminate()
	must(t, os.RemoveAll(d.state)) // as a reboot does
	d.restart()
	for name, data := range want {
		d.same(name, data)
	}
	st, err := os.Stat(d.path("buffers/dir/text"))
	if err != nil || st.Mode() != 0o640 {
		t.Errorf("%v %v", st, err)
	}
	d.run("sum a0.npy s.npy")
	d.flags = flags
	d.terminate()
	d.restart() // not asked to persist: what was saved has been taken back into memory
	d.terminate()
	var left []string
	must(t, filepath.WalkDir(spill, func(path string, e os.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() && strings.Contains(path, "/data/") {
			left = append(left, path)
		}
		return err
	}))
	if len(left) > 0 {
		t.Errorf("left on the disk: %v", left)
	}
}

// What cannot be a spill tier is refused with the reason.
func TestSpillRefused(t *testing.T) {
	top := diskDir(t)
	for _, tt := range []struct {
		flags  []string
		status int
		want   string
	}{
		{[]string{"--spill", filepath.Join(top, "m", "inside")}, 64, "inside the mount point"},
		{[]string{"--spill", "/dev/shm"}, 69, "in memory itself"},
		{[]string{"--spill", top + ":1Q"}, 64, "1Q"},
		{[]string{"--spill", ":1G"}, 64, "directory"},
		{[]string{"--spill", top + ":0"}, 64, "size of 0"},
		{[]string{"--persist"}, 64, "--spill"},
		{[]string{"--io", "uring"}, 64, "--spill"},
		{[]string{"--spill", top, "--io", "aio"}, 64, "uring or threads"},
		{[]string{"-o", "spill=:1G"}, 64, "directory"},
	} {
		args := append([]string{"mount", "--mem", "16M", "--state", filepath.Join(top, "state")}, tt.flags...)
		out, err := exec.Command(binary, append(args, filepath.Join(top, "m"))...).CombinedOutput()
		if code := exitCode(err); code != tt.status || !strings.Contains(string(out), tt.want) {
			t.Errorf("%v: status %d, %s, want %d and %q", tt.flags, code, out, tt.status, tt.want)
		}
	}
}
