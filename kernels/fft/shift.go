package fft

import (
	"slices"

	"vgpu/kernels"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/stream"
)

func shiftPlan(inv bool) func(c *kernels.Call) (*kernels.Plan, error) {
	return func(c *kernels.Call) (*kernels.Plan, error) {
		in := &c.In[0]
		shape := in.Layout.Shape
		axes := make([]int, len(shape))
		for i := range axes {
			axes[i] = i
		}
		if c.Has("axes") {
			var err error
			if axes, err = axesOption(c, in, 0); err != nil {
				return nil, err
			}
		}
		shift := make([]int, len(shape))
		for _, a := range axes {
			if shift[a] = shape[a] / 2; inv {
				shift[a] = (shape[a] + 1) / 2
			}
		}
		spec := kernels.OutSpec{DType: in.Layout.DType, Shape: slices.Clone(shape)}
		to := stream.Output(c, 0, spec)
		return &kernels.Plan{
			Out:    []kernels.OutSpec{spec},
			Cost:   kernels.Cost{Bytes: float64(2 * in.Layout.Bytes())},
			Run:    func(x *kernels.Exec) error { return runShift(x, shift) },
			Stream: func(mem int64) (*kernels.Streamed, error) { return streamShift(to, in.Layout, shift, mem) },
		}, nil
	}
}

// runShift moves element i to i+shift, cyclically, along each axis: the two
// parts of each axis change places.
func runShift(x *kernels.Exec, shift []int) error {
	in, out := x.In[0], x.Out[0]
	for _, p := range shiftParts(out.Layout, in.Layout, shift, 0) {
		if err := convert(x.W, ndarray.Array{Layout: p[0], Data: out.Data}, ndarray.Array{Layout: p[1], Data: in.Data}); err != nil {
			return err
		}
	}
	return nil
}

// shiftParts is what goes where, to and from, with the axes from ax on shifted.
func shiftParts(out, in ndarray.Layout, shift []int, ax int) [][2]ndarray.Layout {
	for ax < len(shift) && shift[ax]%max(in.Shape[ax], 1) == 0 {
		ax++
	}
	if ax == len(shift) {
		return [][2]ndarray.Layout{{out, in}}
	}
	n, s := in.Shape[ax], shift[ax]
	up := shiftParts(out.Range(ax, s, n), in.Range(ax, 0, n-s), shift, ax+1)
	return append(up, shiftParts(out.Range(ax, 0, s), in.Range(ax, n-s, n), shift, ax+1)...)
}
