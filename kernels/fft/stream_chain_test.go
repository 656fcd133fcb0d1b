package fft

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"vgpu/kernels"
	"vgpu/kernels/kerneltest"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/stream"
)

// TestChainPlan: a chain takes the memory of the phase that takes most, the temporary
// space of all its arrays and of the phase that is lent most, and moves what all move,
// those of each line as often as there are lines.
func TestChainPlan(t *testing.T) {
	l := ndarray.NewLayout(ndarray.F32, 6, 5)
	c := newChain(1000, l, l)
	c.temp(ndarray.F64, 10)
	c.temp(ndarray.C64, 3, 3)
	nothing := func(*kernels.Exec, []kernels.Stored) error { return nil }
	for _, plan := range []kernels.Streamed{
		{Mem: 300, Temp: 70, Moved: 10, Explain: []kernels.Entry{{Term: "pass1", Text: "a"}, {Term: "parts", Text: "no pass"}}},
		{Mem: 700, Temp: 0, Moved: 100, Explain: []kernels.Entry{{Term: "pass1", Text: "b"}, {Term: "pass2", Text: "c"}}},
		{Mem: 200, Temp: 200, Moved: 1000, Explain: []kernels.Entry{{Term: "passes", Text: "d"}}},
	} {
		plan.Run = func(x *kernels.Exec) error { return nothing(x, nil) }
		c.add(&plan, nil, result, source)
	}
	c.phases[0].once = true
	c.each(0, 5)
	s, err := c.streamed()
	must(t, err)
	if temp := int64(stream.Padded(80)+stream.Padded(72)) + 200; s.Mem != 700 || s.Temp != temp || s.Moved != 10+5*1100 {
		t.Errorf("%+v, want %d bytes of temporary space", s, temp)
	}
	want := []string{"pass1 a", "pass2 b, for each of 5 lines", "pass3 c, for each of 5 lines", "pass4 d, for each of 5 lines"}
	for i, e := range s.Explain {
		if got := e.Term + " " + e.Text; i >= len(want) || got != want[i] {
			t.Errorf("entry %d is %q", i, got)
		}
	}
	if len(s.Explain) != len(want) {
		t.Errorf("%d entries, want %d", len(s.Explain), len(want))
	}
}

// TestChainRefusals: the refusals of all phases are one, of the greatest need; another
// error comes first.
func TestChainRefusals(t *testing.T) {
	lack := func(n int64) error { return &stream.NoMemError{Least: n, Have: 1} }
	other := errors.New("another")
	l := ndarray.NewLayout(ndarray.F32, 4)
	for _, c := range []struct {
		phases []error
		least  int64
		err    error
	}{{[]error{lack(5), lack(9), lack(7)}, 9, nil}, {[]error{nil, lack(3), nil}, 3, nil}, {[]error{lack(4), other}, 0, other}, {[]error{nil, nil}, 0, nil}} {
		chain := newChain(2, l, l)
		for _, err := range c.phases {
			chain.add(&kernels.Streamed{}, err, result, source)
		}
		s, err := chain.streamed()
		var low *stream.NoMemError
		switch {
		case c.least > 0:
			if !errors.As(err, &low) || !errors.Is(err, syscall.ENOMEM) || low.Least != c.least || low.Have != 2 || s != nil {
				t.Errorf("%v: %v", c.phases, err)
			}
		case err != c.err || (s == nil) != (err != nil):
			t.Errorf("%v: %+v, %v", c.phases, s, err)
		}
	}
}

// chainLog is what the phases of a chain were given.
type chainLog struct {
	calls []string
	rooms map[uintptr]bool
	temps map[int64]bool
}

// phase logs where its ends lie, and takes some memory and lent space.
func (l *chainLog) phase(name string, fail error) func(x *kernels.Exec) error {
	return func(x *kernels.Exec) error {
		l.calls = append(l.calls, fmt.Sprintf("%s %d>%d", name, x.Src[0].Layout.Offset, x.Dst[0].Layout.Offset))
		x.Mem.Alloc(10)
		l.rooms[uintptr(unsafe.Pointer(unsafe.SliceData(x.Mem.Alloc(100))))] = true
		for range 2 {
			b, err := x.Temp(50)
			if err != nil {
				return err
			}
			l.temps[b.(*partBlob).at] = true
		}
		return fail
	}
}

// TestChainRun: phases run in order, line by line, each with all memory and all lent
// space anew; what is to be done once is done with the first line; an error ends it.
func TestChainRun(t *testing.T) {
	src, dst := ndarray.New(ndarray.F32, 4, 3), ndarray.New(ndarray.F64, 4, 3)
	fault := errors.New("fault")
	for _, c := range []struct {
		axis, lines int
		fail        error
		want        string
	}{
		{0, 3, nil, "a 0>0, b 0>0, c 0>0, b 4>8, c 0>8, b 8>16, c 0>16"},
		{1, 4, nil, "a 0>0, b 0>0, c 0>0, b 12>24, c 0>24, b 24>48, c 0>48, b 36>72, c 0>72"},
		{0, 3, fault, "a 0>0, b 0>0, c 0>0"},
	} {
		chain := newChain(1<<12, lineOf(dst.Layout, c.axis, 0), lineOf(src.Layout, c.axis, 0))
		temp, log := chain.temp(ndarray.F32, 4), &chainLog{rooms: map[uintptr]bool{}, temps: map[int64]bool{}}
		for i, name := range []string{"a", "b", "c"} {
			from, fail := source, c.fail
			if i == 2 {
				from = temp
			} else {
				fail = nil
			}
			chain.add(&kernels.Streamed{Mem: 256, Temp: 128, Run: log.phase(name, fail)}, nil, result, from)
		}
		chain.phases[0].once = true
		chain.each(c.axis, c.lines)
		plan, err := chain.streamed()
		must(t, err)
		d := kerneltest.NewDisk(t)
		x := &kernels.Exec{Ctx: t.Context(), Mem: &allocated{}, Src: []kernels.Stored{storedOn(d, src)}, Dst: []kernels.Stored{storedOn(d, dst)},
			Temp: func(n int64) (kernels.Blob, error) { return d.Blob(make([]byte, n), 0, int(n)), nil }}
		if err := plan.Run(x); err != c.fail {
			t.Errorf("%+v: %v", c, err)
		}
		if got := strings.Join(log.calls, ", "); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
		if len(log.rooms) != 1 || len(log.temps) != 2 || !log.temps[0] || !log.temps[64] {
			t.Errorf("%d rooms, parts %v of the space", len(log.rooms), log.temps)
		}
	}
}

// TestChainCopy: copies crop and pad, convert and turn around, in tiles of any size;
// every element is written once.
func TestChainCopy(t *testing.T) {
	rng := newRand(141)
	for _, c := range []struct {
		from, to     []int
		fromT, toT   ndarray.DType
		view, factor int
	}{
		{[]int{50}, []int{50}, ndarray.F32, ndarray.F64, 0, 1}, {[]int{50}, []int{81}, ndarray.I16, ndarray.F32, 1, 1}, {[]int{9, 8}, []int{12, 11}, ndarray.C64, ndarray.C128, 0, 3},
		{[]int{9, 8}, []int{20, 8}, ndarray.F32, ndarray.F32, 1, 2}, {[]int{3, 4, 5}, []int{3, 9, 5}, ndarray.U8, ndarray.F64, 1, 1}, {[]int{1}, []int{40}, ndarray.F32, ndarray.F32, 0, 1}, {[]int{7, 1, 3}, []int{7, 1, 3}, ndarray.C128, ndarray.C128, 1, 8},
	} {
		src, dst := randomArray(rng, c.fromT, c.from...), randomArray(rng, c.toT, c.to...)
		if c.view == 1 {
			src, dst = randomView(rng, src), randomView(rng, dst)
		}
		what := fmt.Sprintf("%s to %s", src.Layout, dst.Layout)
		plan := plannedIn(t, what, float64(c.factor), func(mem int64) (*kernels.Streamed, error) {
			chain := newChain(mem, dst.Layout, src.Layout)
			chain.copy("a copy", result, source)
			return chain.streamed()
		})
		want := ndarray.New(c.toT, c.to...)
		part := want
		for a, n := range c.from {
			part = part.Range(a, 0, n)
		}
		must(t, ndarray.Convert(part, src))
		a := &account{plan: plan, in: []ndarray.Array{src}, out: []ndarray.Array{dst}}
		a.run(t, what)
		if !slices.Equal(values(dst), values(want)) {
			t.Errorf("%s: wrong numbers", what)
		}
		if least, most, _ := times(a.dst[0].writes, dst.Layout); least != 1 || most != 1 {
			t.Errorf("%s: elements are written %d to %d times", what, least, most)
		}
		if len(plan.Explain) != 1 || !strings.HasPrefix(plan.Explain[0].Text, "a copy, ") {
			t.Errorf("%s: %v", what, plan.Explain)
		}
	}
}

// TestChainWithoutSpace: a chain ends with the error of the temporary space that it
// does not get, before a phase runs.
func TestChainWithoutSpace(t *testing.T) {
	l := ndarray.NewLayout(ndarray.F32, 4)
	c := newChain(1<<12, l, l)
	c.temp(ndarray.F32, 4)
	c.add(&kernels.Streamed{Temp: 64, Run: func(*kernels.Exec) error { t.Error("a phase runs"); return nil }}, nil, result, source)
	for fail := range 2 {
		n := 0
		err := c.run(&kernels.Exec{Ctx: t.Context(), Mem: &allocated{}, Temp: func(int64) (kernels.Blob, error) {
			if n++; n > fail {
				return nil, syscall.ENOSPC
			}
			return nil, nil
		}})
		if !errors.Is(err, syscall.ENOSPC) || n != fail+1 {
			t.Errorf("without space %d: %v after %d", fail, err, n)
		}
	}
}
