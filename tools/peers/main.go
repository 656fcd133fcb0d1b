// Command peers times this program beside what a user would pick instead, on
// this machine, in one run: ours and theirs take turns, sample by sample, so
// that whatever the machine does meanwhile meets them all alike. `make peers`
// runs all of it.
//
//	peers all [-quick]     every comparison below, one after the other
//	peers [gemm] [flags]   matrix products: OpenBLAS, BLIS, oneDNN
//	peers numpy [flags]    element-wise, reductions, casts, transposes, sort: numpy
//	peers pool             the thread pool beside goroutines and errgroup
//	peers fft [flags]      transforms: FFTW
//
// The others' harnesses are compiled from sources in this directory with the
// system's compiler against the system's packages; what is missing is named.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"syscall"
)

// comparison is a family of comparisons.
type comparison struct {
	name  string
	run   func(ctx context.Context, args []string) error
	quick []string // arguments for a look of a few minutes
}

var commands = []comparison{
	{"gemm", runGemm, []string{"-quick"}},
	{"numpy", runNumpy, []string{"-quick"}},
	{"pool", goTool("test", "-run", "^$", "-bench", ".", "-benchtime", "200ms", "vgpu/kernels/pool"), []string{"-benchtime", "20ms"}},
	{"fft", goTool("run", "vgpu/tools/peers/fft"), []string{"-time", "200ms"}},
}

// runAll runs comparisons one after the other. One that fails, as where its peer
// is not installed, does not keep the others from running.
func runAll(ctx context.Context, list []comparison, args []string) (err error) {
	f := flag.NewFlagSet("peers all", flag.ContinueOnError)
	quick := f.Bool("quick", false, "few samples")
	if err := f.Parse(args); err != nil {
		return err
	}
	for _, c := range list {
		fmt.Printf("\n== %s\n", c.name)
		var args []string
		if *quick {
			args = c.quick
		}
		if e := c.run(ctx, args); e != nil {
			err = errors.Join(err, fmt.Errorf("%s: %w", c.name, e))
		}
		if ctx.Err() != nil {
			break
		}
	}
	return err
}

// goTool runs the go command with more arguments.
func goTool(argv ...string) func(context.Context, []string) error {
	return func(ctx context.Context, args []string) error {
		cmd := exec.CommandContext(ctx, "go", append(slices.Clone(argv), args...)...)
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		return cmd.Run()
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	err := dispatch(ctx, os.Args[1:])
	if ctx.Err() != nil { // what the harnesses say to that is of no use
		err = errors.New("interrupted")
	}
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return
	}
	fmt.Fprintln(os.Stderr, "peers:", err)
	os.Exit(1)
}

// dispatch finds the command; without one it is gemm.
func dispatch(ctx context.Context, args []string) error {
	if len(args) == 0 || args[0] != "" && args[0][0] == '-' {
		return runGemm(ctx, args)
	}
	if args[0] == "all" {
		return runAll(ctx, commands, args[1:])
	}
	i := slices.IndexFunc(commands, func(c comparison) bool { return c.name == args[0] })
	if i < 0 {
		names := []string{"all"}
		for _, c := range commands {
			names = append(names, c.name)
		}
		return fmt.Errorf("no such comparison: %s; there are %v", args[0], names)
	}
	return commands[i].run(ctx, args[1:])
}
