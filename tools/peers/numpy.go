package main

import (
	"context"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"vgpu/kernels"
	"vgpu/kernels/catalog"
	"vgpu/kernels/command"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/pool"
	"vgpu/kernels/tune"
)

//go:embed harness/numpy.py
var numpySource []byte

// work is a command beside the same in numpy, on one thread.
type work struct {
	name  string // as numpy.py has it
	line  string // ours; its operands are written with type and shape
	bytes float64
	// aim is the least ratio of numpy's time to ours; or, if ofCopy, of our
	// rate to that of copying memory. 0: none.
	aim    float64
	ofCopy bool
}

// works are what the vector issue asks for; numpy.py has the same sizes.
func works() (list []work) {
	const n, side = 1 << 24, 4096
	for _, d := range []ndarray.DType{ndarray.F32, ndarray.F64} {
		vec := func(name string) string { return fmt.Sprintf("%s:%s:%d", name, d, n) }
		size := float64(d.Size())
		for _, verb := range reductions {
			list = append(list, reduction(verb, d, n, ""), reduction(verb, d, l2Bytes/d.Size(), " in L2"))
		}
		list = append(list,
			work{"copy " + d.String(), "copy " + vec("x") + " z", 2 * n * size, 0, false},
			work{"map " + d.String(), `map "z = exp(-x*x) + sin(y)" x=` + vec("x") + " y=" + vec("y") + " z=z", 3 * n * size, 2.5, false},
			work{"transpose " + d.String(), fmt.Sprintf("transpose x:%s:%dx%d z", d, side, side), 2 * side * side * size, 0.8, true},
			work{"sort " + d.String(), fmt.Sprintf("sort x:%s:%d z", d, 1<<22), 2 * (1 << 22) * size, 0, false},
		)
		if d == ndarray.F32 {
			list = append(list, work{"cast f32", "cast " + vec("x") + " z dtype=bf16", n * 6, 0.8, true})
		}
	}
	return list
}

// l2Bytes is the size of an operand that stays in the second-level cache.
const l2Bytes = 512 << 10

// reductions are compared at both sizes.
var reductions = []string{"sum", "prod", "max", "min", "mean", "var", "std", "norm", "argmax", "argmin", "any", "all", "count_nonzero", "nansum", "nanmax"}

// reduction is one of a vector to a number.
func reduction(verb string, d ndarray.DType, n int, where string) work {
	return work{verb + " " + d.String() + where, fmt.Sprintf("%s x:%s:%d", verb, d, n), float64(n * d.Size()), 1, false}
}

// line is a contender that runs a command of ours.
type line struct {
	pool *pool.Pool
	text string
	call *kernels.Call
	in   []ndarray.Array
	out  []ndarray.Array
	mem  *pages
	base int
}

// setup ignores what: the line says it.
func (l *line) setup(context.Context, string) (bool, error) {
	parsed, err := command.Parse(l.text)
	if err != nil {
		return false, err
	}
	if l.call, err = catalog.Registry().Bind(parsed); err != nil {
		return false, err
	}
	room := 32 << 20 // blocks begin on huge pages
	for i := range l.call.In {
		in := &l.call.In[i]
		in.Layout = ndarray.NewLayout(in.DType, in.Shape...)
		room += in.Layout.Bytes()
	}
	plan, err := l.call.Check()
	if err != nil {
		return false, err
	}
	outs := make([]ndarray.Layout, len(plan.Out))
	for i, o := range plan.Out {
		outs[i] = ndarray.NewLayout(o.DType, o.Shape...)
		room += outs[i].Bytes()
	}
	if l.mem, err = newPages(room + int(plan.Cost.Scratch)); err != nil {
		return false, err
	}
	for i := range l.call.In {
		a := l.mem.array(l.call.In[i].Layout)
		spread(a)
		l.in = append(l.in, a)
	}
	for _, o := range outs {
		l.out = append(l.out, l.mem.array(o))
	}
	l.base = l.mem.used
	return true, nil
}

// spread fills with numbers in no order, of about the spread of a normal
// distribution.
func spread(a ndarray.Array) {
	some, x := make([]float64, 1<<12), uint64(1)
	for at := 0; at < a.Len(); at += len(some) {
		for i := range some {
			x ^= x << 13 // xorshift64, Marsaglia 2003
			x ^= x >> 7
			x ^= x << 17
			some[i] = float64(int64(x)) / (1 << 62)
		}
		ndarray.Store(a, some[:min(len(some), a.Len()-at)], at)
	}
}

func (l *line) sample(ctx context.Context, reps int) (seconds float64, err error) {
	err = l.pool.Run(ctx, pool.Options{Threads: 1}, func(w *pool.Worker) error {
		start := tune.Clock(1)
		for range reps {
			plan, err := l.call.Check() // a plan runs once
			if err != nil {
				return err
			}
			l.mem.used = l.base
			if err := plan.Run(&kernels.Exec{Ctx: ctx, W: w, In: l.in, Out: l.out, Mem: l.mem}); err != nil {
				return err
			}
		}
		seconds = tune.Clock(1) - start
		return nil
	})
	return seconds, err
}

// numpyRow is a command measured.
type numpyRow struct {
	Name   string  `json:"name"`
	Ours   float64 `json:"seconds"`
	Numpy  float64 `json:"numpy_seconds"`
	Rate   float64 `json:"bytes_per_second"`
	Copy   float64 `json:"of_copy"` // our rate in shares of numpy's copy
	Ratio  float64 `json:"ratio"`   // numpy's time over ours
	Aim    float64 `json:"aim,omitempty"`
	OfCopy bool    `json:"aim_is_of_copy,omitempty"`
	Met    bool    `json:"met"`
}

func runNumpy(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("peers numpy", flag.ContinueOnError)
	quick := f.Bool("quick", false, "few samples")
	match := f.String("match", "", "only works whose name contains this, and copy")
	file := f.String("json", "", "write the table to this `file` as JSON too")
	python := f.String("python", "/usr/bin/python3", "an interpreter that has numpy")
	if err := f.Parse(args); err != nil {
		return err
	}
	p := policy{50 * time.Millisecond, 5, 15, 2 * time.Second}
	if *quick {
		p = policy{10 * time.Millisecond, 3, 3, time.Second}
	}
	rows, err := measureNumpy(ctx, *python, *match, p)
	return errors.Join(err, printNumpy(os.Stdout, rows), saveJSON(*file, rows))
}

func measureNumpy(ctx context.Context, python, match string, how policy) (rows []numpyRow, err error) {
	dir, err := os.MkdirTemp("", "vgpu-peers-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	script := filepath.Join(dir, "numpy_peer.py")
	if err := os.WriteFile(script, numpySource, 0o600); err != nil {
		return nil, err
	}
	np, err := start(ctx, 1, python, script)
	if err != nil {
		return nil, fmt.Errorf("%w; as root: apt-get install python3-numpy", err)
	}
	defer func() { err = errors.Join(err, np.close()) }()
	p, err := pool.New(pool.Config{Threads: 1})
	if err != nil {
		return nil, err
	}
	defer p.Close()
	copyRate := 0.0
	for _, wk := range works() {
		isCopy := strings.HasPrefix(wk.name, "copy")
		if !isCopy && !strings.Contains(wk.name, match) {
			continue
		}
		us := &line{pool: p, text: wk.line}
		times, err := race(ctx, []contender{us, np}, wk.name, how, func() {})
		if us.mem != nil {
			err = errors.Join(err, us.mem.free())
		}
		if err != nil {
			return rows, fmt.Errorf("%s: %w", wk.name, err)
		}
		if isCopy {
			copyRate = wk.bytes / times[1]
		}
		rows = append(rows, wk.judge(times[0], times[1], copyRate))
	}
	return rows, nil
}

// judge compares with the aim.
func (w *work) judge(ours, numpy, copyRate float64) numpyRow {
	r := numpyRow{Name: w.name, Ours: ours, Numpy: numpy, Rate: w.bytes / ours, Ratio: numpy / ours, Aim: w.aim, OfCopy: w.ofCopy}
	r.Copy = r.Rate / copyRate
	r.Met = r.Ratio >= w.aim
	if w.ofCopy {
		r.Met = r.Copy >= w.aim
	}
	return r
}

func printNumpy(w io.Writer, rows []numpyRow) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(tw, "one thread\tvgpu ms\tnumpy ms\tGB/s\tof copy\tratio\taim\t\t\n")
	for _, r := range rows {
		aim, met := "", ""
		if r.Aim > 0 {
			aim, met = fmt.Sprintf("%.1fx", r.Aim), yesNo(r.Met)
			if r.OfCopy {
				aim = fmt.Sprintf("%.0f%% of copy", 100*r.Aim)
			}
		}
		fmt.Fprintf(tw, "%s\t%.2f\t%.2f\t%.2f\t%.0f%%\t%.2f\t%s\t%s\t\n", r.Name, 1e3*r.Ours, 1e3*r.Numpy, r.Rate/1e9, 100*r.Copy, r.Ratio, aim, met)
	}
	return tw.Flush()
}
