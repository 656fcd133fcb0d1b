package iouring

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestMain fails the run if a goroutine or a descriptor is left over. As a
// child it does what childEnv says instead.
func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		os.Exit(child())
	}
	goroutines, files := runtime.NumGoroutine(), openFiles()
	code := m.Run()
	if !poll(func() bool { return runtime.NumGoroutine() <= goroutines && openFiles() <= files }) {
		buf := make([]byte, 1<<20)
		fmt.Fprintf(os.Stderr, "goroutines %d, then %d; descriptors %d, then %d\n%s\n",
			goroutines, runtime.NumGoroutine(), files, openFiles(), buf[:runtime.Stack(buf, true)])
		code = 1
	}
	os.Exit(code)
}

// openFiles counts descriptors but for the poller's and the one it looks
// with.
func openFiles() (n int) {
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		panic(err)
	}
	for _, e := range list {
		to, err := os.Readlink("/proc/self/fd/" + e.Name())
		if err == nil && to != "anon_inode:[eventpoll]" && to != "anon_inode:[eventfd]" {
			n++
		}
	}
	return n
}

// poll tries until f holds.
func poll(f func() bool) bool {
	for end := time.Now().Add(20 * time.Second); !f(); runtime.Gosched() {
		if time.Now().After(end) {
			return false
		}
	}
	return true
}

var ctx = context.Background()

// backends are what every test of the suite runs on: both, both with a
// kernel that seldom does what it is asked at once, and one whose completion
// queue overflows.
func backends(hold bool) map[string]Options {
	return map[string]Options{
		"uring":          {Backend: Uring},
		"threads":        {Backend: Threads},
		"uring-overflow": {Backend: Uring, cqEntries: 2},
		"uring-faulty":   {Backend: Uring, Faulty: nuisance(1, hold)},
		"threads-faulty": {Backend: Threads, Faulty: nuisance(2, hold)},
	}
}

// nuisance cuts transfers short, interrupts, puts off and reorders, in ways
// that nobody above the ring may notice.
func nuisance(seed uint64, hold bool) Faulty {
	rng := rand.New(rand.NewPCG(seed, 0))
	return func(uint64, *Op) (f Fault) {
		switch rng.IntN(8) {
		case 0:
			f.Short = 4096 * (1 + rng.IntN(3))
		case 1:
			f.Err = []unix.Errno{unix.EINTR, unix.EAGAIN, unix.ECANCELED}[rng.IntN(3)]
		case 2:
			if hold {
				f.Hold = 1 + rng.IntN(5)
			}
		}
		return f
	}
}

// each runs a test on all backends.
func each(t *testing.T, window int, f func(t *testing.T, r *Ring)) {
	eachOf(t, backends(true), window, f)
}

// eachBlocking is for tests in which an operation waits for what comes after
// the end of another, which so must not be held back.
func eachBlocking(t *testing.T, window int, f func(t *testing.T, r *Ring)) {
	eachOf(t, backends(false), window, f)
}

func eachOf(t *testing.T, list map[string]Options, window int, f func(t *testing.T, r *Ring)) {
	for name, opt := range list {
		t.Run(name, func(t *testing.T) {
			opt.Window = window
			f(t, open(t, opt))
		})
	}
}

// forbiddenHere is why this process may not have io_uring, asked of the kernel
// alone: 0 if it may.
var forbiddenHere = sync.OnceValue(func() unix.Errno {
	fd, errno := realKernel.setup(1, &params{})
	if errno == 0 {
		closeAll([]int{fd})
	}
	return errno
})

// needUring skips a test of io_uring where the kernel has none or a container
// forbids it. Any other trouble is left for the test to find.
func needUring(t testing.TB) {
	t.Helper()
	if errno := forbiddenHere(); errno == unix.EPERM || errno == unix.ENOSYS {
		t.Skipf("no io_uring here: %v", errno)
	}
}

func open(t testing.TB, opt Options) *Ring {
	t.Helper()
	if opt.Backend == Uring {
		needUring(t)
	}
	r, err := Open(opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if n := r.flying(); n > 0 && !r.closed {
			t.Errorf("%d operations are in flight at the end", n)
		}
		if err := r.Close(); err != nil && err != ErrClosed {
			t.Error(err)
		}
	})
	return r
}

// flying is the number of operations in flight.
func (r *Ring) flying() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.inFlight()
}

// file makes a file that is closed at the end.
func file(t testing.TB, flags int, size int64) int {
	t.Helper()
	return fileAt(t, filepath.Join(tempDir(t), "f"), flags, size)
}

// tempDir is a directory that has direct I/O.
func tempDir(t testing.TB) string {
	t.Helper()
	for _, base := range []string{"", "/var/tmp", "."} {
		dir, err := os.MkdirTemp(base, "iouring-test-")
		if err != nil {
			continue
		}
		t.Cleanup(func() { os.RemoveAll(dir) })
		fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_DIRECT|unix.O_CLOEXEC, 0o600)
		if err == nil {
			unix.Close(fd)
			return dir
		}
	}
	t.Fatal("no directory with direct I/O: TMPDIR names one")
	return ""
}

func fileAt(t testing.TB, path string, flags int, size int64) int {
	t.Helper()
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CREAT|unix.O_CLOEXEC|flags, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeAll([]int{fd}) })
	if err := unix.Ftruncate(fd, size); err != nil {
		t.Fatal(err)
	}
	return fd
}

// pipe is one whose reading end blocks.
func pipe(t testing.TB) (r, w int) {
	t.Helper()
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeAll(p[:]) })
	return p[0], p[1]
}

// pages is memory as callers have it.
func pages(t testing.TB, size int) []byte {
	t.Helper()
	b, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Munmap(b); err != nil {
			t.Error(err)
		}
	})
	return b
}

func randomBytes(b []byte, seed uint64) []byte {
	rng := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	if _, err := rng.Read(b); err != nil {
		panic(err)
	}
	return b
}

func submit(t testing.TB, q *Queue, ops ...*Op) {
	t.Helper()
	if n, err := q.Submit(ctx, ops...); err != nil || n != len(ops) {
		t.Fatalf("%d of %d submitted: %v", n, len(ops), err)
	}
}

func next(t testing.TB, q *Queue) *Op {
	t.Helper()
	o, err := q.Next(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func do(t testing.TB, r *Ring, ops ...*Op) {
	t.Helper()
	if err := r.Do(ctx, ops...); err != nil {
		t.Fatal(err)
	}
}

func wantErr(t testing.TB, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}
