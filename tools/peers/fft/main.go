// Command fft times our transforms beside FFTW's (FFTW_MEASURE), scipy.fft's
// (pocketfft) and gonum's dsp/fourier, in turn, and prints a table with the
// ratios of each point (their time over ours) and the geometric means.
//
//	go run ./tools/peers/fft [-threads 1] [-types f32,f64] [-only REGEXP] [-against REGEXP] [-time 2s] [-pages huge] [-wisdom DIR]
//	go run ./tools/peers/fft -plans [-threads 1] [-types f32,f64] [-only REGEXP]
//	go run ./tools/peers/fft -scaling [-types f32,f64] [-only REGEXP] [-time 2s] [-pages huge]
//
// With -plans it prints what our plans take, those of awkward lengths too, each in a fresh process; with
// -scaling our time on one thread over that on two, in turn. Neither needs FFTW.
//
// It needs a C compiler and Debian's libfftw3-dev; without python3-scipy that
// column is empty. gonum has f64, one axis and one thread. Rates are
// 5·N·log2(N)/t for N points (half that for real input).
//
// A turn is one execution that is not timed, which brings the data back to the caches, and then, by the
// wall (the processor's time of a thread jumps in virtual machines), as many as take a millisecond, or one
// that takes longer: shorter than what a scheduler gives to others. Who begins changes from round to round.
// Of the turns of each side the lower quartile is taken: what a busy machine adds to half of them does not
// count, where a median would have it, nor does the one turn that was lucky, which a minimum would be. After
// a ratio stands half of the interval that has it 95 times of 100.
//
// Arrays lie on small pages on all sides, as malloc gives them, or on huge ones, as a device's do, where
// our scratch and FFTW's buffers do so too. FFTW takes up to 20 s to plan; with -wisdom it keeps plans in a
// directory, for further runs.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"vgpu/kernels/fft"
	"vgpu/kernels/pool"
	"vgpu/kernels/simd"
	"vgpu/tools/peers/internal/race"
)

// point is one transform that is timed.
type point struct {
	name  string
	real  bool
	batch int
	dims  []int
}

func points() []point {
	var out []point
	for e := 8; e <= 22; e++ {
		out = append(out, point{fmt.Sprintf("2^%d", e), false, 1, []int{1 << e}})
	}
	for _, n := range []int{1000, 1536, 44100, 1000000, 10007, 1000003} {
		out = append(out, point{strconv.Itoa(n), false, 1, []int{n}})
	}
	return append(out,
		point{"1024x1024", false, 1, []int{1024, 1024}},
		point{"128x128x128", false, 1, []int{128, 128, 128}},
		point{"1000 of 1024", false, 1000, []int{1024}},
		point{"real 2^20", true, 1, []int{1 << 20}})
}

func (p point) size() int {
	n := 1
	for _, d := range p.dims {
		n *= d
	}
	return n
}

func (p point) flops() float64 {
	n := float64(p.size())
	f := 5 * n * math.Log2(n) * float64(p.batch)
	if p.real {
		f /= 2
	}
	return f
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("peers/fft: ")
	threads := flag.Int("threads", 1, "threads of both sides")
	types := flag.String("types", "f32,f64", "element types")
	only := flag.String("only", "", "points to time, as a regular expression")
	against := flag.String("against", "", "rivals to time beside FFTW, as a regular expression")
	total := flag.Duration("time", 2*time.Second, "time for a point")
	pages := flag.String("pages", "small", "pages that arrays lie on: small or huge")
	wisdom := flag.String("wisdom", "", "a directory in which FFTW keeps its plans")
	allPlans := flag.Bool("plans", false, "time our plans only, each in a process of its own")
	onePlan := flag.String("plan", "", "time the plan of one point, in seconds")
	threadsToo := flag.Bool("scaling", false, "time ourselves on one thread and on two")
	flag.Parse()
	match, err1 := regexp.Compile(*only)
	rivals, err2 := regexp.Compile(*against)
	err := errors.Join(err1, err2)
	if *pages != "small" && *pages != "huge" {
		err = fmt.Errorf("-pages %s: small or huge", *pages)
	}
	if err != nil {
		log.Fatal(err)
	}
	b := bench{threads: *threads, match: match, against: rivals, huge: *pages == "huge", wisdom: *wisdom, policy: turns(*total)}
	switch {
	case *onePlan != "":
		err = planOne(*types, *onePlan, *threads)
	case *allPlans:
		err = plans(*types, match, *threads)
	case *threadsToo:
		err = scaling(*types, b)
	default:
		err = b.compare(*types)
	}
	if err != nil {
		log.Fatal(err)
	}
}

// turns is how long sides take turns at a point.
func turns(total time.Duration) race.Policy {
	return race.Policy{Sample: time.Millisecond, MinRounds: 9, MaxRounds: 500, Total: total}
}

// bench is our side, and who is compared with it.
type bench struct {
	rivals  []*rival
	pool    *pool.Pool
	threads int
	match   *regexp.Regexp
	against *regexp.Regexp
	huge    bool
	wisdom  string
	policy  race.Policy
}

// compare times all sides.
func (b *bench) compare(types string) (err error) {
	if b.pool, err = pool.New(pool.Config{Threads: b.threads}); err != nil {
		return err
	}
	defer b.pool.Close()
	stop, err := b.meet()
	defer stop()
	if err != nil {
		return err
	}
	fmt.Printf("%-4s %-14s %10s", "type", "size", "ours GF/s")
	for _, r := range b.rivals {
		fmt.Printf(" %14s %6s %6s", r.name()+" GF/s", "ratio", "±")
	}
	fmt.Printf(" %10s %10s\n", "our plan", "FFTW's")
	for _, t := range strings.Split(types, ",") {
		switch t {
		case "f32":
			err = table[float32](b, t)
		case "f64":
			err = table[float64](b, t)
		default:
			err = fmt.Errorf("unknown type %q", t)
		}
		if err != nil {
			return err
		}
	}
	for _, r := range b.rivals {
		if len(r.ratios) > 0 {
			fmt.Printf("geometric mean of %d ratios to %s: %.2f\n", len(r.ratios), r.name(), race.Geomean(r.ratios))
		}
	}
	return nil
}

func table[T simd.Float](b *bench, dtype string) error {
	for _, p := range points() {
		if !b.match.MatchString(p.name) {
			continue
		}
		if err := row[T](b, dtype, p); err != nil {
			return err
		}
	}
	return nil
}

// row times a point on all sides, and prints it.
func row[T simd.Float](b *bench, dtype string, p point) (err error) {
	o, planned, err := prepare[T](b.pool, p, b.huge)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, o.free()) }()
	if err := b.invite(dtype, p); err != nil {
		return err
	}
	times, err := b.turns(&o.side)
	if err != nil {
		return err
	}
	fmt.Printf("%-4s %-14s %10.2f", dtype, p.name, p.flops()/race.LowerQuartile(times[0])/1e9)
	for i, r := range b.rivals {
		fmt.Print(r.judge(p, times[0], times[i+1]))
	}
	fmt.Printf(" %9.3gs %9.3gs\n", planned, b.rivals[0].planned)
	return nil
}

// turns has us and all rivals that can take turns.
func (b *bench) turns(us race.Sampler) ([][]float64, error) {
	all := []race.Sampler{us}
	for _, r := range b.rivals {
		if r.able {
			all = append(all, r)
		} else {
			all = append(all, nil)
		}
	}
	return race.Turns(context.Background(), all, b.policy)
}

// side is what runs in this process, on a worker of a pool.
type side struct {
	pool *pool.Pool
	run  func(w *pool.Worker) error
}

// Sample implements race.Sampler.
func (s *side) Sample(ctx context.Context, reps int) (seconds float64, err error) {
	err = s.pool.Run(ctx, pool.Options{}, func(w *pool.Worker) error {
		if err := s.run(w); err != nil {
			return err
		}
		start := time.Now()
		for range reps {
			if err := s.run(w); err != nil {
				return err
			}
		}
		seconds = time.Since(start).Seconds()
		return nil
	})
	return seconds, err
}

// ours is our side, and its arrays.
type ours[T simd.Float] struct {
	side
	src, dst, scratch []T
}

func (o *ours[T]) free() error {
	return errors.Join(unmap(o.src), unmap(o.dst), unmap(o.scratch))
}

// prepare plans a point on a pool, and gives what runs it.
func prepare[T simd.Float](workers *pool.Pool, p point, huge bool) (o *ours[T], planned float64, err error) {
	t, planned, err := newTransform[T](workers, p)
	if err != nil {
		return nil, 0, err
	}
	o = &ours[T]{}
	src, err1 := mapped[T](2*p.size()*p.batch, huge)
	dst, err2 := mapped[T](2*p.size()*p.batch+2, huge)
	scratch, err3 := mapped[T](t.Scratch(), huge)
	o.src, o.dst, o.scratch = src, dst, scratch
	for i := range src {
		src[i] = T(math.Sin(float64(i)))
	}
	o.side = side{workers, func(w *pool.Worker) error { return t.Forward(w, dst, src, scratch) }}
	return o, planned, errors.Join(err1, err2, err3)
}

// transform is a plan of either kind.
type transform[T simd.Float] interface {
	Scratch() int
	Forward(w *pool.Worker, dst, src, scratch []T) error
}

// newTransform plans a point on a pool, in so many seconds.
func newTransform[T simd.Float](workers *pool.Pool, p point) (t transform[T], seconds float64, err error) {
	err = workers.Run(context.Background(), pool.Options{}, func(w *pool.Worker) (err error) {
		start := time.Now()
		if p.real {
			t, err = fft.NewRealPlan[T](w, p.size())
		} else {
			t, err = fft.NewPlan[T](w, append([]int{p.batch}, p.dims...), []int{1, 2, 3}[:len(p.dims)])
		}
		seconds = time.Since(start).Seconds()
		return err
	})
	return t, seconds, err
}
