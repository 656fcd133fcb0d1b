package gemm

import "math"

// The activations, on f64. An f32 value is widened, so that the result is
// rounded once.

// activations maps the names of the option act to functions; none is absent.
var activations = map[string]func(float64) float64{
	"relu":    relu,
	"gelu":    gelu,
	"silu":    silu,
	"tanh":    math.Tanh,
	"sigmoid": sigmoid,
}

// relu is max(x, 0); a NaN stays one.
func relu(x float64) float64 {
	if x < 0 {
		return 0
	}
	return x
}

// gelu is x·Φ(x) with the normal distribution's Φ, in its exact form
// (Hendrycks & Gimpel, arXiv 1606.08415).
func gelu(x float64) float64 {
	if math.IsInf(x, -1) {
		return 0
	}
	return x * 0.5 * math.Erfc(-x*(1/math.Sqrt2))
}

// silu is x·sigmoid(x).
func silu(x float64) float64 {
	if math.IsInf(x, -1) {
		return 0
	}
	return x * sigmoid(x)
}

// sigmoid is 1 / (1 + exp(-x)).
func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }
