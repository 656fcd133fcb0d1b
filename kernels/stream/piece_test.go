package stream_test

import (
	"bytes"
	"slices"
	"testing"
	"unsafe"

	"vgpu/kernels"
	"vgpu/kernels/kerneltest"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/stream"
	"vgpu/kernels/vec/numpytest"
)

// anyBox is a part of a shape, seldom an empty one.
func anyBox(r numpytest.Rand, shape []int) (lo, hi []int) {
	for _, n := range shape {
		a := r.IntN(n + 1)
		b := a + r.IntN(n+1-a)
		if n > 0 && a == b && r.IntN(10) > 0 {
			a, b = 0, n
		}
		lo, hi = append(lo, a), append(hi, b)
	}
	return lo, hi
}

// repeats tells whether elements share memory.
func repeats(l ndarray.Layout) bool {
	return slices.ContainsFunc(l.Strides, func(s int) bool { return s == 0 })
}

// A piece loaded from any part of any array has its elements; one stored there
// changes them and nothing else.
func TestPiece(t *testing.T) {
	r := numpytest.NewRand(1)
	for range 400 {
		a := r.Array(r.Type(ndarray.DTypes...), shapes(r)...)
		lo, hi := anyBox(r, a.Shape)
		d := kerneltest.NewDisk(t)
		s := stream.Box(stored(d, a), lo, hi)
		part := ndarray.Array{Layout: s.Layout, Data: a.Data}
		p := stream.Source(s, make([]byte, stream.SourceSize(s.Layout)))
		wait(t, p.Load(t.Context()))
		if err := p.Array.Check(); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(values(t, p.Array).Data, values(t, part).Data) {
			t.Fatalf("%s %v from %v to %v: wrong elements", a, a.Strides, lo, hi)
		}
		if !repeats(a.Layout) {
			testSink(t, r, s, part)
		}
		d.Quiet()
	}
}

// testSink stores other elements to s, whose bytes are those of part.
func testSink(t *testing.T, r numpytest.Rand, s kernels.Stored, part ndarray.Array) {
	t.Helper()
	want := ndarray.Array{Layout: part.Layout, Data: bytes.Clone(part.Data)}
	p := stream.Sink(s, make([]byte, stream.SinkSize(s.Layout)))
	wait(t, p.Load(t.Context()))
	if !bytes.Equal(values(t, p.Array).Data, values(t, part).Data) {
		t.Fatalf("%s %v: a sink loads wrong elements", s.Layout, s.Layout.Strides)
	}
	fresh := r.Array(part.DType, part.Shape...)
	for _, to := range []ndarray.Array{want, p.Array} {
		if err := ndarray.Convert(to, fresh); err != nil {
			t.Fatal(err)
		}
	}
	wait(t, p.Store(t.Context()))
	if !bytes.Equal(part.Data, want.Data) {
		t.Fatalf("%s %v: a sink wrote wrong bytes", s.Layout, s.Layout.Strides)
	}
}

// Sizes do not depend on the offset, and do not grow when extents shrink.
func TestSizes(t *testing.T) {
	r := numpytest.NewRand(2)
	for range 300 {
		a := r.Array(r.Type(ndarray.DTypes...), shapes(r)...)
		moved := a.Layout
		moved.Offset += r.IntN(10000)
		lo, hi := anyBox(r, a.Shape)
		part := stream.Box(kernels.Stored{Layout: a.Layout}, lo, hi).Layout
		for _, size := range sizes {
			if size(moved) != size(a.Layout) {
				t.Errorf("%s %v: %d bytes at one offset, %d at another", a, a.Strides, size(a.Layout), size(moved))
			}
		}
		checkPart(t, a.Layout, part)
	}
}

// checkPart checks that a part takes no more than the whole.
func checkPart(t *testing.T, whole, part ndarray.Layout) {
	t.Helper()
	for i, size := range sizes {
		if size(part) > size(whole) {
			t.Errorf("%s %v: %d bytes, and its part %s takes %d (%d)", whole, whole.Strides, size(whole), part, size(part), i)
		}
	}
}

// The part of a tile, at an end of its array, fits the room of a full one: also
// where runs become shorter than what keeps its place in the page, than its pitch
// in the file, or than what is joined.
func TestPartsTakeNoMore(t *testing.T) {
	wide := ndarray.Layout{DType: ndarray.F64, Shape: []int{8192, 8192}, Strides: []int{128 << 10, 8}}
	for _, n := range []int{8192, 8191, 8190, 8184, 8183, 7680, 4096, 128, 127, 1} {
		checkPart(t, wide, wide.Range(1, 0, n))
	}
	r := numpytest.NewRand(7)
	for range 20000 {
		whole := padded(r)
		part := whole
		for axis, n := range whole.Shape {
			if less := min(n-1, r.IntN(40)); r.IntN(2) == 0 {
				part = part.Range(axis, 0, n-less)
			} else if r.IntN(4) == 0 {
				part = part.Range(axis, 0, 1+r.IntN(n))
			}
		}
		checkPart(t, whole, part)
		if t.Failed() {
			return
		}
	}
}

// padded is a layout of a few axes in any order, some of them with a little
// room, or some pages, behind each element; its extents make runs of about what
// the lengths of runs and gaps are compared with.
func padded(r numpytest.Rand) ndarray.Layout {
	l := ndarray.Layout{DType: r.Type(ndarray.DTypes...)}
	pitch := l.DType.Size()
	for range 1 + r.IntN(4) {
		n := 1 + r.IntN(5)
		if near := []int{1024, 4096, 8192, 64 << 10, 128 << 10}[r.IntN(5)]; near > pitch && r.IntN(2) == 0 {
			n = max(1, near/pitch+r.IntN(9)-4)
		}
		l.Shape, l.Strides = append(l.Shape, n), append(l.Strides, pitch)
		if r.IntN(8) == 0 {
			l.Strides[len(l.Strides)-1] = 0
			continue
		}
		pitch *= n
		switch r.IntN(4) {
		case 0:
			pitch += r.IntN(200)
		case 1:
			pitch += r.IntN(3)*4096 + r.IntN(2)*64
		}
	}
	return l.Permute(r.Perm(len(l.Shape))...)
}

// Long runs lie in memory as in the file by the page, so that direct I/O need
// not copy them, wherever in a page their room begins.
func TestLongRunsAreCongruent(t *testing.T) {
	a := ndarray.New(ndarray.F32, 5, 40000)
	s := stored(kerneltest.NewDisk(t), a.Range(1, 32, 20032))
	size := stream.SourceSize(s.Layout)
	lines := make([]byte, size+2*4096)
	lines = lines[-uintptr(unsafe.Pointer(&lines[0]))%64:]
	for skip := 0; skip < 4096; skip += 64 {
		p := stream.Source(s, lines[skip:skip+size])
		if err := p.Array.Check(); err != nil {
			t.Fatal(err)
		}
		for i := range 5 {
			file := s.Layout.Offset + i*s.Layout.Strides[0]
			at := uintptr(unsafe.Pointer(&p.Array.Data[p.Array.Offset+i*p.Array.Strides[0]]))
			if uintptr(file)%4096 != at%4096 {
				t.Errorf("%d bytes on: row %d lies at %d of the file and at %d of memory", skip, i, file, at)
			}
		}
	}
}

// A part of a piece moves alone, in the piece's memory.
func TestPieceRange(t *testing.T) {
	r := numpytest.NewRand(4)
	for range 200 {
		a := r.Array(r.Type(ndarray.DTypes...), shapes(r)...)
		if a.Rank() == 0 || repeats(a.Layout) {
			continue
		}
		s := stored(kerneltest.NewDisk(t), a)
		p := stream.Source(s, make([]byte, stream.SourceSize(s.Layout)))
		if r.IntN(2) == 0 {
			p = stream.Sink(s, make([]byte, stream.SinkSize(s.Layout)))
		}
		axis := r.IntN(a.Rank())
		cut := r.IntN(a.Shape[axis] + 1)
		for _, b := range [][2]int{{cut, a.Shape[axis]}, {0, cut}} {
			part := p.Range(axis, b[0], b[1])
			wait(t, part.Load(t.Context()))
		}
		if !bytes.Equal(values(t, p.Array).Data, values(t, a).Data) {
			t.Fatalf("%s %v at %d of axis %d: wrong elements", a, a.Strides, cut, axis)
		}
		want := values(t, a)
		zero, err := ndarray.Array{Layout: ndarray.NewLayout(a.DType), Data: make([]byte, 16)}.Broadcast(p.Array.Range(axis, 0, cut).Shape)
		if err != nil {
			t.Fatal(err)
		}
		for _, to := range []ndarray.Array{want.Range(axis, 0, cut), p.Array.Range(axis, 0, cut)} {
			if err := ndarray.Convert(to, ndarray.Array{Layout: zero, Data: make([]byte, 16)}); err != nil {
				t.Fatal(err)
			}
		}
		sink := stream.Sink(s, make([]byte, stream.SinkSize(s.Layout)))
		if err := ndarray.Convert(sink.Array, values(t, p.Array)); err != nil {
			t.Fatal(err)
		}
		part := sink.Range(axis, 0, cut)
		wait(t, part.Store(t.Context()))
		if !bytes.Equal(values(t, a).Data, want.Data) {
			t.Fatalf("%s %v before %d of axis %d: wrong elements were stored", a, a.Strides, cut, axis)
		}
	}
}
