package alloc

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// crashEnv tells a run of the test binary to be a daemon that is killed: "scenario|n|kind|dir|name", before its n-th system call.
const crashEnv = "VGPU_ALLOC_CRASH"

// crashChild runs a scenario and is killed by itself with SIGKILL; it exits with 3 if there were fewer system calls.
func crashChild(job string) {
	f := strings.Split(job, "|")
	n, err := strconv.Atoi(f[1])
	if err != nil {
		panic(err)
	}
	inject := &injector{noMount: f[2] == onShm}
	cfg := Config{Dir: f[3], Name: f[4], Mem: 16 << 20, Faults: inject.fault}
	kill := killer(n)
	if f[0] == "open" {
		inject.arm(kill)
	}
	s, err := Open(cfg)
	if err == nil {
		switch f[0] {
		case "open":
		case "close":
			inject.arm(kill)
			err = s.Close(false)
		default:
			err = crashScenario(s, inject, kill, f[0])
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(4)
	}
	os.Exit(3) // as unclean as being killed: nothing is closed
}

func crashScenario(s *Store, inject *injector, kill Faults, name string) error {
	for _, sc := range scenarios {
		if sc.name != name {
			continue
		}
		if sc.setup != nil {
			if err := sc.setup(s); err != nil {
				return err
			}
		}
		inject.arm(kill)
		return sc.run(s)
	}
	return errors.New("no such scenario")
}

func killer(n int) Faults {
	var calls atomic.Int64
	return func(string, string) error {
		if calls.Add(1) == int64(n) {
			if err := unix.Kill(os.Getpid(), unix.SIGKILL); err != nil {
				return err
			}
			select {}
		}
		return nil
	}
}

// crash runs the child, and reports whether it was killed.
func crash(t *testing.T, what string, n int, kind string, cfg *Config) bool {
	t.Helper()
	cmd := exec.Command("/proc/self/exe", "-test.run=^$")
	cmd.Env = append(os.Environ(), crashEnv+"="+strings.Join([]string{what, strconv.Itoa(n), kind, cfg.Dir, cfg.Name}, "|"))
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		t.Fatalf("the child: %v\n%s", err, out)
	}
	status, isWait := exit.Sys().(syscall.WaitStatus)
	if isWait && status.Signaled() && status.Signal() == unix.SIGKILL {
		return true
	}
	if exit.ExitCode() != 3 {
		t.Fatalf("the child: %v\n%s", exit, out)
	}
	return false
}

// A daemon is killed before each system call of each operation. The next one finds everything.
func TestKilledAtEverySystemCall(t *testing.T) {
	kind := kinds()[0]
	for _, sc := range scenarios {
		t.Run(sc.name, func(t *testing.T) {
			t.Parallel()
			for n := 1; killOnce(t, kind, &sc, n); n++ {
			}
		})
	}
}

func killOnce(t *testing.T, kind string, sc *scenario, n int) (killed bool) {
	t.Helper()
	cfg, _ := config(t, kind, 16<<20)
	killed = crash(t, sc.name, n, kind, &cfg)
	s := mustOpen(t, cfg)
	for _, m := range s.Interrupted() {
		if got, marked := s.MarkOf(m.Path); !marked || got != m || m.State != Bad {
			t.Errorf("call %d: %+v was interrupted, its mark says %+v", n, m, got)
		}
	}
	sc.legal(t, s)
	if !killed && sc.final != nil {
		sc.final(t, s)
	}
	if u := s.Usage(); kind == onTmpfs && u.Used > 8<<20 {
		t.Errorf("call %d: %+v", n, u)
	}
	checkStore(t, s)
	ok(t, s.Close(false))
	return killed
}

// A daemon is killed while it starts, with and without something to find, and while it ends.
func TestKilledAtStartAndEnd(t *testing.T) {
	for _, kind := range kinds() {
		if kind == onPlain {
			continue
		}
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			for n := 1; ; n++ {
				cfg, _ := config(t, kind, 16<<20)
				killed := crash(t, "open", n, kind, &cfg)
				s := mustOpen(t, cfg)
				put(t, s, "a", oldBytes)
				ok(t, mark("a", job)(s))
				ok(t, s.Close(true))
				crash(t, "open", n, kind, &cfg)
				s = mustOpen(t, cfg)
				bytesAre(t, s, "a", oldBytes)
				if m, marked := s.MarkOf("a"); !marked || m.State != Bad {
					t.Errorf("call %d: mark %+v", n, m)
				}
				ok(t, s.Close(true))
				crash(t, "close", n, kind, &cfg)
				ok(t, mustOpen(t, cfg).Close(false))
				if !killed {
					return
				}
			}
		})
	}
}
