package fft

import (
	"fmt"
	"testing"

	"vgpu/kernels/kerneltest"
	"vgpu/kernels/ndarray"
)

// TestStreamedConvolution: tiles and blocks of signals outside memory have the bits
// of those in core: every method and mode, margins longer than a tile, views, types
// that are converted, kernels longer than the signal.
func TestStreamedConvolution(t *testing.T) {
	rng := newRand(85)
	operands := map[string]ndarray.Array{
		"x": randomArray(rng, ndarray.F32, 9000), "i": randomArray(rng, ndarray.I16, 3001), "z": randomArray(rng, ndarray.C64, 2500), "v": randomView(rng, randomArray(rng, ndarray.F64, 1700)),
		"h": randomArray(rng, ndarray.F32, 31), "d": randomArray(rng, ndarray.F64, 200), "c": randomArray(rng, ndarray.C128, 17), "one": randomArray(rng, ndarray.F32, 1),
		"m": randomArray(rng, ndarray.F32, 60, 70), "k": randomArray(rng, ndarray.F32, 5, 4), "w": randomView(rng, randomArray(rng, ndarray.C64, 40, 33)), "q": randomArray(rng, ndarray.F64, 9, 12, 20), "p": randomArray(rng, ndarray.F64, 3, 2, 5),
		"y0": randomArray(rng, ndarray.F32, 120, 70),
	}
	for _, line := range []string{
		"conv x h y", "correlate x h y mode=same", "conv h x y mode=valid", "conv x d y mode=same", "conv i h y mode=valid", "correlate z c y", "conv v d y mode=same", "conv x one y", "conv x[::-3] h y", "correlate i i y[::2]",
		"conv m k y", "correlate m k y mode=same", "conv m k y mode=valid", "conv k m y mode=valid", "correlate w w y mode=same", "conv q p y", "correlate q p y mode=valid", "conv m k y0[::2] mode=same",
	} {
		for _, method := range []string{"direct", "overlap"} {
			if line == "correlate i i y[::2]" {
				operands["y"] = randomArray(rng, ndarray.F64, 2*6001)
			}
			kerneltest.Stream(t, Kernels(), line+" method="+method, operands)
			delete(operands, "y")
		}
	}
	for range 12 {
		x, h := make([]int, 1+rng.IntN(3)), make([]int, 0, 3)
		for i := range x {
			x[i] = 1 + rng.IntN([]int{3000, 60, 16}[len(x)-1])
			h = append(h, 1+rng.IntN(min(x[i]+3, 40/len(x))))
		}
		operands := map[string]ndarray.Array{"x": randomArray(rng, ndarray.F32, x...), "h": randomArray(rng, ndarray.F32, h...)}
		mode := []string{"full", "same"}[rng.IntN(2)]
		kerneltest.Stream(t, Kernels(), fmt.Sprintf("conv x h y mode=%s method=%s", mode, []string{"direct", "overlap", "fft", "auto"}[rng.IntN(4)]), operands)
	}
}

// TestStreamedSpectra: spectra of signals outside memory have the bits of those in
// core, whether lines or segments are cut.
func TestStreamedSpectra(t *testing.T) {
	rng := newRand(86)
	operands := map[string]ndarray.Array{
		"x": randomArray(rng, ndarray.F32, 20000), "i": randomArray(rng, ndarray.I16, 5001), "z": randomArray(rng, ndarray.C64, 4000), "v": randomView(rng, randomArray(rng, ndarray.F64, 3000)),
		"m": randomArray(rng, ndarray.F32, 7, 900), "q": randomArray(rng, ndarray.F64, 3, 800, 5), "c": randomArray(rng, ndarray.C128, 600, 4), "s": randomArray(rng, ndarray.F32, 5), "y0": randomArray(rng, ndarray.F32, 14, 7),
	}
	for _, line := range []string{
		"psd x y", "psd i y nperseg=100 noverlap=99 detrend=linear", "psd z y nperseg=64 nfft=81", "psd v y nperseg=200 noverlap=0", "psd m y nperseg=64", "psd q y axis=1 nperseg=50", "psd c y axis=0 nperseg=30", "psd s y", "psd m[:,::-1] y nperseg=900",
		"spectrogram x y", "spectrogram i y nperseg=60", "spectrogram z y nperseg=64 noverlap=50 scaling=spectrum", "spectrogram q y axis=1 nperseg=33 detrend=none", "spectrogram c y axis=0 nperseg=30",
		"stft x y", "stft i y nperseg=61 noverlap=13", "stft z y nperseg=64 nfft=100", "stft v y nperseg=16", "stft m y nperseg=100", "stft q y axis=1 nperseg=40", "stft c y axis=0 nperseg=31", "stft s y", "psd m y0[::-2] axis=1 nperseg=12",
	} {
		kerneltest.Stream(t, Kernels(), line, operands)
	}
}

// TestStreamedCosine: cosine and sine transforms, shifts and windows outside memory
// have the bits of those in core.
func TestStreamedCosine(t *testing.T) {
	rng := newRand(88)
	operands := map[string]ndarray.Array{
		"x": randomArray(rng, ndarray.F32, 3000), "m": randomArray(rng, ndarray.F32, 40, 66), "i": randomArray(rng, ndarray.I16, 31, 50), "z": randomArray(rng, ndarray.C64, 20, 37), "q": randomArray(rng, ndarray.F64, 6, 21, 12),
		"v": randomView(rng, randomArray(rng, ndarray.F64, 33, 28)), "y0": randomArray(rng, ndarray.F32, 80, 66), "w0": randomArray(rng, ndarray.F32, 5000),
	}
	for _, line := range []string{
		"dct x y", "dct m y type=1", "idct m y axes=0 norm=ortho", "dst m y axes=0,1", "dct i y type=4 axes=1,0", "dst z y type=3 axes=0", "idst z y axes=0,1 type=4", "dct q y axes=0,2 norm=forward", "idct q y axes=1", "dst v y type=1 axes=0,1",
		"dct m y n=50,30 axes=0,1", "dct m y n=100,100 axes=1,0", "dct m y0[::-2] axes=0",
		"fftshift x y", "ifftshift q y", "fftshift v y axes=1", "ifftshift i y axes=0", "fftshift m y0[::2]", "window y n=3000 type=kaiser", "window w0[::-2] type=hann", "window y:f32 n=1 type=tukey",
	} {
		kerneltest.Stream(t, Kernels(), line, operands)
	}
}
