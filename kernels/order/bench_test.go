package order

import (
	"fmt"
	"testing"

	"vgpu/kernels/kerneltest"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/pool"
	"vgpu/kernels/vec"
)

// One thread, a million random elements a run.
func BenchmarkKernels(b *testing.B) {
	const n = 1 << 20
	in := arrays{}
	for _, d := range []ndarray.DType{ndarray.U8, ndarray.I32, ndarray.F32, ndarray.F64, ndarray.C64} {
		dist := "normal"
		if d.IsInteger() {
			dist = "integers"
		}
		out, _, err := kerneltest.Run(b, vec.Kernels(), fmt.Sprintf("random %s:%s:%d dist=%s", d, d, n, dist), nil)
		if err != nil {
			b.Fatal(err)
		}
		in[d.String()] = out[d.String()]
		rows := out[d.String()]
		rows.Layout = ndarray.NewLayout(d, n/64, 64)
		in[d.String()+"rows"] = rows
	}
	p, err := pool.New(pool.Config{Threads: 1})
	if err != nil {
		b.Fatal(err)
	}
	defer p.Close()
	for _, line := range []string{"sort u8 o", "sort i32 o", "sort f32 o", "sort f64 o", "sort c64 o", "argsort f32 o", "argsort f64 o", "sort f32rows o", "sort f32rows o axis=0",
		"argsort f32rows o", "topk f32 o k=10", "topk f32rows o k=5", "searchsorted f32 f32 o", "histogram f32 o bins=100", "histogram f32 o bins=100 low=-4 high=4", "bincount u8 o minlength=256"} {
		b.Run(line, func(b *testing.B) {
			b.SetBytes(n) // so that MB/s reads as millions of elements a second
			j, err := kerneltest.Prepare(b, Kernels(), line, in)
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if err := j.RunOn(b.Context(), p); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
