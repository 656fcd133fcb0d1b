// Package catalog names every family of kernels: what the device can do.
package catalog

import (
	"vgpu/kernels"
	"vgpu/kernels/diag"
	"vgpu/kernels/expr"
	"vgpu/kernels/fft"
	"vgpu/kernels/gemm"
	"vgpu/kernels/order"
	"vgpu/kernels/reduce"
	"vgpu/kernels/vec"
)

// Registry is the set of all kernels.
func Registry() *kernels.Registry {
	return kernels.NewRegistry(
		diag.Kernels(), expr.Kernels(), fft.Kernels(), gemm.Kernels(), order.Kernels(), reduce.Kernels(), vec.Kernels(),
	)
}
