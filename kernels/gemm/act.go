package gemm

import "vgpu/kernels/simd"

// activation is a function of real numbers on vectors; dst may be x.
type activation struct {
	f32 func(dst, x []float32)
	f64 func(dst, x []float64)
}

// activations maps the values of the option act; none is absent.
//
//	relu     max(x, 0)
//	gelu     x·Φ(x), in its exact form (Hendrycks & Gimpel, arXiv 1606.08415)
//	silu     x / (1 + exp(-x))
//	tanh
//	sigmoid  1 / (1 + exp(-x))
var activations = map[string]*activation{
	"relu":    {simd.ReluF32, simd.ReluF64},
	"gelu":    {simd.GeluF32, simd.GeluF64},
	"silu":    {simd.SiluF32, simd.SiluF64},
	"tanh":    {simd.TanhF32, simd.TanhF64},
	"sigmoid": {simd.SigmoidF32, simd.SigmoidF64},
}
