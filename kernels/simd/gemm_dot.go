package simd

// dotChunk is the most elements of a row that one call of the assembly adds
// up: about 10 µs from memory.
const dotChunk = 16384

// DotRows writes the inner products of rows of A with x to out:
//
//	out[r] = Σ_i a[r·rowStride + i]·x[i]
//
// for r < len(out); rowStride is in bytes. The order of a row's sum depends on
// len(x) and the instruction set alone. Sums are added up in chunks, so the
// error grows with the lanes' length, not with len(x).
func DotRows[T float32 | float64](out []T, a Ptr, rowStride int, x []T) {
	clear(out)
	size := sizeOf[T]()
	for at := 0; at < len(x); at += dotChunk {
		part := x[at:min(at+dotChunk, len(x))]
		for r, rows := 0, 4; r < len(out); r += rows {
			if len(out)-r < 4 {
				rows = 1
			}
			from := a.Add(r*rowStride + at*size)
			var sums [4]T
			done := dotAsm(&sums, rows, from, rowStride, part)
			for q := range rows {
				rest := dotGo(from.Add(q*rowStride+min(done, len(part)-1)*size), part[done:])
				out[r+q] += sums[q] + rest
			}
		}
	}
}

// dotGo is the twin: eight interleaved sums.
func dotGo[T float32 | float64](a Ptr, x []T) T {
	if len(x) == 0 {
		return 0
	}
	y := Vector[T](a, len(x))
	var s [8]T
	for ; len(x) >= 8; x, y = x[8:], y[8:] {
		for i := range s {
			s[i] += x[i] * y[i]
		}
	}
	for i, v := range x {
		s[i] += v * y[i]
	}
	return ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]))
}
