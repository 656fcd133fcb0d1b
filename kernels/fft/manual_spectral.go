package fft

import (
	"slices"

	"vgpu/kernels"
)

const windowText = "boxcar (ones), triang, bartlett, hann, hamming, blackman, nuttall, blackmanharris, flattop, cosine, bohman, parzen; " +
	"with param=: kaiser (beta, default 14), gaussian (standard deviation in points, default n/6, and at least 1), tukey (tapered part, default 0.5), exponential (tau in points, default 1). As scipy.signal.windows."

func spectralKernels() []*kernels.Kernel {
	ks := []*kernels.Kernel{windowKernel()}
	ks = append(ks,
		segmentKernel("psd", "power spectral density by Welch's method", "hann", "constant", "density",
			"The mean over windowed, overlapping segments of |rfft|²: scipy.signal.welch. The axis of the signal becomes that of nfft/2+1 frequencies k·fs/nfft "+
				"(all nfft, negative ones last, for a complex signal).",
			kernels.Example{Text: "The spectrum of noise.", Lines: []string{"random x.npy:f64:10000 seed=1", "psd x.npy p.npy fs=44100 nperseg=512"}}),
		segmentKernel("spectrogram", "power spectrum over time", "tukey", "constant", "density",
			"|rfft|² of windowed segments, side by side: scipy.signal.spectrogram. The axis of the signal becomes that of frequencies, and a last axis of segments is added. "+
				"The default window is a tukey of param=0.25. Segment j begins at point j·(nperseg-noverlap).",
			kernels.Example{Text: "129 frequencies by time.", Lines: []string{"random x.npy:f32:8000 seed=1", "spectrogram x.npy s.npy fs=8000 window=hann"}}),
		segmentKernel("stft", "short-time Fourier transform", "hann", "none", "spectrum",
			"The complex spectra of windowed segments: scipy.signal.stft. Half a segment of zeros is put before and after the signal, and zeros fill the last segment, so that segment j is centred on point j·(nperseg-noverlap). "+
				"The axis of the signal becomes that of frequencies, and a last axis of segments is added.",
			kernels.Example{Text: "Half-overlapping segments of 256 points.", Lines: []string{"random x.npy:f32:8000 seed=1", "stft x.npy s.npy"}}))
	return ks
}

func windowKernel() *kernels.Kernel {
	return &kernels.Kernel{
		Name: "window", Family: "fft", Summary: "window function", Synopsis: "window W[:f32|f64:N] [n=N] [type=hann] [param=P] [sym=0|1]",
		Plan: planWindow,
		Options: []kernels.OptionSpec{
			{Name: "n", Kind: kernels.KindInt, Default: "0", Help: "The number of points, if W's shape does not say."},
			{Name: "type", Kind: kernels.KindEnum, Default: "hann", Values: windowTypes, Help: "The window."},
			{Name: "param", Kind: kernels.KindFloat, Help: "The window's parameter, where it has one."},
			{Name: "sym", Kind: kernels.KindBool, Default: "0", Help: "0: periodic, for spectra (scipy's get_window); 1: symmetric, for filters (numpy.hanning)."},
		},
		Manual: kernels.Manual{
			Description: "Writes n weights: " + windowText,
			Operands:    []kernels.Entry{{Term: "W", Text: "the output, of one axis"}},
			Types:       "f64 by default, or f32.",
			Cost:        "About 20 flops a point; no scratch.",
			Errors:      []kernels.Entry{{Term: "EINVAL", Text: "no length, two different ones, or more than one axis; another dtype; a parameter out of range, or for a window without one"}},
			Examples: []kernels.Example{{Text: "A window for spectra, and one for a filter.", Lines: []string{
				"window w.npy:f32:1024 type=blackman", "window k.npy n=101 type=kaiser param=8.6 sym=1"}}},
			Notes:   "Computed in double precision and exactly symmetric.",
			SeeAlso: []string{"psd", "stft", "conv"},
		},
	}
}

func segmentKernel(name, summary, win, detrend, scaling, text string, example kernels.Example) *kernels.Kernel {
	overlap := "nperseg/2"
	if name == "spectrogram" {
		overlap = "nperseg/8"
	}
	also := slices.DeleteFunc([]string{"psd", "spectrogram", "stft", "window", "rfft"}, func(s string) bool { return s == name })
	return &kernels.Kernel{
		Name: name, Family: "fft", Summary: summary,
		Synopsis:  name + " X Y [fs=1] [nperseg=256] [noverlap=N] [nfft=N] [window=" + win + "] [param=P] [detrend=" + detrend + "] [scaling=" + scaling + "] [axis=-1]",
		MinInputs: 1, MaxInputs: 1, Plan: spectralPlan(name),
		Options: []kernels.OptionSpec{
			{Name: "fs", Kind: kernels.KindFloat, Default: "1", Help: "The sampling rate."},
			{Name: "nperseg", Kind: kernels.KindInt, Default: "256", Help: "Points of a segment; at most the signal."},
			{Name: "noverlap", Kind: kernels.KindInt, Help: "Points that neighbouring segments share; default " + overlap + "."},
			{Name: "nfft", Kind: kernels.KindInt, Help: "Points of a transform: segments are padded with zeros; default nperseg."},
			{Name: "window", Kind: kernels.KindEnum, Default: win, Values: windowTypes, Help: "The window, periodic."},
			{Name: "param", Kind: kernels.KindFloat, Help: "The window's parameter, where it has one."},
			{Name: "detrend", Kind: kernels.KindEnum, Default: detrend, Values: []string{"none", "constant", "linear"}, Help: "What is taken from each segment: nothing, its mean, or its least-squares line."},
			{Name: "scaling", Kind: kernels.KindEnum, Default: scaling, Values: []string{"density", "spectrum"}, Help: "density: power a hertz; spectrum: power."},
			{Name: "axis", Kind: kernels.KindInt, Default: "-1", Help: "The axis along which the signal runs."},
		},
		Manual: kernels.Manual{
			Description: text,
			Operands:    []kernels.Entry{{Term: "X", Text: "signals along axis"}, {Term: "Y", Text: "the result"}},
			Types:       typesText + " Results are real (stft: complex), of the precision computed in.",
			Cost:        "2.5·nfft·log2(nfft) flops a segment (twice that for complex signals). Scratch: one signal's spectra; copies of operands that are no plain arrays of the type computed in, the transformed axis last.",
			Errors: []kernels.Entry{
				{Term: "EINVAL", Text: "an axis out of range, or without points; nperseg below 1; noverlap not below nperseg; nfft below nperseg; fs not positive; a window that is all zero, or whose parameter is out of range"},
				{Term: "ENOMEM", Text: "operands and scratch do not fit"},
			},
			Examples: []kernels.Example{example},
			Notes:    "Windows: " + windowText + "\n\nMeans are taken in double precision, in the order of the segments.",
			SeeAlso:  also,
		},
	}
}
