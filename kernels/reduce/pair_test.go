package reduce

import (
	"math"
	"math/rand/v2"
	"testing"

	"vgpu/kernels/simd"
)

// f32Edges are float32 in ascending order, but for zeros, which are equal; NaN
// is not among them.
var f32Edges = []float32{
	float32(math.Inf(-1)), -math.MaxFloat32, -1.5, -0x1p-126, -math.SmallestNonzeroFloat32, float32(math.Copysign(0, -1)), 0,
	math.SmallestNonzeroFloat32, 0x1p-126, 1, 1.5, math.MaxFloat32, float32(math.Inf(1)),
}

// TestOrderOfF32 compares orders of all pairs of edges, and brings them back.
func TestOrderOfF32(t *testing.T) {
	nan := float32(math.NaN())
	for _, a := range f32Edges {
		if got := ofOrder(orderOf(a)); got != a {
			t.Errorf("%v comes back as %v", a, got)
		}
		if got := ofReverse(reverseOf(a)); got != a {
			t.Errorf("%v comes back as %v from the reverse order", a, got)
		}
		if orderOf(nan) <= orderOf(a) || reverseOf(nan) <= reverseOf(a) {
			t.Errorf("NaN is not above %v", a)
		}
		for _, b := range f32Edges {
			if (a < b) != (orderOf(a) < orderOf(b)) || (a < b) != (reverseOf(a) > reverseOf(b)) {
				t.Errorf("%v and %v change places", a, b)
			}
		}
	}
	for _, back := range []float32{ofOrder(orderOf(-nan)), ofReverse(reverseOf(-nan))} {
		if back == back {
			t.Errorf("NaN comes back as %v", back)
		}
	}
}

// TestPairs folds places from the last to the first, on every instruction set: the
// vector loops' pairs are those of single elements, of which the join is the greatest.
func TestPairs(t *testing.T) {
	defer func() {
		if err := simd.Force(simd.Best()); err != nil {
			t.Fatal(err)
		}
	}()
	edges := append([]float32{float32(math.NaN()), float32(math.Copysign(math.NaN(), -1))}, f32Edges...)
	rng := rand.New(rand.NewPCG(3, 4))
	for isa := simd.Generic; isa <= simd.Best(); isa++ {
		if err := simd.Force(isa); err != nil {
			t.Fatal(err)
		}
		for _, n := range []int{1, 7, 8, 40, 131} {
			checkPairs(t, &greatestF32, n, func() float32 { return edges[rng.IntN(len(edges))] })
			checkPairs(t, &leastF32, n, func() float32 { return edges[rng.IntN(len(edges))] })
			checkPairs(t, &greatestI32, n, func() int32 { return int32(rng.Uint32()) >> rng.IntN(32) })
			checkPairs(t, &leastI32, n, func() int32 { return int32(rng.Uint32()) >> rng.IntN(32) })
		}
	}
}

func checkPairs[T float32 | int32](t *testing.T, p *pairing[T], n int, draw func() T) {
	t.Helper()
	acc, want, x := make([]int64, n), make([]int64, n), make([]T, n)
	r := p.reduction(0)
	for i, k := range []int{maxPlaces - 1, maxPlaces / 2, 1000, 1, 0} {
		for c := range x {
			x[c] = draw()
			if pair := p.pair(x[c], k); i == 0 {
				want[c] = pair
			} else {
				want[c] = r.join(want[c], pair)
			}
		}
		if at := (place{k: k, outer: true}); i == 0 {
			p.lift(acc, x, at)
		} else {
			r.fusedFold(acc, x, at)
		}
		for c, v := range acc {
			if v != want[c] || placeOf(v) < int64(k) {
				t.Fatalf("%T, %d columns, place %d: pair %#x of %v at %d, want %#x", x[c], n, k, v, x[c], placeOf(v), want[c])
			}
		}
	}
	p.lift(acc, x, place{k: 5})
	for c, v := range acc {
		if v != p.pair(x[c], 5+c) {
			t.Fatalf("%T along a row: pair %#x of %v", x[c], v, x[c])
		}
	}
}
