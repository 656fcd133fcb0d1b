package fft

import "vgpu/kernels"

const typesText = "Any dtype. f64, c128, integers and bool are computed in double precision, f32, c64, f16 and bf16 in single, as numpy.fft does. " +
	"Strided, reversed, byte-swapped and unaligned views are read correctly, at the cost of a copy."

const accuracyText = "The relative L2 error is below 0.6·eps·sqrt(log2 n) + eps for every length, eps being 2^-52 or 2^-23. " +
	"The bits depend on the instruction set (info), not on threads, batch neighbours or earlier runs."

const costText = "5·N·log2(n) flops for N complex points in lines of n (half of that if real). Lengths with prime factors up to 13 only are fastest; " +
	"any other is a convolution of a smooth length of at least twice n, four to five times the work. " +
	"Memory: each axis reads and writes the array once, an axis longer than the second cache twice. " +
	"Scratch: one array of the longest line; copies of operands that are no plain C-ordered arrays of the type computed in."

var axesErrors = []kernels.Entry{
	{Term: "EINVAL", Text: "an axis out of range or listed twice; n below 1, or as many lengths as there are no axes; a scalar, or an axis of no points; a real type asked of a complex result"},
	{Term: "ENOMEM", Text: "operands and scratch do not fit"},
}

var inOut = []kernels.Entry{
	{Term: "X", Text: "the input, of any shape but a scalar's"},
	{Term: "Y", Text: "the output; for a complex to complex transform of the same type and shape it may be X itself"},
}

func fourierKernels() []*kernels.Kernel {
	return []*kernels.Kernel{
		{
			Name: "fft", Summary: "discrete Fourier transform over one or more axes",
			Plan: fourierPlan(false, false),
			Manual: kernels.Manual{
				Description: "Y[k] = Σ X[j]·exp(-2πi·jk/n) along each of axes, for any length n and any number of dimensions.\n\n" +
					"Without axes= the last axis is transformed, like numpy.fft.fft; axes=0,1 is numpy.fft.fft2 of a matrix. All other axes are a batch.",
				Examples: []kernels.Example{
					{Text: "A signal and its spectrum.", Lines: []string{"random x.npy:f64:1000 seed=1", "fft x.npy y.npy"}},
					{Text: "Both axes of an image.", Lines: []string{"random img.npy:f32:480x640 seed=2", "fft img.npy spec.npy axes=0,1"}},
					{Text: "Each row, cropped to 256 points, with unit energy.", Lines: []string{"random r.npy:f32:100x300 seed=3", "fft r.npy s.npy n=256 norm=ortho"}},
					{Text: "In place.", Lines: []string{"random z.npy:c128:1024 seed=4", "fft z.npy z.npy"}},
				},
				SeeAlso: []string{"ifft", "rfft", "conv", "fftshift", "psd"},
			},
		},
		{
			Name: "ifft", Summary: "inverse discrete Fourier transform over one or more axes",
			Plan: fourierPlan(true, false),
			Manual: kernels.Manual{
				Description: "Y[j] = 1/n·Σ X[k]·exp(+2πi·jk/n) along each of axes: ifft undoes fft with the same axes=, n= and norm=.",
				Examples:    []kernels.Example{{Text: "There and back.", Lines: []string{"random x.npy:c128:1000 seed=1", "fft x.npy y.npy", "ifft y.npy z.npy"}}},
				SeeAlso:     []string{"fft", "irfft"},
			},
		},
		{
			Name: "rfft", Summary: "discrete Fourier transform of real numbers",
			Plan: fourierPlan(false, true),
			Manual: kernels.Manual{
				Description: "The first n/2+1 points of the transform of n real numbers; the rest are their conjugates. " +
					"With several axes the last one listed is halved, the others are transformed in full, as numpy.fft.rfftn does. Half the work of fft.",
				Examples: []kernels.Example{
					{Text: "1025 of 2048 points.", Lines: []string{"random x.npy:f32:2048 seed=1", "rfft x.npy y.npy"}},
					{Text: "An image, padded.", Lines: []string{"random img.npy:f32:480x640 seed=2", "rfft img.npy spec.npy axes=0,1 n=512,1024"}},
				},
				SeeAlso: []string{"irfft", "fft"},
			},
		},
		{
			Name: "irfft", Summary: "inverse of rfft: real numbers from half a spectrum",
			Plan: fourierPlan(true, true),
			Manual: kernels.Manual{
				Description: "n real numbers from the n/2+1 first points of their transform. n is 2(m-1) for an input of m points unless n= says otherwise: " +
					"an odd length has to be given. The imaginary parts of the first point and, if n is even, of the last are taken as zero.",
				Examples: []kernels.Example{
					{Text: "An odd length.", Lines: []string{"random x.npy:f64:999 seed=1", "rfft x.npy y.npy", "irfft y.npy z.npy n=999"}},
				},
				SeeAlso: []string{"rfft", "ifft"},
			},
		},
	}
}

// cosineDefinition is the text that the four kernels share.
const cosineDefinition = "Without factors (norm=backward) the sums are scipy's:\n\n" +
	"DCT I: y[k] = x[0] + (-1)^k·x[n-1] + 2·Σ x[i]·cos(π·k·i/(n-1)), 0 < i < n-1\n\n" +
	"DCT II: y[k] = 2·Σ x[i]·cos(π·k·(2i+1)/2n)\n\n" +
	"DCT III: y[k] = x[0] + 2·Σ x[i]·cos(π·(2k+1)·i/2n), i > 0\n\n" +
	"DCT IV: y[k] = 2·Σ x[i]·cos(π·(2k+1)·(2i+1)/4n)\n\n" +
	"DST I: y[k] = 2·Σ x[i]·sin(π·(k+1)·(i+1)/(n+1))\n\n" +
	"DST II: y[k] = 2·Σ x[i]·sin(π·(k+1)·(2i+1)/2n)\n\n" +
	"DST III: y[k] = (-1)^k·x[n-1] + 2·Σ x[i]·sin(π·(2k+1)·(i+1)/2n), i < n-1\n\n" +
	"DST IV: y[k] = 2·Σ x[i]·sin(π·(2k+1)·(2i+1)/4n)\n\n" +
	"The inverse of II is III and the other way round, I and IV are their own, all divided by N = 2n (I: 2(n-1), DST I: 2(n+1)). " +
	"norm=ortho divides both directions by sqrt(N) and weights terms as scipy does, which makes the matrix orthogonal: the first one (DCT I: first and last) of the output of II and the input of III. For the sine transforms II and III scipy weights the first term too, though theirs is the last that differs: there norm=ortho inverts, but is not orthogonal. norm=forward moves 1/N to the forward direction. " +
	"Complex input is transformed part by part."

func cosineKernels() []*kernels.Kernel {
	typeOption := kernels.OptionSpec{Name: "type", Kind: kernels.KindEnum, Default: "2",
		Values: []string{"1", "2", "3", "4", "I", "II", "III", "IV"}, Help: "Which of the four transforms."}
	options := append([]kernels.OptionSpec{typeOption}, transformOptions...)
	make1 := func(name, summary string, inv, sine bool, example kernels.Example, also ...string) *kernels.Kernel {
		return &kernels.Kernel{
			Name: name, Family: "fft", Summary: summary,
			Synopsis:  name + " X Y [type=1|2|3|4] [axes=A,...] [n=N,...] [norm=backward|ortho|forward]",
			MinInputs: 1, MaxInputs: 1, Options: options, Plan: trigPlan(inv, sine),
			Manual: kernels.Manual{
				Description: cosineDefinition,
				Operands:    []kernels.Entry{inOut[0], {Term: "Y", Text: "the output, real for a real input"}},
				Types:       typesText + " The output is f32 or f64, complex for a complex input.",
				Cost:        "2.5·N·log2(n) + 6·N flops for N points in lines of n: a real transform of n points (type IV: a complex one of n/2, odd lengths of 2n) and a turn.",
				Errors:      append([]kernels.Entry{{Term: "EINVAL", Text: "a DCT of type I of one point"}}, axesErrors...),
				Examples:    []kernels.Example{example},
				Notes:       accuracyText + " Type II by Makhoul, IEEE Trans. ASSP 28 (1980).",
				SeeAlso:     also,
			},
		}
	}
	return []*kernels.Kernel{
		make1("dct", "discrete cosine transform, types I to IV", false, false,
			kernels.Example{Text: "8x8 blocks, orthonormal.", Lines: []string{"random b.npy:f32:100x8x8 seed=1", "dct b.npy c.npy axes=1,2 norm=ortho"}}, "idct", "dst"),
		make1("idct", "inverse discrete cosine transform", true, false,
			kernels.Example{Text: "There and back.", Lines: []string{"random x.npy:f64:100 seed=1", "dct x.npy y.npy", "idct y.npy z.npy"}}, "dct"),
		make1("dst", "discrete sine transform, types I to IV", false, true,
			kernels.Example{Text: "Zero at both ends: type I.", Lines: []string{"random x.npy:f64:127 seed=1", "dst x.npy y.npy type=1"}}, "idst", "dct"),
		make1("idst", "inverse discrete sine transform", true, true,
			kernels.Example{Text: "There and back.", Lines: []string{"random x.npy:f64:100 seed=1", "dst x.npy y.npy type=4", "idst y.npy z.npy type=4"}}, "dst"),
	}
}

func convolutionKernels() []*kernels.Kernel {
	options := []kernels.OptionSpec{
		{Name: "mode", Kind: kernels.KindEnum, Default: "full", Values: []string{"full", "same", "valid"},
			Help: "full: every overlap, x+h-1 points an axis; same: as long as X, from the middle; valid: whole overlaps only, |x-h|+1 points."},
		{Name: "method", Kind: kernels.KindEnum, Default: "auto", Values: []string{"auto", "direct", "fft", "overlap"},
			Help: "direct sums, one transform, or transforms of overlapping blocks (overlap-save); auto takes the cheapest by formula."},
	}
	manual := func(formula string, example kernels.Example, also ...string) kernels.Manual {
		return kernels.Manual{
			Description: formula + "\n\nX and H have the same number of axes; all are summed over. Names and alignment are scipy.signal's.",
			Operands: []kernels.Entry{{Term: "X", Text: "the signal or image"}, {Term: "H", Text: "the filter, of as many axes"},
				{Term: "Y", Text: "the result, complex if either operand is"}},
			Types: typesText + " The result has the wider precision of the two; integers are summed in f64, exactly while sums stay below 2^53 and method=direct.",
			Cost: "direct: 2·|Y|·|H| flops (8 complex). fft: three transforms of the padded shape. overlap: two transforms of about 8·h points along the axis where X exceeds H most, a block. " +
				"Scratch: the spectra of H and of one block.",
			Errors: []kernels.Entry{
				{Term: "EINVAL", Text: "different numbers of axes; an empty operand; mode=valid where neither operand covers the other; a real type asked of a complex result"},
				{Term: "ENOMEM", Text: "operands and scratch do not fit"},
			},
			Examples: []kernels.Example{example},
			Notes:    "method=direct accumulates in double precision. The choice of auto depends on shapes and types alone, so that the bits do not change from run to run.",
			SeeAlso:  also,
		}
	}
	return []*kernels.Kernel{
		{
			Name: "conv", Family: "fft", Summary: "convolution of any dimension",
			Synopsis:  "conv X H Y [mode=full|same|valid] [method=auto|direct|fft|overlap]",
			MinInputs: 2, MaxInputs: 2, Options: options, Plan: convPlan(false),
			Manual: manual("Y[k] = Σ X[k-j]·H[j].",
				kernels.Example{Text: "A long signal through a filter; an image blurred.", Lines: []string{
					"random x.npy:f32:100000 seed=1", "window h.npy:f32:129 type=hann sym=1", "conv x.npy h.npy y.npy mode=same",
					"random img.npy:f32:120x160 seed=2", "fill box.npy:f32:5x5 value=0.04", "conv img.npy box.npy blur.npy mode=same"}},
				"correlate", "fft", "window"),
		},
		{
			Name: "correlate", Family: "fft", Summary: "cross-correlation of any dimension",
			Synopsis:  "correlate X H Y [mode=full|same|valid] [method=auto|direct|fft|overlap]",
			MinInputs: 2, MaxInputs: 2, Options: options, Plan: convPlan(true),
			Manual: manual("Y[k] = Σ X[k+j-(h-1)]·conj(H[j]): the convolution with H reversed and conjugated.",
				kernels.Example{Text: "Where does a piece of the signal sit?", Lines: []string{
					"random x.npy:f64:5000 seed=1", "correlate x.npy x.npy[1000:1100] y.npy mode=valid"}},
				"conv"),
		},
	}
}

func shiftKernels() []*kernels.Kernel {
	make1 := func(name, summary, text string, inv bool, also string) *kernels.Kernel {
		return &kernels.Kernel{
			Name: name, Family: "fft", Summary: summary, Synopsis: name + " X Y [axes=A,...]",
			MinInputs: 1, MaxInputs: 1, Plan: shiftPlan(inv),
			Options: []kernels.OptionSpec{{Name: "axes", Kind: kernels.KindInts, Help: "The axes to shift; default all."}},
			Manual: kernels.Manual{
				Description: text,
				Operands:    []kernels.Entry{{Term: "X", Text: "an array of any type and shape"}, {Term: "Y", Text: "the output, of the same"}},
				Types:       "Any dtype, bit for bit.",
				Cost:        "No flops; each operand is moved once. No scratch.",
				Errors:      []kernels.Entry{{Term: "EINVAL", Text: "an axis out of range or listed twice"}},
				Examples:    []kernels.Example{{Text: "The zero frequency in the middle of an image's spectrum.", Lines: []string{"random img.npy:f32:48x64 seed=1", "fft img.npy s.npy axes=0,1", name + " s.npy c.npy"}}},
				SeeAlso:     []string{also, "fft"},
			},
		}
	}
	return []*kernels.Kernel{
		make1("fftshift", "zero frequency to the middle", "Y[(i + n/2) mod n] = X[i] along each axis, n/2 rounded down: zero frequency to the middle.", false, "ifftshift"),
		make1("ifftshift", "zero frequency back to the front", "The inverse of fftshift, which differs from it for odd lengths.", true, "fftshift"),
	}
}

// completeFourier fills in what the four Fourier kernels share.
func completeFourier(ks []*kernels.Kernel) []*kernels.Kernel {
	for _, k := range ks {
		k.Family = "fft"
		k.Synopsis = k.Name + " X Y [axes=A,...] [n=N,...] [norm=backward|ortho|forward]"
		k.MinInputs, k.MaxInputs = 1, 1
		k.Options = transformOptions
		m := &k.Manual
		m.Operands, m.Types, m.Cost, m.Errors, m.Notes = inOut, typesText, costText, axesErrors, accuracyText
		if k.Name == "irfft" {
			m.Types += " The output is f32 or f64."
		} else {
			m.Types += " The output is c64 or c128."
		}
	}
	return ks
}
