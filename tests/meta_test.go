package tests

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// stream is a random list of commands over a few buffers, all of which are
// accepted on an empty device. exact leaves out those whose bits an
// instruction set may change.
func stream(rng *rand.Rand, n int, exact bool) []string {
	shapes := []string{"60x70", "4200", "7x600", "64x65"}
	var lines, names []string
	shape := map[string]string{}
	add := func(name, sh, format string, args ...any) {
		lines = append(lines, fmt.Sprintf(format, args...))
		if shape[name] == "" {
			names = append(names, name)
		}
		shape[name] = sh
	}
	for i, sh := range shapes {
		add(fmt.Sprintf("r%d.npy", i), sh, "random r%d.npy shape=%s dist=uniform seed=%d dtype=%s", i, sh, rng.IntN(99), []string{"f32", "f64"}[i%2])
	}
	for i := range n {
		x := names[rng.IntN(len(names))]
		y := fmt.Sprintf("b%d.npy", rng.IntN(6))
		if y == x || shape[x] == "" {
			y = fmt.Sprintf("n%d.npy", i)
		}
		ops := []func(){
			func() { add(y, shape[x], "copy %s %s", x, y) },
			func() { add(y, shape[x], "cast %s %s dtype=f64", x, y) },
			func() { add(y, shape[x], "sort %s %s", x, y) },
			func() { add(y, "", "argsort %s %s", x, y) },
			func() { add(y, shape[x], "flip %s %s", x, y) },
			func() { add(y, shape[x], "roll %s %s shift=%d", x, y, rng.IntN(9)) },
			func() { add(y, "", "transpose %s %s", x, y) },
		}
		if !exact {
			ops = append(ops,
				func() { add(y, shape[x], "map \"z = exp(-x*x) + sin(3*x)\" x=%s z=%s", x, y) },
				func() { add(y, shape[x], "cumsum %s %s axis=0", x, y) },
				func() { add(y, shape[x], "softmax %s %s", x, y) },
				func() { add(y, "", "sum %s %s axis=0", x, y) },
				func() { add(y, "", "var %s %s", x, y) },
				func() { add(y, "", "gemm %s %s %s tb=t", "r0.npy", "r0.npy", y) },
			)
		}
		ops[rng.IntN(len(ops))]()
		if shape[y] == "" { // of another shape from now on, and not used again
			names = slices.DeleteFunc(names, func(s string) bool { return s == y })
			delete(shape, y)
		}
	}
	return lines
}

// digest is the names and bytes of all buffers.
func digest(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	list, err := os.ReadDir(dir)
	must(t, err)
	for _, e := range list {
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		must(t, err)
		fmt.Fprintf(&b, "%s %d %x\n", e.Name(), len(data), sha256.Sum256(data))
	}
	return b.String()
}

// onMount runs lines through a mount, over several queues, and gives the digest.
func onMount(t *testing.T, lines []string, flags ...string) string {
	d := mount(t, flags...)
	for i := range 3 {
		must(t, os.Mkdir(d.path(fmt.Sprintf("queues/q%d", i)), 0o755))
	}
	for i := 0; i < len(lines); i += 5 {
		text := strings.Join(lines[i:min(i+5, len(lines))], "\n") + "\n"
		if err := d.write(fmt.Sprintf("queues/q%d/ctl", i/5%3), text); err != nil {
			t.Fatalf("%s: %v\n%s", text, err, d.read("errors"))
		}
	}
	for i := range 3 {
		if text, err := os.ReadFile(d.path(fmt.Sprintf("queues/q%d/wait", i))); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
	}
	return digest(t, d.path("buffers"))
}

// byRun runs them with `vgpu run` on plain files.
func byRun(t *testing.T, lines []string, flags ...string) string {
	dir := t.TempDir()
	cmd := exec.Command(binary, append(append([]string{"run", "-C", dir}, flags...), "-f", "-")...)
	cmd.Stdin = strings.NewReader(strings.Join(lines, "\n") + "\n")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	return digest(t, dir)
}

// The same commands on the same input give the same bits however they are run.
func TestSameBits(t *testing.T) {
	for seed := range uint64(2) {
		rng := rand.New(rand.NewPCG(seed, 99))
		lines := stream(rng, 60, false)
		want := byRun(t, lines)
		if n := strings.Count(want, "\n"); n < 10 {
			t.Fatalf("only %d buffers", n)
		}
		for name, got := range map[string]string{
			"run, 1 thread": byRun(t, lines, "--threads", "1"),
			"run, 5":        byRun(t, lines, "--threads", "5"),
			"passthrough":   onMount(t, lines),
			"direct, 1":     onMount(t, lines, "--direct", "--threads", "1"),
			"passthrough,3": onMount(t, lines, "--threads", "3"),
		} {
			if got != want {
				t.Errorf("seed %d, %s:\n%s\nby run:\n%s\n%s", seed, name, got, want, strings.Join(lines, "\n"))
			}
		}
	}
}

// What only moves and compares numbers has the same bits on every ISA.
func TestSameBitsOnEveryISA(t *testing.T) {
	lines := stream(rand.New(rand.NewPCG(7, 99)), 60, true)
	want := byRun(t, lines, "--isa", "generic")
	best := output(t, binary, "info", "--json")
	for _, isa := range []string{"avx2", "avx512"} {
		cmd := exec.Command(binary, "run", "--isa", isa, "nop")
		if out, err := cmd.CombinedOutput(); err != nil {
			if exitCode(err) != 69 {
				t.Errorf("--isa %s: %v %s", isa, err, out)
			}
			t.Logf("%s is not of this machine: %.80s", isa, best)
			continue
		}
		if got := byRun(t, lines, "--isa", isa); got != want {
			t.Errorf("%s:\n%s\ngeneric:\n%s\n%s", isa, got, want, strings.Join(lines, "\n"))
		}
	}
}
