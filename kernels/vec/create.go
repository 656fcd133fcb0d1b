package vec

import (
	"math"
	"math/big"

	"vgpu/kernels"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/pool"
	"vgpu/kernels/stream"
	"vgpu/kernels/vec/move"
)

// planFill is numpy.full, into new arrays, existing ones, and views of these. A
// value that an integer type does not hold is refused, as in NumPy 2.
func planFill(c *kernels.Call) (*kernels.Plan, error) {
	value, err := option(c, "value")
	if err != nil {
		return nil, err
	}
	fallback := ndarray.F64
	if !value.isReal() {
		fallback = ndarray.C128
	}
	d, err := outType(c, true, fallback)
	if err != nil {
		return nil, err
	}
	shape, err := outShape(c)
	if err != nil {
		return nil, err
	}
	scalar, err := value.scalar(d)
	if err != nil {
		return nil, c.Opt("value").Errorf("%v", err)
	}
	p := single(d, shape, sizeOf(d, shape), func(x *kernels.Exec) error {
		return fill(x.W, x.Out[0], scalar)
	})
	return sunk(c, p, asIs, func(w *pool.Worker, t *stream.Tile) error { return fill(w, t.Arrays[0], scalar) }), nil
}

// fill sets every element to a scalar of the same type: a copy with strides of
// 0.
func fill(w *pool.Worker, out, scalar ndarray.Array) error {
	l, err := scalar.Broadcast(out.Shape)
	if err != nil {
		return err
	}
	return move.Copy(w, out, ndarray.Array{Layout: l, Data: scalar.Data})
}

// planArange is numpy.arange: ceil((stop - start) / step) values.
func planArange(c *kernels.Call) (*kernels.Plan, error) {
	start, err := option(c, "start")
	if err != nil {
		return nil, err
	}
	step, err := option(c, "step")
	if err != nil {
		return nil, err
	}
	var stop number
	whole := start.whole != nil && step.whole != nil
	if c.Has("stop") {
		if stop, err = option(c, "stop"); err != nil {
			return nil, err
		}
		whole = whole && stop.whole != nil
	}
	fallback := ndarray.F64
	if whole {
		fallback = ndarray.I64
	}
	d, err := outType(c, false, fallback)
	if err != nil {
		return nil, err
	}
	n, err := arangeLength(c, start, stop, step)
	if err != nil {
		return nil, err
	}
	if d.IsInteger() || d == ndarray.Bool {
		return planWholeRange(c, d, n, start, step)
	}
	from, by := real(start.value), real(step.value)
	return generating(c, d, []int{n}, asIs, ndarray.F64, func(dst ndarray.Array, first int) {
		s := ndarray.Slice[float64](dst)
		for i := range s {
			s[i] = from + float64(float64(first+i)*by)
		}
	}), nil
}

// arangeLength is the number of values. Without stop= it is the length that the
// output operand gives. Integers are counted exactly; floats by numpy's own
// formula, rounding included, which may give one value more than there is room
// for before stop.
func arangeLength(c *kernels.Call, start, stop, step number) (int, error) {
	if !c.Has("stop") {
		shape := c.Out[0].WantShape(nil)
		if len(shape) != 1 {
			e := c.Errorf("stop is missing")
			e.Hint = "give stop=, or the length in the output operand, as in x.npy:i64:10"
			return 0, e
		}
		return shape[0], nil
	}
	for name, v := range map[string]number{"start": start, "stop": stop, "step": step} {
		if f := real(v.value); !v.isReal() || math.IsNaN(f) || math.IsInf(f, 0) {
			return 0, c.Opt(name).Errorf("%s is not a finite real number", v.text)
		}
	}
	if real(step.value) == 0 {
		return 0, c.Opt("step").Errorf("a step of 0 never ends")
	}
	var n float64
	if start.whole != nil && stop.whole != nil && step.whole != nil {
		exact := wholeLength(start.whole, stop.whole, step.whole)
		if !exact.IsInt64() {
			return 0, c.Opt("stop").Errorf("%s values are too many", exact)
		}
		return int(exact.Int64()), nil
	}
	n = math.Ceil((real(stop.value) - real(start.value)) / real(step.value))
	if n >= math.MaxInt64 {
		return 0, c.Opt("stop").Errorf("%g values are too many", n)
	}
	return int(max(n, 0)), nil
}

// wholeLength is max(0, ceil((stop - start) / step)), exactly.
func wholeLength(start, stop, step *big.Int) *big.Int {
	span := new(big.Int).Sub(stop, start)
	if span.Sign() == 0 || span.Sign() != step.Sign() {
		return new(big.Int)
	}
	q, r := new(big.Int).QuoRem(span, step, new(big.Int))
	if r.Sign() != 0 {
		q.Add(q, big.NewInt(1))
	}
	return q
}

// planWholeRange makes integers: start + i·step in 64 bits, whose low bits are
// the value in any type that holds the first and the last of them.
func planWholeRange(c *kernels.Call, d ndarray.DType, n int, start, step number) (*kernels.Plan, error) {
	if step.whole == nil {
		return nil, c.Opt("step").Errorf("%s is not an integer, and the result is %s", step.text, d)
	}
	if err := start.fits(d); err != nil && (n > 0 || start.whole == nil) {
		return nil, c.Opt("start").Errorf("%v", err)
	}
	end := new(big.Int).Mul(step.whole, big.NewInt(int64(n-1)))
	end.Add(end, start.whole)
	if err := (number{text: end.String(), whole: end}).fits(d); err != nil && n > 0 {
		return nil, c.Opt("step").Errorf("the last value %v", err)
	}
	from, by := wrapped(start.whole), wrapped(step.whole)
	return generating(c, d, []int{n}, asIs, ndarray.U64, func(dst ndarray.Array, first int) {
		s := ndarray.Slice[uint64](dst)
		for i := range s {
			s[i] = from + uint64(first+i)*by
		}
	}), nil
}

// planLinspace is numpy.linspace: num= points (or as many as the output has),
// the last of them stop unless endpoint=0.
func planLinspace(c *kernels.Call) (*kernels.Plan, error) {
	start, stop := c.Complex("start"), c.Complex("stop")
	fallback := ndarray.F64
	if imag(start) != 0 || imag(stop) != 0 {
		fallback = ndarray.C128
	}
	d, err := outType(c, false, fallback)
	if err != nil {
		return nil, err
	}
	if fallback == ndarray.C128 && !d.IsComplex() {
		return nil, c.Opt("start").Errorf("start or stop is complex, and the result is %s", d)
	}
	n := c.Int("num")
	if want := c.Out[0].WantShape(nil); !c.Has("num") && len(want) == 1 {
		n = want[0]
	}
	if n < 0 {
		return nil, c.Opt("num").Errorf("%d values cannot be made", n)
	}
	l := newLine(start, stop, n, c.Bool("endpoint"))
	via := ndarray.F64
	if d.IsComplex() {
		via = ndarray.C128
	}
	return generating(c, d, []int{n}, asIs, via, func(dst ndarray.Array, first int) { l.fill(dst, first, d.IsInteger()) }), nil
}

// line is the points of a linspace, computed as numpy does (function_base.py),
// so that the bits agree: i·step + start, or, where the step underflows to 0
// and the distance does not, i/div·delta + start.
type line struct {
	start, stop, delta, step complex128
	div                      float64
	tiny, closed             bool
	n                        int
}

// newLine is n points from start to stop, stop being the last of them or the
// point after it. The parts of complex numbers are divided apart, as a complex
// division would round otherwise.
func newLine(start, stop complex128, n int, endpoint bool) line {
	l := line{start: start, stop: stop, delta: stop - start, n: n, div: float64(n), closed: endpoint && n > 1}
	if endpoint {
		l.div--
	}
	if l.div > 0 {
		l.step = complex(real(l.delta)/l.div, imag(l.delta)/l.div)
		l.tiny = l.step == 0
	}
	return l
}

// part is one component of point i, from that component's numbers. The products
// are rounded by a conversion each, which forbids the compiler to fuse them.
func (l *line) part(i int, start, delta, step float64) float64 {
	x := float64(i)
	switch {
	case l.div <= 0: // a single point
		return float64(x*delta) + start
	case l.tiny:
		return float64(x/l.div*delta) + start
	}
	return float64(x*step) + start
}

// fill writes the points from number first on to dst, f64 or c128; for integer
// types rounded down, as numpy does.
func (l *line) fill(dst ndarray.Array, first int, floor bool) {
	if dst.DType == ndarray.C128 {
		for i, s := 0, ndarray.Slice[complex128](dst); i < len(s); i++ {
			s[i] = complex(l.part(first+i, real(l.start), real(l.delta), real(l.step)),
				l.part(first+i, imag(l.start), imag(l.delta), imag(l.step)))
			if l.closed && first+i == l.n-1 {
				s[i] = l.stop
			}
		}
		return
	}
	for i, s := 0, ndarray.Slice[float64](dst); i < len(s); i++ {
		s[i] = l.part(first+i, real(l.start), real(l.delta), real(l.step))
		if l.closed && first+i == l.n-1 {
			s[i] = real(l.stop)
		}
		if floor {
			s[i] = math.Floor(s[i])
		}
	}
}

// planEye is numpy.eye: ones on diagonal k. A tile of a streamed run has the
// part of the diagonal that its place gives: k moves by the tile's row less its
// column.
func planEye(c *kernels.Call) (*kernels.Plan, error) {
	d, err := outType(c, false, ndarray.F64)
	if err != nil {
		return nil, err
	}
	shape := c.Out[0].WantShape(nil)
	if c.Has("n") {
		shape = []int{c.Int("n"), c.Int("n")}
		if c.Has("m") {
			shape[1] = c.Int("m")
		}
	}
	if len(shape) != 2 || shape[0] < 0 || shape[1] < 0 {
		e := c.Errorf("a matrix needs two extents, not %s", ndarray.ShapeString(shape))
		e.Hint = "give n= (and m=), or the shape in the output operand, as in i.npy:f32:4x4"
		return nil, e
	}
	k := c.Int("k")
	zero, err := number{whole: new(big.Int)}.scalar(d)
	if err != nil {
		return nil, err
	}
	one, err := number{whole: big.NewInt(1), value: 1}.scalar(d)
	if err != nil {
		return nil, err
	}
	eye := func(w *pool.Worker, a ndarray.Array, k int) error {
		if err := fill(w, a, zero); err != nil {
			return err
		}
		return fill(w, diagonal(a, k), one)
	}
	p := single(d, shape, sizeOf(d, shape), func(x *kernels.Exec) error { return eye(x.W, x.Out[0], k) })
	return sunk(c, p, asIs, func(w *pool.Worker, t *stream.Tile) error {
		return eye(w, t.Arrays[0], min(max(k, -shape[0]), shape[1])+t.Lo[0]-t.Lo[1])
	}), nil
}

// diagonal is the one-dimensional view of diagonal k of a matrix: 0 the main
// one, positive above, negative below.
func diagonal(a ndarray.Array, k int) ndarray.Array {
	k = min(max(k, -a.Shape[0]), a.Shape[1]) // the first ones without elements; -k does not overflow
	i, j := max(0, -k), max(0, k)
	n := max(0, min(a.Shape[0]-i, a.Shape[1]-j))
	if n > 0 {
		a.Offset += i*a.Strides[0] + j*a.Strides[1]
	}
	a.Shape, a.Strides = []int{n}, []int{a.Strides[0] + a.Strides[1]}
	return a
}
