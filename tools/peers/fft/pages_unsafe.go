package main

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"vgpu/kernels/simd"
)

// mapped is n zeros on small pages or on huge ones.
func mapped[T simd.Float](n int, huge bool) ([]T, error) {
	if n == 0 {
		return nil, nil
	}
	var zero T
	b, err := unix.Mmap(-1, 0, n*int(unsafe.Sizeof(zero)), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return nil, err
	}
	advice := unix.MADV_NOHUGEPAGE
	if huge {
		advice = unix.MADV_HUGEPAGE
	}
	_ = unix.Madvise(b, advice) // a kernel without them refuses it
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(b))), n), nil
}

// unmap gives back what mapped gave.
func unmap[T simd.Float](x []T) error {
	if x == nil {
		return nil
	}
	var zero T
	return unix.MunmapPtr(unsafe.Pointer(unsafe.SliceData(x)), uintptr(len(x))*unsafe.Sizeof(zero))
}
