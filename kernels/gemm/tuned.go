package gemm

import (
	"fmt"
	"math/bits"
	"strconv"
	"strings"

	"vgpu/kernels"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/simd"
)

// tunedVersion counts changes of what the values of a tuning entry mean, or
// of the loops they were measured on.
const tunedVersion = 7

// Class is a set of products that one tuning entry serves. Each extent is
// rounded up to a power of two between MinExtent and MaxExtent, which stands for
// all larger ones too.
type Class struct {
	A, B    ndarray.DType
	Trans   string // of A and B: n lies along rows, t along columns, s neither
	M, N, K int
	// Epilogue is what else a task does to its part of C: "" nothing, or
	// EpilogueAdd or EpilogueAct.
	Epilogue string
}

// The classes of epilogues: what is added is read as C is, and a function of
// every element is work that the size of a task shares out.
const (
	EpilogueAdd = "add" // bias, residual or both
	EpilogueAct = "act" // an activation, with or without them
)

// epilogueOf is the class of an epilogue.
func epilogueOf(act string, adds bool) string {
	switch {
	case activations[act] != nil:
		return EpilogueAct
	case adds:
		return EpilogueAdd
	}
	return ""
}

// The bounds of a class's extents.
const (
	MinExtent = 32
	MaxExtent = 8192
)

// String is such as f32.nn.512x512x4096, u8-i8.nt.64x64x64, or
// f32.nn.64x64x64.act.
func (c Class) String() string {
	typ := c.A.String()
	if c.A != c.B {
		typ += "-" + c.B.String()
	}
	s := fmt.Sprintf("%s.%s.%dx%dx%d", typ, c.Trans, c.M, c.N, c.K)
	if c.Epilogue != "" {
		s += "." + c.Epilogue
	}
	return s
}

// ParseClass reads what String gives.
func ParseClass(s string) (c Class, err error) {
	f := strings.Split(s, ".")
	if len(f) == 4 && (f[3] == EpilogueAdd || f[3] == EpilogueAct) {
		c.Epilogue, f = f[3], f[:3]
	}
	if len(f) != 3 {
		return c, fmt.Errorf("class %q: written as f32.nn.512x512x512, with .add or .act after it for an epilogue", s)
	}
	a, b, two := strings.Cut(f[0], "-")
	if !two {
		b = a
	}
	if c.A, err = ndarray.ParseDType(a); err != nil {
		return c, err
	}
	if c.B, err = ndarray.ParseDType(b); err != nil {
		return c, err
	}
	if c.Trans = f[1]; len(c.Trans) != 2 || strings.Trim(c.Trans, "nts") != "" {
		return c, fmt.Errorf("class %q: transposes are two of n, t, s", s)
	}
	extents := strings.Split(f[2], "x")
	if len(extents) != 3 {
		return c, fmt.Errorf("class %q: the shape is MxNxK", s)
	}
	for i, p := range []*int{&c.M, &c.N, &c.K} {
		if *p, err = strconv.Atoi(extents[i]); err != nil || bucket(*p) != *p {
			return c, fmt.Errorf("class %q: extents are powers of two from %d to %d", s, MinExtent, MaxExtent)
		}
	}
	if c.String() != s {
		return c, fmt.Errorf("class %q is written %q", s, c)
	}
	return c, nil
}

// bucket rounds an extent up.
func bucket(n int) int {
	if n <= MinExtent {
		return MinExtent
	}
	return min(1<<bits.Len(uint(n-1)), MaxExtent)
}

// Class is the class of the problem, after Init; ok is false for batches, for
// which nothing is tuned.
func (q *Problem) Class() (c Class, ok bool) {
	if q.items() != 1 {
		return c, false
	}
	m, n, k := q.shape()
	return Class{
		A: q.A.DType, B: q.B.DType, Trans: trans(&q.A.Layout) + trans(&q.B.Layout), M: bucket(m), N: bucket(n), K: bucket(k),
		Epilogue: epilogueOf(q.Act, q.Bias != nil || q.Residual != nil),
	}, true
}

// trans tells how a stack of matrices lies.
func trans(l *ndarray.Layout) string {
	r, size := l.Rank(), l.DType.Size()
	switch {
	case l.Swapped:
		return "s"
	case l.Strides[r-1] == size || l.Shape[r-1] == 1:
		return "n"
	case l.Strides[r-2] == size || l.Shape[r-2] == 1:
		return "t"
	}
	return "s"
}

// Kernel is the micro-kernel that computes the class at the active level.
func (c Class) Kernel() (*simd.GemmKernel, bool) {
	s, ok := schemeFor(c.A, c.B, simd.Active())
	if !ok {
		return nil, false
	}
	return simd.Gemm(s.typ, simd.Active()), true
}

// Version names the code that an entry for the class was measured on; "" if
// the types are not multiplied.
func (c Class) Version() string {
	k, ok := c.Kernel()
	if !ok {
		return ""
	}
	return fmt.Sprintf("%s kc%d v%d", k, stepsKC*k.Type.Group(), tunedVersion)
}

// Limits of what a tuning entry may ask for: packing buffers stay in the
// caches or near them, tasks stay short.
const (
	maxBlockA    = 16 << 20
	maxBlockB    = 64 << 20
	maxSmallWork = 1 << 30
)

// Values are the parameters by name.
func (p Params) Values() map[string]int {
	return map[string]int{"mc": p.MC, "nc": p.NC, "ways": p.Ways, "small_work": p.SmallWork}
}

// ParamsOf reads values as Params.Values gives them, for products of a class
// on that many workers. Names may be missing: their parameters are the
// default ones. Unknown names and values out of range are errors.
func ParamsOf(values map[string]int, c Class, threads int) (p Params, err error) {
	k, ok := c.Kernel()
	if !ok {
		return p, fmt.Errorf("%s and %s are not multiplied", c.A, c.B)
	}
	step := stepsKC * k.Type.ElemBytes()
	fields := map[string]struct {
		to     *int
		lo, hi int
	}{
		"mc": {&p.MC, 0, maxBlockA / step}, "nc": {&p.NC, 0, maxBlockB / step},
		"ways": {&p.Ways, 0, threads}, "small_work": {&p.SmallWork, -1, maxSmallWork},
	}
	for name, v := range values {
		f, ok := fields[name]
		switch {
		case !ok:
			return Params{}, fmt.Errorf("%s: no such value; there are mc, nc, ways and small_work", name)
		case v < f.lo || v > f.hi:
			return Params{}, fmt.Errorf("%s: %d is out of range, %d to %d", name, v, f.lo, f.hi)
		}
		*f.to = v
	}
	return p, nil
}

// tune takes the parameters from the call's tuner, if it knows any: those of the
// line's own class, or else of the product without its epilogue.
func (r *reading) tune(call *kernels.Call) {
	q := &r.problem
	r.tuning = "default"
	c, ok := q.Class()
	if !ok || call.Tuner == nil {
		return
	}
	c.Epilogue = epilogueOf(q.Act, r.bias >= 0 || r.residual >= 0)
	values, source := call.Tuner.Tuned("gemm", c.String(), call.Threads)
	if values == nil && c.Epilogue != "" {
		c.Epilogue = ""
		values, source = call.Tuner.Tuned("gemm", c.String(), call.Threads)
	}
	if values == nil {
		return
	}
	if p, err := ParamsOf(values, c, call.Threads); err == nil { // the tuner has checked them: see package tune
		q.Params, r.tuning = p.fill(q.kernel), source
	}
}

// SumType is the type of the sums, and of C unless it is converted, after
// Init.
func (q *Problem) SumType() ndarray.DType { return q.scheme.sum }
