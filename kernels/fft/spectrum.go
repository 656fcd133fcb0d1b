package fft

import "vgpu/kernels/simd"

// columnSpectrum is the spectrum of an even kernel of n1·n2 points in the order of the
// second sweep of a [cyclic]: element k1 + n1·k2 is in block k1/width, which holds a row
// of width numbers for each k2. If only the first kept columns k1 are there, more
// than half of them, the others are those of n-k.
type columnSpectrum[T simd.Float] struct {
	n1, n2, width, kept int
	table               []T
}

// halfSpectrum is such a spectrum of n1/2+1 columns and what fills the last block, without
// its numbers.
func halfSpectrum[T simd.Float](n1, n2, width int) columnSpectrum[T] {
	return columnSpectrum[T]{n1: n1, n2: n2, width: width, kept: (n1/2 + width) / width * width}
}

// byColumnBlocks has the numbers of a spectrum in their order.
func byColumnBlocks[T simd.Float](whole []T, n1, n2, width int) columnSpectrum[T] {
	c := columnSpectrum[T]{n1: n1, n2: n2, width: width, kept: n1, table: newTable[T](len(whole))}
	to := c.table
	for k1 := 0; k1 < n1; k1 += width {
		for k2 := range n2 {
			to = to[copy(to, whole[2*(k1+n1*k2):][:2*width]):]
		}
	}
	return c
}

// has tells whether element k is kept.
func (c *columnSpectrum[T]) has(k int) bool { return k%c.n1 < c.kept }

// times multiplies a tile, columns from k1 on, by the spectrum. buf has room for
// evenReals.
func (c *columnSpectrum[T]) times(k *simd.FFTKernels[T], tile []T, k1 int, buf []T) {
	if k1 < c.kept {
		k.Mul(tile, tile, c.table[2*k1*c.n2:], c.width*c.n2)
		return
	}
	most := evenReals / (2 * c.width)
	for k2 := 0; k2 < c.n2; k2 += most {
		rows := min(most, c.n2-k2)
		c.mirrored(buf[:2*rows*c.width], k1, k2)
		k.Mul(tile[2*k2*c.width:], tile[2*k2*c.width:], buf, rows*c.width)
	}
}

// mirrored sets dst to rows from k2 on of the block from k1 on, which is not kept: numbers
// n1-k1, which another block begins with, and those before it, of rows from n2-1-k2 on
// backwards.
func (c *columnSpectrum[T]) mirrored(dst []T, k1, k2 int) {
	row := 2 * c.width
	end := 2*(c.n1-k1)*c.n2 + row*(c.n2-k2)
	first, others := c.table[end-len(dst):end], c.table[end-row*c.n2-len(dst):end-row*c.n2]
	if isSingle[T]() {
		mirrorRows(words[T, uint64](dst), words[T, uint64](first), words[T, uint64](others), c.width)
	} else {
		mirrorRows(words[T, [2]uint64](dst), words[T, [2]uint64](first), words[T, [2]uint64](others), c.width)
	}
}

// mirrorRows sets rows of dst to those of two arrays, last first: the first number of the
// one, and from the last on all but the first of the others.
func mirrorRows[E any](dst, first, others []E, width int) {
	for at := len(others) - width; at >= 0; at -= width {
		to, from := dst[:width], others[at:at+width]
		to[0] = first[at]
		for i, j := 1, len(from)-1; i < len(to) && j > 0; i, j = i+1, j-1 {
			to[i] = from[j]
		}
		dst = dst[width:]
	}
}
