package fft

import (
	"testing"

	"vgpu/kernels/kerneltest"
	"vgpu/kernels/vec"
)

// The manuals are whole, and their examples run on an empty device.
func TestManuals(t *testing.T) {
	all := append(vec.Kernels(), Kernels()...)
	for _, k := range Kernels() {
		t.Run(k.Name, func(t *testing.T) {
			kerneltest.Manual(t, k)
			kerneltest.Examples(t, all, k)
		})
	}
}
