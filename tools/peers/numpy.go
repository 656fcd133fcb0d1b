package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"text/tabwriter"
	"time"

	"vgpu/kernels"
	"vgpu/kernels/catalog"
	"vgpu/kernels/command"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/pool"
	"vgpu/kernels/tune"
	"vgpu/tools/peers/internal/race"
)

//go:embed harness/numpy.py
var numpySource []byte

// line is a contender that runs a command of ours.
type line struct {
	pool *pool.Pool
	text string
	call *kernels.Call
	plan *kernels.Plan
	in   []ndarray.Array
	out  []ndarray.Array
	mem  *pages
	base int
}

// bind reads the line.
func (l *line) bind() error {
	parsed, err := command.Parse(l.text)
	if err != nil {
		return err
	}
	if l.call, err = catalog.Registry().Bind(parsed); err != nil {
		return err
	}
	for i := range l.call.In {
		in := &l.call.In[i]
		in.Layout = ndarray.NewLayout(in.DType, in.Shape...)
	}
	l.plan, err = l.call.Check()
	return err
}

// bytes is the size of all operands.
func (l *line) bytes() (n int) {
	for i := range l.call.In {
		n += l.call.In[i].Layout.Bytes()
	}
	for _, o := range l.plan.Out {
		n += ndarray.NewLayout(o.DType, o.Shape...).Bytes()
	}
	return n
}

// setup makes the operands of a bound line. It ignores what: the line says it.
func (l *line) setup(context.Context, string) (bool, error) {
	const slack = 64 << 20 // arrays begin on huge pages
	var err error
	if l.mem, err = newPages(slack + l.bytes() + int(l.plan.Cost.Scratch)); err != nil {
		return false, err
	}
	for i := range l.call.In {
		a := l.mem.array(l.call.In[i].Layout)
		if l.call.In[i].Path == zeros {
			clear(a.Data) // all pages are there
		} else {
			spread(a)
		}
		l.in = append(l.in, a)
	}
	for _, o := range l.plan.Out {
		l.out = append(l.out, l.mem.array(ndarray.NewLayout(o.DType, o.Shape...)))
	}
	l.base = l.mem.used
	return true, nil
}

// request is the operands of a bound line, and the code, as numpy.py has them.
func (l *line) request(code string) (string, error) {
	type array [2]any
	job := struct {
		In   map[string][3]any `json:"in"`
		Out  *array            `json:"out"`
		Code string            `json:"code"`
	}{map[string][3]any{}, nil, code}
	for i := range l.call.In {
		in := &l.call.In[i]
		job.In[in.Path] = [3]any{numpyType(in.DType), in.Shape, in.Path != zeros}
	}
	for _, o := range l.plan.Out {
		job.Out = &array{numpyType(o.DType), o.Shape}
	}
	text, err := json.Marshal(job)
	return string(text), err
}

// numpyType is numpy's short name; bf16 it has as bits alone.
func numpyType(d ndarray.DType) string {
	kind := "f"
	switch {
	case d == ndarray.Bool:
		return "?"
	case d == ndarray.BF16, d.IsUnsigned():
		kind = "u"
	case d.IsSigned():
		kind = "i"
	case d.IsComplex():
		kind = "c"
	}
	return fmt.Sprintf("%s%d", kind, d.Size())
}

// spread fills with numbers in no order, of about the spread of a normal
// distribution; integers with up to 60 times those.
func spread(a ndarray.Array) {
	scale := 1.0
	if a.DType.IsInteger() {
		scale = 60
	}
	some, x := make([]float64, 1<<12), uint64(1)
	for at := 0; at < a.Len(); at += len(some) {
		for i := range some {
			x ^= x << 13 // xorshift64, Marsaglia 2003
			x ^= x >> 7
			x ^= x << 17
			some[i] = scale * float64(int64(x)) / (1 << 62)
			switch {
			case a.DType.IsUnsigned():
				some[i] = math.Abs(some[i])
			case a.DType == ndarray.Bool:
				some[i] = max(some[i], 0)
			}
		}
		ndarray.Store(a, some[:min(len(some), a.Len()-at)], at)
	}
}

func (l *line) Sample(ctx context.Context, reps int) (seconds float64, err error) {
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
	match := f.String("match", "", "only works whose names match this `regexp`")
	file := f.String("json", "", "write the table to this `file` as JSON too")
	python := f.String("python", "/usr/bin/python3", "an interpreter that has numpy")
	if err := f.Parse(args); err != nil {
		return err
	}
	chosen, err := regexp.Compile(*match)
	if err != nil {
		return err
	}
	p := race.Policy{Sample: 50 * time.Millisecond, MinRounds: 5, MaxRounds: 15, Total: 2 * time.Second}
	if *quick {
		p = race.Policy{Sample: 10 * time.Millisecond, MinRounds: 3, MaxRounds: 3, Total: time.Second}
	}
	rows, err := measureNumpy(ctx, *python, chosen, p)
	return errors.Join(err, printNumpy(os.Stdout, rows), saveJSON(*file, rows))
}

func measureNumpy(ctx context.Context, python string, match *regexp.Regexp, how race.Policy) (rows []numpyRow, err error) {
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
	cp, err := newCopier(ctx, python, script)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, cp.close()) }()
	for _, wk := range works() {
		if !match.MatchString(wk.name) {
			continue
		}
		r, err := wk.measure(ctx, p, np, cp, how)
		if err != nil {
			return rows, fmt.Errorf("%s: %w", wk.name, err)
		}
		rows = append(rows, r)
	}
	return rows, nil
}

// measure lets both do it in turn, and numpy copy.
func (w *work) measure(ctx context.Context, p *pool.Pool, np *process, cp *copier, how race.Policy) (r numpyRow, err error) {
	us := &line{pool: p, text: w.line}
	if err := us.bind(); err != nil {
		return r, err
	}
	what, err := us.request(w.python)
	if err != nil {
		return r, err
	}
	times, err := medians(ctx, []contender{us, np, cp}, what, how)
	if us.mem != nil {
		err = errors.Join(err, us.mem.free())
	}
	if err != nil {
		return r, err
	}
	return w.judge(float64(us.bytes()), times[0], times[1], cp.bytes/times[2]), nil
}

// copier is the contender that copies, whatever the others do, by numpy: what a
// host takes from memory's bandwidth it takes from both.
type copier struct {
	*process
	what  string
	bytes float64 // read and written
	ready bool    // it keeps its operands
}

func newCopier(ctx context.Context, python, script string) (*copier, error) {
	wk := copyOf(ndarray.F32)
	l := &line{text: wk.line}
	if err := l.bind(); err != nil {
		return nil, err
	}
	what, err := l.request(wk.python)
	if err != nil {
		return nil, err
	}
	np, err := start(ctx, 1, python, script)
	return &copier{process: np, what: what, bytes: float64(l.bytes())}, err
}

func (c *copier) setup(ctx context.Context, _ string) (ok bool, err error) {
	if !c.ready {
		c.ready, err = c.process.setup(ctx, c.what)
	}
	return c.ready, err
}

// judge compares with the aim.
func (w *work) judge(bytes, ours, numpy, copyRate float64) numpyRow {
	r := numpyRow{Name: w.name, Ours: ours, Numpy: numpy, Rate: bytes / ours, Ratio: numpy / ours, Aim: w.aim, OfCopy: w.ofCopy}
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
		fmt.Fprintf(tw, "%s\t%.3f\t%.3f\t%.2f\t%.0f%%\t%.2f\t%s\t%s\t\n", r.Name, 1e3*r.Ours, 1e3*r.Numpy, r.Rate/1e9, 100*r.Copy, r.Ratio, aim, met)
	}
	return tw.Flush()
}
