package pack_test

import (
	"errors"
	"slices"
	"syscall"
	"testing"

	"vgpu/kernels"
	"vgpu/kernels/kerneltest"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/pack"
	"vgpu/kernels/pool"
	"vgpu/kernels/scratch"
	"vgpu/kernels/stream"
)

// onWorker runs fn as a kernel's run, with temporary space on the disk.
func onWorker(t *testing.T, disk *kerneltest.Disk, fn func(x *kernels.Exec) error) error {
	t.Helper()
	p, err := pool.New(pool.Config{Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	x := &kernels.Exec{Ctx: t.Context(), Temp: func(n int64) (kernels.Blob, error) {
		if n > 1<<20 {
			return nil, syscall.ENOSPC
		}
		return disk.Blob(make([]byte, n), 0, int(n)), nil
	}}
	return p.Run(t.Context(), pool.Options{}, func(w *pool.Worker) error {
		x.W = w
		return fn(x)
	})
}

// A transposed, reversed array is packed into temporary space, and back into a
// file of another type, within all bounds on memory.
func TestCopies(t *testing.T) {
	a := ndarray.New(ndarray.I16, 30, 50)
	for i, s := 0, ndarray.Slice[int16](a); i < len(s); i++ {
		s[i] = int16(i * 7)
	}
	view := a.Permute(1, 0).Layout
	view.Offset, view.Strides[0] = view.Offset+49*view.Strides[0], -view.Strides[0]
	packed := ndarray.NewLayout(ndarray.I16, 50, 30)
	wide := ndarray.New(ndarray.F64, 50, 30)
	var short *stream.NoMemError
	if _, err := pack.Plan(packed, view, 0); !errors.As(err, &short) || short.Have != 0 {
		t.Fatalf("no memory: %v", err)
	}
	for _, mem := range []int64{short.Least, 4 * short.Least, 1 << 20} {
		in, errIn := pack.Plan(packed, view, mem)
		out, errOut := pack.Plan(wide.Layout, packed, 1<<20)
		if errIn != nil || errOut != nil {
			t.Fatal(errIn, errOut)
		}
		disk := kerneltest.NewDisk(t)
		src := kernels.Stored{Blob: disk.Blob(slices.Clone(a.Data), 0, len(a.Data)), Layout: view}
		dst := kernels.Stored{Blob: disk.Blob(wide.Data, 0, len(wide.Data)), Layout: wide.Layout}
		err := onWorker(t, disk, func(x *kernels.Exec) error {
			slab := scratch.NewSlab(ndarray.New(ndarray.U8, int(max(in.Mem, out.Mem))+pack.Slack).Data)
			all, err := pack.Temp(x, packed)
			if err != nil {
				return err
			}
			if err := pack.Run(x, slab, in, all, src); err != nil {
				return err
			}
			return pack.Run(x, slab, out, dst, all)
		})
		if err != nil {
			t.Fatal(err)
		}
		disk.Quiet()
		want, got := ndarray.New(ndarray.F64, 50, 30), wide
		if err := ndarray.Convert(want, ndarray.Array{Layout: view, Data: a.Data}); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(ndarray.Slice[float64](want), ndarray.Slice[float64](got)) {
			t.Errorf("%d bytes: the copies differ", mem)
		}
		clear(wide.Data)
	}
}

func TestTempFails(t *testing.T) {
	err := onWorker(t, kerneltest.NewDisk(t), func(x *kernels.Exec) error {
		_, err := pack.Temp(x, ndarray.NewLayout(ndarray.F64, 1<<20))
		return err
	})
	if !errors.Is(err, syscall.ENOSPC) {
		t.Error(err)
	}
}

// Refusals of phases are one, of the greatest need; other errors come first.
func TestRefusal(t *testing.T) {
	lack := func(n int64) error { return &stream.NoMemError{Least: n, Have: 5} }
	if err := pack.Refusal(9, nil, nil); err != nil {
		t.Error(err)
	}
	var short *stream.NoMemError
	if err := pack.Refusal(9, lack(10), nil, lack(30), lack(20)); !errors.As(err, &short) || short.Least != 30 || short.Have != 9 {
		t.Error(err)
	}
	if err := pack.Refusal(9, lack(10), errOther); err != errOther {
		t.Error(err)
	}
	if err := pack.Beside(lack(10), 100); !errors.As(err, &short) || short.Least != 110 || short.Have != 105 {
		t.Error(err)
	}
	if err := pack.Beside(errOther, 1); err != errOther || pack.Beside(nil, 1) != nil {
		t.Error(err)
	}
}

type plan = func(mem int64) (*kernels.Streamed, error)

// needs is a plan that so much memory is enough for.
func needs(least int64, s *kernels.Streamed) plan {
	return func(mem int64) (*kernels.Streamed, error) {
		if mem < least {
			return nil, &stream.NoMemError{Least: least, Have: mem}
		}
		return s, nil
	}
}

var errOther = errors.New("another")

func fails(int64) (*kernels.Streamed, error) { return nil, errOther }
func never(int64) (*kernels.Streamed, error) { return nil, nil }

// The first plan that does is taken; if none does, the least need of all is told.
func TestFirstOf(t *testing.T) {
	small, large := &kernels.Streamed{Mem: 1}, &kernels.Streamed{Mem: 2}
	for _, c := range []struct {
		mem   int64
		plans []plan
		want  *kernels.Streamed
		err   error
		least int64
	}{
		{9, []plan{needs(8, large), needs(3, small)}, large, nil, 0},
		{7, []plan{needs(8, large), needs(3, small)}, small, nil, 0},
		{7, []plan{needs(8, large), never, needs(3, small)}, small, nil, 0},
		{7, []plan{never, needs(8, large)}, nil, nil, 8},
		{2, []plan{needs(8, large), needs(3, small)}, nil, nil, 3},
		{2, []plan{needs(3, small), needs(8, large)}, nil, nil, 3},
		{2, []plan{needs(8, large), fails, needs(1, small)}, nil, errOther, 0},
	} {
		s, err := pack.FirstOf(c.mem, c.plans...)
		var short *stream.NoMemError
		switch {
		case s != c.want || c.err != nil && err != c.err:
			t.Errorf("%d bytes: %v, %v", c.mem, s, err)
		case c.least > 0 && (!errors.As(err, &short) || short.Least != c.least || short.Have != c.mem):
			t.Errorf("%d bytes: %v, want %d at the least", c.mem, err, c.least)
		}
	}
}

// The cheapest plan is taken, runs counted in, of those that there is memory for.
func TestCheapestOf(t *testing.T) {
	far, near, alike := &kernels.Streamed{Moved: 2, Apart: 5}, &kernels.Streamed{Moved: 6}, &kernels.Streamed{Moved: 5, Apart: 1}
	for i, c := range []struct {
		mem   int64
		plans []plan
		want  *kernels.Streamed
		err   error
		least int64
	}{
		{9, []plan{needs(1, far), never, needs(5, near), needs(1, alike)}, near, nil, 0},
		{9, []plan{needs(1, alike), needs(1, near)}, alike, nil, 0},
		{4, []plan{needs(1, far), needs(5, near)}, far, nil, 0},
		{2, []plan{never, needs(8, far), needs(3, near)}, nil, nil, 3},
		{9, []plan{needs(1, far), fails}, nil, errOther, 0},
	} {
		s, err := pack.CheapestOf(c.mem, c.plans...)
		var short *stream.NoMemError
		if s != c.want || c.err != nil && err != c.err || c.least > 0 && (!errors.As(err, &short) || short.Least != c.least) {
			t.Errorf("%d: %v, %v", i, s, err)
		}
	}
}

// A plan that is refused temporary space gives way to another, however often it had some; any other
// error is its own.
func TestSpare(t *testing.T) {
	asks := func(sizes ...int64) *kernels.Streamed {
		return &kernels.Streamed{Mem: 5, Run: func(x *kernels.Exec) error {
			for _, n := range sizes {
				if _, err := x.Temp(n); err != nil {
					return err
				}
			}
			return errOther
		}}
	}
	ran := false
	plain := &kernels.Streamed{Mem: 7, Run: func(*kernels.Exec) error { ran = true; return nil }}
	for _, c := range []struct {
		plan  *kernels.Streamed
		spare bool
		err   error
	}{{asks(), false, errOther}, {asks(1<<20, 9), false, errOther}, {asks(1<<20 + 1), true, nil}, {asks(9, 1<<21), true, nil}} {
		ran = false
		s := pack.Spare(c.plan, plain)
		err := onWorker(t, kerneltest.NewDisk(t), s.Run)
		if err != c.err || ran != c.spare || s.Mem != 7 {
			t.Errorf("%v, the other ran: %t, %d bytes", err, ran, s.Mem)
		}
	}
}
