package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"vgpu/tools/peers/internal/race"
)

// contender is one program's way to do a thing. It is set up, then sampled in
// turn with others.
type contender interface {
	// setup prepares; ok is false if the program cannot do that.
	setup(ctx context.Context, what string) (ok bool, err error)
	race.Sampler
}

// medians lets contenders take turns at one thing and returns each one's median
// time in seconds; 0 for one that cannot do it.
func medians(ctx context.Context, list []contender, what string, p race.Policy) ([]float64, error) {
	times, err := rounds(ctx, list, what, p)
	out := make([]float64, len(times))
	for i, t := range times {
		out[i] = race.Median(t)
	}
	return out, err
}

// rounds sets contenders up and lets them take turns, and returns the seconds of each one's samples, round by round; none of one that cannot do it.
func rounds(ctx context.Context, list []contender, what string, p race.Policy) ([][]float64, error) {
	able := make([]race.Sampler, len(list))
	for i, c := range list {
		ok, err := c.setup(ctx, what)
		if err != nil {
			return nil, err
		}
		if ok {
			able[i] = c
		}
	}
	return race.Turns(ctx, able, p)
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

func (p *process) Sample(ctx context.Context, reps int) (t float64, err error) {
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
