package fft

import (
	"math"
	"slices"

	"vgpu/kernels"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/pool"
	"vgpu/kernels/simd"
	"vgpu/kernels/stream"
)

// segments is a checked psd, spectrogram or stft: windows of a signal, each
// transformed.
type segments struct {
	kind     string // psd, spectrogram, stft
	ax       int
	shape    []int // of the input
	complex  bool
	onesided bool
	prec     ndarray.DType
	n, step  int // points of a segment, and from one to the next
	nfft     int
	bins     int
	count    int // segments
	lead     int // zeros before the signal (stft)
	detrend  string
	weight   func(i int) float64 // the window
	scale    float64
	out      []int
	threads  int // that the scratch is for
}

func spectralPlan(kind string) func(c *kernels.Call) (*kernels.Plan, error) {
	return func(c *kernels.Call) (*kernels.Plan, error) {
		in := &c.In[0]
		s := &segments{kind: kind, shape: in.Layout.Shape, complex: in.Layout.DType.IsComplex(), prec: precision(in.Layout.DType)}
		if err := s.resolve(c, in); err != nil {
			return nil, err
		}
		out := kernels.OutSpec{DType: s.valueType(), Shape: s.out}
		if err := realRefusal(c, out.DType); err != nil {
			return nil, err
		}
		to := stream.Output(c, 0, out)
		p := &kernels.Plan{
			Out:  []kernels.OutSpec{out},
			Cost: s.cost(c, in.Layout, to),
			Explain: []kernels.Entry{{Term: "segments", Text: itoa(s.count)}, {Term: "bins", Text: itoa(s.bins)},
				{Term: "isa", Text: simd.Active().String()}},
		}
		p.Stream = func(mem int64) (*kernels.Streamed, error) { return s.stream(in.Layout, to, mem) }
		if s.prec == ndarray.F32 {
			p.Run = func(x *kernels.Exec) error { return runSegments[float32](x, s) }
		} else {
			p.Run = func(x *kernels.Exec) error { return runSegments[float64](x, s) }
		}
		return p, nil
	}
}

// resolve reads the options, as scipy.signal does.
func (s *segments) resolve(c *kernels.Call, in *kernels.Input) error {
	rank := in.Layout.Rank()
	if rank == 0 {
		return in.Errorf("%s is a scalar: there is no signal", in.Path)
	}
	ax, err := c.Opt("axis").Axis(c.Int("axis"), rank)
	if err != nil {
		return err
	}
	s.ax = ax
	points := s.shape[s.ax]
	if points == 0 {
		return in.Errorf("%s has no points along axis %d", in.Path, s.ax)
	}
	if err := s.sizes(c, points); err != nil {
		return err
	}
	name := c.Str("window")
	param, err := windowOption(c, name, s.n)
	if err != nil {
		return err
	}
	if s.kind == "spectrogram" && !c.Has("window") && !c.Has("param") {
		param = 0.25 // scipy's default window is ("tukey", 0.25)
	}
	s.weight = window(name, s.n, param, true)
	s.detrend = c.Str("detrend")
	return s.layout(c, points)
}

// sizes settles the lengths of segments, steps and transforms.
func (s *segments) sizes(c *kernels.Call, points int) error {
	s.n = c.Int("nperseg")
	if s.n < 1 {
		return c.Opt("nperseg").Errorf("%d points: there must be at least one", s.n)
	}
	s.n = min(s.n, points)
	overlap := s.n / 2
	if s.kind == "spectrogram" {
		overlap = s.n / 8
	}
	if c.Has("noverlap") {
		overlap = c.Int("noverlap")
	}
	if overlap < 0 || overlap >= s.n {
		return c.Opt("noverlap").Errorf("%d points: it must be at least 0 and less than nperseg, %d", overlap, s.n)
	}
	s.step, s.nfft = s.n-overlap, s.n
	if c.Has("nfft") {
		if s.nfft = c.Int("nfft"); s.nfft < s.n {
			return c.Opt("nfft").Errorf("%d points: it must be at least nperseg, %d", s.nfft, s.n)
		}
	}
	if fs := c.Float("fs"); !(fs > 0) || math.IsInf(fs, 0) {
		return c.Opt("fs").Errorf("a sampling rate is positive and finite, not %v", fs)
	}
	return nil
}

// layout settles the number of segments, the scale and the shape of the output.
func (s *segments) layout(c *kernels.Call, points int) error {
	s.bins = s.nfft
	if s.onesided = !s.complex; s.onesided {
		s.bins = s.nfft/2 + 1
	}
	if s.kind == "stft" { // boundary="zeros", padded=True
		s.lead = s.n / 2
		points += 2 * s.lead
		s.count = (points-s.n+s.step-1)/s.step + 1
	} else {
		s.count = (points-s.n)/s.step + 1
	}
	sum, squares := 0.0, 0.0
	for i := range s.n {
		v := s.weight(i)
		sum += v
		squares += v * v
	}
	if c.Str("scaling") == "density" {
		s.scale = 1 / (c.Float("fs") * squares)
	} else {
		s.scale = 1 / (sum * sum)
	}
	if s.kind == "stft" {
		s.scale = math.Sqrt(s.scale)
	}
	if math.IsInf(s.scale, 0) || math.IsNaN(s.scale) {
		return c.Opt("window").Errorf("the window of %d points is all zero", s.n)
	}
	s.out = slices.Clone(s.shape)
	s.out[s.ax] = s.bins
	if s.kind != "psd" {
		s.out = append(s.out, s.count)
	}
	if _, err := ndarray.CheckShape(ndarray.C128, s.out); err != nil {
		return c.Errorf("%v", err)
	}
	return nil
}

func (s *segments) unit() int {
	if s.complex {
		return 2
	}
	return 1
}

func (s *segments) lines() int { return product(s.shape) / s.shape[s.ax] }

func (s *segments) cost(c *kernels.Call, in, to ndarray.Layout) kernels.Cost {
	s.threads = planThreads(c)
	n := s.lines() * s.count
	out := product(s.out) * s.valueReals()
	if out == 0 {
		return kernels.Cost{}
	}
	signal := lastAxis(in, s.ax)
	reals := copyReals(signal, signal.Shape, s.prec, s.complex) + copyReals(to, s.out, s.prec, s.kind == "stft") + s.count*s.bins*s.valueReals() + s.n
	return kernels.Cost{
		Flops:   float64(n) * 2.5 * float64(s.unit()*s.nfft) * math.Log2(float64(s.nfft)+1),
		Bytes:   float64(in.Bytes() + out*s.prec.Size()),
		Scratch: int64(reals+s.need().total(s.threads)) * int64(s.prec.Size()),
		Work:    s.work(),
	}
}

// valueReals is the reals of an element of the result.
func (s *segments) valueReals() int {
	if s.kind == "stft" {
		return 2
	}
	return 1
}

// need is the scratch of the transforms: a segment, its spectrum, and what the
// line needs.
func (s *segments) need() need {
	m := machineFor(s.prec)
	line := m.realScratch(s.nfft)
	if s.complex {
		line = m.scratch(s.nfft)
	}
	return need{task: line + 4*s.nfft + 2}
}

// runSegments gathers each line, transforms its segments into a matrix
// [segment][bin], and writes that matrix, or its mean, where it belongs.
func runSegments[T simd.Float](x *kernels.Exec, s *segments) error {
	out := x.Out[0]
	if out.Len() == 0 {
		return nil
	}
	u := s.unit()
	view := x.In[0] // the transformed axis goes last, so that a line is contiguous
	view.Layout = lastAxis(view.Layout, s.ax)
	signal, err := operand[T](x, view, s.complex)
	if err != nil {
		return err
	}
	unit := s.valueReals()
	dst, finish := target[T](x, out, s.kind == "stft")
	mat := reals[T](borrow[T](x, []int{s.count, s.bins}, s.kind == "stft"))
	t, err := newSegmenter(x.W, s, reals[T](borrow[T](x, []int{s.n}, false)))
	if err != nil {
		return err
	}
	c := &crew[T]{w: x.W, space: spaceOf[T](x, s.need(), s.threads)}
	points, inner := s.shape[s.ax], product(s.shape[s.ax+1:])
	for i := range s.lines() {
		if err := t.matrix(c, mat, signal[i*points*u:][:points*u]); err != nil {
			return err
		}
		at := i/inner*s.bins*inner + i%inner // of bin 0
		if s.kind == "psd" {
			t.mean(dst, mat, at, inner)
		} else {
			spread(dst, mat, s.bins, s.count, unit, at, inner)
		}
	}
	return finish()
}

// spread writes the matrix [segment][bin] to [bin][...][segment].
func spread[T simd.Float](dst, mat []T, bins, count, unit, at, inner int) {
	for b := range bins {
		to := dst[(at+b*inner)*count*unit:][:count*unit]
		for j := range count {
			for v := range unit {
				to[j*unit+v] = mat[(j*bins+b)*unit+v]
			}
		}
	}
}

// segmenter transforms segments of lines of type T.
type segmenter[T simd.Float] struct {
	s    *segments
	k    *simd.FFTKernels[T]
	real *realLine[T]
	full *line[T]
	win  []T
}

// newSegmenter fills win with the window.
func newSegmenter[T simd.Float](w *pool.Worker, s *segments, win []T) (t *segmenter[T], err error) {
	t = &segmenter[T]{s: s, k: simd.FFT[T](), win: win}
	for i := range win {
		win[i] = T(s.weight(i))
	}
	if s.complex {
		t.full, err = planned(w, t.k, s.nfft)
	} else {
		t.real, err = plannedReal(w, t.k, s.nfft)
	}
	return t, err
}

// matrix fills mat with a row of bins for each segment.
func (t *segmenter[T]) matrix(c *crew[T], mat, line []T) error {
	s := t.s
	row := len(mat) / s.count
	return c.fork(s.count*s.nfft).tasks(s.count, max(1, pieceReals/(2*s.nfft)), c.need.task, func(lo, hi int, scratch []T) {
		for i := lo; i < hi; i++ {
			seg, freq, rest := scratch[:2*s.nfft], scratch[2*s.nfft:4*s.nfft+2], scratch[4*s.nfft+2:]
			t.segment(seg, line, i*s.step-s.lead)
			t.transform(freq, seg, rest)
			t.row(mat[i*row:][:row], freq)
		}
	})
}

// transform is of one segment, on the calling goroutine: there is no error.
func (t *segmenter[T]) transform(freq, seg, rest []T) {
	if t.full != nil {
		_ = t.full.run(nil, t.k, freq, seg, forward[T](), rest)
	} else {
		_ = t.real.forward(nil, t.k, freq, seg, rest)
	}
}

// segment copies the points from start on, takes out the trend, multiplies by
// the window and pads.
func (t *segmenter[T]) segment(seg, line []T, start int) {
	s, u := t.s, t.s.unit()
	points := len(line) / u
	clear(seg)
	lo, hi := max(start, 0), min(start+s.n, points)
	if lo < hi {
		copy(seg[(lo-start)*u:], line[lo*u:hi*u])
	}
	for part := range u {
		removeTrend(seg[part:], u, s.n, s.detrend)
	}
	for i, v := range t.win {
		for part := range u {
			seg[i*u+part] *= v
		}
	}
}

// removeTrend takes the mean, or the least-squares line, from n points.
func removeTrend[T simd.Float](x []T, step, n int, kind string) {
	if kind == "none" {
		return
	}
	mean, slope, mid := 0.0, 0.0, float64(n-1)/2
	for i := range n {
		mean += float64(x[i*step])
	}
	mean /= float64(n)
	if kind == "linear" && n > 1 {
		norm := float64(n) * (float64(n)*float64(n) - 1) / 12 // Σ (i-mid)²
		for i := range n {
			slope += (float64(i) - mid) * (float64(x[i*step]) - mean)
		}
		slope /= norm
	}
	for i := range n {
		x[i*step] = T(float64(x[i*step]) - mean - slope*(float64(i)-mid))
	}
}

// row turns a spectrum into what the kind asks for.
func (t *segmenter[T]) row(to, freq []T) {
	s, scale := t.s, T(t.s.scale)
	if s.kind == "stft" {
		for i := range to {
			to[i] = freq[i] * scale
		}
		return
	}
	for b := range to {
		re, im := freq[2*b], freq[2*b+1]
		v := (re*re + im*im) * scale
		if s.onesided && b > 0 && 2*b != s.nfft {
			v *= 2 // the negative frequency
		}
		to[b] = v
	}
}

// mean writes the average over the segments, in their order.
func (t *segmenter[T]) mean(dst, mat []T, at, inner int) {
	s := t.s
	for b := range s.bins {
		sum := 0.0
		for j := range s.count {
			sum += float64(mat[j*s.bins+b])
		}
		dst[at+b*inner] = T(sum / float64(s.count))
	}
}
