package fft

import (
	"slices"

	"vgpu/kernels"
	"vgpu/kernels/ndarray"
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
		bytes := in.Layout.Bytes()
		return &kernels.Plan{
			Out:  []kernels.OutSpec{{DType: in.Layout.DType, Shape: slices.Clone(shape)}},
			Cost: kernels.Cost{Bytes: float64(2 * bytes)},
			Run:  func(x *kernels.Exec) error { return runShift(x, shift) },
		}, nil
	}
}

// runShift moves element i to i+shift, cyclically, along each axis: the two
// parts of each axis change places.
func runShift(x *kernels.Exec, shift []int) error {
	return rollAxes(x, x.Out[0], x.In[0], shift, 0)
}

// rollAxes rolls the axes from ax on.
func rollAxes(x *kernels.Exec, out, in ndarray.Array, shift []int, ax int) error {
	for ax < len(shift) && shift[ax]%max(in.Shape[ax], 1) == 0 {
		ax++
	}
	if ax == len(shift) {
		return convert(x.W, out, in)
	}
	n, s := in.Shape[ax], shift[ax]
	if err := rollAxes(x, out.Range(ax, s, n), in.Range(ax, 0, n-s), shift, ax+1); err != nil {
		return err
	}
	return rollAxes(x, out.Range(ax, 0, s), in.Range(ax, n-s, n), shift, ax+1)
}
