package vec

import (
	"testing"

	"vgpu/kernels/kerneltest"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/pool"
)

// One thread; the rate counts the output's bytes.
func BenchmarkKernels(b *testing.B) {
	p, err := pool.New(pool.Config{Threads: 1})
	if err != nil {
		b.Fatal(err)
	}
	defer p.Close()
	in := arrays{"a": ndarray.New(ndarray.F32, 1<<22), "c": ndarray.New(ndarray.Bool, 1<<22)}
	for i := range in["c"].Data {
		in["c"].Data[i] = byte(i * i >> 3 & 1)
	}
	for _, line := range []string{"random o:f32:4194304", "random o:f64:2097152", "random o:f32:4194304 dist=normal", "random o:f64:2097152 dist=exponential",
		"random o:i32:4194304 low=0 high=1000", "arange o:i64:2097152", "arange o:f32:4194304 step=0.5", "linspace o:f64:2097152", "fill o:f32:4194304 value=1",
		"where c a a o", "flip a o", "roll a o", "concat a a o"} {
		b.Run(line, func(b *testing.B) {
			j, err := kerneltest.Prepare(b, Kernels(), line, in)
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(j.Out[0].Bytes()))
			for b.Loop() {
				if err := j.RunOn(b.Context(), p); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
