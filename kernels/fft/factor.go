package fft

import (
	"math"
	"slices"

	"vgpu/kernels/simd"
)

// smooth tells whether n has no prime factor above 13, the largest codelet.
func smooth(n int) bool {
	for _, p := range []int{2, 3, 5, 7, 11, 13} {
		for n%p == 0 {
			n /= p
		}
	}
	return n == 1
}

// isPrime is by trial division; n stays below 2^40 or so.
func isPrime(n int) bool {
	if n < 2 {
		return false
	}
	for d := 2; d*d <= n; d++ {
		if n%d == 0 {
			return false
		}
	}
	return true
}

// radices splits a smooth n into codelet sizes: powers of two into as few and
// as equal ones as possible of at most maxPow2, then the odd primes, the small
// ones at the ends. n = 1 gives none.
func radices(n, maxPow2 int) []int {
	var out, odd []int
	twos := 0
	for n%2 == 0 {
		n /= 2
		twos++
	}
	for _, p := range []int{13, 11, 7, 5, 3} {
		for n%p == 0 {
			n /= p
			odd = append(odd, p)
		}
	}
	if twos > 0 {
		bits := 0
		for 1<<bits < maxPow2 {
			bits++
		}
		passes := (twos + bits - 1) / bits
		for i := range passes { // larger first
			out = append(out, 1<<((twos+passes-1-i)/passes))
		}
	}
	return append(out, odd...)
}

// machine is what costs depend on: lanes, bytes of a real, largest power-of-two
// codelet, and which routines there are beside passes.
type machine struct {
	w, size, maxPow2 int
	fused, wholes    bool // there is a fused first sweep; there are routines for whole lines
	cost             *costs
}

func machineOf[T simd.Float](k *simd.FFTKernels[T]) machine {
	return machine{k.W, realSize[T](), maxPow2For[T](k.ISA), k.ISA != simd.Generic, k.ISA != simd.Generic, costsOf(k.ISA)}
}

// fuses tells whether the first sweep is the fused routine. It leaves nothing
// to share between threads in the second sweep, and such lines are not cut.
func (m machine) fuses(n1, n2 int) bool { return m.fused && n1 == 16 && n1*n2 < m.cost.fusedBelow }

// Bytes of a tile of several vectors a row: for short and for long transforms.
const (
	smallTile = 16 << 10
	largeTile = 128 << 10
)

// whole tells whether a line of n points is one routine.
func (m machine) whole(n int) bool { return m.wholeColumns(n) > 0 }

// wholeColumns is n1 of such a line, or 0.
func (m machine) wholeColumns(n int) int {
	if !m.wholes {
		return 0
	}
	return m.cost.whole(n, m.size)
}

// wholeLen is the tile that such a line may need.
func (m machine) wholeLen(n int) int {
	if !m.whole(n) {
		return 0
	}
	return 2 * n
}

// memoryFrom is the length from which memory and its pages decide, not
// arithmetic.
const memoryFrom = 1 << 18

// widths are the numbers of vectors of a block in the two sweeps: as many as
// divide the lanes evenly and leave the tile in the first cache, or for longer
// transforms, where a row should fill several cache lines, in the second. From
// memoryFrom on it is one, or some in the first sweep (costs.long): one block is
// transposed in one call, but rows of several lines meet fewer pages; blocks of the
// second sweep go together there ([machine.wide]).
func (m machine) widths(n1, n2 int) (v1, v2 int) {
	limit, most := smallTile, n1*n2
	switch {
	case n1*n2 >= memoryFrom:
		return m.width(n1, n2, m.cost.columnTile, m.cost.long), 1
	case n1*n2 > factorAbove:
		limit = largeTile
	}
	return m.width(n1, n2, limit, most), m.width(n2, n1, limit, most)
}

// width is the largest number of vectors, of at most so many, that divides lanes in
// rows of a tile of n, of at most limit bytes.
func (m machine) width(n, lanes, limit, most int) int {
	v, vectors := 1, lanes/m.w
	if lanes%m.w != 0 {
		return 1
	}
	for d := 2; d <= min(vectors, most) && d*n*2*m.w*m.size <= limit; d++ {
		if vectors%d == 0 {
			v = d
		}
	}
	return v
}

// wide is how many blocks of the second sweep, of one vector each, go together from
// memoryFrom on: rows of the result are written by several lines of the cache.
func (m machine) wide(n1, n2 int) int {
	if n1*n2 < memoryFrom || len(radices(n2, m.maxPow2)) == 1 {
		return 1
	}
	return max(min(m.cost.wide, n1/m.w), 1)
}

// streams tells for each sweep of a line of n points whether its stores go past the caches.
func (m machine) streams(n int) [2]bool {
	bytes := 2 * n * m.size
	return [2]bool{bytes >= m.cost.streamFirst[m.size/8], bytes >= m.cost.stream}
}

func (m machine) sLen(n1, n2 int) int { return 2 * roundUp(n1, m.w) * n2 }

func (m machine) tileLen(n1, n2 int) int {
	v1, v2 := m.widths(n1, n2)
	return 2 * m.w * max(v1*roundUp(n1, m.w), v2*m.wide(n1, n2)*n2)
}

// scratch is the number of reals that a line of n points needs.
func (m machine) scratch(n int) int {
	switch methodFor(n, m) {
	case methodTile:
		return 3 * n * 2 * m.w
	case methodTwoStep:
		n1, n2, _ := split(n, m)
		return m.sLen(n1, n2) + max(2*m.tileLen(n1, n2), m.wholeLen(n))
	case methodRader:
		return 4*(n-1) + m.scratch(n-1)
	case methodBluestein:
		p := padLength(2*n - 1)
		if c, ok := m.cyclic(p); ok {
			return c.sLen() + m.cyclicTask(c)
		}
		return 4*p + m.scratch(p)
	case methodDirect:
		return 2 * n
	}
	return 0
}

// innerLength is the length of the two-step or tile transforms that a line of
// n points is made of.
func (m machine) innerLength(n int) int {
	switch methodFor(n, m) {
	case methodRader:
		return n - 1
	case methodBluestein:
		return padLength(2*n - 1)
	}
	return n
}

// realLineNeed is the scratch of a real line that is spread over a crew.
func (m machine) realLineNeed(n int) need {
	inner := n
	if n%2 == 0 {
		inner /= 2
	}
	return need{alone: m.realScratch(n), task: m.lineNeed(inner).task}
}

// realScratch is the number of reals that a line of n real points needs.
func (m machine) realScratch(n int) int {
	if n%2 == 1 {
		return m.scratch(n) + 2*n
	}
	return m.scratch(n / 2)
}

// split is the factors of the two-step transform of a smooth n; ok is false if
// that is not its method.
func split(n int, m machine) (n1, n2 int, ok bool) {
	d := m.decompose(n)
	return d.n1, d.n2, d.method == methodTwoStep
}

// bestSplit chooses n = n1·n2 with n2 >= w for the two-step transform; ok is
// false if there is no such split.
func (m machine) bestSplit(n int) (n1, n2 int, ok bool) {
	if n1 := m.wholeColumns(n); n1 > 0 {
		return n1, n / n1, true
	}
	best := math.Inf(1)
	for _, d := range divisors(n) {
		e := n / d
		if d == 1 || e < m.w || e == 1 {
			continue
		}
		if c := m.splitCost(d, e); c < best*(1-1e-9) {
			best, n1, n2, ok = c, d, e, true
		}
	}
	return n1, n2, ok
}

// divisors lists the divisors of n in order.
func divisors(n int) []int {
	var out []int
	for d := 1; d*d <= n; d++ {
		if n%d == 0 {
			out = append(out, d)
			if d*d != n {
				out = append(out, n/d)
			}
		}
	}
	slices.Sort(out)
	return out
}

// padLength is the cheapest smooth length m >= n of a transform whose length
// is free, such as the inner one of Bluestein's method.
func padLength(n int) int {
	if n <= 2 {
		return max(n, 1)
	}
	best, cost := 0, math.Inf(1)
	limit := 1
	for limit < n {
		limit *= 2
	}
	for _, odd := range []int{1, 3, 5, 9, 15, 7, 25, 27, 21, 35, 45, 75} {
		m := odd
		for m < n {
			m *= 2
		}
		if m > limit || m%odd != 0 {
			continue
		}
		if c := lengthCost(m); c < cost {
			best, cost = m, c
		}
	}
	return best
}

// lengthCost ranks smooth lengths: the cost of the passes for each element.
func lengthCost(m int) float64 {
	c := 6.0 // loading, transposing, storing
	for _, r := range radices(m, 16) {
		c += costsAVX512.pass[r]
	}
	return c * float64(m)
}

// maxPow2For is the largest power-of-two codelet used on an instruction set: with
// 16 registers the radix-16 one spills, which costs doubles more than a pass.
func maxPow2For[T simd.Float](isa simd.ISA) int {
	if isa == simd.AVX512 || isa == simd.AVX2 && isSingle[T]() {
		return 16
	}
	return 8
}
