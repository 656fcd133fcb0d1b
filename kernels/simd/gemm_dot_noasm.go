//go:build !amd64 || noasm

package simd

func dotAsm[T float32 | float64](sums *[4]T, rows int, a Ptr, rowStride int, x []T) int { return 0 }
