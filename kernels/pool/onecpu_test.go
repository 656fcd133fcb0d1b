package pool

import (
	"errors"
	"os"
	"runtime"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// TestOneCPU runs the stress test again while the process may use one CPU.
func TestOneCPU(t *testing.T) {
	onOneCPU(t)
	p := newPool(t, Config{})
	if p.Threads() != 1 {
		t.Errorf("%d threads on one CPU", p.Threads())
	}
	stress(t, Config{Threads: 3}, 30)
}

// onOneCPU binds all threads of the process to one CPU, as if it had been
// started so, until the test ends.
func onOneCPU(t *testing.T) {
	t.Helper()
	var all, one unix.CPUSet
	if err := unix.SchedGetaffinity(os.Getpid(), &all); err != nil {
		t.Fatal(err)
	}
	first := 0
	for !all.IsSet(first) {
		first++
	}
	one.Set(first)
	procs := runtime.GOMAXPROCS(1)
	t.Cleanup(func() {
		bindThreads(t, all)
		runtime.GOMAXPROCS(procs)
	})
	bindThreads(t, one)
}

// bindThreads sets the affinity of every thread there is. A thread inherits
// its maker's, so it is over when none had another.
func bindThreads(t *testing.T, set unix.CPUSet) {
	t.Helper()
	for changed := true; changed; {
		changed = false
		list, err := os.ReadDir("/proc/self/task")
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range list {
			tid, err := strconv.Atoi(e.Name())
			if err != nil {
				t.Fatal(err)
			}
			var now unix.CPUSet
			if unix.SchedGetaffinity(tid, &now) == nil && now == set {
				continue
			}
			changed = true
			if err := unix.SchedSetaffinity(tid, &set); err != nil && !errors.Is(err, unix.ESRCH) { // it has ended
				t.Fatal(err)
			}
		}
	}
}
