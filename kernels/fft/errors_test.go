package fft

import (
	"context"
	"errors"
	"strings"
	"syscall"
	"testing"

	"vgpu/kernels"
	"vgpu/kernels/command"
	"vgpu/kernels/kerneltest"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/pool"
)

// TestRefusals checks that mistakes are EINVAL, with the caret under the fault.
func TestRefusals(t *testing.T) {
	rng := newRand(1)
	operands := map[string]ndarray.Array{
		"x":     randomArray(rng, ndarray.F64, 4, 6),
		"c":     randomArray(rng, ndarray.C64, 4, 6),
		"one":   randomArray(rng, ndarray.C128, 1),
		"s":     ndarray.New(ndarray.F32),
		"empty": ndarray.New(ndarray.F32, 3, 0),
		"h":     randomArray(rng, ndarray.F64, 5, 3),
		"v":     randomArray(rng, ndarray.F64, 10),
	}
	for _, c := range []struct{ line, under, says string }{
		{"fft x y axes=2", "axes=2", "outside an array of 2 axes (axes run from -2 to 1)"},
		{"fft x y axes=-3", "axes=-3", "outside an array of 2 axes (axes run from -2 to 1)"},
		{"ifft x y axes=0,0", "axes=0,0", "repeated"},
		{"rfft x y axes=1,-1", "axes=1,-1", "repeated"},
		{"fft x y axes=", "axes=", "empty"},
		{"fft x y n=0", "n=0", "at least one"},
		{"fft x y n=-4", "n=-4", "at least one"},
		{"fft x y n=4,4,4", "n=4,4,4", "3 lengths"},
		{"fft x y n=4 axes=0,1", "n=4", "1 lengths for 2 axes"},
		{"fft s y", "s", "scalar"},
		{"fft empty y", "empty", "0 points"},
		{"irfft one y", "one", "length 0"},
		{"irfft c y n=0", "n=0", "at least one"},
		{"rfft c y", "c", "real"},
		{"fft c y:f32:4x6", "y:f32:4x6", "complex"},
		{"rfft x y:f64:4x4", "y:f64:4x4", "complex"},
		{"fft c y:c128:4x6", "y:c128:4x6", "c64"},
		{"fft c y:c64:4x5", "y:c64:4x5", "shape"},
		{"fft c y norm=unitary", "norm=unitary", "norm"},
		{"fft x y n=9223372036854775807", "n=9223372036854775807", "large"},
		{"dct x y type=5", "type=5", "type"},
		{"dct x y axes=1 n=1 type=1", "type=1", "2 points"},
		{"dct c y:f32:4x6", "y:f32:4x6", "complex"},
		{"idst x y axes=5", "axes=5", "outside an array of 2 axes (axes run from -2 to 1)"},
		{"conv x v y", "v", "axes"},
		{"conv s s y", "s", "scalar"},
		{"conv x empty y", "empty", "empty"},
		{"conv x h y mode=valid", "h", "valid"},
		{"correlate x c y:f64:7x11", "y:f64:7x11", "complex"},
		{"fftshift x y axes=2", "axes=2", "outside an array of 2 axes (axes run from -2 to 1)"},
		{"ifftshift x y axes=0,-2", "axes=0,-2", "repeated"},
		{"window w", "w", "how many points"},
		{"window w n=5 type=hann param=3", "param=3", "no parameter"},
		{"window w n=5 type=gaussian param=0", "param=0", "positive"},
		{"window w n=5 type=kaiser param=1e4", "param=1e4", "600"},
		{"window w n=5 type=tukey param=nan", "param=nan", "finite"},
		{"window w:f64:6 n=5", "n=5", "5 points"},
		{"window w:i32:6", "w:i32:6", "i32"},
		{"window w:f64:6x2", "w:f64:6x2", "one axis"},
		{"window w n=-1", "n=-1", "-1"},
		{"psd s y", "s", "scalar"},
		{"psd x y axis=2", "axis=2", "outside an array of 2 axes (axes run from -2 to 1)"},
		{"psd empty y", "empty", "no points"},
		{"psd v y nperseg=0", "nperseg=0", "at least one"},
		{"stft v y nperseg=4 noverlap=4", "noverlap=4", "less than"},
		{"stft v y nperseg=4 noverlap=-1", "noverlap=-1", "at least 0"},
		{"spectrogram v y nperseg=4 nfft=3", "nfft=3", "at least nperseg"},
		{"psd v y fs=0", "fs=0", "positive"},
		{"psd v y window=hann param=1", "param=1", "no parameter"},
		{"psd v y nperseg=2 window=bartlett noverlap=0", "", ""},
		{"stft v y:f64:6x3", "y:f64:6x3", "complex"},
	} {
		_, _, err := kerneltest.Run(t, Kernels(), c.line, operands)
		var e *command.Error
		if _, value, ok := strings.Cut(c.under, "="); ok && value != "" {
			c.under = value
		}
		switch {
		case c.says == "" && c.under == "":
			if err != nil {
				t.Errorf("%s: %v", c.line, err)
			}
		case !errors.As(err, &e):
			t.Errorf("%s: %v, want a refusal", c.line, err)
		case e.Errno != syscall.EINVAL || c.line[e.Span.Start:e.Span.End] != c.under || !strings.Contains(err.Error(), c.says):
			t.Errorf("%s: errno %d under %q: %v; want EINVAL under %q with %q", c.line, e.Errno, c.line[e.Span.Start:e.Span.End], err, c.under, c.says)
		}
	}
}

// heap lends memory of the Go heap.
type heap struct{}

func (heap) Alloc(n int) []byte { return ndarray.New(ndarray.C128, (n+15)/16).Data[:n] }

// TestCancelled: a job whose context has ended reports it, wherever it is cut.
func TestCancelled(t *testing.T) {
	rng := newRand(2)
	operands := map[string]ndarray.Array{
		"x": randomArray(rng, ndarray.F32, 1<<17),
		"m": randomArray(rng, ndarray.F64, 600, 300),
		"h": randomArray(rng, ndarray.F32, 500),
	}
	for _, line := range []string{"fft x y", "rfft x y", "irfft x y", "fft m y axes=0,1", "dct x y", "dct m y axes=0,1", "conv x h y method=overlap",
		"conv x h y method=direct", "conv x h y method=fft", "stft x y", "fftshift x y", "fft x y n=100003", "fft x[::2] y", "ifft m y axes=0 norm=forward"} {
		j, err := kerneltest.Prepare(t, Kernels(), line, operands)
		if err != nil {
			t.Fatal(err)
		}
		p, err := pool.New(pool.Config{Threads: 2})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		run := j.Plan.Run
		err = p.Run(ctx, pool.Options{}, func(w *pool.Worker) error {
			cancel()
			<-ctx.Done()
			for w.Err() == nil { // the pool sees it a moment later
			}
			return run(&kernels.Exec{Ctx: ctx, W: w, In: j.In, Out: j.Out, Mem: heap{}})
		})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v, want that it was cancelled", line, err)
		}
		p.Close()
	}
}
