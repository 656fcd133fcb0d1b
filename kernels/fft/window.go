package fft

import (
	"math"

	"vgpu/kernels"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/stream"
)

// windowTypes are the names that window= and type= take.
var windowTypes = []string{"boxcar", "triang", "bartlett", "hann", "hamming", "blackman", "nuttall", "blackmanharris",
	"flattop", "cosine", "bohman", "parzen", "kaiser", "gaussian", "tukey", "exponential"}

// windowParameter is what param= means where it is not written: beta of
// kaiser, the standard deviation of gaussian in points, the tapered part of
// tukey, tau of exponential in points.
var windowParameter = map[string]float64{"kaiser": 14, "gaussian": 0, "tukey": 0.5, "exponential": 1}

// cosineTerms are the weights a of Σ (-1)^k·a[k]·cos(2πki/(n-1)).
var cosineTerms = map[string][]float64{
	"boxcar":         {1},
	"hann":           {0.5, 0.5},
	"hamming":        {0.54, 0.46},
	"blackman":       {0.42, 0.5, 0.08},
	"nuttall":        {0.3635819, 0.4891775, 0.1365995, 0.0106411},
	"blackmanharris": {0.35875, 0.48829, 0.14128, 0.01168},
	"flattop":        {0.21557895, 0.41663158, 0.277263158, 0.083578947, 0.006947368},
}

// window gives the weights of scipy.signal.windows.<name> of n points:
// symmetric, or (periodic) the first n points of the symmetric one of n+1, for
// spectra.
func window(name string, n int, param float64, periodic bool) func(i int) float64 {
	if n <= 1 {
		return func(int) float64 { return 1 }
	}
	m := n
	if periodic {
		m++
	}
	f := windowFunc(name, m, param)
	return func(i int) float64 { return f(min(i, m-1-i)) } // all are symmetric: exactly so
}

// storeWindow writes the weights from first on piece by piece.
func storeWindow(x *kernels.Exec, out ndarray.Array, weight func(i int) float64, first int) error {
	return parallel(x.W, out.Len(), 8*windowPiece, func(lo, hi int) {
		var buf [windowPiece]float64
		for ; lo < hi; lo += windowPiece {
			part := buf[:min(windowPiece, hi-lo)]
			for i := range part {
				part[i] = weight(first + lo + i)
			}
			ndarray.Store(out, part, lo)
		}
	})
}

// windowPiece is how many weights are computed before they are stored.
const windowPiece = 2048

// windowFunc is the value at point i, i <= (m-1)/2, of the window of m points.
func windowFunc(name string, m int, param float64) func(i int) float64 {
	last := float64(m - 1)
	if a, ok := cosineTerms[name]; ok {
		return func(i int) float64 {
			v := 0.0
			for k, w := range a {
				c, _ := turn(i*k, m-1)
				if k%2 == 1 {
					w = -w
				}
				v += w * c
			}
			return v
		}
	}
	at := func(i int) float64 { return math.Abs(2*float64(i)/last - 1) } // distance from the middle, 0 to 1
	switch name {
	case "triang":
		return func(i int) float64 {
			if m%2 == 0 {
				return float64(2*i+1) / float64(m)
			}
			return float64(2*(i+1)) / float64(m+1)
		}
	case "bartlett":
		return func(i int) float64 { return 2 * float64(i) / last }
	case "cosine":
		return func(i int) float64 { return math.Sin(math.Pi / float64(m) * (float64(i) + 0.5)) }
	case "bohman":
		return func(i int) float64 {
			if i == 0 {
				return 0
			}
			return (1-at(i))*math.Cos(math.Pi*at(i)) + math.Sin(math.Pi*at(i))/math.Pi
		}
	case "parzen":
		return parzen(m)
	case "kaiser":
		return func(i int) float64 { return besselI0(param*math.Sqrt(1-at(i)*at(i))) / besselI0(param) }
	case "gaussian":
		return func(i int) float64 { x := (float64(i) - last/2) / param; return math.Exp(-x * x / 2) }
	case "exponential":
		return func(i int) float64 { return math.Exp(-math.Abs(float64(i)-last/2) / param) }
	}
	return tukey(last, param)
}

// turn is the cosine and sine of 2π·k/n, to full precision.
func turn(k, n int) (c, s float64) {
	z := rootDD(k%n, n)
	return z.re.hi, -z.im.hi
}

func parzen(m int) func(i int) float64 {
	return func(i int) float64 {
		x := math.Abs(float64(i)-float64(m-1)/2) / (float64(m) / 2)
		if math.Abs(float64(i)-float64(m-1)/2) <= float64(m-1)/4 {
			return 1 - 6*x*x + 6*x*x*x
		}
		return 2 * (1 - x) * (1 - x) * (1 - x)
	}
}

func tukey(last, alpha float64) func(i int) float64 {
	return func(i int) float64 {
		switch {
		case alpha <= 0, alpha < 1 && float64(i) > math.Floor(alpha*last/2):
			return 1
		case alpha >= 1:
			return 0.5 * (1 - math.Cos(2*math.Pi*float64(i)/last))
		}
		return 0.5 * (1 + math.Cos(math.Pi*(-1+2*float64(i)/alpha/last)))
	}
}

// besselI0 is the modified Bessel function of order zero, by its power series
// Σ (x²/4)^k / k!², whose terms are positive: no digits cancel.
func besselI0(x float64) float64 {
	sum, term, q := 1.0, 1.0, x*x/4
	for k := 1.0; term > sum*1e-17; k++ {
		term *= q / (k * k)
		sum += term
	}
	return sum
}

// windowOption checks a window's parameter: param= of c, or the default.
func windowOption(c *kernels.Call, name string, n int) (float64, error) {
	o, p := c.Opt("param"), windowParameter[name]
	if name == "gaussian" {
		p = max(float64(n)/6, 1)
	}
	if o.Set {
		p = c.Float("param")
		if _, takes := windowParameter[name]; !takes {
			return 0, o.Errorf("%s has no parameter", name)
		}
	}
	switch {
	case math.IsNaN(p) || math.IsInf(p, 0):
		return 0, o.Errorf("it must be finite")
	case p <= 0 && (name == "gaussian" || name == "exponential"):
		return 0, o.Errorf("%s needs a positive width, not %v", name, p)
	case math.Abs(p) > 600 && name == "kaiser":
		return 0, o.Errorf("beta is at most 600: beyond, the weights overflow")
	}
	return p, nil
}

func planWindow(c *kernels.Call) (*kernels.Plan, error) {
	out := &c.Out[0]
	shape := out.WantShape([]int{c.Int("n")})
	switch {
	case len(shape) != 1:
		return nil, out.Errorf("a window has one axis, %s has %d", out.Path, len(shape))
	case c.Has("n") && c.Int("n") != shape[0]:
		return nil, c.Opt("n").Errorf("%d points for an output of %d", c.Int("n"), shape[0])
	case !c.Has("n") && out.Shape == nil && (out.Slice == nil || !out.Exists):
		e := out.Errorf("how many points? %s has no shape", out.Path)
		e.Hint = "n=1024, or " + out.Path + ":f64:1024"
		return nil, e
	case shape[0] < 0:
		return nil, c.Opt("n").Errorf("%d points", shape[0])
	}
	d := out.WantDType(ndarray.F64)
	if d != ndarray.F32 && d != ndarray.F64 {
		return nil, out.Errorf("a window is f32 or f64, not %s", d)
	}
	name := c.Str("type")
	p, err := windowOption(c, name, shape[0])
	if err != nil {
		return nil, err
	}
	weights := func() func(i int) float64 { return window(name, shape[0], p, !c.Bool("sym")) }
	spec := kernels.OutSpec{DType: d, Shape: shape}
	to := stream.Output(c, 0, spec)
	return &kernels.Plan{
		Out:    []kernels.OutSpec{spec},
		Cost:   kernels.Cost{Flops: 20 * float64(shape[0]), Bytes: float64(shape[0] * d.Size())},
		Run:    func(x *kernels.Exec) error { return storeWindow(x, x.Out[0], weights(), 0) },
		Stream: func(mem int64) (*kernels.Streamed, error) { return streamWindow(to, mem, weights) },
	}, nil
}
