package stream_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"vgpu/kernels"
	"vgpu/kernels/kerneltest"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/pool"
	"vgpu/kernels/stream"
	"vgpu/kernels/vec/numpytest"
)

// stored puts an array on a disk.
func stored(d *kerneltest.Disk, a ndarray.Array) kernels.Stored {
	lo, hi := a.Extent()
	return kernels.Stored{Blob: d.Blob(a.Data, lo, hi), Layout: a.Layout}
}

// shapes is small shapes of many axes and large ones of few: with runs and gaps
// of more than a page.
func shapes(r numpytest.Rand) []int {
	switch r.IntN(4) {
	case 0:
		return []int{1 + r.IntN(6), 1 + r.IntN(30000)}
	case 1:
		return []int{1 + r.IntN(5), 1 + r.IntN(5), 2000 + r.IntN(5000)}
	}
	return r.Shape(0, 5, 9)
}

func wait(t *testing.T, m kernels.Transfer) {
	t.Helper()
	if m == nil {
		return
	}
	if err := m.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// values are the elements of a in C order.
func values(t *testing.T, a ndarray.Array) ndarray.Array {
	t.Helper()
	v := ndarray.New(a.DType, a.Shape...)
	if err := ndarray.Convert(v, a); err != nil {
		t.Fatal(err)
	}
	return v
}

var sizes = []func(ndarray.Layout) int{stream.SourceSize, stream.SinkSize}

// plan is an element-wise kernel "add X... Y [in=0]": the bytes' sum over all
// inputs, broadcast, and with update=1 over what Y held.
func plan(c *kernels.Call) (*kernels.Plan, error) {
	var in [][]int
	for i := range c.In {
		in = append(in, c.In[i].Layout.Shape)
	}
	shape, err := ndarray.BroadcastShapes(in...)
	if err != nil {
		return nil, err
	}
	spec := kernels.OutSpec{DType: ndarray.U8, Shape: shape, Reads: c.Bool("update")}
	return &kernels.Plan{
		Out:   []kernels.OutSpec{spec},
		Alias: true,
		Run:   func(x *kernels.Exec) error { return add(append(slices.Clone(x.In), x.Out[0]), spec.Reads) },
		Stream: func(mem int64) (*kernels.Streamed, error) {
			var ops []stream.Operand
			for i := range c.In {
				l, err := c.In[i].Layout.Broadcast(shape)
				if err != nil {
					return nil, err
				}
				ops = append(ops, stream.Operand{Layout: l, Load: true})
			}
			ops = append(ops, stream.Operand{Layout: stream.Output(c, 0, spec), Load: spec.Reads, Store: true})
			t, err := stream.NewTiling(shape, ops, mem, stream.Cuts{})
			if err != nil {
				return nil, err
			}
			return t.Streamed(func(x *kernels.Exec) error {
				var all []kernels.Stored
				for _, s := range x.Src {
					s, err := stream.Broadcast(s, shape)
					if err != nil {
						return err
					}
					all = append(all, s)
				}
				return t.Run(x, append(all, x.Dst[0]), func(tile *stream.Tile) error { return add(tile.Arrays, spec.Reads) })
			}), nil
		},
	}, nil
}

// add sums all arrays but the last into that one.
func add(a []ndarray.Array, update bool) error {
	out := a[len(a)-1]
	sum, v := make([]uint8, out.Len()), make([]uint8, out.Len())
	if !update {
		a = a[:len(a)-1]
	}
	for _, x := range a {
		l, err := x.Broadcast(out.Shape)
		if err != nil {
			return err
		}
		ndarray.Load(v, ndarray.Array{Layout: l, Data: x.Data}, 0)
		for i := range sum {
			sum[i] += v[i]
		}
	}
	ndarray.Store(out, sum, 0)
	return nil
}

var adder = []*kernels.Kernel{{
	Name: "add", MinInputs: 1, MaxInputs: -1, Outputs: kernels.OutputRequired, Plan: plan,
	Options: []kernels.OptionSpec{{Name: "update", Kind: kernels.KindBool, Default: "0"}},
}}

// Element-wise runs over random layouts give what they give in core.
func TestTilingRun(t *testing.T) {
	r := numpytest.NewRand(3)
	for range 30 {
		shape := r.Shape(0, 4, 7)
		operands := map[string]ndarray.Array{"y": r.Array(ndarray.U8, shape...)}
		line := "add"
		for i := range 1 + r.IntN(3) {
			name := fmt.Sprint("x", i)
			line += " " + name
			operands[name] = r.Array(r.Type(ndarray.U8, ndarray.U16, ndarray.I64), numpytestPart(r, shape)...)
		}
		operands["x0"] = r.Array(ndarray.U8, shape...)
		kerneltest.Stream(t, adder, line+" z", operands)
		if !repeats(operands["y"].Layout) {
			kerneltest.Stream(t, adder, line+" y[...]", operands)
			kerneltest.Stream(t, adder, line+" y[...] update=1", operands)
			kerneltest.Stream(t, adder, "add y y[...]", operands)
		}
		if t.Failed() {
			return
		}
	}
}

// numpytestPart is a shape that broadcasts to shape.
func numpytestPart(r numpytest.Rand, shape []int) []int {
	part := slices.Clone(shape[r.IntN(len(shape)+1):])
	for i := range part {
		if r.IntN(3) == 0 {
			part[i] = 1
		}
	}
	return part
}

// More runs than a call of a blob takes, in and out.
func TestManyRuns(t *testing.T) {
	a := ndarray.New(ndarray.U8, 3, 9000)
	for i := range a.Data {
		a.Data[i] = byte(i * 7)
	}
	operands := map[string]ndarray.Array{"x": a, "y": ndarray.New(ndarray.U8, 9000, 3), "z": ndarray.New(ndarray.U8, 6, 9000)}
	kerneltest.Stream(t, adder, "add x z[::2]", operands)
	kerneltest.Stream(t, adder, "add y[:,:1] y[:,1:2]", operands, 0, 40000) // single bytes
}

// broken is a blob whose n-th call, or its wait, does what fail does.
type broken struct {
	n      int
	wait   bool
	fail   func()
	mu     sync.Mutex
	flying int
}

func (b *broken) Read(...kernels.Segment) kernels.Transfer  { return b.call() }
func (b *broken) Write(...kernels.Segment) kernels.Transfer { return b.call() }

func (b *broken) call() kernels.Transfer {
	b.n--
	if b.n == 0 && !b.wait {
		b.fail()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.flying++
	return &brokenCall{b, b.n == 0}
}

type brokenCall struct {
	*broken
	last bool
}

func (c *brokenCall) Wait(context.Context) error {
	c.mu.Lock()
	c.flying--
	c.mu.Unlock()
	if c.last {
		c.fail()
	}
	return nil
}

// A panic where many segments are fed fails the transfer, and so its run, and
// nothing else; no transfer is left when it is told.
func TestFeedPanics(t *testing.T) {
	l := ndarray.NewLayout(ndarray.U8, 9000, 3).Range(1, 0, 1) // nine calls, as a sink
	fault := errors.New("fault")
	for n := range 10 {
		for _, wait := range []bool{false, true} {
			b := &broken{n: n, wait: wait, fail: func() { panic(fault) }}
			p := stream.Sink(kernels.Stored{Blob: b, Layout: l}, make([]byte, stream.SinkSize(l)))
			f := stream.NewFlight(&kernels.Exec{Ctx: t.Context()})
			f.Store(&p)
			err := f.End(nil)
			var panicked *pool.PanicError
			if n > 0 && (!errors.Is(err, fault) || !errors.As(err, &panicked) || len(panicked.Stack) == 0) || n == 0 && err != nil {
				t.Errorf("call %d, wait %t: %v", n, wait, err)
			}
			if b.flying != 0 {
				t.Errorf("call %d, wait %t: %d transfers are under way", n, wait, b.flying)
			}
		}
	}
	b := &broken{n: 3, fail: runtime.Goexit}
	p := stream.Sink(kernels.Stored{Blob: b, Layout: l}, make([]byte, stream.SinkSize(l)))
	if err := p.Load(t.Context()).Wait(t.Context()); err == nil || b.flying != 0 {
		t.Errorf("%v, %d transfers are under way", err, b.flying)
	}
}

// Tiles cover a shape once, in multiples of their units, within memory; a
// transpose has long runs on both sides; what is broadcast is read once.
func TestTiling(t *testing.T) {
	const mem = 4 << 20
	square := ndarray.NewLayout(ndarray.F32, 8192, 8192)
	ops := []stream.Operand{{Layout: square.Permute(1, 0), Load: true}, {Layout: square, Store: true}}
	g, err := stream.NewTiling(square.Shape, ops, mem, stream.Cuts{Unit: []int{24, 24}})
	if err != nil {
		t.Fatal(err)
	}
	if e := g.Extents; e[0]%24 != 0 || e[1]%24 != 0 || e[0] < 256 || e[1] < 256 || g.Mem > mem || g.Mem < mem/2 {
		t.Errorf("tile %v of %d bytes", e, g.Mem)
	}
	if m := g.Moved(); m < 2*float64(square.Bytes()) || m > 2.2*float64(square.Bytes()) {
		t.Errorf("%g bytes moved", m)
	}
	row, err := ndarray.NewLayout(ndarray.F32, 8192).Broadcast(square.Shape)
	if err != nil {
		t.Fatal(err)
	}
	ops = []stream.Operand{{Layout: row, Load: true}, {Layout: square, Load: true}, {Layout: square, Store: true}}
	if g, err = stream.NewTiling(square.Shape, ops, mem, stream.Cuts{Whole: []bool{false, true}}); err != nil {
		t.Fatal(err)
	}
	if g.Extents[1] != 8192 || g.Moved() > 2.01*float64(square.Bytes()) || g.Apart() > 0.05*g.Moved() {
		t.Errorf("tile %v, %g bytes moved, and %g lost", g.Extents, g.Moved(), g.Apart())
	}
	columns, err := stream.NewTiling(square.Shape, ops[1:], mem, stream.Cuts{Whole: []bool{true, false}})
	if err != nil {
		t.Fatal(err)
	}
	if runs := 2 * 8192 * float64(columns.Tiles()); columns.Apart() != runs*(16<<10) || columns.Streamed(nil).Apart != columns.Apart() {
		t.Errorf("tile %v: %g bytes lost by %g runs", columns.Extents, columns.Apart(), runs)
	}
	seen := make([]int, 8192)
	for i := range g.Tiles() {
		lo, hi := g.Box(i)
		for k := lo[0]; k < hi[0]; k++ {
			seen[k]++
		}
	}
	if slices.ContainsFunc(seen, func(n int) bool { return n != 1 }) {
		t.Error("tiles do not cover the shape once")
	}
	if text := fmt.Sprint(g.Explain()); !strings.Contains(text, "tiles") {
		t.Error(text)
	}
}

// A bound that is too low is refused with the least that would do, which does.
func TestNoMem(t *testing.T) {
	l := ndarray.NewLayout(ndarray.F64, 100, 100)
	ops := []stream.Operand{{Layout: l, Load: true}, {Layout: l, Load: true, Store: true}}
	scratch := stream.Cuts{Scratch: func(e []int) int64 { return int64(e[0] * 1000) }, Whole: []bool{false, true}}
	_, err := stream.NewTiling(l.Shape, ops, 10, scratch)
	var short *stream.NoMemError
	if !errors.As(err, &short) || !errors.Is(err, syscall.ENOMEM) || short.Least != 5*832+1000 || !strings.Contains(err.Error(), "5160 bytes") {
		t.Fatalf("%v", err)
	}
	g, err := stream.NewTiling(l.Shape, ops, short.Least, scratch)
	if err != nil || g.Mem != short.Least || g.Extents[0] != 1 {
		t.Errorf("%v, %v", g, err)
	}
	if _, err := stream.NewTiling(l.Shape, ops, short.Least-1, scratch); err == nil {
		t.Error("less than the least is taken")
	}
	ops[0].Layout = ndarray.NewLayout(ndarray.F64, 3)
	if _, err := stream.NewTiling(l.Shape, ops, 1<<20, scratch); err == nil {
		t.Error("an operand of another shape is taken")
	}
}

// When a step fails the others' transfers are waited for, and its error is the
// run's.
func TestStepsFail(t *testing.T) {
	fault := errors.New("fault")
	for at := range 4 {
		d := kerneltest.NewDisk(t)
		a := ndarray.New(ndarray.U8, 4, 10)
		var p [4]stream.Piece
		for i := range p {
			p[i] = stream.Sink(stream.Range(stored(d, a), 0, i, i+1), make([]byte, 10))
		}
		steps := stream.Steps{
			N:    4,
			Load: func(f *stream.Flight, i int) []*stream.Move { return []*stream.Move{f.Load(&p[i])} },
			Compute: func(i int) error {
				if i == at {
					return fault
				}
				p[i].Array.Data[3] = 1
				return nil
			},
			Store: func(f *stream.Flight, i int) []*stream.Move { return []*stream.Move{f.Store(&p[i]), nil} },
		}
		if err := steps.Run(&kernels.Exec{Ctx: t.Context()}); !errors.Is(err, fault) {
			t.Errorf("step %d: %v", at, err)
		}
		d.Quiet()
	}
}

// A flight ends with the first error of what nobody has waited for.
func TestFlightEnd(t *testing.T) {
	d := kerneltest.NewDisk(t)
	d.FailAt, d.Fault = 2, errors.New("fault")
	a := ndarray.New(ndarray.U8, 3, 10)
	f := stream.NewFlight(&kernels.Exec{Ctx: t.Context()})
	var moves []*stream.Move
	for i := range 3 {
		p := stream.Source(stream.Range(stored(d, a), 0, i, i+1), make([]byte, 10))
		moves = append(moves, f.Load(&p))
	}
	if err := f.Err(); err != nil {
		t.Error(err)
	}
	if err := f.End(nil); !errors.Is(err, d.Fault) {
		t.Error(err)
	}
	if !errors.Is(moves[1].Wait(), d.Fault) || !errors.Is(moves[2].Wait(), context.Canceled) || moves[0].Wait() != nil {
		t.Error("a second wait gives another error")
	}
	if f.Err() == nil {
		t.Error("a flight that is over goes on")
	}
	d.Quiet()
}

// Passes that follow one another have the same memory, aligned alike.
func TestArena(t *testing.T) {
	r := newRooms()
	a := stream.NewArena(r, 64+2*68*1024)
	x := a.Exec(&kernels.Exec{Ctx: t.Context(), Mem: r})
	for range 2 {
		a.Reset()
		for _, n := range []int{5, 65 << 10, 66 << 10} {
			b := x.Mem.Alloc(n)
			if len(b) != n || cap(b) != n {
				t.Errorf("%d bytes of %d, for %d", len(b), cap(b), n)
			}
		}
	}
	if len(r.lent) != 1 {
		t.Errorf("%d rooms were taken", len(r.lent))
	}
	defer func() {
		if recover() == nil {
			t.Error("more is lent than there is")
		}
	}()
	a.Alloc(1 << 20)
}

// rooms is memory that keeps what it lent.
type rooms struct{ lent [][]byte }

func newRooms() *rooms { return &rooms{} }

func (r *rooms) Alloc(n int) []byte {
	r.lent = append(r.lent, make([]byte, n))
	return r.lent[len(r.lent)-1]
}

// Tiles with margins, strides and blocks have what Reach says, as far as it is
// there, in memory that is enough for the largest.
func TestReach(t *testing.T) {
	r := numpytest.NewRand(5)
	for range 60 {
		n, step, from, length := 1+r.IntN(200), 1+r.IntN(4), r.IntN(30)-25, r.IntN(40)
		x, y, k := r.Array(ndarray.U8, n, 3), ndarray.New(ndarray.I64, 2, n*4), 1+r.IntN(4)
		in := stream.Operand{Layout: x.Layout, Load: true, Reach: []stream.Reach{{Step: step, From: from, To: from + length}, stream.Whole(2)}}
		out := stream.Operand{Layout: y.Layout, Store: true, Reach: []stream.Reach{stream.Whole(2), {Step: k, To: k}}}
		d := kerneltest.NewDisk(t)
		places := []kernels.Stored{stored(d, x), stored(d, y)}
		g, err := stream.NewTiling([]int{n}, []stream.Operand{in, out}, int64(600+r.IntN(3000)), stream.Cuts{})
		if err != nil {
			t.Fatal(err)
		}
		mem := newRooms()
		err = g.Run(&kernels.Exec{Ctx: t.Context(), Mem: mem}, places, func(tile *stream.Tile) error {
			a, b := tile.Arrays[0], tile.Arrays[1]
			lo, hi := max(0, tile.Lo[0]*step+from), min(n, (tile.Hi[0]-1)*step+from+length)
			if !slices.Equal(a.Shape, []int{max(0, hi-lo), 2}) || !slices.Equal(b.Shape, []int{2, k * (tile.Hi[0] - tile.Lo[0])}) {
				return fmt.Errorf("tile %v to %v has %v and %v", tile.Lo, tile.Hi, a.Shape, b.Shape)
			}
			if a.Len() > 0 && !bytes.Equal(values(t, a).Data, values(t, x.Range(0, lo, hi).Range(1, 0, 2)).Data) {
				return fmt.Errorf("tile %v to %v has other elements", tile.Lo, tile.Hi)
			}
			for i := range 2 {
				ones := make([]int64, b.Shape[1])
				for j := range ones {
					ones[j] = int64(tile.Lo[0]*k + j)
				}
				ndarray.Store(b.Index(i), ones, 0)
			}
			return nil
		})
		used := 0
		for _, b := range mem.lent {
			used += len(b)
		}
		if err != nil || int64(used) > g.Mem {
			t.Fatalf("%d bytes of %d, %v", used, g.Mem, err)
		}
		d.Quiet()
		for i := range 2 {
			for j, v := range ndarray.Slice[int64](y.Index(i)) {
				if want := int64(j); j < n*k && v != want {
					t.Fatalf("element %d is %d", j, v)
				}
			}
		}
	}
}

// A result that tiles in a row have in common stays in memory until the last of
// them, and is stored once.
func TestGroups(t *testing.T) {
	r := numpytest.NewRand(6)
	for range 40 {
		rows, cols := 1+r.IntN(12), 1+r.IntN(300)
		x, y := r.Array(ndarray.U8, rows, cols), ndarray.New(ndarray.I64, rows)
		update := r.IntN(2) == 0
		ops := []stream.Operand{{Layout: x.Layout, Load: true}, {Layout: y.Layout, Load: update, Store: true, Reach: []stream.Reach{{Step: 1, To: 1}}}}
		g, err := stream.NewTiling(x.Shape, ops, int64(1000+r.IntN(2000)), stream.Cuts{})
		if err != nil {
			t.Fatal(err)
		}
		d := kerneltest.NewDisk(t)
		err = g.Run(&kernels.Exec{Ctx: t.Context(), Mem: newRooms()}, []kernels.Stored{stored(d, x), stored(d, y)}, func(tile *stream.Tile) error {
			sums := ndarray.Slice[int64](tile.Arrays[1])
			if tile.Lo[1] == 0 && !update {
				clear(sums)
			}
			for i := range sums {
				for _, v := range ndarray.Slice[uint8](values(t, tile.Arrays[0].Index(i))) {
					sums[i] += int64(v)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		d.Quiet()
		if moved := float64(d.Moved()); moved > g.Moved() {
			t.Errorf("%g bytes moved of %g", moved, g.Moved())
		}
		for i := range rows {
			want := int64(0)
			for _, v := range ndarray.Slice[uint8](values(t, x.Index(i))) {
				want += int64(v)
			}
			if got := ndarray.Slice[int64](y)[i]; got != want {
				t.Errorf("%dx%d by %v: row %d is %d, want %d", rows, cols, g.Extents, i, got, want)
			}
		}
	}
}
