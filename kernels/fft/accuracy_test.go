package fft

import (
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"vgpu/kernels/simd"
)

// exhaustive asks for the sweeps that take an hour: VGPU_EXHAUSTIVE=1. Their
// table is in docs/design/fft.md.
var exhaustive = os.Getenv("VGPU_EXHAUSTIVE") != ""

// allUpTo is the length up to which every one is held to the bound.
const allUpTo = 4096

// accuracyLengths are the lengths of the sweep, in groups: all up to allUpTo, those that
// are one routine on AVX2, a thousand random ones up to 10^6, and the powers of two
// above. In the normal run a sample of each but the second, with -short a smaller one,
// in which every method is.
func accuracyLengths() map[string][]int {
	groups := map[string][]int{}
	rng := newRand(17)
	random, largest, every := 1000, 24, 61
	if testing.Short() {
		every *= 4
	}
	for n := 1; n <= allUpTo; n++ {
		if exhaustive || n <= 80 || n%every == 0 {
			groups["n <= 4096"] = append(groups["n <= 4096"], n)
		}
		if simd.FFTPackedColumns(n, 4) > 0 {
			groups["one routine"] = append(groups["one routine"], n)
		}
	}
	switch {
	case exhaustive:
	case testing.Short():
		random, largest = 4, 14
	default:
		random, largest = 12, 17
	}
	for i := range random {
		n := 1 + rng.IntN(1000000)
		if !exhaustive && i > 0 {
			n %= 30000
		}
		groups["random"] = append(groups["random"], n+1)
	}
	for e := 13; e <= largest; e++ {
		groups["2^13 on"] = append(groups["2^13 on"], 1<<e)
	}
	groups["named"] = []int{10007, 44100}
	if exhaustive {
		groups["named"] = append(groups["named"], 65537, 100003, 150011, 746497, 1000000, 1000003)
	}
	return groups
}

// TestAccuracy holds the relative L2 error of random input to the bound of the
// manuals, 0.6·eps·sqrt(log2 n) + eps, against the oracle, and that of forward
// and inverse together to 2·eps·sqrt(log2 n).
func TestAccuracy(t *testing.T) {
	s := &sweep{t: t, worst: map[string]found{}}
	for group, lengths := range accuracyLengths() {
		s.all(group, lengths)
	}
	if exhaustive {
		t.Log("\n" + s.table())
	}
}

// found is the largest error met, as a share of its bound.
type found struct {
	share float64
	n     int
	count int
}

// sweep measures lengths and remembers the worst of each kind.
type sweep struct {
	t *testing.T

	mu    sync.Mutex       // guards worst
	worst map[string]found // by "group | what | precision | instruction set"
}

// levels are the instruction sets that lengths are measured on.
func levels() (out []simd.ISA) {
	for i := simd.Generic; i <= simd.Best(); i++ {
		out = append(out, i)
	}
	return out
}

// all measures lengths, two at a time.
func (s *sweep) all(group string, lengths []int) {
	slices.Sort(lengths)
	slices.Reverse(lengths) // the long ones first
	var next atomic.Int64
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(lengths)); i = next.Add(1) - 1 {
				s.length(group, lengths[i])
			}
		})
	}
	wg.Wait()
}

// length measures n points. Single precision is held against double, which is
// itself held against the oracle: 2^-29 of an error in single precision.
func (s *sweep) length(group string, n int) {
	rng := newRand(uint64(n))
	x := normals[float64](rng, 2*n)
	want := exactTransform(x)
	isas := levels()
	if n > allUpTo {
		isas = isas[len(isas)-1:]
	}
	for _, isa := range isas {
		s.forward(group, isa, x, func(i int) (hi, lo float64) {
			v := want[i/2].re
			if i%2 == 1 {
				v = want[i/2].im
			}
			return v.hi, v.lo
		})
	}
	single := normals[float32](rng, 2*n)
	for i, v := range single {
		x[i] = float64(v)
	}
	best, y := simd.FFTFor[float64](simd.Best()), make([]float64, 2*n)
	must(s.t, mustPlan(best, n).runAlone(nil, best, y, x, forward[float64]()))
	for _, isa := range isas {
		forwardError(s, group, isa, single, func(i int) (hi, lo float64) { return y[i], 0 })
	}
}

func (s *sweep) forward(group string, isa simd.ISA, x []float64, want func(i int) (hi, lo float64)) {
	forwardError(s, group, isa, x, want)
}

// forwardError measures both errors of one precision and instruction set.
func forwardError[T simd.Float](s *sweep, group string, isa simd.ISA, x []T, want func(i int) (hi, lo float64)) {
	n, k := len(x)/2, simd.FFTFor[T](isa)
	l, y := mustPlan(k, n), make([]T, len(x))
	must(s.t, l.runAlone(nil, k, y, x, forward[T]()))
	num, den := 0.0, 0.0
	for i, v := range y {
		hi, lo := want(i)
		d := float64(v) - hi - lo
		num += d * d
		den += hi * hi
	}
	s.note(group, "forward", isa, isSingle[T](), n, math.Sqrt(num/den), errorBound[T](n), l.method)
	must(s.t, l.runAlone(nil, k, y, y, inverse(1/T(n))))
	s.note(group, "and back", isa, isSingle[T](), n, relative(y, x), 2*eps[T]()*math.Sqrt(math.Log2(float64(n))), l.method)
}

// note compares an error with its bound.
func (s *sweep) note(group, what string, isa simd.ISA, single bool, n int, e, bound float64, m method) {
	prec := "f64"
	if single {
		prec = "f32"
	}
	if !(e <= bound) {
		s.t.Errorf("%s %s n=%d (%s): %s: error %.3g > %.3g", isa, prec, n, m, what, e, bound)
	}
	share := 0.0
	if bound > 0 {
		share = e / bound
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, key := range []string{group, "by " + string(m)} {
		key = fmt.Sprintf("%-12s | %-8s | %s | %-7s", key, what, prec, isa)
		f := s.worst[key]
		if f.count++; share > f.share {
			f.share, f.n = share, n
		}
		s.worst[key] = f
	}
}

// table is what docs/design/fft.md shows.
func (s *sweep) table() string {
	var lines []string
	for key, f := range s.worst {
		lines = append(lines, fmt.Sprintf("| %s | %.2f | %d | %d |", key, f.share, f.n, f.count))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// TestOracle checks the oracle by the definition.
func TestOracle(t *testing.T) {
	rng := newRand(18)
	for _, n := range []int{1, 2, 3, 8, 12, 31, 64, 100, 257} {
		x := normals[float64](rng, 2*n)
		got, r := exactTransform(x), newRoots(n)
		for k := range n {
			var sum cdd
			for j := range n {
				sum = sum.add(r.exact(j * k % n).mul(cdd{dd{x[2*j], 0}, dd{x[2*j+1], 0}}))
			}
			if d := got[k].sub(sum); math.Hypot(d.re.hi, d.im.hi) > 1e-28*float64(n) {
				t.Fatalf("n=%d: output %d is off by %g", n, k, math.Hypot(d.re.hi, d.im.hi))
			}
		}
	}
}
