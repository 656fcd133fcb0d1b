package vec

import (
	"math"
	"math/big"
	"slices"

	"vgpu/kernels"
	"vgpu/kernels/ndarray"
)

// planRandom picks the distribution's generator. Without dist= it is integers
// for integer types and bool, and uniform for all others.
func planRandom(c *kernels.Call) (*kernels.Plan, error) {
	d, err := outType(c, true, ndarray.F64)
	if err != nil {
		return nil, err
	}
	shape, err := outShape(c)
	if err != nil {
		return nil, err
	}
	seed, err := option(c, "seed")
	if err != nil {
		return nil, err
	}
	if err := seed.fits(ndarray.U64); err != nil {
		return nil, c.Opt("seed").Errorf("%v", err)
	}
	dist := c.Str("dist")
	if dist == "" {
		dist = "uniform"
		if d.IsInteger() || d == ndarray.Bool {
			dist = "integers"
		}
	}
	if err := checkParameters(c, dist, d); err != nil {
		return nil, err
	}
	gen, via, err := distributions[dist](c, d, newPhilox(seed.whole.Uint64()))
	if err != nil {
		return nil, err
	}
	p := generating(c, d, shape, parts, via, gen)
	p.Cost.Work = randomWork(dist, d) * sizeOf(d, shape) / float64(d.Real().Size())
	p.Explain = []kernels.Entry{{Term: "generator", Text: "philox4x32-10"}, {Term: "dist", Text: dist}}
	return p, nil
}

// randomWork is what a value costs a core, in seconds, for what `explain` expects: `vgpu bench "random y:f32:4096x4096"`,
// of f64, f16, i32 and u8, and with dist=normal and dist=exponential (Zen 3, AVX2, both cores at work).
func randomWork(dist string, d ndarray.DType) float64 {
	work := map[string]float64{"uniform": 7.8e-9, "normal": 39e-9, "exponential": 30e-9, "integers": 16e-9}[dist]
	switch d.Real() {
	case ndarray.F64:
		if dist == "uniform" {
			work *= 2
		}
	case ndarray.F32:
	default:
		work += 3e-9 // to convert it
	}
	return work
}

// distributions make generators and name the type that they write. Types other
// than dst's are converted from it. They check the parameters' values; which of
// them were given, checkParameters has seen to.
var distributions = map[string]func(c *kernels.Call, d ndarray.DType, p philox) (generator, ndarray.DType, error){
	"uniform":     uniform,
	"normal":      normal,
	"exponential": exponential,
	"integers":    integers,
}

// parameters are the options that a distribution takes.
var parameters = map[string][]string{
	"uniform":     {"low", "high"},
	"integers":    {"low", "high"},
	"normal":      {"mean", "std"},
	"exponential": {"mean"},
}

// checkParameters refuses options and types that the distribution has no use
// for.
func checkParameters(c *kernels.Call, dist string, d ndarray.DType) error {
	for _, name := range []string{"low", "high", "mean", "std"} {
		if c.Has(name) && !slices.Contains(parameters[dist], name) {
			return c.Opt(name).Errorf("the %s distribution has no such parameter", dist)
		}
	}
	if dist != "integers" && (d.IsInteger() || d == ndarray.Bool) {
		e := c.Opt("dist").Errorf("%s values are not %s", dist, d)
		e.Hint = "use dist=integers, or a floating-point output"
		return e
	}
	if dist == "integers" && d.IsComplex() {
		return c.Opt("dist").Errorf("integers are not %s", d)
	}
	return nil
}

// parts is the array of the real and imaginary parts of a complex array, with
// a last axis of two; a real array is itself.
func parts(a ndarray.Array) ndarray.Array {
	if !a.DType.IsComplex() {
		return a
	}
	a.DType = a.DType.Real()
	a.Shape = append(slices.Clone(a.Shape), 2)
	a.Strides = append(slices.Clone(a.Strides), a.DType.Size())
	return a
}

// realOption reads a finite real parameter, or def if it is absent.
func realOption(c *kernels.Call, name string, def float64) (float64, error) {
	if !c.Has(name) {
		return def, nil
	}
	n, err := option(c, name)
	if err != nil {
		return 0, err
	}
	f := real(n.value)
	if !n.isReal() || math.IsNaN(f) || math.IsInf(f, 0) {
		return 0, c.Opt(name).Errorf("%s is not a finite real number", n.text)
	}
	return f, nil
}

// digits is the number of random bits of a uniform value: the precision of
// the type, so that no value of [0, 1) rounds up to 1.
var digits = map[ndarray.DType]int{ndarray.F16: 11, ndarray.BF16: 8, ndarray.F32: 24, ndarray.F64: 53}

// uniform values are low + (high - low)·u, where u is a multiple of 2^-digits.
func uniform(c *kernels.Call, d ndarray.DType, p philox) (generator, ndarray.DType, error) {
	low, err := realOption(c, "low", 0)
	if err != nil {
		return nil, d, err
	}
	high, err := realOption(c, "high", 1)
	if err != nil {
		return nil, d, err
	}
	span := high - low
	if !(low <= high) || math.IsInf(span, 0) {
		return nil, d, c.Opt("high").Errorf("low to high, %g to %g, is not a finite interval", low, high)
	}
	bits := digits[d.Real()]
	scale := math.Ldexp(span, -bits)
	if bits == 53 {
		return func(dst ndarray.Array, first int) {
			s := ndarray.Slice[float64](dst)
			if len(s) == 0 {
				return
			}
			u := ndarray.Slice[uint64](dst)
			p.words(u, uint64(first))
			for i, w := range u {
				s[i] = low + float64(float64(w>>11)*scale)
			}
		}, ndarray.F64, nil
	}
	shift := 32 - bits
	return func(dst ndarray.Array, first int) {
		s, u := ndarray.Slice[float32](dst), ndarray.Slice[uint32](dst)
		p.halves(u, uint64(first))
		for i, w := range u {
			s[i] = float32(low + float64(float64(w>>shift)*scale))
		}
	}, ndarray.F32, nil
}

// normal values are mean + std·z by boxMuller, in f64 whatever the type is.
func normal(c *kernels.Call, d ndarray.DType, p philox) (generator, ndarray.DType, error) {
	mean, err := realOption(c, "mean", 0)
	if err != nil {
		return nil, d, err
	}
	std, err := realOption(c, "std", 1)
	if err != nil {
		return nil, d, err
	}
	if std < 0 {
		return nil, d, c.Opt("std").Errorf("%g is negative", std)
	}
	return func(dst ndarray.Array, first int) {
		s := ndarray.Slice[float64](dst)
		p.normals(s, uint64(first))
		for i, z := range s {
			s[i] = mean + float64(std*z)
		}
	}, ndarray.F64, nil
}

// exponential values are -mean·log(u), u in (0, 1].
func exponential(c *kernels.Call, d ndarray.DType, p philox) (generator, ndarray.DType, error) {
	mean, err := realOption(c, "mean", 1)
	if err != nil {
		return nil, d, err
	}
	if mean < 0 {
		return nil, d, c.Opt("mean").Errorf("%g is negative", mean)
	}
	return func(dst ndarray.Array, first int) {
		s, u := ndarray.Slice[float64](dst), ndarray.Slice[uint64](dst)
		p.words(u, uint64(first))
		for i, w := range u {
			s[i] = mean * (0 - math.Log(open(w))) // not -log: no negative zero
		}
	}, ndarray.F64, nil
}

// integers are low + r with r of [0, high - low), in 64-bit arithmetic that
// wraps. They are signed on the way only if low is negative, so that a float
// output of large unsigned values is not taken for negative ones.
func integers(c *kernels.Call, d ndarray.DType, p philox) (generator, ndarray.DType, error) {
	low, high, err := integerBounds(c, d)
	if err != nil {
		return nil, d, err
	}
	n := wrapped(new(big.Int).Sub(high, low)) // 0 stands for 2^64
	from, via := wrapped(low), ndarray.U64
	if low.Sign() < 0 {
		via = ndarray.I64
	}
	return func(dst ndarray.Array, first int) {
		s := ndarray.Slice[uint64](dst)
		p.below(s, uint64(first), n)
		for i := range s {
			s[i] += from
		}
	}, via, nil
}

// integerBounds are low= and high= (excluded). The defaults are all values of
// an integer type, and 0 and 1 for others. Floats may be bounded by any i64,
// though they round large values.
func integerBounds(c *kernels.Call, d ndarray.DType) (low, high *big.Int, err error) {
	holder := d
	if d.IsFloat() {
		holder = ndarray.I64
	}
	least, greatest := integerRange(holder)
	low, high = least, new(big.Int).Add(greatest, big.NewInt(1))
	if d.IsFloat() {
		low, high = new(big.Int), big.NewInt(2)
	}
	if c.Has("high") && !c.Has("low") {
		low = new(big.Int)
	}
	for _, o := range []struct {
		name string
		at   **big.Int
		room int64 // how far beyond the greatest value it may be
	}{{"low", &low, 0}, {"high", &high, 1}} {
		if !c.Has(o.name) {
			continue
		}
		n, err := option(c, o.name)
		if err != nil {
			return nil, nil, err
		}
		if n.whole == nil || n.whole.Cmp(least) < 0 || new(big.Int).Sub(n.whole, greatest).Cmp(big.NewInt(o.room)) > 0 {
			return nil, nil, c.Opt(o.name).Errorf("%s is not an integer that %s can bound by it", n.text, d)
		}
		*o.at = n.whole
	}
	if low.Cmp(high) >= 0 {
		return nil, nil, c.Opt("high").Errorf("there is no integer in [%s, %s)", low, high)
	}
	return low, high, nil
}
