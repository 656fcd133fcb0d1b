package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"vgpu/kernels/gemm"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/pool"
)

// benchMountOptions are those of `vgpu bench mount`; the last two lines are
// what problem makes of them.
type benchMountOptions struct {
	dir, dtype          string
	size, threads, reps int
	json                bool
	a, b, c             string // the buffers' names
	matrixBytes         int
}

// benchMountCommand times what the path through the mount adds to a job.
func benchMountCommand() *cobra.Command {
	var o benchMountOptions
	c := &cobra.Command{
		Use: "mount", Short: "time a matrix product through a mount, beside the same one in this process", Args: exactArgs(0, "no operands"),
		Long: "Multiplies two square matrices in this process, on huge pages of its own, and by `echo gemm ... > run` on buffers of a device,\n" +
			"in turns, and compares the seconds that the job took, and the seconds of the whole line, a shell's start included.\n" +
			"A ratio is the median over the turns. Both results must have the same bits. Without --device it mounts one for the purpose.",
		Example: "  vgpu bench mount\n  vgpu bench mount --size 2048 --dtype f64 --threads 1 --json",
		RunE: func(c *cobra.Command, _ []string) error {
			r, err := benchMount(c.Context(), &o)
			if err != nil {
				return err
			}
			if o.json {
				return json.NewEncoder(c.OutOrStdout()).Encode(r)
			}
			return r.print(c.OutOrStdout())
		},
	}
	f := c.Flags()
	deviceFlag(c, &o.dir, "a mounted device")
	f.IntVar(&o.size, "size", 4096, "rows and columns of the matrices")
	f.StringVar(&o.dtype, "dtype", "f32", "their type: f32, f64, c64 or c128")
	values(c, "dtype", "f32", "f64", "c64", "c128")
	f.IntVar(&o.threads, "threads", 0, "threads that compute (default: all)")
	f.IntVar(&o.reps, "reps", 9, "turns")
	f.BoolVar(&o.json, "json", false, "one line of JSON, in seconds")
	return c
}

// benchMountResult is what `vgpu bench mount --json` prints.
type benchMountResult struct {
	Command   string  `json:"command"`
	Threads   int     `json:"threads"`
	Reps      int     `json:"reps"`
	InProcess spread  `json:"in_process"`
	Job       spread  `json:"job"`
	Line      spread  `json:"line"`
	JobRatio  float64 `json:"job_ratio"`  // to InProcess, the median over the turns
	LineRatio float64 `json:"line_ratio"` // the same of the whole line
}

// What a product through the mount may take of the time in process.
const (
	jobAim  = 1.02
	lineAim = 1.03
)

// print writes the result for people, with the aims beside the ratios.
func (r *benchMountResult) print(w io.Writer) error {
	_, err := fmt.Fprintf(w, "%s\n  %d threads, %d turns\n", r.Command, r.Threads, r.Reps)
	row := func(name string, s spread, note string) {
		_, e := fmt.Fprintf(w, "  %-22s median %9s   (%s to %s)%s\n", name, duration(s.Median), duration(s.Min), duration(s.Max), note)
		err = errors.Join(err, e)
	}
	ratio := func(x, aim float64) string {
		return fmt.Sprintf("   %.3f of in process (at most %.2f at size 4096)", x, aim)
	}
	row("in process", r.InProcess, "")
	row("the job", r.Job, ratio(r.JobRatio, jobAim))
	row("sh -c 'echo > run'", r.Line, ratio(r.LineRatio, lineAim))
	return err
}

// benchMount takes turns, so that what the machine does beside meets both
// alike, and takes away what it made on the device, whatever happens.
func benchMount(ctx context.Context, o *benchMountOptions) (r *benchMountResult, err error) {
	q, err := o.problem()
	if err != nil {
		return nil, err
	}
	if o.dir == "" {
		mem := 3*o.matrixBytes + mountScratch
		stop, dir, err := temporaryDevice("--mem", strconv.Itoa(mem), "--threads", strconv.Itoa(o.threads))
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, stop()) }()
		o.dir = dir
	} else if err := checkDevice(o.dir); err != nil {
		return nil, err
	}
	near, err := newNearProduct(q, o.threads)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, near.close()) }()
	far := &farProduct{o: o}
	defer func() { err = errors.Join(err, far.remove()) }()
	if err := far.prepare(near); err != nil {
		return nil, err
	}
	return o.race(ctx, near, far)
}

// mountScratch is memory of the device beside the matrices: for packing, and to
// round up to huge pages.
const mountScratch = 256 << 20

// problem is the product, with no memory yet; it checks the options.
func (o *benchMountOptions) problem() (*gemm.Problem, error) {
	d, err := ndarray.ParseDType(o.dtype)
	if err != nil || !slices.Contains([]ndarray.DType{ndarray.F32, ndarray.F64, ndarray.C64, ndarray.C128}, d) {
		return nil, usagef("--dtype %s: f32, f64, c64 or c128", o.dtype)
	}
	if o.size < 1 || o.size > 1<<16 || o.reps < 1 || o.threads < 0 {
		return nil, usagef("--size from 1 to 65536, --reps from 1 and --threads from 0")
	}
	l := ndarray.NewLayout(d, o.size, o.size)
	q := &gemm.Problem{Alpha: 1}
	q.A.Layout, q.B.Layout, q.C.Layout = l, l, l
	if !q.Init() {
		return nil, fmt.Errorf("%s is not multiplied", d)
	}
	o.matrixBytes = l.Bytes()
	name := "bench-" + strconv.Itoa(os.Getpid())
	o.a, o.b, o.c = name+"-a", name+"-b", name+"-c"
	return q, nil
}

// line is the command on the device. Types are given, as the buffers have no
// header.
func (o *benchMountOptions) line() string {
	typ := fmt.Sprintf(":%s:%dx%d", o.dtype, o.size, o.size)
	line := "gemm " + o.a + typ + " " + o.b + typ + " " + o.c
	if o.threads > 0 {
		line += " threads=" + strconv.Itoa(o.threads)
	}
	return line
}

// race takes turns, after one of each to warm up, which must have equal results.
func (o *benchMountOptions) race(ctx context.Context, near *nearProduct, far *farProduct) (*benchMountResult, error) {
	var inProcess, jobs, lines, jobRatios, lineRatios []float64
	for i := range o.reps + 1 {
		t, err := near.run(ctx)
		if err != nil {
			return nil, err
		}
		job, line, err := far.run(ctx)
		if err != nil {
			return nil, err
		}
		if i == 0 {
			if err := far.compare(near); err != nil {
				return nil, err
			}
			continue
		}
		inProcess, jobs, lines = append(inProcess, t), append(jobs, job), append(lines, line)
		jobRatios, lineRatios = append(jobRatios, job/t), append(lineRatios, line/t)
	}
	return &benchMountResult{
		Command: o.line(), Threads: near.threads(), Reps: o.reps,
		InProcess: spreadOf(inProcess), Job: spreadOf(jobs), Line: spreadOf(lines),
		JobRatio: spreadOf(jobRatios).Median, LineRatio: spreadOf(lineRatios).Median,
	}, nil
}

// nearProduct is a product in this process, in anonymous memory on huge pages.
type nearProduct struct {
	problem *gemm.Problem
	pool    *pool.Pool
	mem     []byte
	base    int // where scratch begins
	used    int
	limit   int // threads; 0: all
}

// hugePage is x86's and arm64's with pages of 4 KiB.
const hugePage = 2 << 20

// newNearProduct maps memory for the matrices and the scratch, and starts a
// pool with no other niceness than the process's: the best that a program could
// do by calling the kernel itself. The caller closes it.
func newNearProduct(q *gemm.Problem, threads int) (p *nearProduct, err error) {
	p = &nearProduct{problem: q, limit: threads}
	n := 3*(q.A.Bytes()+hugePage) + int(q.Scratch(false)) + 16*hugePage // every block begins on a page
	if p.mem, err = unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON); err != nil {
		return nil, fmt.Errorf("%d bytes for the product in this process: %w", n, err)
	}
	if err := unix.Madvise(p.mem, unix.MADV_HUGEPAGE); err != nil && !errors.Is(err, unix.EINVAL) { // EINVAL: a kernel without
		return nil, errors.Join(err, p.close())
	}
	for _, a := range []*ndarray.Array{&q.A, &q.B, &q.C} {
		a.Data = p.Alloc(a.Bytes())
	}
	p.base = p.used
	cfg, err := poolConfig(threads, "")
	if err == nil {
		cfg.Nice, cfg.Batch = 0, false
		p.pool, err = pool.New(cfg)
	}
	if err != nil {
		return nil, errors.Join(err, p.close())
	}
	return p, nil
}

// Alloc implements kernels.Memory, for one caller at a time: gemm allocates
// before it forks.
func (p *nearProduct) Alloc(n int) []byte {
	unit := 64
	if n >= hugePage {
		unit = hugePage
	}
	at := (p.used + unit - 1) / unit * unit
	p.used = at + n
	return p.mem[at:p.used:p.used]
}

// close ends the pool and unmaps the matrices, which nothing may use any more.
func (p *nearProduct) close() error {
	if p.pool != nil {
		p.pool.Close()
	}
	return unix.Munmap(p.mem)
}

// threads is how many compute.
func (p *nearProduct) threads() int {
	if p.limit > 0 {
		return min(p.limit, p.pool.Threads())
	}
	return p.pool.Threads()
}

// run computes the product once and gives the seconds.
func (p *nearProduct) run(ctx context.Context) (float64, error) {
	start := time.Now()
	err := p.pool.Run(ctx, pool.Options{Threads: p.limit}, func(w *pool.Worker) error {
		p.used = p.base
		q := *p.problem
		return q.Run(w, p)
	})
	return time.Since(start).Seconds(), err
}

// farProduct is the same product on a mounted device.
type farProduct struct{ o *benchMountOptions }

// path is where a buffer is.
func (p *farProduct) path(name string) string { return filepath.Join(p.o.dir, "buffers", name) }

// prepare makes the factors on the device, and copies them to near.
func (p *farProduct) prepare(near *nearProduct) error {
	for i, f := range []struct {
		name string
		to   []byte
	}{{p.o.a, near.problem.A.Data}, {p.o.b, near.problem.B.Data}} {
		line := fmt.Sprintf("random %s:%s:%dx%d dist=normal seed=%d\n", f.name, p.o.dtype, p.o.size, p.o.size, i+1)
		if err := p.write(line); err != nil {
			return fmt.Errorf("%s: %w", strings.TrimSpace(line), err)
		}
		if err := p.read(f.name, f.to); err != nil {
			return err
		}
	}
	return nil
}

// write runs a line, on what must be a device.
func (p *farProduct) write(line string) error {
	f, err := openWrite(filepath.Join(p.o.dir, "run"))
	if err != nil {
		return err
	}
	_, err = io.WriteString(f, line)
	return errors.Join(err, f.Close())
}

// read fills to from a buffer.
func (p *farProduct) read(name string, to []byte) error {
	f, err := os.Open(p.path(name))
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.ReadFull(f, to)
	return err
}

// run lets a shell write the line; what the job took is in the log of the queue.
func (p *farProduct) run(ctx context.Context) (job, line float64, err error) {
	cmd := exec.CommandContext(ctx, "sh", "-c", `echo "$1" > "$2"`, "sh", p.o.line(), filepath.Join(p.o.dir, "run"))
	start := time.Now()
	out, err := cmd.CombinedOutput()
	line = time.Since(start).Seconds()
	if err != nil {
		return 0, 0, fmt.Errorf("%s: %w: %s", p.o.line(), err, out)
	}
	job, err = p.seconds()
	return job, line, err
}

// seconds is what the last job of ours took, by the log of the queue: its lines
// are JSON objects, the newest last. Jobs of others may be among them.
func (p *farProduct) seconds() (float64, error) {
	text, err := os.ReadFile(filepath.Join(p.o.dir, "queues/run/log"))
	if err != nil {
		return 0, err
	}
	lines := bytes.Split(bytes.TrimSpace(text), []byte("\n"))
	for _, l := range slices.Backward(lines) {
		var job struct {
			Cmd     string  `json:"cmd"`
			Seconds float64 `json:"seconds"`
		}
		if err := json.Unmarshal(l, &job); err != nil {
			return 0, fmt.Errorf("the log of queue run: %w", err)
		}
		if job.Cmd == p.o.line() {
			return job.Seconds, nil
		}
	}
	return 0, errors.New("the log of queue run does not tell of the job")
}

// compare reads the device's result and checks its bits: a path that computes
// something else faster has won nothing.
func (p *farProduct) compare(near *nearProduct) error {
	c := make([]byte, p.o.matrixBytes)
	if err := p.read(p.o.c, c); err != nil {
		return err
	}
	if !bytes.Equal(c, near.problem.C.Data) {
		return errors.New("the product on the device has other bits than the one in this process; a device of another version or instruction set?")
	}
	return nil
}

// remove takes the buffers away, as many as were made.
func (p *farProduct) remove() (err error) {
	for _, name := range []string{p.o.a, p.o.b, p.o.c} {
		if e := os.Remove(p.path(name)); e != nil && !errors.Is(e, os.ErrNotExist) {
			err = errors.Join(err, e)
		}
	}
	return err
}
