package vec

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"vgpu/kernels/ndarray"
	"vgpu/kernels/vec/numpytest"
)

type arrays = map[string]ndarray.Array

// ints writes a tuple of integers as options and Python have it: 1,-2.
func ints(v []int) string {
	return strings.Trim(strings.Join(strings.Fields(fmt.Sprint(v)), ","), "[]")
}

// broadcasting is the shape, or one that broadcasts to it.
func broadcasting(r numpytest.Rand, shape []int) []int {
	s := slices.Clone(shape[r.IntN(len(shape)+1):])
	for i := range s {
		if r.IntN(3) == 0 {
			s[i] = 1
		}
	}
	return s
}

func TestMovesAgainstNumpy(t *testing.T) {
	r := numpytest.NewRand(2)
	var cases []numpytest.Case
	add := func(line, python string, in arrays) {
		cases = append(cases, numpytest.Case{Line: line, Python: python, In: in, Bits: true})
	}
	for range 60 {
		shape := r.Shape(1, 4, 9)
		rank := len(shape)
		one := func() arrays { return arrays{"a": r.Array(r.Type(numpytest.Types...), shape...)} }
		axis, k := r.IntN(2*rank)-rank, r.IntN(9)-4
		add("copy a out", "r = a", one())
		add("copy a[::-1] out", "r = a[::-1]", one())
		perm := r.Perm(rank)
		perm[0] -= rank * r.IntN(2)
		add("transpose a out", "r = a.T", one())
		add("transpose a out axes="+ints(perm), "r = a.transpose("+ints(perm)+")", one())
		add("flip a out", "r = np.flip(a)", one())
		add(fmt.Sprintf("flip a out axes=%d", axis), fmt.Sprintf("r = np.flip(a, %d)", axis), one())
		add(fmt.Sprintf("roll a out shift=%d", k), fmt.Sprintf("r = np.roll(a, %d)", k), one())
		add(fmt.Sprintf("roll a out shift=%d axes=%s", k, ints(perm)), fmt.Sprintf("r = np.roll(a, %d, (%s,))", k, ints(perm)), one())
		add("reshape a out shape=-1", "r = a.reshape(-1)", one())
		flat := one()
		add("reshape a out shape=1x"+ndarray.ShapeString(shape)+"x1", "r = a.reshape((1,) + a.shape + (1,))", flat)
		if rank >= 2 {
			add(fmt.Sprintf("tril a out k=%d", k), fmt.Sprintf("r = np.tril(a, %d)", k), one())
			add(fmt.Sprintf("triu a out k=%d", k), fmt.Sprintf("r = np.triu(a, %d)", k), one())
		}
		target := one()
		target["out"] = r.Array(target["a"].DType, slices.Concat([]int{2}, shape)...)
		if out := target["out"]; !repeats(out) {
			add("copy a out[::-1]", "out[::-1] = a; r = out", target)
		}
	}
	numpytest.Compare(t, Kernels(), cases)
}

// repeats tells whether two elements share memory: no place to write to.
func repeats(a ndarray.Array) bool {
	for i, s := range a.Strides {
		if s == 0 && a.Shape[i] > 1 {
			return true
		}
	}
	return false
}

// Casts between all pairs of types, and into existing arrays.
func TestCastAgainstNumpy(t *testing.T) {
	r := numpytest.NewRand(3)
	var cases []numpytest.Case
	for _, from := range numpytest.Types {
		for _, to := range numpytest.Types {
			shape := r.Shape(1, 3, 12)
			a := r.Array(from, shape...)
			if (from.IsFloat() || from.IsComplex()) && to.IsInteger() {
				tame(a) // beyond the range numpy is not of one mind with itself
			}
			cases = append(cases, numpytest.Case{
				Line: "cast a out dtype=" + to.String(), Python: "r = a.astype(out.dtype)",
				In: arrays{"a": a, "out": ndarray.New(to, 1)},
			})
			if out := r.Array(to, append(slices.Clone(shape), 3)...); !repeats(out) {
				cases = append(cases, numpytest.Case{
					Line: "cast a out[...,1]", Python: "out[...,1] = a; r = out",
					In: arrays{"a": a, "out": out},
				})
			}
		}
	}
	numpytest.Compare(t, Kernels(), cases)
}

// tame replaces what no integer type holds.
func tame(a ndarray.Array) {
	v := make([]complex128, a.Len())
	ndarray.Load(v, a, 0)
	for i, z := range v {
		if !(real(z) >= 0 && real(z) < 100) {
			v[i] = complex(float64(i%100), 0)
		}
	}
	ndarray.Store(a, v, 0)
}

func TestJoinsAgainstNumpy(t *testing.T) {
	r := numpytest.NewRand(4)
	var cases []numpytest.Case
	for range 120 {
		shape := r.Shape(1, 4, 6)
		axis := r.IntN(len(shape))
		in, same := arrays{}, arrays{}
		for _, name := range []string{"a", "b", "c"} {
			s := slices.Clone(shape)
			same[name] = r.Array(r.Type(numpytest.Types...), s...)
			s[axis] = r.IntN(7)
			in[name] = r.Array(r.Type(numpytest.Types...), s...)
		}
		cases = append(cases,
			numpytest.Case{Line: fmt.Sprintf("concat a b c out axis=%d", axis-len(shape)*r.IntN(2)), Python: fmt.Sprintf("r = np.concatenate([a, b, c], %d)", axis), In: in},
			numpytest.Case{Line: fmt.Sprintf("stack a b c out axis=%d", -1-axis), Python: fmt.Sprintf("r = np.stack([a, b, c], %d)", -1-axis), In: same})
	}
	numpytest.Compare(t, Kernels(), cases)
}

func TestWhereAgainstNumpy(t *testing.T) {
	r := numpytest.NewRand(5)
	var cases []numpytest.Case
	for i := range 200 {
		shape := r.Shape(0, 4, 8)
		if i%20 == 0 { // more than a block
			shape = []int{3, 5000}
		}
		in := arrays{}
		for _, name := range []string{"c", "a", "b"} {
			in[name] = r.Array(r.Type(numpytest.Types...), broadcasting(r, shape)...)
		}
		in["a"] = r.Array(in["a"].DType, shape...) // so that a zero extent stays
		cases = append(cases, numpytest.Case{Line: "where c a b out", Python: "t = np.result_type(a.dtype, b.dtype); r = np.where(c, a.astype(t), b.astype(t))", In: in})
	}
	numpytest.Compare(t, Kernels(), cases)
}

func TestMadeAgainstNumpy(t *testing.T) {
	r := numpytest.NewRand(6)
	var cases []numpytest.Case
	add := func(tolerance float64, line, format string, args ...any) {
		cases = append(cases, numpytest.Case{Line: line, Python: "r = " + fmt.Sprintf(format, args...), Tolerance: tolerance})
	}
	long := map[ndarray.DType]string{ndarray.Bool: "bool", ndarray.I8: "int8", ndarray.U8: "uint8", ndarray.I16: "int16", ndarray.U16: "uint16",
		ndarray.I32: "int32", ndarray.U32: "uint32", ndarray.I64: "int64", ndarray.U64: "uint64", ndarray.F16: "float16", ndarray.F32: "float32",
		ndarray.F64: "float64", ndarray.C64: "complex64", ndarray.C128: "complex128"}
	for range 40 {
		d := r.Type(numpytest.Types...)
		n, m, k := r.IntN(20), r.IntN(20), r.IntN(11)-5
		add(0, fmt.Sprintf("eye out n=%d m=%d k=%d dtype=%s", n, m, k, d), "np.eye(%d, %d, %d, dtype='%s')", n, m, k, long[d])
		add(0, fmt.Sprintf("fill out:%s:%dx3 value=7", d, n), "np.full((%d, 3), 7, dtype='%s')", n, long[d])
		a, b, s := r.IntN(200)-100, r.IntN(200)-100, 1+r.IntN(7)
		add(0, fmt.Sprintf("arange out start=%d stop=%d step=%d", a, b, s), "np.arange(%d, %d, %d)", a, b, s)
		add(0, fmt.Sprintf("arange out start=%d stop=%d step=%d", a, b, -s), "np.arange(%d, %d, %d)", a, b, -s)
		add(1e-11, fmt.Sprintf("arange out start=%d.5 stop=%d step=0.%d", a, b, s), "np.arange(%d.5, %d, 0.%d)", a, b, s)
		add(0, fmt.Sprintf("linspace out start=%d.5 stop=%d num=%d", a, b, n), "np.linspace(%d.5, %d, %d)", a, b, n)
		add(0, fmt.Sprintf("linspace out start=%d stop=%d num=%d endpoint=0 dtype=f32", a, b, n), "np.linspace(%d, %d, %d, endpoint=False, dtype='float32')", a, b, n)
		add(0, fmt.Sprintf("linspace out start=%d stop=%d num=%d dtype=i16", a, b, n), "np.linspace(%d, %d, %d, dtype='int16')", a, b, n)
		add(1e-13, fmt.Sprintf("linspace out start=%d+1j stop=%d-2j num=%d", a, b, n), "np.linspace(%d+1j, %d-2j, %d)", a, b, n)
	}
	add(0, "linspace out start=0 stop=5e-324 num=5", "np.linspace(0, 5e-324, 5)")
	add(0, "linspace out start=3 stop=3 num=4", "np.linspace(3, 3, 4)")
	add(0, "linspace out start=3 stop=9 num=1 endpoint=1", "np.linspace(3, 9, 1)")
	add(0, "fill out:c64:3 value=nan", "np.full(3, np.nan, dtype='complex64')")
	add(0, "fill out dtype=f16 shape=3 value=65520", "np.full(3, np.inf, dtype='float16')")
	add(0, "fill out dtype=u64 shape=2 value=18446744073709551615", "np.full(2, 2**64 - 1, dtype='uint64')")
	add(0, "fill out dtype=f32 shape=2 value=16777217", "np.full(2, 16777217, dtype='float32')")
	numpytest.Compare(t, Kernels(), cases)
}
