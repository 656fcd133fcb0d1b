package main

import (
	"context"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"vgpu/kernels/pool"
	"vgpu/kernels/simd"
	"vgpu/tools/peers/internal/race"
)

//go:embed harness/gemm.cc
var harnessSource []byte

// point is one row of the table.
type point struct {
	dtype   string // as the harness names it
	m, n, k int
	threads int
	share   float64 // of the measured peak that is aimed at; 0: none
	ratio   float64 // to the best peer that is aimed at; 0: none
	long    bool    // left out by -quick
}

func (p point) String() string {
	return fmt.Sprintf("%s %dx%dx%d t%d", p.dtype, p.m, p.n, p.k, p.threads)
}

// flops of one product; a complex multiply-add is four real ones.
func (p point) flops() float64 {
	f := 2 * float64(p.m) * float64(p.n) * float64(p.k)
	if p.dtype[0] == 'c' {
		f *= 4
	}
	return f
}

// gemmPoints are the figures that the GEMM issue asks for, and some around
// them.
func gemmPoints() (list []point) {
	for _, d := range []string{"f32", "f64"} {
		for _, n := range []int{32, 64, 128} {
			list = append(list, point{dtype: d, m: n, n: n, k: n, threads: 1, ratio: 0.95})
		}
		for _, s := range [][3]int{{64, 4096, 4096}, {4096, 64, 4096}, {4096, 4096, 64}} {
			list = append(list, point{dtype: d, m: s[0], n: s[1], k: s[2], threads: 1, ratio: 1})
		}
	}
	for _, threads := range []int{1, 2} {
		share := map[int]float64{1: 0.92, 2: 0.90}[threads]
		for _, d := range []string{"f32", "f64"} {
			for _, n := range []int{512, 1024, 2048, 4096} {
				list = append(list, point{d, n, n, n, threads, share, 1, n > 1024})
			}
		}
		for _, d := range []string{"c64", "c128"} {
			for _, n := range []int{512, 1024, 2048} {
				list = append(list, point{d, n, n, n, threads, 0.90, 0, n > 512})
			}
		}
		for _, n := range []int{1024, 2048, 4096} {
			list = append(list, point{"bf16", n, n, n, threads, 0, 1, n > 1024}, point{"u8", n, n, n, threads, 0, 0.95, n > 1024}, point{"i8", n, n, n, threads, 0, 0.95, n > 1024})
		}
	}
	return list
}

// peers of a product, and the types they take.
var libraries = []struct{ name, types string }{
	{"openblas", "f32 f64 c64 c128"}, {"blis", "f32 f64 c64 c128"}, {"onednn", "f32 bf16 u8 i8"},
}

// row is a point measured.
type row struct {
	Point   string             `json:"point"`
	Gflops  float64            `json:"gflops"`
	Peers   map[string]float64 `json:"peers"` // GFLOP/s
	Peak    float64            `json:"peak"`  // GFLOP/s of the multiply-add loop, the median of samples as everybody's
	Best    float64            `json:"best"`  // GFLOP/s of the loop in its best millisecond
	Share   float64            `json:"share"` // of Peak
	Ratio   float64            `json:"ratio"` // to the best peer
	Error   float64            `json:"error"` // of Ratio: half of the interval that has it 95 times of 100
	AimPeak float64            `json:"aim_share,omitempty"`
	AimPeer float64            `json:"aim_ratio,omitempty"`
	Met     bool               `json:"met"`
}

// gemmOptions are the flags.
type gemmOptions struct {
	quick  bool
	match  string
	json   string
	isa    string
	budget time.Duration
}

func runGemm(ctx context.Context, args []string) error {
	var o gemmOptions
	f := flag.NewFlagSet("peers gemm", flag.ContinueOnError)
	f.BoolVar(&o.quick, "quick", false, "the small and middle sizes, few samples")
	f.StringVar(&o.match, "match", "", "only points that match this regular `expression`, such as 'f32 .* t1'")
	f.StringVar(&o.json, "json", "", "write the table to this `file` as JSON too")
	f.StringVar(&o.isa, "isa", "", "our instruction set: avx512, avx2 or generic")
	f.DurationVar(&o.budget, "time", 3*time.Second, "time for a point")
	if err := f.Parse(args); err != nil {
		return err
	}
	if o.isa != "" {
		isa, err := simd.ParseISA(o.isa)
		if err == nil {
			err = simd.Force(isa)
		}
		if err != nil {
			return err
		}
	}
	points, err := o.points()
	if err != nil {
		return err
	}
	rows, err := measureGemm(ctx, &o, points)
	return errors.Join(err, printRows(os.Stdout, rows), saveJSON(o.json, rows))
}

// points are those that the flags choose.
func (o *gemmOptions) points() (list []point, err error) {
	match, err := regexp.Compile(o.match)
	if err != nil {
		return nil, err
	}
	for _, p := range gemmPoints() {
		if match.MatchString(p.String()) && !(o.quick && p.long) && p.threads <= runtime.NumCPU() {
			list = append(list, p)
		}
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("no point matches %q", o.match)
	}
	return list, nil
}

// measureGemm measures point by point; on an error it returns what it has.
func measureGemm(ctx context.Context, o *gemmOptions, points []point) (rows []row, err error) {
	dir, err := os.MkdirTemp("", "vgpu-peers-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	harness, err := compile(ctx, dir, "gemm.cc", harnessSource, "-std=c++17", "-ldl", "-ldnnl")
	if err != nil {
		return nil, err
	}
	runtime.GOMAXPROCS(runtime.NumCPU() + 2)
	p, err := pool.New(pool.Config{})
	if err != nil {
		return nil, err
	}
	defer p.Close()
	m := &meet{harness: harness, pool: p, peers: map[string]*process{}, policy: race.Policy{Sample: 60 * time.Millisecond, MinRounds: 3, MaxRounds: 25, Total: o.budget}}
	if o.quick {
		m.policy = race.Policy{Sample: 20 * time.Millisecond, MinRounds: 3, MaxRounds: 7, Total: o.budget / 3}
	}
	defer func() { err = errors.Join(err, m.close()) }()
	for i, pt := range points {
		progress("%d of %d: %s", i+1, len(points), pt)
		r, err := m.measure(ctx, pt)
		if err != nil {
			return rows, err
		}
		rows = append(rows, r)
	}
	progress("")
	return rows, nil
}

// progress replaces the line that a person watches.
func progress(format string, args ...any) {
	if _, err := unix.IoctlGetTermios(int(os.Stderr.Fd()), unix.TCGETS); err == nil {
		fmt.Fprintf(os.Stderr, "\r\033[K"+format, args...)
	}
}

// compile builds a harness; what it needs is told if that fails.
func compile(ctx context.Context, dir, name string, source []byte, flags ...string) (string, error) {
	src, out := filepath.Join(dir, name), filepath.Join(dir, strings.TrimSuffix(name, filepath.Ext(name)))
	if err := os.WriteFile(src, source, 0o600); err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, "g++", append([]string{"-O3", "-march=native", src, "-o", out}, flags...)...)
	text, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("the harness does not compile: %w\n%s\nas root: apt-get install --no-install-recommends g++ libopenblas0-pthread libblis4-openmp libdnnl-dev", err, text)
	}
	return out, nil
}

// meet is the pool and the peers' processes, one for each library and number
// of threads.
type meet struct {
	harness string
	pool    *pool.Pool
	peers   map[string]*process
	policy  race.Policy
}

func (m *meet) peer(ctx context.Context, lib string, threads int) (*process, error) {
	key := fmt.Sprint(lib, threads)
	if m.peers[key] == nil {
		p, err := start(ctx, threads, m.harness, lib, fmt.Sprint(threads))
		if err != nil {
			return nil, err
		}
		m.peers[key] = p
	}
	return m.peers[key], nil
}

func (m *meet) close() (err error) {
	for _, p := range m.peers {
		err = errors.Join(err, p.close())
	}
	return err
}

// measure runs one race.
func (m *meet) measure(ctx context.Context, pt point) (r row, err error) {
	us := &ours{pool: m.pool, threads: pt.threads}
	defer func() { err = errors.Join(err, us.close()) }()
	list, names := []contender{us}, []string{"vgpu"}
	for _, lib := range libraries {
		if !strings.Contains(" "+lib.types+" ", " "+pt.dtype+" ") {
			continue
		}
		p, err := m.peer(ctx, lib.name, pt.threads)
		if err != nil {
			return r, err
		}
		list, names = append(list, p), append(names, lib.name)
	}
	top := &ceiling{pool: m.pool, threads: pt.threads, typ: peakType(pt.dtype)}
	what := fmt.Sprint(pt.dtype, " ", pt.m, " ", pt.n, " ", pt.k)
	times, err := rounds(ctx, append(list, top), what, m.policy)
	if err != nil {
		return r, fmt.Errorf("%s: %w", pt, err)
	}
	return judge(pt, names, times[:len(list)], top.ops/race.Median(times[len(list)])/1e9, top.best/1e9), nil
}

// peakType is the multiply-add that a type's products are made of.
func peakType(dtype string) simd.GemmType {
	switch dtype {
	case "f64", "c128":
		return simd.GemmF64
	case "bf16":
		return simd.GemmBF16
	case "u8", "i8":
		return simd.GemmVNNI
	}
	return simd.GemmF32
}

// judge compares samples, ours first, with the aims. The peak is the multiply-add loop's
// rate in samples of the same run, best its best.
func judge(pt point, names []string, times [][]float64, peak, best float64) row {
	r := row{Point: pt.String(), Peers: map[string]float64{}, Peak: peak, Best: best, AimPeak: pt.share, AimPeer: pt.ratio}
	r.Gflops = pt.flops() / race.Median(times[0]) / 1e9
	rival := 0
	for i := 1; i < len(times); i++ {
		if len(times[i]) == 0 {
			continue
		}
		r.Peers[names[i]] = pt.flops() / race.Median(times[i]) / 1e9
		if rival == 0 || r.Peers[names[i]] > r.Peers[names[rival]] {
			rival = i
		}
	}
	r.Share = r.Gflops / peak
	if rival > 0 {
		r.Ratio = r.Gflops / r.Peers[names[rival]]
		r.Error = race.RatioError(times[rival], times[0], race.Median)
	}
	r.Met = r.Share >= pt.share && (rival == 0 || r.Ratio >= pt.ratio)
	return r
}
