package order

import (
	"fmt"

	"vgpu/kernels"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/scratch"
)

// planBincount is numpy.bincount into a table of a known length: that of the
// output must be known before the values are. A value outside it is EDOM.
func planBincount(c *kernels.Call) (*kernels.Plan, error) {
	in := &c.In[0]
	if d := in.Layout.DType; !d.IsInteger() && d != ndarray.Bool {
		return nil, in.Errorf("%s values do not number places", d)
	}
	bins := c.Int("minlength")
	if want := c.Out[0].WantShape(nil); !c.Has("minlength") && len(want) == 1 {
		bins = want[0]
	}
	if bins < 1 {
		e := c.Opt("minlength").Errorf("a table needs a length")
		e.Hint = "give minlength=, one more than the greatest value"
		return nil, e
	}
	weights := c.Operand("weights")
	if err := checkWeights(c, weights); err != nil {
		return nil, err
	}
	b := bincount{c: c, n: in.Layout.Len(), bins: bins, weights: weights}
	d := ndarray.I64
	if weights >= 0 {
		d = ndarray.F64
	}
	b.parts = partsOf(b.n, bins)
	out := kernels.OutSpec{DType: d, Shape: []int{bins}}
	return &kernels.Plan{
		Out:    []kernels.OutSpec{out},
		Cost:   kernels.Cost{Bytes: float64(in.Layout.Bytes() + 8*bins), Scratch: b.scratch()},
		Stream: func(mem int64) (*kernels.Streamed, error) { return b.stream(out, mem) },
		Run:    func(x *kernels.Exec) error { return b.run(x, sweepCall(x, b.parts, weights)) },
	}, nil
}

// bincount is a call: n values, a table of bins places, in parts partial ones;
// weights is the number of that operand, or -1.
type bincount struct {
	c                       *kernels.Call
	n, bins, parts, weights int
}

// scratch is the bytes of the tables.
func (b bincount) scratch() int64 { return int64(b.parts * scratch.Size[int64](b.bins)) }

// places loads values [lo, hi) as numbers of the table.
func (b bincount) places(buf []int64, in ndarray.Array, lo int) error {
	ndarray.Load(buf, in, lo)
	for _, v := range buf {
		if uint64(v) >= uint64(b.bins) {
			text := fmt.Sprint(v)
			if in.DType == ndarray.U64 {
				text = fmt.Sprint(uint64(v))
			}
			return outOfRange(b.c, &b.c.In[0], fmt.Sprintf("the value %s is outside a table of length %d", text, b.bins))
		}
	}
	return nil
}

// run counts, or adds up weights, in partial tables (see sums). Every value is
// checked before it is used as a place, so that nothing is written beside a
// table.
func (b bincount) run(x *kernels.Exec, all sweep) error {
	if b.weights < 0 {
		counts := newSums[int64](x.Mem, b.bins, b.parts)
		err := all(func(part int, values, _ ndarray.Array, lo, hi int) error {
			var buf [countBlock]int64
			if err := b.places(buf[:hi-lo], values, lo); err != nil {
				return err
			}
			for _, v := range buf[:hi-lo] {
				counts.tables[part][v]++
			}
			return nil
		})
		if err != nil {
			return err
		}
		ndarray.Store(x.Out[0], counts.total(), 0)
		return nil
	}
	sums := newSums[float64](x.Mem, b.bins, b.parts)
	err := all(func(part int, values, weights ndarray.Array, lo, hi int) error {
		var buf [countBlock]int64
		var weight [countBlock]float64
		if err := b.places(buf[:hi-lo], values, lo); err != nil {
			return err
		}
		ndarray.Load(weight[:hi-lo], weights, lo)
		for i, v := range buf[:hi-lo] {
			sums.tables[part][v] += weight[i]
		}
		return nil
	})
	if err != nil {
		return err
	}
	ndarray.Store(x.Out[0], sums.total(), 0)
	return nil
}
