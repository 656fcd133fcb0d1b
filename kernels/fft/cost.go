package fft

import (
	"math"

	"vgpu/kernels/simd"
)

// costs are what the parts of a transform take on an instruction set, in cycles a
// vector of W complex numbers (calls: each), and the sizes of tiles from which they
// take more. They only decide between decompositions.
type costs struct {
	pass          [17]float64 // of each radix, over a tile in the first cache
	second, third float64     // a pass over the second and the third cache, beyond that
	call          float64     // of a pass
	transpose     float64     // with twiddles
	transposeCall float64
	fused         float64 // the routine that does the first sweep if n1 = 16
	fusedBelow    int     // lengths that may take it
	copied        float64 // a row of fewer than W outputs, which are copied one by one
	steep         float64 // factor of n1 > n2 above factorAbove: more places to write to at once than to read from
	secondFrom    int     // bytes of a tile
	thirdFrom     int
	columns       int // vectors of columns of an array that go together, at most, and bytes of their tile
	columnTile    int
	long          int                                 // vectors of a block of columns of a line from memoryFrom on, at most
	wide          int                                 // blocks of its second sweep that go together, at most
	stream        int                                 // bytes of a line from which the stores of its second sweep go past the caches
	streamFirst   [2]int                              // bytes from which those of the first sweep do so too, in single and in double
	blocks        bool                                // calls are of blocks of several vectors; if not, they count for each vector
	whole         func(n, size int) int               // n1 of a line of n points that is one routine, or 0
	memory        func(m machine, n1, n2 int) float64 // from factorAbove on, what waits for it
}

// costsAVX512 were measured on Zen 4. Storing a vector takes four cycles of a pass.
var costsAVX512 = costs{
	pass:   [17]float64{2: 4.5, 3: 4.8, 4: 4.5, 5: 5, 7: 6.5, 8: 5, 11: 11, 13: 13, 16: 8.5},
	second: 3, third: 12, call: 40, transpose: 12, transposeCall: 40, fused: 12, fusedBelow: lineFrom, copied: 8, steep: 1.15,
	secondFrom: 20 << 10, thirdFrom: 512 << 10, columns: 4, columnTile: largeTile, long: 1, wide: 1, stream: streamBytes, streamFirst: [2]int{streamBytes, streamBytes}, whole: wholeAVX512, memory: memoryAVX512,
}

// costsAVX2 are fitted to the times of all splits of 91 lengths from 64 to 131072, in
// both precisions, on Zen 3 ([BenchmarkSplits]): what they choose takes 1.9 % longer
// than the fastest in the geometric mean, where those of AVX-512 took 3.5 %. A
// transposition costs its calls: what it takes for each vector is the same in all splits.
// Of f32 it stores parts of eight lines in turn, more than there are buffers for stores past the caches.
var costsAVX2 = costs{
	pass:   [17]float64{2: 3.7, 3: 4.3, 4: 3.9, 5: 5.5, 7: 7.7, 8: 5.7, 11: 11.5, 13: 13.4, 16: 7},
	second: 0.5, third: 1.3, call: 60, transposeCall: 72, fused: 6.8, fusedBelow: factorAbove + 1, copied: 13, steep: 1.1,
	secondFrom: 20 << 10, thirdFrom: 200 << 10, columns: 16, columnTile: 2 * largeTile, long: 8, wide: 4, stream: 4 << 20, streamFirst: [2]int{math.MaxInt, 8 << 20}, blocks: true, whole: simd.FFTPackedColumns, memory: memoryAVX2,
}

// wholeAVX512 are the lines that are one routine on AVX-512.
func wholeAVX512(n, _ int) int {
	if n == 256 || n == 512 {
		return 16
	}
	return 0
}

// costsOf are those of an instruction set; Go's choices are those of AVX-512.
func costsOf(isa simd.ISA) *costs {
	if isa == simd.AVX2 {
		return &costsAVX2
	}
	return &costsAVX512
}

// splitCost estimates the cycles of one two-step transform. Blocks that are not
// whole overlap or run with empty lanes.
func (m machine) splitCost(n1, n2 int) float64 {
	k, v1, v2 := m.cost, 1, 1
	if k.blocks {
		v1, v2 = m.widths(n1, n2)
	}
	blocks1, blocks2 := float64((n2+m.w-1)/m.w), float64((n1+m.w-1)/m.w)
	c := blocks2 * m.tileCost(n2, v2)
	if m.fuses(n1, n2) {
		c += blocks1 * 16 * k.fused
	} else {
		c += blocks1 * (m.tileCost(n1, v1) + float64(roundUp(n1, m.w))*k.transpose + m.transposeCalls(n1, v1, v2)*k.transposeCall)
	}
	if n1*n2 > factorAbove {
		c += k.memory(m, n1, n2) * float64(n1*n2/m.w)
		if n1 > n2 {
			c *= k.steep
		}
	}
	if n1 < m.w {
		c += k.copied * float64(n2)
	}
	return c
}

// transposeCalls are those for each vector of columns.
func (m machine) transposeCalls(n1, v1, v2 int) float64 {
	if !m.cost.blocks {
		return 1
	}
	s := squares{n1 / m.w, (n1 + m.w - 1) / m.w, v2}
	return min(float64(s.down()), float64(s.all)/float64(v1))
}

// tileCost estimates the cycles of transforming a column of vectors, of v that go together.
func (m machine) tileCost(n, v int) float64 {
	k, extra, bytes := m.cost, 0.0, v*n*m.w*2*m.size
	switch {
	case bytes > k.thirdFrom:
		extra = k.third
	case bytes > k.secondFrom:
		extra = k.second
	}
	c := 0.0
	for _, r := range radices(n, m.maxPow2) {
		c += float64(n)*(k.pass[r]+extra) + k.call/float64(v)
	}
	return c
}

// memoryAVX512 is what a long transform waits for memory: measured on Zen 4, in
// cycles a vector. Rows at distances of many KB compete for the same sets
// of the caches; a block of rows should stay in half of the second cache. What is
// beyond all caches costs the more the longer it is, so that very long lines are near
// to squares: 2^27 points take 0.75 s as 8192x16384, 1.05 as 1024x131072.
func memoryAVX512(m machine, n1, n2 int) float64 {
	if n1*n2 < memoryFrom {
		return 0
	}
	c := 0.0
	if n1 > 8192 || n2*2*m.size%512 == 0 {
		switch {
		case n1 > 8192:
			c += 150 * float64(n1) / 8192
		case n1 > 1024:
			c += 60
		case n1 > 512:
			c += 40
		case n1 > 256:
			c += 6
		}
	}
	switch {
	case n2 > 8192:
		c += 150 * float64(n2) / 8192
	case n2 > 2048:
		c += 15
	case n2 > 1024:
		c += 8
	}
	return c
}

// memoryAVX2 is the same on Zen 3, where a vector is one line of the cache: below
// memoryFrom the nearer to a square the better, the less memory a part of the line takes
// outside memory. So it is above, but rows of the first sweep lie a page or more apart and
// are best no more than 1024, and tiles of the second stay within 8192; measured up to 2^22
// points. Blocks of one vector read memory a line of the cache at a time.
func memoryAVX2(m machine, n1, n2 int) float64 {
	octaves := math.Log2(float64(n2) / float64(n1))
	if n1*n2 < memoryFrom {
		return 0.6 * math.Abs(octaves)
	}
	bits := math.Log2(float64(n1 * n2))
	best := max(min(bits-20, 26-bits), 0)
	v1, _ := m.widths(n1, n2)
	return 3*math.Abs(octaves-best) + 8/float64(v1)
}
