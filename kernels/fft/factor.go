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

// passCost is the time of one pass per vector of W complex numbers, in
// cycles of a machine that stores 32 bytes and starts two vector operations a
// cycle, measured on Zen 4 with the tile in the first-level cache.
var passCost = map[int]float64{2: 4.5, 3: 5, 4: 5, 5: 6.5, 7: 8.5, 8: 6.5, 11: 13, 13: 15.5, 16: 9}

// colCost is the time of transforming one lane-vector column of length n.
func colCost(n, maxPow2 int) float64 {
	c := 0.0
	for _, r := range radices(n, maxPow2) {
		c += passCost[r]
	}
	return c * float64(n)
}

// split chooses n = n1·n2 with n2 >= w for the two-step transform; ok is false
// if there is no such split. Both halves should fill whole vectors, and be
// near √n, so that their tiles stay in the cache.
func split(n, w, maxPow2 int) (n1, n2 int, ok bool) {
	best := math.Inf(1)
	for _, d := range divisors(n) {
		m := n / d
		if d == 1 || m < w || m == 1 {
			continue
		}
		c := splitCost(d, m, w, maxPow2)
		if c < best*(1-1e-9) {
			best, n1, n2, ok = c, d, m, true
		}
	}
	return n1, n2, ok
}

// splitCost estimates the cycles of one two-step transform.
func splitCost(n1, n2, w, maxPow2 int) float64 {
	blocks1, blocks2 := float64((n2+w-1)/w), float64((n1+w-1)/w)
	c := blocks1*tileCost(n1, w, maxPow2) + blocks2*tileCost(n2, w, maxPow2)
	if n1 < w { // rows are copied out one by one
		c += float64(4 * n2)
	}
	return c
}

// tileCost is colCost with what leaving the first and second cache costs,
// plus the calls.
func tileCost(n, w, maxPow2 int) float64 {
	c := colCost(n, maxPow2)
	switch bytes := n * w * 16; { // two tiles, as f32
	case bytes > 512<<10:
		c *= 3
	case bytes > 32<<10:
		c *= 1.2
	}
	return c + 60
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
		c += passCost[r]
	}
	return c * float64(m)
}

// maxPow2For is the largest power-of-two codelet used on an instruction set:
// with 16 registers the radix-16 one spills too much.
func maxPow2For(isa simd.ISA) int {
	if isa == simd.AVX512 {
		return 16
	}
	return 8
}
