package order

import (
	"fmt"

	"vgpu/kernels"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/scratch"
)

// planBincount is numpy.bincount into a table of a known length.
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
	parts := partsOf(b.n, bins)
	return &kernels.Plan{
		Out:  []kernels.OutSpec{{DType: d, Shape: []int{bins}}},
		Cost: kernels.Cost{Bytes: float64(in.Layout.Bytes() + 8*bins), Scratch: int64(parts * scratch.Size[uint64](bins))},
		Run:  func(x *kernels.Exec) error { return b.run(x, scratchBins{x, bins, parts}) },
	}, nil
}

type bincount struct {
	c                *kernels.Call
	n, bins, weights int
}

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

// run counts, or adds up weights, in partial tables (see tally). Every value
// is checked before it is used as a place, so that nothing is written beside a
// table.
func (b bincount) run(x *kernels.Exec, s scratchBins) error {
	if b.weights < 0 {
		counts, err := tally[int64](s, b.n, func(counts []int64, lo, hi int) error {
			var buf [countBlock]int64
			if err := b.places(buf[:hi-lo], x.In[0], lo); err != nil {
				return err
			}
			for _, v := range buf[:hi-lo] {
				counts[v]++
			}
			return nil
		})
		if err != nil {
			return err
		}
		ndarray.Store(x.Out[0], counts, 0)
		return nil
	}
	sums, err := tally[float64](s, b.n, func(sums []float64, lo, hi int) error {
		var buf [countBlock]int64
		var weights [countBlock]float64
		if err := b.places(buf[:hi-lo], x.In[0], lo); err != nil {
			return err
		}
		ndarray.Load(weights[:hi-lo], x.In[b.weights], lo)
		for i, v := range buf[:hi-lo] {
			sums[v] += weights[i]
		}
		return nil
	})
	if err != nil {
		return err
	}
	ndarray.Store(x.Out[0], sums, 0)
	return nil
}
