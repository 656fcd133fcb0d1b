package order

import (
	"math/bits"

	"vgpu/kernels/pool"
	"vgpu/kernels/scratch"
)

// word is a sort key: an unsigned integer whose order is the order wanted.
type word interface {
	uint8 | uint16 | uint32 | uint64
}

// width is the number of bits of K.
func width[K word]() int { return bits.Len64(uint64(^K(0))) }

// Lengths at which the way to sort changes. None depends on the number of
// threads, and all ways give the same result.
const (
	// smallSort is the length below which comparing beats counting. One less is
	// a power of two, up to which sortFew fills its keys.
	smallSort = 128 + 1
	// radixBlock is the number of elements of a block in a parallel pass.
	// It is fixed, so that the work is split by length alone.
	radixBlock = 1 << 17
	// parallelSort is the length from which one row is sorted by all workers.
	parallelSort = 2 * radixBlock
	// maxBlocks bounds the counters of a parallel pass.
	maxBlocks = 1024
)

// radix sorts keys by their bits from number low (a multiple of 8) up, with
// their payload vals: least significant digit first, eight bits at a time;
// passes in which all digits agree are left out (Knuth, The Art of Computer
// Programming 3, section 5.2.5). It is stable if low is 0 or the bits below low
// ascend. tk and tv are scratch of the same lengths, counts is what carveCounts
// gives for it. V may be struct{} (a slice of it takes no memory) to sort keys
// alone.
//
// Cost: sizeof(K) passes over the data at the most, O(n) each. The error is
// that of a cancelled job, after which the contents are undefined.
func radix[K word, V any](w *pool.Worker, low int, keys []K, vals []V, tk []K, tv []V, counts [][256]int) error {
	switch n := len(keys); {
	case n < smallSort:
		smallRadix(low, keys, vals, tk, tv)
	case n < parallelSort:
		serialRadix(low, keys, vals, tk, tv)
	default:
		return parallelRadix(w, low, keys, vals, tk, tv, counts)
	}
	return nil
}

// smallRadix sorts few elements: keys alone by comparison, others by a stable
// insertion or, if long, by counting.
func smallRadix[K word, V any](low int, keys []K, vals []V, tk []K, tv []V) {
	_, bare := any(vals).([]struct{})
	switch {
	case bare:
		sortFew(keys)
	case len(keys) <= 32:
		insertion(keys, vals)
	default:
		serialRadix(low, keys, vals, tk, tv)
	}
}

// insertion is a stable sort of few keys with their payload, in O(n²).
func insertion[K word, V any](keys []K, vals []V) {
	for i := 1; i < len(keys); i++ {
		k, v, j := keys[i], vals[i], i
		for ; j > 0 && keys[j-1] > k; j-- {
			keys[j], vals[j] = keys[j-1], vals[j-1]
		}
		keys[j], vals[j] = k, v
	}
}

// serialRadix counts all digits in one sweep, then moves the data once a
// digit, between the two buffers.
func serialRadix[K word, V any](low int, keys []K, vals []V, tk []K, tv []V) {
	var counts [8][256]int
	first, digits := low/8, width[K]()/8
	for _, k := range keys {
		for d := first; d < digits; d++ {
			counts[d][uint8(uint64(k)>>(8*d))]++
		}
	}
	src, dst, sv, dv, moved := keys, tk, vals, tv, false
	for d := first; d < digits; d++ {
		c := &counts[d]
		if c[uint8(uint64(src[0])>>(8*d))] == len(keys) {
			continue
		}
		sum := 0
		for b, k := range c {
			c[b] = sum
			sum += k
		}
		scatter(src, dst, sv, dv, c, 8*d)
		src, dst, sv, dv, moved = dst, src, dv, sv, !moved
	}
	if moved {
		copy(keys, tk)
		copy(vals, tv)
	}
}

// scatter moves src to the places that at holds for each digit, in order, and
// moves these on. Blocks may scatter at once: their places are disjoint.
func scatter[K word, V any](src, dst []K, sv, dv []V, at *[256]int, shift int) {
	sv = sv[:len(src)]
	dv = dv[:len(dst)]
	for i, k := range src {
		b := uint8(uint64(k) >> shift)
		p := at[b]
		at[b] = p + 1
		dst[p] = k
		dv[p] = sv[i]
	}
}

// sortBlock is the length of a block of a parallel pass over n elements.
func sortBlock(n int) int { return max(radixBlock, (n+maxBlocks-1)/maxBlocks) }

// countBlocks is the number of blocks that digits of n elements are counted in;
// 0 if they are not sorted in parallel.
func countBlocks(n int) int {
	if n < parallelSort {
		return 0
	}
	return scratch.Pieces(n, sortBlock(n))
}

// countScratch is the bytes that carveCounts cuts off.
func countScratch(n int) int { return scratch.Size[[256]int](countBlocks(n)) }

// carveCounts cuts the counters of radix for n elements off a lane.
func carveCounts(lane *[]byte, n int) [][256]int {
	return scratch.Carve[[256]int](lane, countBlocks(n))
}

// parallelRadix runs each pass in blocks: count, prefix over (digit, block),
// scatter. Elements of one digit keep the order of blocks, so it is stable
// and its result does not depend on the number of threads.
func parallelRadix[K word, V any](w *pool.Worker, low int, keys []K, vals []V, tk []K, tv []V, counts [][256]int) error {
	n := len(keys)
	block := sortBlock(n)
	src, dst, sv, dv, moved := keys, tk, vals, tv, false
	for shift := low; shift < width[K](); shift += 8 {
		err := w.For(n, block, func(_ *pool.Worker, lo, hi int) {
			for ; lo < hi; lo += block {
				countDigits(src[lo:min(lo+block, hi)], &counts[lo/block], shift)
			}
		})
		if err != nil {
			return err
		}
		if !prefix(counts, n) {
			continue
		}
		err = w.For(n, block, func(_ *pool.Worker, lo, hi int) {
			for ; lo < hi; lo += block {
				end := min(lo+block, hi)
				scatter(src[lo:end], dst, sv[lo:end], dv, &counts[lo/block], shift)
			}
		})
		if err != nil {
			return err
		}
		src, dst, sv, dv, moved = dst, src, dv, sv, !moved
	}
	if !moved {
		return nil
	}
	return w.For(n, block, func(_ *pool.Worker, lo, hi int) {
		copy(keys[lo:hi], tk[lo:hi])
		copy(vals[lo:hi], tv[lo:hi])
	})
}

// countDigits counts the digits at one shift from zero.
func countDigits[K word](keys []K, c *[256]int, shift int) {
	*c = [256]int{}
	for _, k := range keys {
		c[uint8(uint64(k)>>shift)]++
	}
}

// prefix turns counts by block and digit into first places. It returns false
// if all n elements share a digit, when there is nothing to move.
func prefix(counts [][256]int, n int) bool {
	sum := 0
	for d := range 256 {
		first := sum
		for b := range counts {
			sum, counts[b][d] = sum+counts[b][d], sum
		}
		if sum-first == n {
			return false
		}
	}
	return true
}

// blocks calls body over [0, n): at once for a short row, by all workers for
// a long one.
func blocks(w *pool.Worker, n int, body func(lo, hi int)) error {
	if n < parallelSort {
		body(0, n)
		return nil
	}
	return w.For(n, radixBlock, func(_ *pool.Worker, lo, hi int) { body(lo, hi) })
}
