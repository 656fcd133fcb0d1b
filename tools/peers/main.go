// Command peers times this program beside what a user would pick instead, on
// this machine, in one run: ours and theirs take turns, sample by sample, so
// that whatever the machine does meanwhile meets them all alike. `make peers`
// runs it.
//
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
	name string
	run  func(ctx context.Context, args []string) error
}

var commands = []comparison{
	{"gemm", runGemm},
	{"numpy", runNumpy},
	{"pool", goTool("test", "-run", "^$", "-bench", ".", "-benchtime", "200ms", "vgpu/kernels/pool")},
	{"fft", goTool("run", "vgpu/tools/peers/fft")},
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
	i := slices.IndexFunc(commands, func(c comparison) bool { return c.name == args[0] })
	if i < 0 {
		names := make([]string, len(commands))
		for k, c := range commands {
			names[k] = c.name
		}
		return fmt.Errorf("no such comparison: %s; there are %v", args[0], names)
	}
	return commands[i].run(ctx, args[1:])
}
