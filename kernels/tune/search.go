package tune

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"syscall"
	"time"

	"vgpu/kernels"
	"vgpu/kernels/gemm"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/pool"
)

// Budgets of the two kinds of search. They are kept to within the longest
// sample.
const (
	quickBudget = 25 * time.Second
	fullBudget  = 280 * time.Second
)

// Options of a search. Memory and the pool's capacity bound what is measured:
// points that do not fit are left out.
type Options struct {
	Quick    bool          // the common shapes in f32 and f64 with all threads, in less than 30 s; else less than 5 min
	Budget   time.Duration // 0: what Quick says
	Seed     uint64        // of the order of the samples
	Priority int           // of the samples in the pool
	Points   []Point       // products to tune
	Lines    []Line        // transforms to tune; with no points either: what Quick says
	// Memory lends n bytes until close is called. Required.
	Memory func(n int64) (mem kernels.Memory, close func(), err error)
	// Busy returns a number that changes whenever something else computes, and
	// whether it does now. Samples taken meanwhile are thrown away. nil: never.
	Busy func() (count uint64, now bool)
	// Progress is told of every point that is through. May be nil.
	Progress func(Progress)
}

// Progress is where a search stands.
type Progress struct {
	Done, Total int
	Entry       *Entry // what was found last
}

// Search measures, and stores what it finds point by point, so that what was
// found stays when ctx ends it; then it returns ctx's error. Samples run on p
// one by one, which other jobs may interrupt between tasks. What time a point
// leaves goes to those after it. It blocks until it is through.
func Search(ctx context.Context, p *pool.Pool, db *DB, o Options) error {
	points, lines := o.Points, o.Lines
	if points == nil && lines == nil {
		points, lines = Points(o.Quick, p.Threads()), Lines(o.Quick, p.Threads())
	}
	left := o.Budget
	if left == 0 {
		left = fullBudget
		if o.Quick {
			left = quickBudget
		}
	}
	s := &search{ctx: ctx, pool: p, opt: o, rng: rand.New(rand.NewPCG(o.Seed, 0))}
	jobs := s.jobs(points, lines)
	deadline := time.Now().Add(left)
	weights := 0.0
	for _, j := range jobs {
		weights += j.weight
	}
	for i, j := range jobs {
		if err := ctx.Err(); err != nil { // a point that there is no time for does not look
			return err
		}
		share := time.Duration(float64(time.Until(deadline)) * j.weight / weights)
		weights -= j.weight
		e, err := j.find(share)
		if err != nil {
			return err
		}
		if e != nil {
			if err := db.Put(e); err != nil {
				return err
			}
		}
		if o.Progress != nil {
			o.Progress(Progress{Done: i + 1, Total: len(jobs), Entry: e})
		}
	}
	return nil
}

// job is one point of a search: its share of the time, and what looks for the
// best within a limit.
type job struct {
	weight float64
	find   func(limit time.Duration) (*Entry, error)
}

// jobs are products first, then transforms.
func (s *search) jobs(points []Point, lines []Line) (list []job) {
	for _, pt := range points {
		list = append(list, job{pt.weight(), func(limit time.Duration) (*Entry, error) { return s.point(pt, limit) }})
	}
	for _, l := range lines {
		list = append(list, job{l.weight(), func(limit time.Duration) (*Entry, error) { return s.line(l, limit) }})
	}
	return list
}

// Point is a product to tune for: the largest of a class.
type Point struct {
	DType    ndarray.DType
	M, N, K  int
	Threads  int
	Epilogue string // as [gemm.Class] has it
}

// work is m·n·k.
func (pt Point) work() int { return pt.M * pt.N * pt.K }

// measured is the product that is timed for a point: of a large one a part
// that has as many blocks of MC, NC and KC as it takes for each to matter.
func (pt Point) measured() Point {
	if pt.work() > maxUnpacked {
		pt.M, pt.K = min(pt.M, 2048), min(pt.K, 1024)
	}
	return pt
}

// weight is the share of the time that a point gets: large products take
// longer, but not in proportion.
func (pt Point) weight() float64 {
	work := float64(pt.measured().work())
	if pt.DType.IsComplex() {
		work *= 4
	}
	return 2000 + math.Sqrt(work)
}

// Points are the points of a search with up to that many threads.
func Points(quick bool, threads int) (list []Point) {
	types := []ndarray.DType{ndarray.F32, ndarray.F64}
	shapes := [][3]int{
		{64, 64, 64}, {128, 128, 128}, {256, 256, 256}, {512, 512, 512}, {1024, 1024, 1024},
		{64, 4096, 4096}, {4096, 64, 4096}, {4096, 4096, 64},
	}
	counts := []int{threads}
	if !quick {
		types = append(types, ndarray.C64, ndarray.C128, ndarray.BF16, ndarray.I8)
		shapes = append(shapes, [3]int{32, 32, 32}, [3]int{2048, 2048, 2048}, [3]int{4096, 4096, 4096})
		if threads > 1 {
			counts = append(counts, 1)
		}
	}
	for _, t := range counts {
		for _, d := range types {
			for _, s := range shapes {
				list = append(list, Point{DType: d, M: s[0], N: s[1], K: s[2], Threads: t})
			}
		}
		if !quick {
			list = append(list, epiloguePoints(t)...)
		}
	}
	return list
}

// epiloguePoints are products as layers of networks have them.
func epiloguePoints(threads int) (list []Point) {
	for _, e := range []string{gemm.EpilogueAdd, gemm.EpilogueAct} {
		for _, s := range [][3]int{{512, 512, 512}, {1024, 1024, 1024}, {64, 4096, 4096}} {
			list = append(list, Point{DType: ndarray.F32, M: s[0], N: s[1], K: s[2], Threads: threads, Epilogue: e})
		}
	}
	return list
}

// search is a search under way.
type search struct {
	ctx  context.Context
	pool *pool.Pool
	opt  Options
	rng  *rand.Rand
}

// point finds the parameters for one point within about that time, one
// parameter after the other: coordinate descent, as the parameters hardly
// depend on each other, and a grid of all would take hours. It returns nil if
// there was no time for a comparison, or no memory.
func (s *search) point(pt Point, limit time.Duration) (*Entry, error) {
	start := time.Now()
	if limit <= 0 {
		return nil, nil
	}
	b, err := s.prepare(pt)
	if errors.Is(err, syscall.ENOMEM) {
		return nil, nil // the device is too small for it: there will be no such products
	} else if err != nil {
		return nil, err
	}
	defer b.close()
	def := b.problem.Params
	if def.Ways == 0 {
		def.Ways = pt.Threads
	}
	best, tried := def, 1
	stages := s.stages(b, b.unpacked(def))
	for i, stage := range stages {
		list := stage(best)
		if len(list) < 2 {
			continue
		}
		share := (limit - time.Since(start)) / time.Duration(len(stages)+1-i)
		results, err := compare(s, b, list, share)
		if err != nil {
			return nil, err
		}
		if results == nil {
			continue // there was no time for it
		}
		tried += len(list) - 1
		best = choose(results)
	}
	if tried == 1 {
		return nil, nil
	}
	return s.verdict(b, pt, best, def, tried, limit-time.Since(start))
}

// verdict measures the winner once more against the analytic choice, and
// falls back to that if it was luck.
func (s *search) verdict(b *bench, pt Point, best, def gemm.Params, tried int, limit time.Duration) (*Entry, error) {
	list := []gemm.Params{def}
	if best != def {
		list = append(list, best)
	}
	results, err := compare(s, b, list, limit)
	if err != nil || results == nil {
		return nil, err
	}
	return b.entry(pt, *confirm(results), results[0], tried, s.opt.Seed), nil
}

// stages are the parameters in the order in which they are searched: each
// lists candidates beside the best so far, which is the first.
func (s *search) stages(b *bench, unpacked bool) []func(gemm.Params) []gemm.Params {
	work := b.pt.work()
	path := func(p gemm.Params) []gemm.Params {
		other := p
		if other.SmallWork = -1; !unpacked {
			if other.SmallWork = work; work > maxUnpacked {
				return nil
			}
		}
		return []gemm.Params{p, other}
	}
	ways := func(p gemm.Params) []gemm.Params {
		list := []gemm.Params{p}
		for w := 1; w < p.Ways; w *= 2 {
			q := p
			q.Ways = w
			list = append(list, q)
		}
		return list
	}
	scale := func(set func(*gemm.Params, int), get func(gemm.Params) int, by ...float64) func(gemm.Params) []gemm.Params {
		return func(p gemm.Params) []gemm.Params {
			if work <= p.SmallWork {
				return nil // nothing is packed
			}
			list := []gemm.Params{p}
			for _, f := range by {
				q := p
				set(&q, int(f*float64(get(p))))
				if q, err := gemm.ParamsOf(q.Values(), b.class, b.pt.Threads); err == nil && !slices.Contains(list, q) {
					list = append(list, q)
				}
			}
			return list
		}
	}
	mc := func(p gemm.Params) int { return p.MC }
	nc := func(p gemm.Params) int { return p.NC }
	return []func(gemm.Params) []gemm.Params{
		path, ways,
		scale(func(p *gemm.Params, v int) { p.MC = v }, mc, 0.5, 0.75, 1.25, 1.5),
		scale(func(p *gemm.Params, v int) { p.NC = v }, nc, 0.25, 0.5, 2),
	}
}

// maxUnpacked is the largest m·n·k for which the unpacked path is tried: it
// has no blocks, and loses once the operands leave the L2 cache.
const maxUnpacked = 1 << 28

// entry writes a result down, with the analytic choice's of the same round
// beside it: figures of different rounds are not to be compared.
func (b *bench) entry(pt Point, r, def result[gemm.Params], tried int, seed uint64) *Entry {
	gflops := func(t float64) float64 { return round3(b.flops / t / 1e9) }
	return &Entry{
		Schema: Schema,
		Key:    Key{Kernel: "gemm", Class: b.class.String(), Threads: pt.Threads, Version: b.class.Version(), Machine: ThisMachine()},
		Value:  r.params.Values(),
		Evidence: Evidence{
			Shape: fmt.Sprintf("%dx%dx%d", b.pt.M, b.pt.N, b.pt.K), Median: r.median(), Spread: round3(r.spread()), Samples: len(r.times),
			Gflops: gflops(r.median()), Default: gflops(def.median()), Candidates: tried, Seed: seed, Time: time.Now().UTC().Truncate(time.Second),
		},
	}
}

// round3 keeps three decimals: the rest is noise.
func round3(x float64) float64 { return math.Round(x*1000) / 1000 }
