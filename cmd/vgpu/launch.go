package main

import (
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
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

// launchCommand times the control plane through the mount, as clients meet it.
func launchCommand() *cobra.Command {
	var dir string
	var asJSON bool
	c := &cobra.Command{
		Use: "launch", Short: "time what a command costs by itself, through a mount", Args: exactArgs(0, "no operands"),
		Long: "Times a device's control plane through its files: a line to its finished job, a thousand lines in one write,\n" +
			"reading stat while every core computes, and cancelling. Without --device it mounts one for the purpose.",
		RunE: func(c *cobra.Command, _ []string) error {
			fields, err := benchLaunch(c.Context(), dir)
			if err != nil {
				return err
			}
			if asJSON {
				return json.NewEncoder(c.OutOrStdout()).Encode(fields)
			}
			return printLaunch(c.OutOrStdout(), fields)
		},
	}
	deviceFlag(c, &dir, "a mounted device")
	c.Flags().BoolVar(&asJSON, "json", false, "one line of JSON, in seconds")
	return c
}

// launchTime is one figure of `bench launch`: order statistics of a time.
type launchTime struct {
	Name   string  `json:"name"`
	Aim    string  `json:"aim"`
	Median float64 `json:"median"`
	P99    float64 `json:"p99"`
	Max    float64 `json:"max"`
	N      int     `json:"n"`
}

// printLaunch writes a line a figure, with its aim.
func printLaunch(w io.Writer, list []launchTime) error {
	for _, t := range list {
		if _, err := fmt.Fprintf(w, "%-44s median %9s   p99 %9s   max %9s   n %5d   (%s)\n", t.Name, duration(t.Median), duration(t.P99), duration(t.Max), t.N, t.Aim); err != nil {
			return err
		}
	}
	return nil
}

// benchLaunch takes the figures one after the other, on a device that does
// nothing else. Aims are docs' promises; they are shown and not judged here.
func benchLaunch(ctx context.Context, dir string) (out []launchTime, err error) {
	if dir == "" {
		stop, at, err := temporaryDevice("--mem", "256M")
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, stop()) }()
		dir = at
	} else if err := checkDevice(dir); err != nil {
		return nil, err
	}
	for _, m := range []struct {
		name, aim string
		n         int
		f         func(ctx context.Context, dir string, n int) ([]float64, error)
	}{
		{"run: a line written to its job finished", "median < 100 us", 2000, timeRun},
		{"queue: a line written, and wait read", "no aim", 2000, timeQueue},
		{"1000 lines in one write: accepted", "< 10 ms", 50, timeAccept},
		{"1000 lines in one write: finished", "< 20 ms", 50, timeFinish},
		{"stat opened and read while all cores compute", "p99 < 5 ms", 2000, timeStat},
		{"cat stat, a process, while all cores compute", "p99 < 5 ms", 500, timeCat},
		{"cat of a file in /tmp, under the same load", "for comparison", 500, timeCatOther},
		{"cancel of a running job", "< 50 ms", 30, timeCancel},
	} {
		times, err := m.f(ctx, dir, m.n)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", m.name, err)
		}
		slices.Sort(times)
		out = append(out, launchTime{m.name, m.aim, times[len(times)/2], times[len(times)*99/100], times[len(times)-1], len(times)})
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	return out, nil
}

// temporaryDevice mounts a device in a directory of its own, with more flags
// for mount. stop unmounts it and takes the directory away; it must be called.
func temporaryDevice(flags ...string) (stop func() error, dir string, err error) {
	top, err := os.MkdirTemp("", "vgpu-launch-")
	if err != nil {
		return nil, "", err
	}
	exe, err := os.Executable()
	if err != nil {
		return nil, "", err
	}
	dir = filepath.Join(top, "vgpu")
	run := func(args ...string) error {
		out, err := exec.Command(exe, args...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("vgpu %s: %w: %s", strings.Join(args, " "), err, out)
		}
		return nil
	}
	if err := run(slices.Concat([]string{"mount", "--daemon", "--state", filepath.Join(top, "state")}, flags, []string{dir})...); err != nil {
		return nil, "", errors.Join(err, os.RemoveAll(top))
	}
	return func() error { return errors.Join(run("umount", dir), os.RemoveAll(top)) }, dir, nil
}

// repeat times f n times, after a few rounds to warm up, unless ctx ends.
func repeat(ctx context.Context, n int, f func() error) ([]float64, error) {
	times := make([]float64, 0, n)
	for i := range n + n/10 + 1 {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		start := time.Now()
		if err := f(); err != nil {
			return nil, err
		}
		if i > n/10 {
			times = append(times, time.Since(start).Seconds())
		}
	}
	return times, nil
}

// openWrite opens a control file, which is there: it is never made.
func openWrite(path string) (*os.File, error) { return os.OpenFile(path, os.O_WRONLY, 0) }

// timeRun times a write to run, which returns when the job has ended.
func timeRun(ctx context.Context, dir string, n int) ([]float64, error) {
	f, err := openWrite(dir + "/run")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	line := []byte("nop\n")
	return repeat(ctx, n, func() error {
		_, err := f.Write(line)
		return err
	})
}

// timeQueue times two requests: a line accepted, and wait read to its answer.
func timeQueue(ctx context.Context, dir string, n int) ([]float64, error) {
	ctl, err := openWrite(dir + "/queues/main/ctl")
	if err != nil {
		return nil, err
	}
	defer ctl.Close()
	wait, err := os.Open(dir + "/queues/main/wait")
	if err != nil {
		return nil, err
	}
	defer wait.Close()
	line, buf := []byte("nop\n"), make([]byte, 64)
	return repeat(ctx, n, func() error {
		if _, err := ctl.Write(line); err != nil {
			return err
		}
		if _, err := wait.Read(buf); err != nil && err != io.EOF {
			return err
		}
		return nil
	})
}

// thousand writes 1000 lines at once, n times, and tells how long the write
// and how long all took.
func thousand(ctx context.Context, dir string, n int) (accepted, finished []float64, err error) {
	ctl, err := openWrite(dir + "/queues/main/ctl")
	if err != nil {
		return nil, nil, err
	}
	defer ctl.Close()
	wait, err := os.Open(dir + "/queues/main/wait")
	if err != nil {
		return nil, nil, err
	}
	defer wait.Close()
	lines, buf := []byte(strings.Repeat("nop\n", 1000)), make([]byte, 64)
	finished, err = repeat(ctx, n, func() error {
		start := time.Now()
		if _, err := ctl.Write(lines); err != nil {
			return err
		}
		accepted = append(accepted, time.Since(start).Seconds())
		if _, err := wait.Read(buf); err != nil && err != io.EOF {
			return err
		}
		return nil
	})
	return accepted, finished, err
}

// timeAccept is the first half of thousand.
func timeAccept(ctx context.Context, dir string, n int) ([]float64, error) {
	accepted, _, err := thousand(ctx, dir, n)
	return accepted, err
}

// timeFinish is all of it.
func timeFinish(ctx context.Context, dir string, n int) ([]float64, error) {
	_, finished, err := thousand(ctx, dir, n)
	return finished, err
}

// loaded runs f while a job keeps every worker busy.
func loaded(ctx context.Context, dir string, f func() ([]float64, error)) (times []float64, err error) {
	id, err := startSpin(ctx, dir)
	if err != nil {
		return nil, err
	}
	times, err = f()
	return times, errors.Join(err, cancelJob(dir, id))
}

// cancelJob cancels a job and waits for its end, of which wait then tells as
// of a failure.
func cancelJob(dir, id string) error {
	wait, err := os.Open(dir + "/queues/main/wait")
	if err != nil {
		return err
	}
	defer wait.Close()
	if err := os.Remove(filepath.Join(dir, "queues/main/jobs", id)); err != nil {
		return err
	}
	if _, err := io.ReadAll(wait); !errors.Is(err, syscall.EIO) {
		return fmt.Errorf("job %s was cancelled, and wait says %v", id, err)
	}
	return nil
}

// startSpin starts a long job and returns its number once it runs. It must be
// the only client of queue main: the newest job there is taken for its own.
func startSpin(ctx context.Context, dir string) (id string, err error) {
	if err := os.WriteFile(dir+"/queues/main/ctl", []byte("spin seconds=600\n"), 0); err != nil {
		return "", err
	}
	list, err := os.ReadDir(dir + "/queues/main/jobs")
	if err != nil {
		return "", err
	}
	newest := 0
	for _, e := range list {
		if n, err := strconv.Atoi(e.Name()); err == nil {
			newest = max(newest, n)
		}
	}
	job := filepath.Join(dir, "queues/main/jobs", strconv.Itoa(newest))
	if err := untilRunning(ctx, job); err != nil {
		return "", errors.Join(err, os.Remove(job))
	}
	return strconv.Itoa(newest), nil
}

// untilRunning looks at a job until it runs. It is an error if the job ends
// first, as when somebody else cancels it, or if ctx does.
func untilRunning(ctx context.Context, job string) error {
	for {
		status, err := os.ReadFile(filepath.Join(job, "status"))
		switch {
		case err != nil:
			return err
		case strings.Contains(string(status), "state running"):
			return nil
		case !strings.Contains(string(status), "state queued"):
			return fmt.Errorf("%s was not seen running:\n%s", job, status)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Millisecond):
		}
	}
}

// timeStat times OPEN, READ and RELEASE of a generated file under load.
func timeStat(ctx context.Context, dir string, n int) ([]float64, error) {
	return loaded(ctx, dir, func() ([]float64, error) {
		return repeat(ctx, n, func() error {
			_, err := os.ReadFile(dir + "/stat")
			return err
		})
	})
}

// timeCat is timeStat with a process, as a shell would have it.
func timeCat(ctx context.Context, dir string, n int) ([]float64, error) {
	return loaded(ctx, dir, func() ([]float64, error) {
		return repeat(ctx, n, func() error { return exec.Command("cat", dir+"/stat").Run() })
	})
}

// timeCatOther is what starting cat costs by itself while all cores compute.
func timeCatOther(ctx context.Context, dir string, n int) ([]float64, error) {
	f, err := os.CreateTemp("", "vgpu-launch-")
	if err != nil {
		return nil, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	return loaded(ctx, dir, func() ([]float64, error) {
		return repeat(ctx, n, func() error { return exec.Command("cat", f.Name()).Run() })
	})
}

// timeCancel times from rmdir to the end of the job, which wait tells.
func timeCancel(ctx context.Context, dir string, n int) ([]float64, error) {
	var times []float64
	for range n {
		id, err := startSpin(ctx, dir)
		if err != nil {
			return nil, err
		}
		start := time.Now()
		if err := cancelJob(dir, id); err != nil {
			return nil, err
		}
		times = append(times, time.Since(start).Seconds())
	}
	return times, nil
}
