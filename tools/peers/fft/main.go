// Command fft times our transforms beside FFTW's (FFTW_MEASURE), scipy.fft's
// (pocketfft) and gonum's dsp/fourier, in turn, and prints a table with the
// ratios of each point (their time over ours) and the geometric means.
//
//	go run ./tools/peers/fft [-threads 1] [-types f32,f64] [-only REGEXP] [-rounds 3]
//	go run ./tools/peers/fft -plans [-threads 1] [-types f32,f64] [-only REGEXP]
//	go run ./tools/peers/fft -scaling [-types f32,f64] [-only REGEXP] [-rounds 3]
//
// With -plans it prints what our plans take, those of awkward lengths too, each in a fresh process; with
// -scaling our time on one thread over that on two, in turn. Neither needs FFTW.
//
// It needs a C compiler and Debian's libfftw3-dev; without python3-scipy that
// column is empty. gonum has f64, one axis and one thread. On one thread both sides are
// timed by the thread's processor time, which a busy machine disturbs least; on
// several by wall time, for which the machine must be idle. Rates are
// 5·N·log2(N)/t for N points (half that for real input).
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"math"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"vgpu/kernels/fft"
	"vgpu/kernels/pool"
	"vgpu/kernels/simd"
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
	rounds := flag.Int("rounds", 3, "times that each side has its turn")
	allPlans := flag.Bool("plans", false, "time our plans only, each in a process of its own")
	onePlan := flag.String("plan", "", "time the plan of one point, in seconds")
	threadsToo := flag.Bool("scaling", false, "time ourselves on one thread and on two")
	flag.Parse()
	match, err := regexp.Compile(*only)
	if err != nil {
		log.Fatal(err)
	}
	switch {
	case *onePlan != "":
		err = planOne(*types, *onePlan, *threads)
	case *allPlans:
		err = plans(*types, match, *threads)
	case *threadsToo:
		err = scaling(*types, match, *rounds)
	default:
		err = compare(*types, match, *threads, *rounds)
	}
	if err != nil {
		log.Fatal(err)
	}
}

// compare times both sides.
func compare(types string, match *regexp.Regexp, threads, rounds int) error {
	p, err := pool.New(pool.Config{Threads: threads})
	if err != nil {
		return err
	}
	defer p.Close()
	b := bench{pool: p, threads: threads, rounds: rounds, match: match}
	stop, err := b.meet()
	defer stop()
	if err != nil {
		return err
	}
	fmt.Printf("%-4s %-14s %10s", "type", "size", "ours GF/s")
	for _, r := range b.rivals {
		fmt.Printf(" %14s %6s", r.name()+" GF/s", "ratio")
	}
	fmt.Printf(" %10s %10s\n", "our plan", "FFTW's")
	for _, t := range strings.Split(types, ",") {
		switch t {
		case "f32":
			err = table[float32](&b, t)
		case "f64":
			err = table[float64](&b, t)
		default:
			err = fmt.Errorf("unknown type %q", t)
		}
		if err != nil {
			return err
		}
	}
	for _, r := range b.rivals {
		if r.count > 0 {
			fmt.Printf("geometric mean of %d ratios to %s: %.2f\n", r.count, r.name(), math.Exp(r.logs/float64(r.count)))
		}
	}
	return nil
}

// bench is our side, and who is compared with it.
type bench struct {
	rivals  []*rival
	pool    *pool.Pool
	threads int
	wall    bool // clock one thread by wall time too
	rounds  int
	match   *regexp.Regexp
}

func table[T simd.Float](b *bench, dtype string) error {
	for _, p := range points() {
		if !b.match.MatchString(p.name) {
			continue
		}
		ours, plan, err := prepare[T](b.pool, p)
		if err != nil {
			return err
		}
		if err := b.invite(dtype, p); err != nil {
			return err
		}
		mine := math.Inf(1)
		for range b.rounds {
			if err := b.turn(); err != nil {
				return err
			}
			t, err := b.time(ours)
			if err != nil {
				return err
			}
			mine = min(mine, t)
		}
		fmt.Printf("%-4s %-14s %10.2f", dtype, p.name, p.flops()/mine/1e9)
		for _, r := range b.rivals {
			fmt.Print(r.judge(p, mine))
		}
		fmt.Printf(" %9.3gs %9.3gs\n", plan, b.rivals[0].planned)
	}
	return nil
}

// time is the least time of one run, on a worker of the pool.
func (b *bench) time(run func(w *pool.Worker) error) (float64, error) {
	least := math.Inf(1)
	err := b.pool.Run(context.Background(), pool.Options{}, func(w *pool.Worker) error {
		clock := func() float64 { return float64(time.Now().UnixNano()) / 1e9 }
		if b.threads == 1 && !b.wall {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			clock = threadTime
		}
		if err := run(w); err != nil {
			return err
		}
		start := clock()
		if err := run(w); err != nil {
			return err
		}
		inner := 1
		if t := clock() - start; t < 5e-4 {
			inner = int(5e-4/(t+1e-9)) + 1
		}
		for i, begin := 0, time.Now(); i < 5 || i < 200 && time.Since(begin) < 60*time.Millisecond; i++ {
			start := clock()
			for range inner {
				if err := run(w); err != nil {
					return err
				}
			}
			least = min(least, (clock()-start)/float64(inner))
		}
		return nil
	})
	return least, err
}

func threadTime() float64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts); err != nil {
		log.Fatal(err)
	}
	return float64(ts.Sec) + float64(ts.Nsec)/1e9
}

// prepare plans a point on a pool and gives what runs it once.
func prepare[T simd.Float](workers *pool.Pool, p point) (run func(w *pool.Worker) error, planned float64, err error) {
	src, dst := make([]T, 2*p.size()*p.batch), make([]T, 2*p.size()*p.batch+2)
	for i := range src {
		src[i] = T(math.Sin(float64(i)))
	}
	t, planned, err := newTransform[T](workers, p)
	if err != nil {
		return nil, 0, err
	}
	scratch := make([]T, t.Scratch())
	return func(w *pool.Worker) error { return t.Forward(w, dst, src, scratch) }, planned, nil
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
