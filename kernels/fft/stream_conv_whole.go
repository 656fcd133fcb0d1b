package fft

import (
	"slices"

	"vgpu/kernels"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/simd"
	"vgpu/kernels/stream"
)

// A convolution of one padded transform that does not fit into memory is that
// transform of x and of h in temporary space, each streamed as by itself, a pass that
// multiplies them, the transform back, and a copy of what is wanted of it.

// whole is such a plan; nil for another method.
func (v *convolution) whole(x, h, out ndarray.Layout, mem int64) (*kernels.Streamed, error) {
	if v.method == "direct" || v.blocks() > 1 {
		return nil, nil
	}
	c := newChain(mem, out, x, h)
	fwd, inv := v.requests()
	fwd.threads, inv.threads = v.threads, v.threads
	spec, freq := c.temp(complexOf(v.prec), fwd.out...), c.temp(complexOf(v.prec), fwd.out...)
	transform := func(r *request, to, from end) {
		plan, err := r.stream(c.layout(from), c.layout(to), mem)
		c.add(plan, err, to, from)
	}
	transform(&fwd, spec, v.kernelEnd(c))
	transform(&fwd, freq, source)
	if v.prec == ndarray.F32 {
		multiplyAll[float32](c, freq, spec)
	} else {
		multiplyAll[float64](c, freq, spec)
	}
	pad := c.temp(v.dtype(), v.fft...)
	transform(&inv, pad, freq)
	c.copy("a copy", result, pad.seen(func(l ndarray.Layout) ndarray.Layout {
		for a, lo := range v.start {
			l = l.Range(a, lo, lo+v.out[a])
		}
		return l
	}))
	return c.streamed()
}

// kernelEnd is h, or for a correlation what [kernelOf] makes of it.
func (v *convolution) kernelEnd(c *chain) end {
	h := end{of: ofSource, i: 1}
	if !v.corr {
		return h
	}
	h = h.seen(func(l ndarray.Layout) ndarray.Layout {
		l.Strides = slices.Clone(l.Strides)
		for a, s := range l.Strides {
			l.Offset += (l.Shape[a] - 1) * s
			l.Strides[a] = -s
		}
		return l
	})
	if !v.complex {
		return h
	}
	k := c.temp(complexOf(v.prec), v.h...)
	c.copy("h reversed", k, h)
	if v.prec == ndarray.F32 {
		conjugateAll[float32](c, k)
	} else {
		conjugateAll[float64](c, k)
	}
	return k
}

// flat sees an array in temporary space as a line.
func (e end) flat() end {
	return e.seen(func(l ndarray.Layout) ndarray.Layout {
		f := ndarray.NewLayout(l.DType, l.Len())
		f.Offset = l.Offset
		return f
	})
}

// multiplyAll appends a pass that multiplies complex numbers at one end by those at
// another. Vectors are cut as in core.
func multiplyAll[T simd.Float](c *chain, to, by end) {
	n := c.layout(to).Len()
	c.pass("times its spectrum", []int{n}, chirpCuts[T](0, 0), func(x *kernels.Exec, _ *stream.Tiling) func(tile *stream.Tile) error {
		k, crew := simd.FFT[T](), &crew[T]{w: x.W}
		return func(tile *stream.Tile) error {
			y, s := reals[T](tile.Arrays[0]), reals[T](tile.Arrays[1])
			return crew.over(len(y)/2, func(lo, hi int) { k.Mul(y[2*lo:], y[2*lo:], s[2*lo:], hi-lo) })
		}
	}, use{end: to.flat(), load: true, store: true}, use{end: by.flat(), load: true})
}

// conjugateAll appends a pass that conjugates.
func conjugateAll[T simd.Float](c *chain, to end) {
	c.pass("conjugates", []int{c.layout(to).Len()}, stream.Cuts{}, func(x *kernels.Exec, _ *stream.Tiling) func(tile *stream.Tile) error {
		return func(tile *stream.Tile) error {
			y := reals[T](tile.Arrays[0])
			return tabulate(x.W, len(y)/2, func(lo, hi int) {
				for i := lo; i < hi; i++ {
					y[2*i+1] = -y[2*i+1]
				}
			})
		}
	}, use{end: to.flat(), load: true, store: true})
}
