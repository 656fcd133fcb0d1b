package fft

import (
	"fmt"
	"math/bits"
	"strconv"
	"strings"

	"vgpu/kernels"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/pool"
	"vgpu/kernels/simd"
)

// tunedVersion counts changes of what the values of a tuning entry mean, or
// of the loops they were measured on.
const tunedVersion = 7

// Params are what measuring may choose: none of them changes a bit. How a
// length is decomposed does, and is no parameter; see [methodFor].
type Params struct {
	Ways  int // workers that a run takes at the most; 0: all
	Piece int // reals that a task handles, a power of two; 0: pieceReals
}

// The range of Params.Piece.
const (
	MinPiece = 1 << 12
	MaxPiece = 1 << 20
)

// Values are the parameters by name.
func (p Params) Values() map[string]int { return map[string]int{"ways": p.Ways, "piece": p.Piece} }

// ParamsOf reads values as Params.Values gives them, for that many workers.
// Names may be missing; unknown ones and values out of range are errors.
func ParamsOf(values map[string]int, threads int) (p Params, err error) {
	for name, v := range values {
		switch name {
		case "ways":
			if v < 0 || v > threads {
				return Params{}, fmt.Errorf("ways: %d is out of range, 0 to %d", v, threads)
			}
			p.Ways = v
		case "piece":
			if v != 0 && (v < MinPiece || v > MaxPiece || v&(v-1) != 0) {
				return Params{}, fmt.Errorf("piece: %d is no power of two from %d to %d", v, MinPiece, MaxPiece)
			}
			p.Piece = v
		default:
			return Params{}, fmt.Errorf("%s: no such value; there are ways and piece", name)
		}
	}
	return p, nil
}

// Fill is p with the default of what is 0 on that many workers.
func (p Params) Fill(threads int) Params {
	if p.Ways == 0 {
		p.Ways = threads
	}
	if p.Piece == 0 {
		p.Piece = pieceReals
	}
	return p
}

// Class is a set of transforms that one tuning entry serves: Batch transforms
// over Axes axes of Points points together. Points and Batch are rounded up to
// powers of two.
type Class struct {
	DType  ndarray.DType // c64 or c128
	Axes   int           // 1, 2, or 3 for all more
	Points int
	Batch  int
}

// The largest extents of a class, which stand for all larger ones too.
const (
	maxClassAxes   = 3
	maxClassPoints = 1 << 24
	maxClassBatch  = 1 << 16
)

// ClassOf is the class of a transform of an array over some of its axes.
func ClassOf(d ndarray.DType, shape, axes []int) Class {
	n := 1
	for _, a := range axes {
		n *= shape[a]
	}
	return Class{d, min(len(axes), maxClassAxes), min(roundPow2(n), maxClassPoints), min(roundPow2(product(shape)/max(n, 1)), maxClassBatch)}
}

// roundPow2 is the least power of two that is at least n, and 1 if n < 1.
func roundPow2(n int) int { return 1 << bits.Len(uint(max(n, 1)-1)) }

// String is such as c64.d1.1048576x1: one axis, its points, the batch.
func (c Class) String() string {
	return fmt.Sprintf("%s.d%d.%dx%d", c.DType, c.Axes, c.Points, c.Batch)
}

// ParseClass reads what String gives.
func ParseClass(s string) (c Class, err error) {
	f := strings.Split(s, ".")
	if len(f) != 3 {
		return c, fmt.Errorf("class %q: written as c64.d1.1048576x1", s)
	}
	if c.DType, err = ndarray.ParseDType(f[0]); err != nil || c.DType != ndarray.C64 && c.DType != ndarray.C128 {
		return c, fmt.Errorf("class %q: the type is c64 or c128", s)
	}
	points, batch, _ := strings.Cut(f[2], "x")
	for _, n := range []struct {
		to   *int
		text string
		most int
	}{{&c.Axes, strings.TrimPrefix(f[1], "d"), maxClassAxes}, {&c.Points, points, maxClassPoints}, {&c.Batch, batch, maxClassBatch}} {
		if *n.to, err = strconv.Atoi(n.text); err != nil || *n.to < 1 || *n.to > n.most {
			return c, fmt.Errorf("class %q: %q is not a number from 1 to %d", s, n.text, n.most)
		}
	}
	if c.Points != roundPow2(c.Points) || c.Batch != roundPow2(c.Batch) || c.String() != s {
		return c, fmt.Errorf("class %q: points and batch are powers of two", s)
	}
	return c, nil
}

// Version names the code that an entry is measured on.
func (c Class) Version() string { return fmt.Sprintf("fft %s v%d", simd.Active(), tunedVersion) }

// tuned takes the parameters of a request from the call's tuner, if it knows
// any, and says where they come from.
func (r *request) tuned(c *kernels.Call) (source string) {
	r.params = Params{}
	class := ClassOf(complexOf(r.prec), r.shape, r.axes)
	if c.Tuner == nil {
		return "estimate"
	}
	values, source := c.Tuner.Tuned("fft", class.String(), c.Threads)
	if values == nil {
		return fmt.Sprintf("estimate: nothing is known of fft.%s.t%d", class, c.Threads)
	}
	p, err := ParamsOf(values, c.Threads)
	if err != nil {
		return fmt.Sprintf("estimate: %s: %v", source, err)
	}
	r.params = p
	return source
}

// Sample runs a forward transform of a class's size on arrays of zeros, with
// the given parameters, for who measures. Its memory is that of dst, src and
// scratch: [Class.Reals] of them.
func Sample[T simd.Float](c Class, p Params, w *pool.Worker, mem []T) error {
	shape, axes := c.shape()
	need := machineOf(simd.FFT[T]()).transformNeed(shape, axes)
	n := 2 * product(shape)
	team := &crew[T]{w: w, space: spaceIn(mem[2*n:], need), piece: p.Piece}
	return transform(team, mem[:n], mem[n:2*n], shape, axes, false, 1)
}

// Reals is the memory that [Sample] takes.
func (c Class) Reals() int {
	shape, axes := c.shape()
	d := ndarray.F64
	if c.DType == ndarray.C64 {
		d = ndarray.F32
	}
	return 4*product(shape) + roomFor(machineFor(d).transformNeed(shape, axes))
}

// shape is a shape of the class: cubes, as nearly as powers of two can be.
func (c Class) shape() (shape, axes []int) {
	shape = []int{c.Batch}
	left := bits.Len(uint(c.Points)) - 1
	for i := range c.Axes {
		e := left / (c.Axes - i)
		left -= e
		shape, axes = append(shape, 1<<e), append(axes, i+1)
	}
	return shape, axes
}
