//go:build !amd64 || noasm

package simd

// Without assembly every level has the pure-Go kernels.
func fftAVX2F32() *FFTKernels[float32]   { return fftGeneric[float32](4) }
func fftAVX2F64() *FFTKernels[float64]   { return fftGeneric[float64](4) }
func fftAVX512F32() *FFTKernels[float32] { return fftGeneric[float32](4) }
func fftAVX512F64() *FFTKernels[float64] { return fftGeneric[float64](4) }
