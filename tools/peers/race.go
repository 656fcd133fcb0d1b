package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// contender is one program's way to do a thing. It is set up, then sampled in
// turn with others.
type contender interface {
	// setup prepares; ok is false if the program cannot do that.
	setup(ctx context.Context, what string) (ok bool, err error)
	// sample does it so often, and returns the seconds.
	sample(ctx context.Context, reps int) (float64, error)
}

// policy says how long a race takes.
type policy struct {
	sampleTime time.Duration // of a sample at least: what is shorter is repeated
	minRounds  int
	maxRounds  int
	total      time.Duration // after which no round begins, once there are minRounds
}

// race lets contenders take turns at one thing and returns each one's median
// time in seconds; 0 for one that cannot do it.
func race(ctx context.Context, list []contender, what string, p policy) ([]float64, error) {
	times, err := rounds(ctx, list, what, p)
	return medians(times), err
}

// medians are those of each one's samples.
func medians(times [][]float64) []float64 {
	out := make([]float64, len(times))
	for i, t := range times {
		out[i] = median(t)
	}
	return out
}

// rounds lets contenders take turns, and returns the seconds of each one's samples, round by round; none of one that cannot do it.
func rounds(ctx context.Context, list []contender, what string, p policy) ([][]float64, error) {
	reps := make([]int, len(list))
	for i, c := range list {
		ok, err := c.setup(ctx, what)
		if err != nil {
			return nil, err
		}
		if ok {
			if reps[i], err = calibrate(ctx, c, p.sampleTime.Seconds()); err != nil {
				return nil, err
			}
		}
	}
	times := make([][]float64, len(list))
	start := time.Now()
	for round := 0; round < p.maxRounds && (round < p.minRounds || time.Since(start) < p.total); round++ {
		for i := range list {
			k := (i + round) % len(list) // nobody always follows the same one
			if reps[k] == 0 {
				continue
			}
			t, err := list[k].sample(ctx, reps[k])
			if err != nil {
				return nil, err
			}
			times[k] = append(times[k], t/float64(reps[k]))
		}
	}
	return times, nil
}

// calibrate warms up, and finds how many repetitions fill a sample.
func calibrate(ctx context.Context, c contender, want float64) (int, error) {
	for reps := 1; ; {
		t, err := c.sample(ctx, reps)
		if err != nil || t >= want {
			return reps, err
		}
		reps = 1 + int(float64(reps)*min(16, 1.1*want/max(t, 1e-9)))
	}
}

// median of samples; 0 of none.
func median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(v))
	return (s[len(s)/2] + s[(len(s)-1)/2]) / 2
}

// ratioError is half of the interval that has the ratio of the medians of a and b in it 95 times of 100, by the bootstrap (Efron and
// Tibshirani, An Introduction to the Bootstrap, 1993, 13.3): rounds are drawn with replacement, so that what disturbed both of a round counts
// in both. 0 of less than two rounds.
func ratioError(a, b []float64) float64 {
	n := min(len(a), len(b))
	if n < 2 {
		return 0
	}
	const draws = 1000
	rng := rand.New(rand.NewPCG(uint64(n), draws)) // the same samples have the same error
	ratios, x, y := make([]float64, draws), make([]float64, n), make([]float64, n)
	for i := range ratios {
		for k := range n {
			from := rng.IntN(n)
			x[k], y[k] = a[from], b[from]
		}
		ratios[i] = median(x) / median(y)
	}
	slices.Sort(ratios)
	return (ratios[draws*975/1000] - ratios[draws*25/1000]) / 2
}

// geomean of positive numbers; 1 of none.
func geomean(v []float64) float64 {
	sum := 0.0
	for _, x := range v {
		sum += math.Log(x)
	}
	return math.Exp(sum / float64(max(len(v), 1)))
}

// process is a contender in a process of its own, which reads `setup` and
// `sample` lines. Between its samples it is stopped, for libraries whose threads
// go on spinning.
type process struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

// foreign are variables that pin a library to another machine's kernels.
var foreign = []string{"OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"}

// start runs a program with that many threads for whatever threads by
// environment. The process ends with ctx.
func start(ctx context.Context, threads int, argv ...string) (*process, error) {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); !slices.Contains(foreign, name) {
			cmd.Env = append(cmd.Env, v)
		}
	}
	for _, name := range []string{"OMP", "OPENBLAS", "BLIS", "MKL"} {
		cmd.Env = append(cmd.Env, fmt.Sprintf("%s_NUM_THREADS=%d", name, threads))
	}
	cmd.Stderr = os.Stderr
	in, err1 := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	return &process{cmd, in, bufio.NewReader(out)}, cmd.Start()
}

// ask writes a line and reads one, with the process running meanwhile.
func (p *process) ask(line string) (string, error) {
	if err := p.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		return "", err
	}
	if _, err := io.WriteString(p.in, line+"\n"); err != nil {
		return "", err
	}
	answer, err := p.out.ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("%s: %q: %w", filepath.Base(p.cmd.Path), line, err)
	}
	return strings.TrimSpace(answer), p.cmd.Process.Signal(syscall.SIGSTOP)
}

func (p *process) setup(_ context.Context, what string) (bool, error) {
	answer, err := p.ask("setup " + what)
	return strings.HasPrefix(answer, "ok"), err
}

func (p *process) sample(ctx context.Context, reps int) (t float64, err error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	answer, err := p.ask(fmt.Sprintf("sample %d", reps))
	if err != nil {
		return 0, err
	}
	if _, err := fmt.Sscan(answer, &t); err != nil {
		return 0, fmt.Errorf("%s answers %q: %w", filepath.Base(p.cmd.Path), answer, err)
	}
	return t, nil
}

// close ends the process by the end of its input.
func (p *process) close() error {
	return errors.Join(p.cmd.Process.Signal(syscall.SIGCONT), p.in.Close(), p.cmd.Wait())
}
