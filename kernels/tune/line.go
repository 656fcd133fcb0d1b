package tune

import (
	"errors"
	"fmt"
	"math"
	"syscall"
	"time"

	"vgpu/kernels/fft"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/pool"
	"vgpu/kernels/simd"
)

// Line is a class of transforms to tune for.
type Line struct {
	Class   fft.Class
	Threads int
}

// Lines are the transforms of a search with up to that many threads. What one
// thread does has no parameters.
func Lines(quick bool, threads int) (list []Line) {
	if threads == 1 {
		return nil
	}
	types := []ndarray.DType{ndarray.C64, ndarray.C128}
	classes := []fft.Class{{Axes: 1, Points: 1 << 17, Batch: 1}, {Axes: 1, Points: 1 << 20, Batch: 1}, {Axes: 2, Points: 1 << 20, Batch: 1}, {Axes: 1, Points: 1 << 10, Batch: 1 << 10}}
	if !quick {
		for _, e := range []int{18, 19, 21, 22} {
			classes = append(classes, fft.Class{Axes: 1, Points: 1 << e, Batch: 1})
		}
		classes = append(classes, fft.Class{Axes: 2, Points: 1 << 16, Batch: 1}, fft.Class{Axes: 3, Points: 1 << 21, Batch: 1},
			fft.Class{Axes: 1, Points: 1 << 8, Batch: 1 << 8}, fft.Class{Axes: 1, Points: 1 << 16, Batch: 1 << 4})
	}
	for _, d := range types {
		for _, c := range classes {
			c.DType = d
			list = append(list, Line{c, threads})
		}
	}
	return list
}

// weight is the share of the time that a line gets, as [Point.weight].
func (l Line) weight() float64 { return 2000 + math.Sqrt(float64(l.flops())) }

// flops is 5·n·log2 n of each transform.
func (l Line) flops() float64 {
	return 5 * float64(l.Class.Points*l.Class.Batch) * math.Log2(float64(max(l.Class.Points, 2)))
}

// lineBench times a class of transforms, on zeros: a transform's time does not
// depend on its values.
type lineBench struct {
	s      *search
	l      Line
	mem    ndarray.Array // reals
	reps   int
	sample float64 // nanoseconds
}

// ways, sampleNanoseconds and run implement timed.
func (b *lineBench) ways(p fft.Params) int      { return p.Ways }
func (b *lineBench) sampleNanoseconds() float64 { return b.sample }

// run is the seconds that one transform takes.
func (b *lineBench) run(p fft.Params) (seconds float64, err error) {
	opt := pool.Options{Priority: b.s.opt.Priority, Threads: min(p.Ways, b.l.Threads)}
	err = b.s.pool.Run(b.s.ctx, opt, func(w *pool.Worker) error {
		start := Clock(b.l.Threads)
		for range b.reps {
			if err := b.once(p, w); err != nil {
				return err
			}
		}
		seconds = (Clock(b.l.Threads) - start) / float64(b.reps)
		return nil
	})
	return seconds, err
}

// once makes one transform, in place, in the class's precision.
func (b *lineBench) once(p fft.Params, w *pool.Worker) error {
	if b.l.Class.DType == ndarray.C64 {
		return runLine[float32](b, p, w)
	}
	return runLine[float64](b, p, w)
}

func runLine[T simd.Float](b *lineBench, p fft.Params, w *pool.Worker) error {
	return fft.Sample(b.l.Class, p, w, ndarray.Slice[T](b.mem))
}

// line finds the parameters for one class within about that time. It returns
// nil if there was no time for a comparison, or no memory.
func (s *search) line(l Line, limit time.Duration) (*Entry, error) {
	if limit <= 0 {
		return nil, nil
	}
	d := ndarray.F64
	if l.Class.DType == ndarray.C64 {
		d = ndarray.F32
	}
	layout := ndarray.NewLayout(d, l.Class.Reals())
	lent, close, err := s.opt.Memory(int64(layout.Bytes()))
	if errors.Is(err, syscall.ENOMEM) {
		return nil, nil // the device is too small for it
	} else if err != nil {
		return nil, fmt.Errorf("%d bytes for a transform: %w", layout.Bytes(), err)
	}
	defer close()
	b := &lineBench{s: s, l: l, mem: ndarray.Array{Layout: layout, Data: lent.Alloc(layout.Bytes())}, reps: 1}
	clear(b.mem.Data) // numbers, of which none is denormal or NaN
	list := l.candidates()
	for {
		t, err := sample(s, b, list[0])
		if err != nil {
			return nil, err
		}
		if b.sample = t * float64(b.reps) * 1e9; b.sample >= float64(minSample) {
			break
		}
		b.reps = 1 + int(1.2*float64(b.reps)*min(8, float64(minSample)/max(b.sample, 1)))
	}
	results, err := compare(s, b, list, limit)
	if err != nil || results == nil {
		return nil, err
	}
	return l.entry(*confirm(results), results[0], len(list), s.opt.Seed), nil
}

// candidates begin with the estimate.
func (l Line) candidates() []fft.Params {
	def := fft.Params{}.Fill(l.Threads)
	list := []fft.Params{def}
	for w := 1; w < l.Threads; w *= 2 {
		list = append(list, fft.Params{Ways: w, Piece: def.Piece})
	}
	for _, piece := range []int{def.Piece / 4, def.Piece * 4} {
		list = append(list, fft.Params{Ways: def.Ways, Piece: piece})
	}
	return list
}

// entry writes a result down.
func (l Line) entry(r, def result[fft.Params], tried int, seed uint64) *Entry {
	gflops := func(t float64) float64 { return round3(l.flops() / t / 1e9) }
	return &Entry{
		Schema: Schema,
		Key:    Key{Kernel: "fft", Class: l.Class.String(), Threads: l.Threads, Version: l.Class.Version(), Machine: ThisMachine()},
		Value:  r.params.Values(),
		Evidence: Evidence{
			Shape: l.Class.String(), Median: r.median(), Spread: round3(r.spread()), Samples: len(r.times),
			Gflops: gflops(r.median()), Default: gflops(def.median()), Candidates: tried, Seed: seed, Time: time.Now().UTC().Truncate(time.Second),
		},
	}
}
