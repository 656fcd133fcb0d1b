package simd

import "unsafe"

// eachVector calls f for runs of whole vectors of x, of width bytes each, from the first on, until it
// returns false, and gives the number of elements in all whole vectors; 0 if
// there are no vectors in use.
func eachVector[T Number](x []T, width int, f func(p *byte, vectors int) bool) (done int) {
	if Active() == Generic {
		return 0
	}
	lanes := width / sizeOf[T]()
	done = len(x) / lanes * lanes
	step := chunk / 8 * lanes // 32 KiB at most
	for i := 0; i < done; i += step {
		if !f((*byte)(unsafe.Pointer(&x[i])), min(step, done-i)/lanes) {
			break
		}
	}
	return done
}

// rawBits is v's bits; above them are zeros.
func rawBits[T Number](v T) (bits uint64) {
	*(*T)(unsafe.Pointer(&bits)) = v
	return bits
}
