package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"vgpu/kernels/tune"
)

// tuneOptions are those of `vgpu tune`.
type tuneOptions struct {
	runOptions
	quick, json bool
	seed        uint64
	state       string
}

// tuneCommand searches for parameters that change no bit of any result.
func tuneCommand() *cobra.Command {
	var o tuneOptions
	c := &cobra.Command{
		Use: "tune [--quick]", Short: "find the fastest block sizes and thread counts on this machine, and keep them", Args: exactArgs(0, "no operands"),
		Long: "Measures matrix products with other block sizes, paths and numbers of threads than those computed from the\n" +
			"cache sizes, and keeps what is faster: for vgpu run and vgpu bench, and for devices mounted from now on. It changes\n" +
			"no bit of any result. Ctrl-C ends it early; what was found until then is kept. The machine should be idle.\n" +
			"A mounted device is tuned by `echo tune > ctl`; its findings are the files in tuning/.",
		Example: "  vgpu tune --quick\n  vgpu tune --json --state /run/vgpu/vgpu0",
		RunE:    func(c *cobra.Command, _ []string) error { return runTune(c.Context(), c.OutOrStdout(), &o) },
	}
	f := c.Flags()
	f.BoolVar(&o.quick, "quick", false, "the common shapes in f32 and f64, in less than 30 seconds; else all, in less than 5 minutes")
	f.BoolVar(&o.json, "json", false, "a line of JSON for each finding")
	f.Uint64Var(&o.seed, "seed", 1, "seed of the order of the samples")
	f.StringVar(&o.state, "state", "", "state directory of the device to tune for (default: the user's cache)")
	isaFlag(c, &o.isa)
	f.StringVar(&o.cpus, "cpus", "", "CPUs that compute, such as 0-3,8")
	f.IntVar(&o.threads, "threads", 0, "threads that compute")
	f.Var(&o.mem, "mem", "memory for operands, such as 4G; larger products are left out")
	return c
}

// runTune searches and tells of each finding.
func runTune(ctx context.Context, out io.Writer, o *tuneOptions) (err error) {
	if o.tuning = tuningCache(); o.state != "" {
		o.tuning = filepath.Join(o.state, tuningDir)
	}
	if o.tuning == "" {
		return lacks(errors.New("there is no cache directory: set HOME or XDG_CACHE_HOME, or give --state"))
	}
	o.dir = os.TempDir()
	dev, err := openPlain(&o.runOptions)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dev.Close(cancelled(), true)) }()
	list, _ := dev.Errors()
	for _, e := range list {
		fmt.Fprintln(os.Stderr, "vgpu:", e.Msg)
	}
	p := &tunePrinter{out: out, json: o.json, live: isTerminal(os.Stderr)}
	p.begin(o.tuning, dev.Pool().Threads())
	err = dev.Tune(ctx, tune.Options{Quick: o.quick, Seed: o.seed, Progress: p.progress})
	p.clear()
	if errors.Is(err, context.Canceled) {
		signal.Reset(syscall.SIGINT, syscall.SIGTERM)
		err = &exitError{128 + int(syscall.SIGINT), fmt.Errorf("interrupted; %d findings are kept in %s", p.found, o.tuning)}
	}
	return errors.Join(err, p.err)
}

// tuningDir is the tuner's directory in a state directory.
const tuningDir = "tuning"

// tuningCache is where a user's findings are: below what systemd or the XDG
// rules name. "" if there is no such place.
func tuningCache() string {
	dir := os.Getenv("CACHE_DIRECTORY") // systemd's, for a service
	if dir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return ""
		}
		dir = filepath.Join(cache, "vgpu")
	}
	return filepath.Join(dir, tuningDir)
}

// isTerminal tells whether a person watches f.
func isTerminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// tunePrinter shows findings on out, and progress on a terminal.
type tunePrinter struct {
	out   io.Writer
	json  bool
	live  bool
	found int
	err   error // of out
}

// begin writes the heading.
func (p *tunePrinter) begin(dir string, threads int) {
	if !p.json {
		p.printf("%d threads; findings go to %s\n%-44s %9s %9s %7s  %s\n", threads, dir, "", "default", "tuned", "gain", "values")
	}
}

// printf writes to out and keeps the first error: the search goes on without a
// reader, as its findings are kept.
func (p *tunePrinter) printf(format string, args ...any) {
	if _, err := fmt.Fprintf(p.out, format, args...); p.err == nil {
		p.err = err
	}
}

// progress is called by the search after each point.
func (p *tunePrinter) progress(at tune.Progress) {
	p.clear()
	if e := at.Entry; e != nil {
		p.found++
		p.finding(e)
	}
	if p.live {
		fmt.Fprintf(os.Stderr, "%d of %d, %d found", at.Done, at.Total, p.found)
	}
}

// clear takes the progress line away.
func (p *tunePrinter) clear() {
	if p.live {
		fmt.Fprint(os.Stderr, "\r\033[K")
	}
}

// finding writes one: the default's and the tuned rate in GFLOP/s, and the
// gain.
func (p *tunePrinter) finding(e *tune.Entry) {
	if p.json {
		text, err := json.Marshal(e)
		if err != nil {
			p.err = errors.Join(p.err, err)
		}
		p.printf("%s\n", text)
		return
	}
	v := e.Evidence
	p.printf("%-44s %9.1f %9.1f %+6.1f%%  %s\n", strings.TrimSuffix(e.Key.Name(), ".json"), v.Default, v.Gflops, 100*(v.Gflops/v.Default-1), valuesText(e.Value))
}

// valuesText is name=value pairs by name.
func valuesText(values map[string]int) string {
	var out []string
	for name, v := range values {
		out = append(out, fmt.Sprintf("%s=%d", name, v))
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}
