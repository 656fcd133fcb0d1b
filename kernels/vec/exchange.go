package vec

import (
	"errors"
	"fmt"
	"syscall"

	"vgpu/kernels"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/stream"
	"vgpu/kernels/vec/move"
)

// exchange is an assignment whose two sides run along different axes, in two
// passes. A tile that fits into memory has short runs on one side of a large
// transpose: √M elements for M in memory. With a temporary array in between
// runs are M²/N long for N elements in all (as in the two-pass algorithms of
// Floyd, "Permuting information in idealized two-level storage", 1972):
//
//	pass 1  reads strips of h values of p and all of q, and writes each as one
//	        block of the temporary array, q by p;
//	pass 2  reads w values of q from each block, h·w elements in a run, and
//	        writes w values of q and all of p.
//
// p is the axis along which dst runs, q that along which src does; other axes
// are taken index by index. It moves everything twice, so planPass takes it
// only where its cost, runs counted in, is below that of the tiling.
type exchange struct {
	p, q, outer int           // extents; outer is of all other axes together
	h, w        int           // see above
	via         ndarray.DType // of the temporary array: the smaller one
	dst, src    ndarray.Layout
	otherwise   tiled // where there is no temporary space
}

// newExchange plans an assignment so; nil if it is none of two axes that cross,
// or if there is too little memory. h and w are as large as memory allows: the
// runs of pass 2 are h·w elements long.
func newExchange(a assignment, mem int64, otherwise tiled) *exchange {
	dst, src := crossed(a.dst, a.src)
	if dst.Rank() == 0 {
		return nil
	}
	r := dst.Rank()
	e := &exchange{p: dst.Shape[r-1], q: dst.Shape[r-2], outer: 1, via: src.DType, dst: dst, src: src, otherwise: otherwise}
	if dst.DType.Size() < src.DType.Size() {
		e.via = dst.DType
	}
	for _, n := range dst.Shape[:r-2] {
		e.outer *= n
	}
	e.h = most(e.p, func(h int) bool { e.h = h; return e.mem1() <= mem })
	if e.h == 0 {
		return nil
	}
	if e.w = most(e.q, func(w int) bool { e.w = w; return e.mem2() <= mem }); e.w == 0 || e.mem() > mem {
		return nil
	}
	return e
}

// most is the largest n up to limit that fits, 0 if none does. What fits falls
// with n.
func most(limit int, fits func(n int) bool) int {
	lo, hi := 0, limit+1
	for hi-lo > 1 {
		if mid := (lo + hi) / 2; fits(mid) {
			lo = mid
		} else {
			hi = mid
		}
	}
	return lo
}

// crossed brings both sides to as few axes as possible, the last of which is p
// and the one before it q. The result has no axes if the two are one, or if
// elements of src are repeated.
func crossed(dst, src ndarray.Layout) (d, s ndarray.Layout) {
	for i, n := range dst.Shape {
		if n == 0 || n > 1 && src.Strides[i] == 0 {
			return ndarray.Layout{}, ndarray.Layout{}
		}
	}
	d, s = move.Normal(dst, src)
	last := d.Rank() - 1
	q := last
	for i, stride := range s.Strides {
		if max(stride, -stride) < max(s.Strides[q], -s.Strides[q]) {
			q = i
		}
	}
	if q == last {
		return ndarray.Layout{}, ndarray.Layout{}
	}
	for _, of := range [][]int{d.Shape, d.Strides, s.Strides} { // the two have one shape
		x := of[q]
		copy(of[q:last-1], of[q+1:last])
		of[last-1] = x
	}
	return d, s
}

// at is the q by p matrix of a layout at outer index i.
func (e *exchange) at(l ndarray.Layout, i int) ndarray.Layout {
	r := l.Rank()
	for k := r - 3; k >= 0; k-- {
		l.Offset += i % l.Shape[k] * l.Strides[k]
		i /= l.Shape[k]
	}
	l.Shape, l.Strides = l.Shape[r-2:], l.Strides[r-2:]
	return l
}

// strips is the number of blocks of an outer index.
func (e *exchange) strips() int { return (e.p + e.h - 1) / e.h }

// parts is the number of pass 2's tiles of an outer index.
func (e *exchange) parts() int { return (e.q + e.w - 1) / e.w }

// block is block s of the temporary array at outer index i: q by h in C order,
// the last one of a row of blocks narrower. Blocks lie one behind the other, so
// that pass 1 writes each in one run.
func (e *exchange) block(i, s int) ndarray.Layout {
	l := ndarray.NewLayout(e.via, e.q, min(e.h, e.p-s*e.h))
	l.Offset = (i*e.p + s*e.h) * e.q * e.via.Size()
	return l
}

// strip is what becomes of block s in src: q by at most h of p.
func (e *exchange) strip(src ndarray.Layout, i, s int) ndarray.Layout {
	return e.at(src, i).Range(1, s*e.h, min((s+1)*e.h, e.p))
}

// runs are values q0 to q1 of the blocks as far as they are full: blocks by q by
// p. rest are those of the last block, if it is not.
func (e *exchange) runs(i, q0, q1 int) (full, rest ndarray.Layout) {
	size, n := e.via.Size(), e.p/e.h
	full = ndarray.Layout{DType: e.via, Shape: []int{n, q1 - q0, e.h}, Strides: []int{e.h * e.q * size, e.h * size, size}}
	full.Offset = (i*e.p*e.q + q0*e.h) * size
	if n*e.h < e.p {
		return full, e.block(i, n).Range(0, q0, q1)
	}
	rest = ndarray.NewLayout(e.via, q1-q0, 0)
	return full, rest
}

// mem1 and mem2 are the memory of the passes: two rooms a side, as
// [stream.Steps] wants. mem is what does for either, and for the way without
// temporary space.
func (e *exchange) mem1() int64 {
	return 2 * int64(stream.Padded(stream.SourceSize(e.strip(e.src, 0, 0)))+stream.Padded(stream.SinkSize(e.block(0, 0))))
}

func (e *exchange) mem2() int64 {
	full, rest := e.runs(0, 0, e.w)
	return 2 * int64(stream.Padded(stream.SourceSize(full))+stream.Padded(stream.SourceSize(rest))+
		stream.Padded(stream.SinkSize(e.at(e.dst, 0).Range(0, 0, e.w))))
}

func (e *exchange) mem() int64  { return max(e.mem1(), e.mem2(), e.otherwise.mem()) }
func (e *exchange) temp() int64 { return int64(e.outer*e.p*e.q) * int64(e.via.Size()) }

// traffic is the bytes and the cost of both passes.
func (e *exchange) traffic() (bytes, cost float64) {
	add := func(times int, b, c float64) { bytes += float64(times) * b; cost += float64(times) * c }
	full, rest := e.runs(0, 0, e.w)
	one, two := e.outer*e.strips(), e.outer*e.parts()
	for _, source := range []struct {
		times int
		l     ndarray.Layout
	}{{one, e.strip(e.src, 0, 0)}, {two, full}, {two, rest}} {
		b, c := stream.SourceTraffic(source.l)
		add(source.times, b, c)
	}
	b, c := stream.SinkTraffic(e.block(0, 0))
	add(one, b, c)
	b, c = stream.SinkTraffic(e.at(e.dst, 0).Range(0, 0, e.w))
	add(two, b, c)
	return bytes, cost + float64(one+two)*stream.StepCost
}

func (e *exchange) moved() float64 { bytes, _ := e.traffic(); return bytes }
func (e *exchange) cost() float64  { _, cost := e.traffic(); return cost }
func (e *exchange) apart() float64 { return e.cost() - e.moved() }

func (e *exchange) explain() []kernels.Entry {
	return []kernels.Entry{
		{Term: "tile", Text: fmt.Sprintf("%dx%d, then %dx%d, by way of temporary space", e.h, e.q, e.p, e.w)},
		{Term: "tiles", Text: fmt.Sprint(e.outer * (e.strips() + e.parts()))},
	}
}

// run makes both passes in one arena. Where there is no temporary space
// (ENOSPC) the tiled way does it, slower, in the same memory.
func (e *exchange) run(x *kernels.Exec, to, from kernels.Stored) error {
	between, err := x.Temp(e.temp())
	if errors.Is(err, syscall.ENOSPC) {
		return e.otherwise.run(x, to, from)
	}
	if err != nil {
		return err
	}
	dst, src := crossed(to.Layout, from.Layout)
	arena := stream.NewArena(x.Mem, e.mem())
	if err := e.first(arena.Exec(x), between, kernels.Stored{Blob: from.Blob, Layout: src}); err != nil {
		return err
	}
	arena.Reset()
	return e.second(arena.Exec(x), kernels.Stored{Blob: to.Blob, Layout: dst}, between)
}

// first is pass 1.
func (e *exchange) first(x *kernels.Exec, to kernels.Blob, src kernels.Stored) error {
	feed := stream.NewFeed(x.Mem, stream.SourceSize(e.strip(e.src, 0, 0)), stream.Source)
	size := stream.SinkSize(e.block(0, 0))
	rooms := [2][]byte{x.Mem.Alloc(size), x.Mem.Alloc(size)}
	var in [2]*stream.Piece
	var out [2]stream.Piece
	s := stream.Steps{
		N: e.outer * e.strips(),
		Load: func(f *stream.Flight, i int) []*stream.Move {
			p, m := feed.Load(f, kernels.Stored{Blob: src.Blob, Layout: e.strip(src.Layout, i/e.strips(), i%e.strips())})
			in[i%2] = p
			return []*stream.Move{m}
		},
		Compute: func(i int) error {
			block := e.block(i/e.strips(), i%e.strips())
			out[i%2] = stream.Sink(kernels.Stored{Blob: to, Layout: block}, rooms[i%2])
			return move.Copy(x.W, out[i%2].Array, in[i%2].Array)
		},
		Store: func(f *stream.Flight, i int) []*stream.Move { return []*stream.Move{f.Store(&out[i%2])} },
	}
	return s.Run(x)
}

// second is pass 2. The last block has a feed of its own, since a layout has
// one width for all its blocks.
func (e *exchange) second(x *kernels.Exec, dst kernels.Stored, from kernels.Blob) error {
	full, rest := e.runs(0, 0, e.w)
	feeds := [2]*stream.Feed{
		stream.NewFeed(x.Mem, stream.SourceSize(full), stream.Source), stream.NewFeed(x.Mem, stream.SourceSize(rest), stream.Source),
	}
	size := stream.SinkSize(e.at(e.dst, 0).Range(0, 0, e.w))
	rooms := [2][]byte{x.Mem.Alloc(size), x.Mem.Alloc(size)}
	var in [2][2]*stream.Piece
	var out [2]stream.Piece
	s := stream.Steps{
		N: e.outer * e.parts(),
		Load: func(f *stream.Flight, i int) (moves []*stream.Move) {
			q0 := i % e.parts() * e.w
			full, rest := e.runs(i/e.parts(), q0, min(q0+e.w, e.q))
			for k, l := range []ndarray.Layout{full, rest} {
				p, m := feeds[k].Load(f, kernels.Stored{Blob: from, Layout: l})
				in[i%2][k] = p
				moves = append(moves, m)
			}
			return moves
		},
		Compute: func(i int) error {
			q0 := i % e.parts() * e.w
			part := e.at(dst.Layout, i/e.parts()).Range(0, q0, min(q0+e.w, e.q))
			out[i%2] = stream.Sink(kernels.Stored{Blob: dst.Blob, Layout: part}, rooms[i%2])
			return e.assemble(x, out[i%2].Array, in[i%2])
		},
		Store: func(f *stream.Flight, i int) []*stream.Move { return []*stream.Move{f.Store(&out[i%2])} },
	}
	return s.Run(x)
}

// assemble puts the runs of all blocks together, q by p.
func (e *exchange) assemble(x *kernels.Exec, out ndarray.Array, in [2]*stream.Piece) error {
	n := e.p / e.h
	whole := out.Range(1, 0, n*e.h)
	whole.Shape = []int{n, out.Shape[0], e.h}
	whole.Strides = []int{e.h * out.Strides[1], out.Strides[0], out.Strides[1]}
	if err := move.Copy(x.W, whole, in[0].Array); err != nil {
		return err
	}
	return move.Copy(x.W, out.Range(1, n*e.h, e.p), in[1].Array)
}
