package kerneltest_test

import (
	"errors"
	"fmt"
	"testing"
	"unsafe"

	"vgpu/kernels"
	"vgpu/kernels/kerneltest"
	"vgpu/kernels/ndarray"
)

// beside writes a byte outside b, as faulty assembly would.
func beside(b []byte, i int) { *(*byte)(unsafe.Add(unsafe.Pointer(unsafe.SliceData(b)), i)) = 1 }

// Memory is poisoned and aligned.
func TestMemory(t *testing.T) {
	ks := kernel(func(x *kernels.Exec) error {
		for _, n := range []int{0, 1, 33, 66} {
			b := x.Mem.Alloc(n)
			if len(b) != n || cap(b) != n || uintptr(unsafe.Pointer(unsafe.SliceData(b)))%64 != 0 {
				return fmt.Errorf("a room of %d bytes has %d, capacity %d, at %p", n, len(b), cap(b), unsafe.SliceData(b))
			}
			for _, c := range b {
				if c != 0xff {
					return errors.New("scratch memory is clean")
				}
			}
		}
		return nil
	})
	out, _, err := kerneltest.Run(t, ks, "bad x y", operands())
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range ndarray.Slice[float64](out["y"]) {
		if v == v {
			t.Errorf("an element that was not written is %v", v)
		}
	}
}
