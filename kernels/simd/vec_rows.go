package simd

// Sums down the columns of several rows.

// AddRowsF32 sets acc[i] += x[r*ldx+i] in float64 for r = 0, then 1, up to rows-1. ldx >= 0.
//
// Cost: the elements are read once. acc is read and written once for all rows.
func AddRowsF32(acc []float64, x []float32, ldx, rows int) {
	addRows(acc, x, ldx, rows, addRowsF32AVX2, func(acc []float64, x []float32) { AddF64F32(acc, acc, x) })
}

// AddRowsF64 is [AddRowsF32] for elements of float64.
func AddRowsF64(acc, x []float64, ldx, rows int) {
	addRows(acc, x, ldx, rows, addRowsF64AVX2, func(acc, x []float64) { AddF64(acc, acc, x) })
}

// addRows gives whole registers of columns to the assembly, a few rows at a time, and the rest to row; which is
// the twin, and adds rows one by one on AVX-512 too.
func addRows[T float32 | float64](acc []float64, x []T, ldx, rows int, assembly func(acc *float64, x *T, ldx, rows, columns int), row func(acc []float64, x []T)) {
	n := len(acc)
	if rows <= 0 || n == 0 {
		return
	}
	if ldx < 0 {
		panic("simd: rows that lie before their slice")
	}
	need((rows-1)*ldx+n, len(x))
	whole := 0
	if Active() == AVX2 {
		whole = n &^ 3
	}
	for r := 0; r < rows && whole > 0; r += rowsAtOnce {
		k := min(rowsAtOnce, rows-r)
		for i := 0; i < whole; i += chunk {
			assembly(&acc[i], &x[r*ldx+i], ldx*sizeOf[T](), k, min(chunk, whole-i))
		}
	}
	for r := 0; r < rows && whole < n; r++ {
		row(acc[whole:], x[r*ldx+whole:])
	}
}

// rowsAtOnce is how many rows a call takes: with 16 and more, each in pages of its own, processors prefetch less.
const rowsAtOnce = 4
