package fft

import (
	"vgpu/kernels"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/pack"
	"vgpu/kernels/scratch"
	"vgpu/kernels/stream"
)

// streamShift plans a shift outside memory: every part is copied tile by tile.
func streamShift(out, in ndarray.Layout, shift []int, mem int64) (*kernels.Streamed, error) {
	plan := &kernels.Streamed{}
	var tilings []*stream.Tiling
	var refused []error
	for _, p := range shiftParts(out, in, shift, 0) {
		t, err := pack.Plan(p[0], p[1], mem)
		if refused = append(refused, err); err != nil {
			continue
		}
		tilings = append(tilings, t)
		plan.Mem, plan.Moved = max(plan.Mem, t.Mem+pack.Slack), plan.Moved+t.Moved()
		plan.Apart += t.Apart()
		plan.Explain = t.Explain()
	}
	if err := pack.Refusal(mem, refused...); err != nil {
		return nil, err
	}
	plan.Explain = append(plan.Explain, kernels.Entry{Term: "parts", Text: itoa(len(tilings))}, stream.Passes(1))
	plan.Run = func(x *kernels.Exec) error {
		slab := scratch.NewSlab(x.Mem.Alloc(int(plan.Mem)))
		for i, p := range shiftParts(x.Dst[0].Layout, x.Src[0].Layout, shift, 0) {
			to, from := kernels.Stored{Blob: x.Dst[0].Blob, Layout: p[0]}, kernels.Stored{Blob: x.Src[0].Blob, Layout: p[1]}
			if err := pack.Run(x, slab, tilings[i], to, from); err != nil {
				return err
			}
		}
		return nil
	}
	return plan, nil
}

// streamWindow plans a window outside memory.
func streamWindow(out ndarray.Layout, mem int64, weights func() func(i int) float64) (*kernels.Streamed, error) {
	t, err := stream.NewTiling(out.Shape, []stream.Operand{{Layout: out, Store: true}}, mem, stream.Cuts{})
	if err != nil {
		return nil, err
	}
	return t.Streamed(func(x *kernels.Exec) error {
		weight := weights()
		return t.Run(x, x.Dst[:1], func(tile *stream.Tile) error { return storeWindow(x, tile.Arrays[0], weight, tile.Lo[0]) })
	}), nil
}
