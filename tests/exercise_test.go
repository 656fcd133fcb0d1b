package tests

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

const (
	exerciseFiles = 3
	exerciseSize  = 1 << 20 // of a file, at most
	exerciseSteps = 500     // on all files
)

// Reading, writing, mapping, cutting short, lengthening, punching holes, copying
// and opening anew, at random and on a few buffers at once as fsx does (Apple
// 1988, xfstests since), while commands between them take the memory: each byte is
// what a slice in memory says.
func TestExerciseSpilled(t *testing.T) {
	inModes(t, func(t *testing.T, d *dev) {
		for seed := range uint64(2) {
			x := newExerciser(d, seed)
			for n := range exerciseSteps {
				if op, err := x.step(); err != nil {
					t.Fatalf("seed %d, step %d, %s: %v\n%s", seed, n, op, err, d.read("errors"))
				}
			}
			x.finish()
		}
	}, spillFlags(t, "24M", "512M")...)
}

// exerciser is a client that works on a few buffers and knows what they hold.
type exerciser struct {
	d     *dev
	rng   *rand.Rand
	mmaps bool // shared writable mappings are passthrough's alone
	files []*exercised
	left  int // how often one was outside memory
}

// exercised is a buffer, its bytes, and the handle that is open, if one is: one
// that is open for writing stays where it is.
type exercised struct {
	path string
	want []byte
	f    *os.File
}

func newExerciser(d *dev, seed uint64) *exerciser {
	d.t.Helper()
	x := &exerciser{d: d, rng: rand.New(rand.NewPCG(seed, 9)), mmaps: d.field("info", "passthrough") == "yes"}
	for i := range exerciseFiles {
		name := fmt.Sprintf("ex%d", i)
		d.put(name, nil)
		x.files = append(x.files, &exercised{path: d.path("buffers/" + name)})
	}
	return x
}

// handle is the one that is open, or a new one.
func (e *exercised) handle() (int, error) {
	if e.f == nil {
		f, err := os.OpenFile(e.path, os.O_RDWR, 0)
		if err != nil {
			return -1, err
		}
		e.f = f
	}
	return int(e.f.Fd()), nil
}

func (e *exercised) close() error {
	if e.f == nil {
		return nil
	}
	err := e.f.Close()
	e.f = nil
	return err
}

// resize does to the bytes what ftruncate does to the file.
func (e *exercised) resize(n int) {
	if n <= len(e.want) {
		e.want = e.want[:n:n]
		return
	}
	e.want = append(e.want, make([]byte, n-len(e.want))...)
}

// span is a range that begins in the file or at its end, and within limit bytes.
func (x *exerciser) span(e *exercised, limit int) (off, n int) {
	off = x.rng.IntN(min(len(e.want), limit-1) + 1)
	return off, 1 + x.rng.IntN(min(limit-off, 1<<x.rng.IntN(18)))
}

// noise is n bytes to write.
func (x *exerciser) noise(n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(x.rng.Uint32())
	}
	return p
}

// doing is something to do to a buffer.
type doing struct {
	name string
	do   func(*exercised) (detail string, err error)
}

// looks change nothing.
func (x *exerciser) looks() []doing {
	return []doing{{"read", x.read}, {"mapread", x.mapRead}, {"sum", x.sum}, {"whole", x.whole}, {"close", x.reopen}}
}

func (x *exerciser) changes() []doing {
	return []doing{{"write", x.write}, {"write", x.write}, {"mapwrite", x.mapWrite}, {"truncate", x.truncate}, {"fallocate", x.fallocate},
		{"punch", x.punch}, {"copy", x.copyRange}, {"fsync", x.sync}}
}

// step does one thing to one buffer, or has those that are not open leave.
func (x *exerciser) step() (string, error) {
	if x.rng.IntN(12) == 0 {
		return x.press()
	}
	return x.one(slices.Concat(x.looks(), x.changes()))
}

func (x *exerciser) one(kinds []doing) (string, error) {
	e, k := x.files[x.rng.IntN(len(x.files))], kinds[x.rng.IntN(len(kinds))]
	detail, err := k.do(e)
	return fmt.Sprintf("%s %s of %d bytes%s", k.name, e.path, len(e.want), detail), err
}

// pressSize is what fits into memory of 24 MiB beside the rooms for moving, and
// not much else with it.
const pressSize = 21 << 20

// press has a command want the memory, and looks at buffers meanwhile. (A client
// that made one longer, through the kernel alone, could be told that memory is
// full: a file that is open for writing stays where it is.)
func (x *exerciser) press() (op string, err error) {
	for _, e := range x.files {
		if x.rng.IntN(3) > 0 {
			if err := e.close(); err != nil {
				return "close", err
			}
		}
	}
	x.d.queue(fmt.Sprintf("random press.npy:f32:%d", pressSize/4))
	for range x.rng.IntN(6) {
		if op, err = x.one(x.looks()); err != nil {
			return op, err
		}
	}
	if _, err := os.ReadFile(x.d.path("queues/main/wait")); err != nil {
		return "press", err
	}
	for _, e := range x.files {
		if x.d.tier(filepath.Base(e.path)) == "spill0" {
			x.left++
		}
	}
	return "press", os.Remove(x.d.path("buffers/press.npy"))
}

func (x *exerciser) read(e *exercised) (string, error) {
	fd, err := e.handle()
	off, n := x.span(e, exerciseSize)
	if err != nil {
		return "", err
	}
	got := make([]byte, n)
	n, err = unix.Pread(fd, got, int64(off))
	if err != nil {
		return "", err
	}
	return at(off, len(got)), compare(got[:n], e.want[off:min(off+len(got), len(e.want))], nil)
}

func at(off, n int) string { return fmt.Sprintf(" at %d, %d bytes", off, n) }

func (x *exerciser) write(e *exercised) (string, error) {
	off, n := x.span(e, exerciseSize)
	data := x.noise(n)
	fd, err := e.handle()
	if err != nil {
		return "", err
	}
	if done, err := unix.Pwrite(fd, data, int64(off)); err != nil || done != n {
		return at(off, n), fmt.Errorf("%d bytes are written: %w", done, err)
	}
	e.resize(max(len(e.want), off+n))
	copy(e.want[off:], data)
	return at(off, n), nil
}

// mapped maps the whole file, and gives f a range of it.
func (x *exerciser) mapped(e *exercised, prot, flags int, f func(p, want []byte)) (string, error) {
	if len(e.want) == 0 {
		return "", nil
	}
	off, n := x.span(e, len(e.want)+1)
	n = min(n, len(e.want)-off)
	fd, err := e.handle()
	if err != nil {
		return "", err
	}
	p, err := unix.Mmap(fd, 0, len(e.want), prot, flags)
	if err != nil {
		return "", err
	}
	f(p[off:off+n], e.want[off:off+n])
	return at(off, n), unix.Munmap(p)
}

func (x *exerciser) mapRead(e *exercised) (op string, err error) {
	op, bad := x.mapped(e, unix.PROT_READ, unix.MAP_PRIVATE, func(p, want []byte) { err = compare(p, want, nil) })
	return op, errors.Join(err, bad)
}

func (x *exerciser) mapWrite(e *exercised) (string, error) {
	if !x.mmaps {
		return "", nil
	}
	return x.mapped(e, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED, func(p, want []byte) {
		copy(want, x.noise(len(p)))
		copy(p, want)
	})
}

func (x *exerciser) truncate(e *exercised) (string, error) {
	n := x.rng.IntN(exerciseSize)
	fd, err := e.handle()
	if err == nil {
		err = unix.Ftruncate(fd, int64(n))
	}
	e.resize(n)
	return at(0, n), err
}

func (x *exerciser) fallocate(e *exercised) (string, error) {
	off, n := x.span(e, exerciseSize)
	mode := uint32(x.rng.IntN(2)) * unix.FALLOC_FL_KEEP_SIZE
	fd, err := e.handle()
	if err == nil {
		err = unix.Fallocate(fd, mode, int64(off), int64(n))
	}
	if mode == 0 {
		e.resize(max(len(e.want), off+n))
	}
	return at(off, n), err
}

func (x *exerciser) punch(e *exercised) (string, error) {
	off, n := x.span(e, exerciseSize)
	fd, err := e.handle()
	if err == nil {
		err = unix.Fallocate(fd, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, int64(off), int64(n))
	}
	clear(e.want[min(off, len(e.want)):min(off+n, len(e.want))])
	return at(off, n), err
}

// copyRange copies from one buffer to another, as far as the kernel does at once.
func (x *exerciser) copyRange(from *exercised) (string, error) {
	to := x.files[x.rng.IntN(len(x.files))]
	if to == from {
		return "", nil
	}
	src, n := x.span(from, exerciseSize)
	dst, _ := x.span(to, exerciseSize)
	n = min(n, len(from.want)-src, exerciseSize-dst)
	in, err := from.handle()
	if err != nil || n <= 0 {
		return "", err
	}
	out, err := to.handle()
	if err != nil {
		return "", err
	}
	a, b := int64(src), int64(dst)
	done, err := unix.CopyFileRange(in, &a, out, &b, n, 0)
	op := fmt.Sprintf("%s to %s at %d", at(src, n), to.path, dst)
	if err != nil || done == 0 {
		return op, fmt.Errorf("%d bytes are copied: %w", done, err)
	}
	to.resize(max(len(to.want), dst+done))
	copy(to.want[dst:], from.want[src:src+done])
	return op, nil
}

func (x *exerciser) sync(e *exercised) (string, error) {
	fd, err := e.handle()
	if err == nil {
		err = unix.Fsync(fd)
	}
	return "", err
}

// reopen closes a buffer, which can leave memory then. The next step opens it.
func (x *exerciser) reopen(e *exercised) (string, error) { return "", e.close() }

// sum has a command read it, for which it is brought back, or read where it is.
func (x *exerciser) sum(e *exercised) (string, error) {
	if len(e.want) == 0 {
		return "", nil
	}
	var want uint64
	for _, b := range e.want {
		want += uint64(b)
	}
	got := x.d.ask("sum " + filepath.Base(e.path) + ":u8")
	if got != strconv.FormatUint(want, 10) {
		return "", fmt.Errorf("%s, not %d", got, want)
	}
	return "", nil
}

// whole reads all of it through a handle of its own.
func (x *exerciser) whole(e *exercised) (string, error) {
	got, err := os.ReadFile(e.path)
	return "", compare(got, e.want, err)
}

// finish compares the buffers once more and removes them.
func (x *exerciser) finish() {
	x.d.t.Helper()
	if x.left == 0 {
		x.d.t.Errorf("no buffer ever left memory:\n%s", x.d.read("stat"))
	}
	for _, e := range x.files {
		must(x.d.t, e.close())
		_, err := x.whole(e)
		must(x.d.t, err, os.Remove(e.path))
	}
}
