package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"vgpu/device"
	"vgpu/kernels"
	"vgpu/kernels/catalog"
	"vgpu/kernels/command"
	"vgpu/kernels/ndarray"
)

// benchOptions are those of `vgpu bench`, with the machine's as `vgpu run` has
// them.
type benchOptions struct {
	runOptions
	reps   int
	inputs []string
	json   bool
	report string // directory of a report
}

// benchCommand times a command on plain files, without a mount: what the kernel
// costs, and not what files do. Its subcommands time the rest.
func benchCommand() *cobra.Command {
	var o benchOptions
	c := &cobra.Command{
		Use:   "bench COMMAND",
		Short: "time any command, on operands made up from their types",
		Long: "Times a command. Its inputs are written as NAME:DTYPE:SHAPE and filled with random numbers, or given as files.\n" +
			"Operands live in memory (/dev/shm). Each repetition overwrites the outputs of the one before.",
		Example: "  vgpu bench 'gemm a:f32:1024x1024 b:f32:1024x1024 c' --threads 1 --json\n  vgpu bench 'sum x' --input x=data.npy\n  vgpu bench launch\n  vgpu bench mount",
		Args: func(c *cobra.Command, args []string) error {
			if o.report != "" {
				return exactArgs(0, "no command beside --report")(c, args)
			}
			return minArgs(1, "a command")(c, args)
		},
		RunE: func(c *cobra.Command, args []string) error {
			if c.Flags().Changed("reps") && o.reps < 1 {
				return usagef("--reps %d: 1 at least; without it, for about a second", o.reps)
			}
			if o.report != "" {
				return writeReport(c.Context(), &o, reportLines(), c.OutOrStdout())
			}
			r, err := benchLine(c.Context(), &o, strings.Join(args, " "))
			if err != nil {
				return err
			}
			return r.print(c.OutOrStdout(), o.json)
		},
	}
	f := c.Flags()
	f.IntVar(&o.threads, "threads", 0, "threads that compute")
	f.IntVar(&o.reps, "reps", 0, "repetitions (default: for about a second, 5 at least)")
	isaFlag(c, &o.isa)
	f.StringVar(&o.cpus, "cpus", "", "CPUs that compute, such as 0-3,8")
	f.StringArrayVar(&o.inputs, "input", nil, "NAME=FILE: a file for an input")
	f.BoolVar(&o.json, "json", false, "one line of JSON")
	f.StringVar(&o.report, "report", "", "time a list of commands and write report.json and the picture roofline.svg into this `directory`")
	c.AddCommand(launchCommand(), benchMountCommand(), suiteCommand(), diskCommand())
	return c
}

// benchResult is what `vgpu bench --json` prints. Its names are an interface:
// scripts and reports of earlier versions read them.
type benchResult struct {
	Command string  `json:"command"`
	Kernel  string  `json:"kernel"`
	ISA     string  `json:"isa"`
	Threads int     `json:"threads"`
	Reps    int     `json:"reps"`
	Seconds spread  `json:"seconds"`
	Flops   float64 `json:"flops"`
	Bytes   float64 `json:"bytes"`
	Gflops  float64 `json:"gflops"`      // at the median
	Peak    float64 `json:"peak_gflops"` // of the operands' type, all threads, measured in this run
}

// spread is order statistics of repetitions, in their unit.
type spread struct {
	Min    float64 `json:"min"`
	Median float64 `json:"median"`
	Max    float64 `json:"max"`
}

// spreadOf leaves v, which has an element at least, as it is.
func spreadOf(v []float64) spread {
	s := slices.Sorted(slices.Values(v))
	mid := s[len(s)/2]
	if len(s)%2 == 0 {
		mid = (s[len(s)/2-1] + mid) / 2
	}
	return spread{s[0], mid, s[len(s)-1]}
}

// benchLine runs a command several times in a directory of its own, on a device
// of its own, and takes both away again. The machine's peaks are measured
// first, in the same process and minute, as a share of another day's peak means
// nothing.
func benchLine(ctx context.Context, o *benchOptions, line string) (r benchResult, err error) {
	dir, err := scratchDir()
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	o.dir = dir
	dev, err := openPlain(&o.runOptions)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, dev.Close(cancelled(), true)) }()
	if err := dev.Measure(ctx); err != nil {
		return r, err
	}
	b := &bencher{dev: dev, s: dev.Queue(device.RunQueue).Open(self(), device.SessionOptions{Sync: true}), dir: dir}
	if err := b.prepare(ctx, o, line); err != nil {
		return r, err
	}
	return b.measure(ctx, o, line)
}

// scratchDir is in memory where the machine has a place for that.
func scratchDir() (string, error) {
	if dir, err := os.MkdirTemp("/dev/shm", "vgpu-bench-"); err == nil {
		return dir, nil
	}
	return os.MkdirTemp("", "vgpu-bench-")
}

// bencher is a device in a scratch directory, and a session on it.
type bencher struct {
	dev *device.Device
	s   *device.Session
	dir string
}

// exec runs one line to its end and returns its job. The session is synchronous
// and the only one, so that the queue's newest job is that of the line.
func (b *bencher) exec(ctx context.Context, line string) (device.Snapshot, error) {
	if _, err := b.s.Write(ctx, []byte(line+"\n")); err != nil {
		return device.Snapshot{}, lineError(b.dev, err)
	}
	jobs := b.dev.Queue(device.RunQueue).Jobs()
	return jobs[len(jobs)-1].Snapshot(), nil
}

// prepare makes the inputs of a line. The line is bound for their names alone:
// it is the device that judges it.
func (b *bencher) prepare(ctx context.Context, o *benchOptions, line string) error {
	files := map[string]string{}
	for _, in := range o.inputs {
		name, file, ok := strings.Cut(in, "=")
		if !ok {
			return usagef("--input %s: write it as NAME=FILE", in)
		}
		files[name] = file
	}
	parsed, err := command.Parse(line)
	if err != nil {
		return err
	}
	call, err := catalog.Registry().WithCommon(device.CommonOptions...).Bind(parsed)
	if err != nil {
		return err
	}
	for i := range call.In {
		if err := b.makeInput(ctx, &call.In[i].Ref, files[call.In[i].Path]); err != nil {
			return err
		}
	}
	return nil
}

// makeInput copies an input's file, or fills it with random numbers: normal
// ones, as zeros and denormals would make kernels look faster or slower than
// they are.
func (b *bencher) makeInput(ctx context.Context, ref *kernels.Ref, file string) error {
	if file != "" {
		data, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(b.dir, ref.Path), data, 0o600)
	}
	if ref.DType == ndarray.Invalid || ref.Shape == nil {
		return usagef("input %s has no type: write it as %s:f32:1024x1024, or give --input %s=FILE", ref.Path, ref.Path, ref.Path)
	}
	dist := "normal"
	if ref.DType.IsInteger() || ref.DType == ndarray.Bool {
		dist = "integers"
	}
	_, err := b.exec(ctx, fmt.Sprintf("random %s:%s:%s dist=%s seed=1", command.Quote(ref.Path), ref.DType, ndarray.ShapeString(ref.Shape), dist))
	return err
}

// Repetitions where none are asked for: enough for a median, a second or so.
const (
	minReps   = 5
	maxReps   = 10000
	benchTime = 1.0
)

// measure repeats the line. Its times are the jobs' own, from start to end of
// the run, so that parsing and planning do not count.
func (b *bencher) measure(ctx context.Context, o *benchOptions, line string) (benchResult, error) {
	snap, err := b.exec(ctx, line) // warms caches, pages and plans
	if err != nil {
		return benchResult{}, err
	}
	var times []float64
	var total float64
	for o.reps > 0 && len(times) < o.reps || o.reps <= 0 && (len(times) < minReps || total < benchTime && len(times) < maxReps) {
		if snap, err = b.exec(ctx, line); err != nil {
			return benchResult{}, err
		}
		times = append(times, snap.Seconds)
		total += snap.Seconds
	}
	r := benchResult{
		Command: line, Kernel: snap.Verb, ISA: snap.ISA, Threads: snap.Threads, Reps: len(times), Seconds: spreadOf(times),
		Flops: snap.Cost.Flops, Bytes: snap.Cost.Bytes,
	}
	if r.Seconds.Median > 0 {
		r.Gflops = r.Flops / r.Seconds.Median / 1e9
	}
	if p, ok := b.dev.Peaks(); ok {
		r.Peak = p.Flops32 / 1e9
		if strings.Contains(line, ":f64:") || strings.Contains(line, ":c128:") {
			r.Peak = p.Flops64 / 1e9
		}
	}
	return r, nil
}

// print writes the result for people, or as a line of JSON. What was too quick
// for the clock has no rate, and there is no share of a peak that was not measured.
func (r *benchResult) print(w io.Writer, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(w).Encode(r)
	}
	text := fmt.Sprintf("%s\n  %s, %d threads, %d repetitions\n  %s median (%s to %s)\n  %.1f GFLOP/s",
		r.Command, r.ISA, r.Threads, r.Reps, duration(r.Seconds.Median), duration(r.Seconds.Min), duration(r.Seconds.Max), r.Gflops)
	if r.Peak > 0 {
		text += fmt.Sprintf(", %.1f %% of the measured %.0f", 100*r.Gflops/r.Peak, r.Peak)
	}
	if r.Seconds.Median > 0 {
		text += fmt.Sprintf("\n  %.2f GB/s", r.Bytes/r.Seconds.Median/1e9)
	}
	_, err := fmt.Fprintln(w, text)
	return err
}

// duration writes seconds as a person reads them.
func duration(sec float64) string {
	switch {
	case sec < 1e-3:
		return fmt.Sprintf("%.1f us", sec*1e6)
	case sec < 1:
		return fmt.Sprintf("%.2f ms", sec*1e3)
	default:
		return fmt.Sprintf("%.2f s", sec)
	}
}

// suite is what `make bench` times: a product in either precision, and what is
// bound by memory, on arrays beyond the caches.
var suite = []string{
	"gemm a:f32:1024x1024 b:f32:1024x1024 c",
	"gemm a:f64:1024x1024 b:f64:1024x1024 c",
	"map 'z = exp(-x*x) + sin(y)' x=a:f32:16777216 y=b:f32:16777216 z=c",
	"sum a:f32:67108864",
	"transpose a:f32:8192x8192 c",
	"cast a:f32:67108864 c dtype=bf16",
	"copy a:f32:67108864 c",
	"sort a:f64:10000000 c",
	"random c:f64:10000000 dist=normal",
}

// suiteCommand times suite.
func suiteCommand() *cobra.Command {
	return &cobra.Command{
		Use: "suite", Short: "time a fixed list of commands, on one thread and on all", Args: exactArgs(0, "no operands"),
		RunE: func(c *cobra.Command, _ []string) error {
			for _, line := range suite {
				for _, threads := range []int{1, 0} {
					o := benchOptions{runOptions: runOptions{threads: threads}}
					r, err := benchLine(c.Context(), &o, line)
					if err != nil {
						return err
					}
					if err := r.print(c.OutOrStdout(), false); err != nil {
						return err
					}
				}
			}
			return nil
		},
	}
}
