package fft

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"vgpu/kernels/simd"
)

// hugeFrom is the bytes from which a table asks for huge pages: with small
// ones, half the time that a long plan takes is page faults.
const hugeFrom = 4 << 20

// newTable is a slice of n zeros.
func newTable[T simd.Float](n int) []T {
	t := make([]T, n)
	if bytes := n * realSize[T](); bytes >= hugeFrom {
		const page = 4096
		at := unsafe.Pointer(unsafe.SliceData(t))
		skip := -uintptr(at) % page
		whole := unsafe.Slice((*byte)(unsafe.Add(at, skip)), (bytes-int(skip))/page*page)
		_ = unix.Madvise(whole, unix.MADV_HUGEPAGE) // advice: a kernel without them refuses it, which costs time alone
	}
	return t
}

// words sees complex numbers of T as W, which has as many bytes as one.
func words[T simd.Float, W uint64 | [2]uint64](x []T) []W {
	return unsafe.Slice((*W)(unsafe.Pointer(unsafe.SliceData(x))), len(x)/2)
}
