package tests

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// script writes steps and follows them in a model.
type script struct {
	rng   *rand.Rand
	m     model
	held  []string
	steps []move
}

func newScript(seed uint64) []move {
	s := &script{rng: rand.New(rand.NewPCG(seed, 5)), m: model{}}
	s.add("mkdir queues/side", func(p *player) error { return os.Mkdir(p.path("queues/side"), 0o755) })
	s.add("mkdir buffers/dir", func(p *player) error { return os.Mkdir(p.buffer("dir"), 0o755) })
	kinds := []func(){s.put, s.put, s.command, s.command, s.command, s.command, s.patch, s.read, s.mapped, s.rename, s.remove, s.cut, s.advise, s.hold, s.refused}
	for len(s.steps) < soakSteps {
		kinds[s.rng.IntN(len(kinds))]()
		s.bound()
	}
	s.settle()
	for _, name := range s.m.names(func(*array) bool { return true }) {
		s.check(name)
	}
	return s.steps
}

func (s *script) add(text string, do func(p *player) error) {
	s.steps = append(s.steps, move{text, do})
}

func (s *script) settle() { s.add("settle", (*player).settle) }

// bound removes buffers until they take less than six times the small
// devices' memory.
func (s *script) bound() {
	for {
		total := 0
		for _, a := range s.m {
			total += len(a.v) * 4
		}
		if total < 140<<20 {
			return
		}
		s.remove()
	}
}

func (s *script) name() string {
	return fmt.Sprintf("%sb%d.npy", []string{"", "dir/"}[s.rng.IntN(2)], s.rng.IntN(8))
}

func anyArray(*array) bool     { return true }
func whole(a *array) bool      { return a.v != nil }
func smallArray(a *array) bool { return a.v != nil && len(a.v) <= 30000 }

// put writes a whole file.
func (s *script) put() {
	rows, cols := shape(s.rng)
	name, a := s.name(), randomArray(s.rng, rows, cols)
	if slices.Contains(s.held, name) {
		return
	}
	s.settle()
	s.m[name] = a
	data := a.bytes()
	s.add(fmt.Sprintf("write %s %v", name, a), func(p *player) error { return os.WriteFile(p.buffer(name), data, 0o644) })
}

// command writes one to a queue and does not wait.
func (s *script) command() {
	x, ok := s.m.pick(s.rng, whole)
	if !ok {
		return
	}
	o := operations[s.rng.IntN(len(operations))]
	y, ok := s.m.pick(s.rng, func(a *array) bool { return whole(a) && o.make(s.m[x], a) != nil })
	z := s.name()
	if !ok || z == x || z == y || slices.Contains(s.held, z) {
		return
	}
	out := o.make(s.m[x], s.m[y])
	for i, v := range out.v { // what a product makes is brought back into range by the next line
		out.v[i] = clip(v)
	}
	line := o.command(x, y, z) + "\nmap 'z = min(max(z, -8), 8)' z=" + z + "\n"
	queue := []string{"main", "side"}[s.rng.IntN(2)]
	s.m[z] = out
	s.add(fmt.Sprintf("%s: %s", queue, line), func(p *player) error { return p.write("queues/"+queue+"/ctl", line) })
}

// patch overwrites a part in place.
func (s *script) patch() {
	name, ok := s.m.pick(s.rng, whole)
	if !ok {
		return
	}
	a := s.m[name]
	lo := s.rng.IntN(len(a.v))
	part := randomArray(s.rng, 1, 1+s.rng.IntN(min(100000, len(a.v)-lo)))
	data := part.bytes()[part.header():]
	at := a.header() + int64(lo)*4
	s.m[name] = a.each(a.at)
	copy(s.m[name].v[lo:], part.v)
	s.settle()
	s.add(fmt.Sprintf("patch %s at %d, %d bytes", name, at, len(data)), func(p *player) error { return p.patch(name, data, at) })
}

func (p *player) patch(name string, data []byte, at int64) error {
	f := p.holds[name]
	if f == nil {
		var err error
		if f, err = os.OpenFile(p.buffer(name), os.O_RDWR, 0); err != nil {
			return err
		}
		defer f.Close()
	}
	_, err := f.WriteAt(data, at)
	return err
}

// check reads a file: it waits by itself for commands that write it.
func (s *script) check(name string) {
	want := s.m[name].bytes()
	s.add("read "+name, func(p *player) error {
		got, err := os.ReadFile(p.buffer(name))
		return compare(got, want, err)
	})
}

func (s *script) read() {
	if name, ok := s.m.pick(s.rng, anyArray); ok {
		s.check(name)
	}
}

func compare(got, want []byte, err error) error {
	if err != nil || bytes.Equal(got, want) {
		return err
	}
	if len(got) != len(want) {
		return fmt.Errorf("%d bytes, not %d", len(got), len(want))
	}
	for i := range got {
		if got[i] != want[i] {
			return fmt.Errorf("byte %d is %#x, not %#x", i, got[i], want[i])
		}
	}
	return nil
}

// mapped reads through a private mapping, which any mode of access has.
func (s *script) mapped() {
	name, ok := s.m.pick(s.rng, anyArray)
	if !ok || len(s.m[name].bytes()) == 0 {
		return
	}
	want := s.m[name].bytes()
	s.add("map "+name, func(p *player) error {
		f, err := os.Open(p.buffer(name))
		if err != nil {
			return err
		}
		defer f.Close()
		data, err := unix.Mmap(int(f.Fd()), 0, len(want), unix.PROT_READ, unix.MAP_PRIVATE)
		if err != nil {
			return err
		}
		return errors.Join(compare(data, want, nil), unix.Munmap(data))
	})
}

func (s *script) rename() {
	from, ok := s.m.pick(s.rng, anyArray)
	to := s.name()
	if !ok || from == to || slices.Contains(s.held, from) || slices.Contains(s.held, to) {
		return
	}
	s.settle()
	s.m[to] = s.m[from]
	delete(s.m, from)
	s.add("rename "+from+" "+to, func(p *player) error { return os.Rename(p.buffer(from), p.buffer(to)) })
}

func (s *script) remove() {
	name, ok := s.m.pick(s.rng, anyArray)
	if !ok || slices.Contains(s.held, name) {
		return
	}
	s.settle()
	delete(s.m, name)
	s.add("remove "+name, func(p *player) error { return os.Remove(p.buffer(name)) })
}

// cut truncates a file: it is no array any more.
func (s *script) cut() {
	name, ok := s.m.pick(s.rng, anyArray)
	if !ok || slices.Contains(s.held, name) {
		return
	}
	s.settle()
	data := s.m[name].bytes()
	data = data[:s.rng.IntN(len(data)+1)]
	s.m[name] = &array{raw: data}
	s.add(fmt.Sprintf("truncate %s to %d", name, len(data)), func(p *player) error { return os.Truncate(p.buffer(name), int64(len(data))) })
}

func (s *script) advise() {
	name, ok := s.m.pick(s.rng, anyArray)
	if !ok {
		return
	}
	advice := []string{"sequential", "willneed", "dontneed"}[s.rng.IntN(3)]
	s.add("advice "+advice+" "+name, func(p *player) error {
		return unix.Setxattr(p.buffer(name), "user.vgpu.advice", []byte(advice), 0)
	})
}

// hold keeps a small buffer open, or closes it.
func (s *script) hold() {
	name, ok := s.m.pick(s.rng, smallArray)
	if !ok {
		return
	}
	if i := slices.Index(s.held, name); i >= 0 {
		s.held = slices.Delete(s.held, i, i+1)
		s.add("close "+name, func(p *player) error {
			f := p.holds[name]
			delete(p.holds, name)
			return f.Close()
		})
		return
	}
	s.held = append(s.held, name)
	s.add("open "+name, func(p *player) (err error) {
		p.holds[name], err = os.OpenFile(p.buffer(name), os.O_RDWR, 0)
		return err
	})
}

// refused is a command that every device refuses alike, and that changes
// nothing.
func (s *script) refused() {
	name, ok := s.m.pick(s.rng, whole)
	if !ok {
		return
	}
	bad := []struct {
		line string
		want syscall.Errno
	}{
		{"gemm " + name + " nothing.npy z.npy", syscall.ENOENT},
		{"copy " + name, syscall.EINVAL},
		{"transpose " + name + " z.npy axes=" + strconv.Itoa(9+s.rng.IntN(9)), syscall.EINVAL},
	}[s.rng.IntN(3)]
	s.add("refused: "+bad.line, func(p *player) error {
		if err := p.try(bad.line); !errors.Is(err, bad.want) {
			return fmt.Errorf("%v, not %v", err, bad.want)
		}
		return nil
	})
}
