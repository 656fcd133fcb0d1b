package alloc

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
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
	findScenario(f[5]).configure(&cfg, f[6])
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
			err = crashScenario(s, inject, kill, findScenario(f[5]))
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(4)
	}
	os.Exit(3) // as unclean as being killed: nothing is closed
}

// findScenario gives the scenario of that name, or an empty one.
func findScenario(name string) *scenario {
	for _, sc := range scenariosFor(onTmpfs) {
		if sc.name == name {
			return &sc
		}
	}
	return &scenario{}
}

func crashScenario(s *Store, inject *injector, kill Faults, sc *scenario) error {
	if sc.setup != nil {
		if err := sc.setup(s); err != nil {
			return err
		}
	}
	inject.arm(kill)
	return sc.run(s)
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
func crash(t *testing.T, what string, n int, kind string, cfg *Config, sc *scenario) bool {
	t.Helper()
	spill := ""
	if len(cfg.Spill) > 0 {
		spill = filepath.Dir(cfg.Spill[0].Dir)
	}
	cmd := exec.Command("/proc/self/exe", "-test.run=^$")
	cmd.Env = append(os.Environ(), crashEnv+"="+strings.Join([]string{what, strconv.Itoa(n), kind, cfg.Dir, cfg.Name, sc.name, spill}, "|"))
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
	var list apart
	for _, sc := range scenariosFor(kind) {
		if sc.tiers > 0 && sc.name != "spill" {
			list.within = append(list.within, subtest{sc.name, func(t *testing.T) { dieAtEach(t, kind, &sc) }})
			continue
		}
		list.forking = append(list.forking, subtest{sc.name, func(t *testing.T) {
			for n := 1; killOnce(t, kind, &sc, n); n += sc.stride() {
			}
		}})
	}
	list.run(t)
}

type subtest struct {
	name string
	f    func(t *testing.T)
}

// apart is subtests of which some start processes, and others move buffers within
// this one. They do not run together: a process that is being started has, until
// it runs its own program, all files that we had open, and a buffer that somebody
// has open does not move.
type apart struct{ within, forking []subtest }

// run runs those of a kind side by side.
func (a *apart) run(t *testing.T) {
	for i, name := range []string{"within", "forking"} {
		t.Run(name, func(t *testing.T) {
			for _, sub := range [][]subtest{a.within, a.forking}[i] {
				t.Run(sub.name, func(t *testing.T) {
					t.Parallel()
					sub.f(t)
				})
			}
		})
	}
}

// death makes the n-th system call and all after it fail, which leaves the disks as a process that was killed before it.
// Only locks are still given back: the kernel does that for the dead.
func death(n int, calls *atomic.Int64) Faults {
	return func(op, _ string) error {
		if calls.Add(1) >= int64(n) && op != "flock" {
			return unix.EIO
		}
		return nil
	}
}

// die is crash of a start or an end within this process, which is much faster. It reports whether there was an n-th system call.
func die(t *testing.T, what string, n int, cfg *Config, inject *injector) bool {
	t.Helper()
	var calls atomic.Int64
	quiet := *cfg
	quiet.Logf = func(string, ...any) {}
	if what == "open" {
		inject.arm(death(n, &calls))
	}
	s, err := Open(quiet)
	if err == nil {
		if what == "close" {
			inject.arm(death(n, &calls))
			err = s.Close(false)
		}
		inject.disarm()
		s.abandon()
	}
	inject.disarm()
	if calls.Load() < int64(n) {
		ok(t, err)
		return false
	}
	return true
}

// abandon closes all that the kernel would close for a process that died.
func (s *Store) abandon() {
	if s.closed.Swap(true) {
		return
	}
	s.warm.close()
	s.cancel()
	for _, b := range s.table.held {
		b.s.ram.drop(b.fd, "")
		if b.home != nil {
			b.home.close()
		}
	}
	s.mem.shut()
	err := errors.Join(s.shutTiers(), s.lock.unlock(s.lock.fd, ""), s.lock.close(s.lock.fd, ""))
	if err != nil {
		panic(err)
	}
}

func killOnce(t *testing.T, kind string, sc *scenario, n int) (killed bool) {
	t.Helper()
	cfg, _ := sc.config(t, kind)
	killed = crash(t, "run", n, kind, &cfg, sc)
	s := mustOpen(t, cfg)
	afterKill(t, s, sc, n, killed)
	ok(t, s.Close(false))
	return killed
}

// dieAtEach is killOnce for each n within this process.
func dieAtEach(t *testing.T, kind string, sc *scenario) {
	t.Helper()
	cfg, inject := sc.config(t, kind)
	s := mustOpen(t, cfg)
	for n, died := 1, true; died; n += sc.stride() {
		var calls atomic.Int64
		if sc.setup != nil {
			ok(t, sc.setup(s))
		}
		s.cfg.Logf = func(string, ...any) {}
		inject.arm(death(n, &calls))
		err := sc.run(s)
		inject.disarm()
		if died = calls.Load() >= int64(n); !died {
			ok(t, err)
		}
		s.abandon()
		s = mustOpen(t, cfg)
		afterKill(t, s, sc, n, died)
		recycle(t, s, sc)
	}
	ok(t, s.Close(false))
}

// afterKill checks what the next start finds.
func afterKill(t *testing.T, s *Store, sc *scenario, n int, killed bool) {
	t.Helper()
	for _, m := range s.Interrupted() {
		if got, marked := s.MarkOf(m.Path); !marked || got != m || m.State != Bad {
			t.Errorf("call %d: %+v was interrupted, its mark says %+v", n, m, got)
		}
	}
	sc.legal(t, s)
	if !killed && sc.final != nil {
		sc.final(t, s)
	}
	if u := s.Usage(); s.ram.mounted && u.Used > 8<<20 {
		t.Errorf("call %d: %+v", n, u)
	}
	checkStore(t, s)
}

// A daemon is killed while it starts, with and without something to find, and while it ends.
func TestKilledAtStartAndEnd(t *testing.T) {
	var list apart
	for _, kind := range kinds() {
		if kind == onPlain {
			continue
		}
		killed := func(sc *scenario) subtest {
			return subtest{kind + sc.name, func(t *testing.T) {
				for n := 1; killAtStartAndEnd(t, kind, sc, n); n += sc.stride() {
				}
			}}
		}
		list.forking = append(list.forking, killed(&scenario{}))
		if kind == kinds()[0] {
			list.within = append(list.within, killed(findScenario("spill")))
		}
	}
	list.run(t)
}

func killAtStartAndEnd(t *testing.T, kind string, sc *scenario, n int) (killed bool) {
	cfg, inject := sc.config(t, kind)
	kill := func(what string) bool {
		if sc.tiers > 0 {
			return die(t, what, n, &cfg, inject)
		}
		return crash(t, what, n, kind, &cfg, sc)
	}
	killed = kill("open")
	s := mustOpen(t, cfg)
	put(t, s, "a", oldBytes)
	ok(t, mark("a", job)(s))
	if sc.tiers > 0 {
		ok(t, with(s, "a", spilled))
	}
	ok(t, s.Close(true))
	killed = kill("open") || killed
	s = mustOpen(t, cfg)
	bytesAre(t, s, "a", oldBytes)
	if m, marked := s.MarkOf("a"); !marked || m.State != Bad {
		t.Errorf("call %d: mark %+v", n, m)
	}
	checkStore(t, s)
	ok(t, s.Close(true))
	killed = kill("close") || killed
	ok(t, mustOpen(t, cfg).Close(false))
	return killed
}
