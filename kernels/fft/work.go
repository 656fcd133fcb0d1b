package fft

import "math"

// What transforms take a core, for what `explain` expects: the cycles by which lengths are
// decomposed (cost.go), and what arrays beyond the caches wait for memory. It was measured by
// `vgpu bench` on a Zen 3 (AVX2), one thread: "fft x:c64:4096x2048 y axes=1", axes=0, of
// 3600x2000, 2896x2896, 4096x2003, 8388608; "rfft x:f32:4096x4096 y", "dct x:f32:4096x4096 y";
// and, on one and on two, "psd x:f32:16777216 y nperseg=1024"; "conv x:f32:2048x2048 h:f32:9x9 y".
const (
	cycle        = 1 / 3.4e9 // seconds
	sweepFrom    = 4 << 20   // bytes of an array
	sweepWork    = 0.13e-9   // seconds, of a byte read or written
	columnWork   = 0.28e-9   // in long columns
	pitchedWork  = 0.45e-9   // whose elements lie whole pages apart: they share sets of the caches
	columnRows   = 512
	gatherWork   = 5  // cycles, of a number that is copied to a line and back
	realWork     = 2  // of a real number, to take even and odd points apart
	trigWork     = 14 // of one of a cosine or sine transform, beside that of a real one
	segmentWork  = 46 // of a point of a segment: window, trend, squares
	randomWork   = 27 // of one that is found by Rader's orders
	chirpWork    = 6  // of one that is multiplied by a chirp
	paddedWork   = 10 // of a real number of a convolution: padded, multiplied, cut out
	directWork   = 1.5
	convolveWork = 0.09e-9 // seconds, of a product of the direct method
)

// lineWork is the cycles of one line of n complex numbers.
func (m machine) lineWork(n int) float64 {
	if n < 2 {
		return 1
	}
	switch d := m.decompose(n); d.method {
	case methodTwoStep:
		return m.splitCost(d.n1, d.n2) + m.lineSweep(n)
	case methodTile:
		return m.tileCost(n, 1)
	case methodRader:
		return 2*m.lineWork(n-1) + randomWork*float64(n)
	case methodBluestein:
		p := padLength(2*n - 1)
		work := 2*m.lineWork(p) + chirpWork*float64(p)
		if _, ok := m.cyclic(p); ok {
			work -= m.lineSweep(p) // what its three sweeps wait less, near enough
		}
		return work
	default:
		return directWork * float64(n) * float64(n)
	}
}

// lineSweep is the cycles that a long line waits between its two sweeps.
func (m machine) lineSweep(n int) float64 {
	if bytes := 2 * m.size * n; bytes >= sweepFrom {
		return 2 * columnWork * float64(bytes) / cycle
	}
	return 0
}

// axisWork is the cycles of all lines along an axis.
func (m machine) axisWork(g geometry) float64 {
	lines := float64(g.outer) * float64(g.inner)
	switch m.wayOf(g) {
	case byColumns:
		vectors := math.Ceil(float64(g.inner) / float64(m.w))
		return float64(g.outer) * vectors * m.tileCost(g.n, m.blockVectors(g))
	case byLanes:
		return math.Ceil(lines/float64(m.w))*m.tileCost(g.n, 1) + gatherWork*lines*float64(g.n)
	case byGroups:
		return lines * float64(g.n) / float64(m.w) * m.tileCost(g.n, 1) / float64(g.n)
	case byGathered:
		return lines * (m.lineWork(g.n) + gatherWork*float64(g.n))
	}
	return lines * m.lineWork(g.n)
}

// memorySweep is the seconds that going once through an array waits for memory, along lines of
// that geometry, of numbers of so many bytes.
func memorySweep(g geometry, size int) float64 {
	bytes, rate := float64(g.outer)*float64(g.n)*float64(g.inner)*float64(size), sweepWork
	switch {
	case bytes < sweepFrom:
		return 0
	case g.inner > 1 && g.n >= columnRows && g.inner*size%4096 == 0:
		rate = pitchedWork
	case g.inner > 1 && g.n >= columnRows:
		rate = columnWork
	}
	return 2 * rate * bytes
}

// transformWork is the seconds of [transform]: planes go through all their axes in the caches.
func (m machine) transformWork(shape, axes []int) (sec float64) {
	p := planesOf(shape, axes, m.size)
	inPlanes := false
	for _, a := range axes {
		g := geometryOf(shape, a)
		sec += cycle * m.axisWork(g)
		switch trailing := p.cut > 0 && a >= p.cut; {
		case !trailing:
			sec += memorySweep(g, 2*m.size)
		case !inPlanes:
			inPlanes = true
			sec += memorySweep(geometry{g.outer * g.n * g.inner, 1, 1}, 2*m.size)
		}
	}
	return sec
}

// realAxisWork is the seconds of lines of reals, as transforms of half their length, and
// so many cycles a number beside.
func (m machine) realAxisWork(g geometry, beside float64) float64 {
	half, n := g.n, float64(g.n)
	if half%2 == 0 {
		half /= 2
	}
	if g.inner > 1 {
		beside += gatherWork
	}
	lines := float64(g.outer) * float64(g.inner)
	return cycle*lines*(m.lineWork(half)+(realWork+beside)*n) + memorySweep(g, m.size)
}

// work is the seconds of a transform.
func (r *request) work() float64 {
	m, last := machineFor(r.prec), len(r.axes)-1
	if !r.real {
		return m.transformWork(r.shape, r.axes)
	}
	half := r.out
	if r.inv {
		half = r.in
	}
	return m.realAxisWork(geometryOf(r.shape, r.axes[last]), 0) + m.transformWork(half, r.axes[:last])
}

// work is the seconds of a cosine or sine transform.
func (r *trigRequest) work() (sec float64) {
	m := machineFor(r.prec)
	for _, a := range r.axes {
		g := r.geometry(m, a)
		sec += m.realAxisWork(geometry{g.outer, g.nIn, g.inner}, trigWork)
	}
	return sec
}

// work is the seconds of the transforms of all segments.
func (s *segments) work() float64 {
	m, points := machineFor(s.prec), float64(s.unit()*s.nfft)
	line := m.lineWork(s.nfft)
	if !s.complex {
		line = m.lineWork(s.nfft/2) + realWork*points
	}
	return cycle * float64(s.lines()) * float64(s.count) * (line + segmentWork*points)
}

// work is the seconds of a convolution.
func (v *convolution) work() float64 {
	if v.method == "direct" {
		return convolveWork * float64(v.unit()*v.unit()) * float64(product(v.out)) * float64(product(v.h))
	}
	fwd, inv := v.requests()
	n := float64(v.blocks())
	return (1+n)*fwd.work() + n*inv.work() + cycle*paddedWork*n*float64(v.padReals())
}
