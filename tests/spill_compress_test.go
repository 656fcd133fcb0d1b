package tests

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// compressed are the flags of a device of 32 MiB and a tier that compresses, and the tier's directory.
func compressed(t *testing.T, more ...string) (flags []string, dir string) {
	flags = spillFlags(t, "32M", "512M:zstd", more...)
	dir, _, _ = strings.Cut(flags[3], ":")
	return flags, dir
}

// packedFiles are the compressed files of a tier.
func packedFiles(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*", "data", "*.z"))
	must(t, err)
	return files
}

// fillUp makes buffers of 8 MiB, with which those before them find no room in memory.
func (d *dev) fillUp() {
	d.t.Helper()
	for i := range 4 {
		d.put(fmt.Sprintf("fill%d.npy", i), small(uint64(90+i), 1448, 1448))
	}
}

// ratio is how much smaller compression has made what is on the tier.
func (d *dev) ratio() float64 {
	d.t.Helper()
	r, err := strconv.ParseFloat(strings.TrimSpace(d.read("tiers/spill0/ratio")), 64)
	must(d.t, err)
	return r
}

// What is evicted to a tier that compresses takes less of the disk, reads and computes to the same bits, brought in or streamed, and is written
// as anything else, in both modes of access.
func TestSpillCompressed(t *testing.T) {
	for _, more := range [][]string{nil, {"--direct", "--io", "threads"}} {
		t.Run(strings.Join(more, " "), func(t *testing.T) {
			flags, dir := compressed(t, more...)
			roomy, d := mount(t), mount(t, flags...)
			a, b := small(1, 1448, 1448), small(2, 1448, 1448)
			roomy.put("a.npy", a)
			roomy.put("b.npy", b)
			d.put("a.npy", a)
			d.put("b.npy", b)
			d.fillUp()
			if len(packedFiles(t, dir)) == 0 || d.ratio() < 4 || d.read("tiers/spill0/compression") != "zstd\n" {
				t.Errorf("ratio %s %v\n%s", d.read("tiers/spill0/ratio"), packedFiles(t, dir), d.read("stat"))
			}
			if used, logical := d.number("tier.spill0.used"), d.number("tier.spill0.logical"); used >= logical {
				t.Errorf("%d bytes of %d", used, logical)
			}
			for _, key := range []string{"tier_logical_bytes", "tier_compression_ratio"} {
				if n, err := strconv.ParseFloat(d.field("metrics", "vgpu_"+key+`{tier="spill0"}`), 64); err != nil || n < 4 {
					t.Errorf("%s is %v, %v", key, n, err)
				}
			}
			onDisk(t, d, dir)
			roomy.run("sum a.npy s.npy axis=0", "gemm a.npy b.npy c.npy", "transpose b.npy e.npy")
			d.run("sum a.npy s.npy axis=0 maxmem=1M", "gemm a.npy b.npy c.npy maxmem=6M", "transpose b.npy e.npy maxmem=4M")
			if d.number("moves.streamed") == 0 {
				t.Error("none was streamed")
			}
			for _, name := range []string{"s.npy", "c.npy", "e.npy"} {
				d.same(name, roomy.bytes(name))
			}
			d.run("gemm a.npy b.npy c.npy")
			d.same("c.npy", roomy.bytes("c.npy"))
			d.same("a.npy", a)
			d.same("b.npy", b)
			d.tiersAgree()
		})
	}
}

// onDisk compares what the files of a tier take with what it says.
func onDisk(t *testing.T, d *dev, dir string) {
	t.Helper()
	list, err := os.ReadDir(d.path("tiers/spill0"))
	must(t, err)
	var names []string
	for _, e := range list {
		names = append(names, e.Name())
	}
	const want = "backend bad buffers bytes_in bytes_out bytes_read bytes_written compression direct free hits misses moves note path policy ratio size state used verified"
	if got := strings.Join(names, " "); got != want {
		t.Errorf("tiers/spill0 has %s", got)
	}
	agree := func() bool {
		used, err := strconv.ParseInt(strings.TrimSpace(d.read("tiers/spill0/used")), 10, 64)
		must(t, err)
		var blocks int64
		files, err := filepath.Glob(filepath.Join(dir, "*", "*", "*"))
		must(t, err)
		for _, name := range files {
			var st syscall.Stat_t
			if err := syscall.Lstat(name, &st); err == nil && st.Mode&syscall.S_IFMT == syscall.S_IFREG {
				blocks += st.Blocks * 512
			}
		}
		return used == blocks
	}
	d.eventually("the tier and its files agree", agree)
}

// Clients open what is compressed to read, to write, to append, to cut and to map it, and never see that it was.
func TestSpillCompressedClients(t *testing.T) {
	flags, _ := compressed(t)
	inModes(t, func(t *testing.T, d *dev) {
		data := small(3, 1448, 1448)
		names := []string{"r", "w", "app", "cut", "over"}
		for _, name := range names {
			d.put(name, data)
		}
		d.fillUp()
		if d.ratio() < 4 {
			t.Errorf("ratio %v", d.ratio())
		}
		d.same("r", data)
		f, err := os.OpenFile(d.path("buffers/w"), os.O_RDWR, 0)
		must(t, err)
		_, err = f.WriteAt([]byte("hello"), 300_000)
		must(t, err, f.Close())
		written := bytes.Clone(data)
		copy(written[300_000:], "hello")
		d.same("w", written)
		f, err = os.OpenFile(d.path("buffers/app"), os.O_WRONLY|os.O_APPEND, 0)
		must(t, err)
		_, err = f.WriteString("tail")
		must(t, err, f.Close())
		d.same("app", append(bytes.Clone(data), "tail"...))
		must(t, os.Truncate(d.path("buffers/cut"), 500_001))
		d.same("cut", data[:500_001])
		d.put("over", []byte("new"))
		d.same("over", []byte("new"))
		output(t, "cp", d.path("buffers/r"), d.path("buffers/copy"))
		d.same("copy", data)
		d.tiersAgree()
	}, flags...)
}

// A daemon that is killed while it compresses and decompresses loses nothing, and with --persist a clean stop is found after a reboot.
func TestSpillCompressedSurvives(t *testing.T) {
	flags, dir := compressed(t, "--persist")
	d := mount(t, flags...)
	ins := map[string][]byte{}
	for i := range 6 {
		name := fmt.Sprintf("a%d.npy", i)
		ins[name] = small(uint64(i), 1448, 1448)
		d.put(name, ins[name])
	}
	for round := range 2 {
		load := d.client("sh", "-c", `i=0; while :; do i=$((i+1)); printf "map 'z = x + y' x=a%d.npy y=a%d.npy z=r.npy\n" $((i%6)) $(((i*5+1)%6)) >> queues/main/ctl || exit 1; done`)
		target := d.done() + 3*round + 2 // a moment that no clock chooses
		d.eventually("there is a load", func() bool { return d.done() >= target })
		d.kill()
		load.kill()
		d.restart()
		for name, data := range ins {
			d.same(name, data)
		}
	}
	d.run("map 'z = x + y' x=a0.npy y=a1.npy z=r.npy")
	ins["r.npy"] = d.bytes("r.npy")
	d.terminate()
	if n := len(packedFiles(t, dir)); n == 0 {
		t.Error("nothing that was saved is compressed")
	}
	must(t, os.RemoveAll(d.state)) // as a reboot does
	d.restart()
	for name, data := range ins {
		d.same(name, data)
	}
	d.tiersAgree()
}
