package fft

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"

	"vgpu/kernels/ndarray"
	"vgpu/kernels/pool"
	"vgpu/kernels/simd"
)

// eps is the distance from 1 to the next T.
func eps[T simd.Float]() float64 {
	if isSingle[T]() {
		return 0x1p-23
	}
	return 0x1p-52
}

// errorBound is the promise of the manuals for the relative L2 error.
func errorBound[T simd.Float](n int) float64 {
	return 0.6*eps[T]()*math.Sqrt(math.Log2(float64(n))) + eps[T]()
}

func newRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 7)) }

// normals are n normally distributed numbers, rounded to T.
func normals[T simd.Float](rng *rand.Rand, n int) []T {
	x := make([]T, n)
	for i := range x {
		x[i] = T(rng.NormFloat64())
	}
	return x
}

// relative is |a-b| / |b| in the L2 norm.
func relative[T simd.Float](a, b []T) float64 {
	num, den := 0.0, 0.0
	for i := range a {
		d := float64(a[i]) - float64(b[i])
		num += d * d
		den += float64(b[i]) * float64(b[i])
	}
	if num == 0 {
		return 0
	}
	return math.Sqrt(num / den)
}

// randomArray fills an array of any type with small numbers: integers up to
// 100, normal ones else.
func randomArray(rng *rand.Rand, d ndarray.DType, shape ...int) ndarray.Array {
	a := ndarray.New(d, shape...)
	n := a.Len()
	if d.IsComplex() {
		v := make([]complex128, n)
		for i := range v {
			v[i] = complex(rng.NormFloat64(), rng.NormFloat64())
		}
		ndarray.Store(a, v, 0)
		return a
	}
	v := make([]float64, n)
	for i := range v {
		switch {
		case d == ndarray.Bool:
			v[i] = float64(rng.IntN(2))
		case d.IsFloat():
			v[i] = rng.NormFloat64()
		case d.IsUnsigned():
			v[i] = float64(rng.IntN(100))
		default:
			v[i] = float64(rng.IntN(200) - 100)
		}
	}
	ndarray.Store(a, v, 0)
	return a
}

// values are an array's numbers as complex ones.
func values(a ndarray.Array) []complex128 {
	v := make([]complex128, a.Len())
	ndarray.Load(v, a, 0)
	return v
}

// complexError is the relative L2 error of got.
func complexError(got, want []complex128) float64 {
	num, den := 0.0, 0.0
	for i := range got {
		d := got[i] - want[i]
		num += real(d)*real(d) + imag(d)*imag(d)
		den += real(want[i])*real(want[i]) + imag(want[i])*imag(want[i])
	}
	if num == 0 {
		return 0
	}
	return math.Sqrt(num / den)
}

// must ends the test on an error that cannot be.
func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// mustPlan is the plan of a line, made by the calling goroutine if it is not
// cached; that cannot fail.
func mustPlan[T simd.Float](k *simd.FFTKernels[T], n int) *line[T] {
	l, err := planned(nil, k, n)
	if err != nil {
		panic(err)
	}
	return l
}

// onPool runs fn as a job of at most that many threads on a pool of its own.
func onPool(t *testing.T, threads, limit int, fn func(w *pool.Worker) error) {
	t.Helper()
	p, err := pool.New(pool.Config{Threads: threads})
	must(t, err)
	defer p.Close()
	must(t, p.Run(context.Background(), pool.Options{Threads: limit}, fn))
}

// eachISA runs f as a subtest on every instruction set of this machine.
func eachISA(t *testing.T, f func(t *testing.T)) {
	for i := simd.Generic; i <= simd.Best(); i++ {
		t.Run(i.String(), func(t *testing.T) {
			was := simd.Active()
			if err := simd.Force(i); err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := simd.Force(was); err != nil {
					t.Fatal(err)
				}
			}()
			f(t)
		})
	}
}
