// Command fft times our transforms beside FFTW's (FFTW_MEASURE), in turn, and
// prints a table with the ratio of each point and the geometric mean.
//
//	go run ./tools/peers/fft [-threads 1] [-types f32,f64] [-only REGEXP] [-rounds 3]
//	go run ./tools/peers/fft -plans [-types f32,f64] [-only REGEXP]
//	go run ./tools/peers/fft -scaling [-types f32,f64] [-only REGEXP] [-rounds 3]
//
// With -plans it prints what our plans take, each in a fresh process; with
// -scaling our time on one thread over that on two, in turn. Neither needs FFTW.
//
// It needs a C compiler and Debian's libfftw3-dev. On one thread both sides are
// timed by the thread's processor time, which a busy machine disturbs least; on
// several by wall time, for which the machine must be idle. Rates are
// 5·N·log2(N)/t for N points (half that for real input).
package main

import (
	"bufio"
	"context"
	_ "embed"
	"flag"
	"fmt"
	"io"
	"log"
	"math"
	"os"
	"os/exec"
	"path/filepath"
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

//go:embed harness/fftw.c
var source []byte

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
		err = planOne(*types, *onePlan)
	case *allPlans:
		err = plans(*types, match)
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
	peer, err := startPeer()
	if err != nil {
		return err
	}
	defer peer.close()
	b := bench{peer: peer, pool: p, threads: threads, rounds: rounds, match: match}
	fmt.Printf("%-4s %-14s %12s %12s %8s %10s %10s\n", "type", "size", "ours GF/s", "FFTW GF/s", "ratio", "our plan", "its plan")
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
	fmt.Printf("geometric mean of %d ratios: %.2f\n", b.count, math.Exp(b.logs/float64(b.count)))
	return nil
}

// bench collects the ratios.
type bench struct {
	peer    *peer
	pool    *pool.Pool
	threads int
	wall    bool // clock one thread by wall time too
	rounds  int
	match   *regexp.Regexp
	logs    float64
	count   int
}

func table[T simd.Float](b *bench, name string) error {
	for _, p := range points() {
		if !b.match.MatchString(p.name) {
			continue
		}
		ours, plan, err := prepare[T](p)
		if err != nil {
			return err
		}
		theirs, err := b.peer.plan(name, p, b.threads)
		if err != nil {
			return err
		}
		mine, its := math.Inf(1), math.Inf(1)
		for range b.rounds {
			t, err := b.peer.time()
			if err != nil {
				return err
			}
			its = min(its, t)
			if t, err = b.time(ours); err != nil {
				return err
			}
			mine = min(mine, t)
		}
		b.logs += math.Log(its / mine)
		b.count++
		fmt.Printf("%-4s %-14s %12.2f %12.2f %8.2f %9.3gs %9.3gs\n", name, p.name, p.flops()/mine/1e9, p.flops()/its/1e9, its/mine, plan, theirs)
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

// prepare plans a point and gives what runs it once.
func prepare[T simd.Float](p point) (run func(w *pool.Worker) error, planned float64, err error) {
	src, dst := make([]T, 2*p.size()*p.batch), make([]T, 2*p.size()*p.batch+2)
	for i := range src {
		src[i] = T(math.Sin(float64(i)))
	}
	start := time.Now()
	t, err := newTransform[T](p)
	if err != nil {
		return nil, 0, err
	}
	planned, scratch := time.Since(start).Seconds(), make([]T, t.Scratch())
	return func(w *pool.Worker) error { return t.Forward(w, dst, src, scratch) }, planned, nil
}

// transform is a plan of either kind.
type transform[T simd.Float] interface {
	Scratch() int
	Forward(w *pool.Worker, dst, src, scratch []T) error
}

func newTransform[T simd.Float](p point) (transform[T], error) {
	if p.real {
		return fft.NewRealPlan[T](p.size()), nil
	}
	return fft.NewPlan[T](append([]int{p.batch}, p.dims...), []int{1, 2, 3}[:len(p.dims)])
}

// peer is the C program at the other end of a pipe.
type peer struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
	dir string
}

func startPeer() (*peer, error) {
	dir, err := os.MkdirTemp("", "peers-fft-")
	if err != nil {
		return nil, err
	}
	c, bin := filepath.Join(dir, "fftw.c"), filepath.Join(dir, "fftw")
	if err := os.WriteFile(c, source, 0o600); err != nil {
		return nil, err
	}
	cc := exec.Command("cc", "-O3", "-march=native", c, "-o", bin, "-lfftw3_threads", "-lfftw3", "-lfftw3f_threads", "-lfftw3f", "-lm", "-lpthread")
	if text, err := cc.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%v: %s (Debian: apt install gcc libfftw3-dev)", err, text)
	}
	p := &peer{cmd: exec.Command(bin), dir: dir}
	p.cmd.Stderr = os.Stderr
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.out = bufio.NewReader(out)
	return p, p.cmd.Start()
}

func (p *peer) ask(format string, args ...any) (float64, error) {
	if _, err := fmt.Fprintf(p.in, format+"\n", args...); err != nil {
		return 0, err
	}
	line, err := p.out.ReadString('\n')
	if err != nil {
		return 0, fmt.Errorf("the FFTW side ended: %w", err)
	}
	return strconv.ParseFloat(strings.TrimSpace(line), 64)
}

// plan has FFTW plan a point and gives the seconds that took.
func (p *peer) plan(dtype string, q point, threads int) (float64, error) {
	kind := "c2c"
	if q.real {
		kind = "r2c"
	}
	dims := strings.Trim(fmt.Sprint(q.dims), "[]")
	return p.ask("plan %s %s %d %d %d %s", dtype, kind, threads, q.batch, len(q.dims), dims)
}

func (p *peer) time() (float64, error) { return p.ask("time") }

func (p *peer) close() {
	if err := p.in.Close(); err != nil {
		log.Print(err)
	}
	if err := p.cmd.Wait(); err != nil {
		log.Print(err)
	}
	if err := os.RemoveAll(p.dir); err != nil {
		log.Print(err)
	}
}
