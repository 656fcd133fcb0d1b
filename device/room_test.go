package device

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// waiter is a context that tells when somebody begins to wait for it.
type waiter struct {
	context.Context
	once   sync.Once
	waited chan struct{}
}

func newWaiter() (*waiter, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	return &waiter{Context: ctx, waited: make(chan struct{})}, cancel
}

func (w *waiter) Done() <-chan struct{} {
	w.once.Do(func() { close(w.waited) })
	return w.Context.Done()
}

// held has a job hold a gate, with so much scratch and these buffers.
func (l *lab) held(gate, rest string) *Job {
	l.t.Helper()
	j := l.put("hold " + gate + " " + rest)
	select {
	case <-l.gate(gate).started:
	case <-time.After(patience):
		l.t.Fatalf("%s %s does not start: %+v, %+v", gate, rest, j.Snapshot(), l.d.store.Usage())
	}
	return j
}

// waits returns once something waits for ctx; done is what ends it else.
func (l *lab) waits(ctx *waiter, done <-chan error) {
	l.t.Helper()
	select {
	case <-ctx.waited:
	case err := <-done:
		list, _ := l.d.Errors()
		l.t.Fatalf("it has not waited: %v, %+v, %+v", err, list, l.d.store.Usage())
	case <-time.After(patience):
		l.t.Fatal("nobody waits")
	}
}

// open is an open buffer of a client.
func (l *lab) open(name string, flags int) *Handle {
	l.t.Helper()
	h, err := l.d.Files().Open(context.Background(), name, flags)
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(h.Release)
	return h
}

// growths are the ways of making an empty buffer as long as data.
var growths = []struct {
	name string
	zero bool // what it holds then
	grow func(ctx context.Context, h, src *Handle, data []byte) error
}{
	{"ftruncate", true, func(ctx context.Context, h, _ *Handle, data []byte) error { return h.Truncate(ctx, int64(len(data))) }},
	{"fallocate", true, func(ctx context.Context, h, _ *Handle, data []byte) error {
		return h.Allocate(ctx, 0, int64(len(data)), 0)
	}},
	{"write", false, func(ctx context.Context, h, _ *Handle, data []byte) error {
		n, err := h.WriteAt(ctx, data, 0)
		if err == nil && n != len(data) {
			return syscall.EIO
		}
		return err
	}},
	{"append", false, func(ctx context.Context, h, _ *Handle, data []byte) error {
		h.flags |= unix.O_APPEND
		_, err := h.WriteAt(ctx, data, 0)
		return err
	}},
	{"copy", false, func(ctx context.Context, h, src *Handle, data []byte) error {
		n, err := src.CopyTo(ctx, h, 0, 0, int64(len(data)))
		if err == nil && n != int64(len(data)) {
			return syscall.EIO
		}
		return err
	}},
}

// eachGrowth runs a test for each of them, with a buffer that a client has open in memory, where it stays, and a job that holds
// most of it.
func eachGrowth(t *testing.T, test func(t *testing.T, l *lab, h *Handle, data []byte, grow func(context.Context) error, job *Job)) {
	for _, g := range growths {
		t.Run(g.name, func(t *testing.T) {
			l := newSpillLab(t)
			data := noise(11*unit, 5)
			l.write("source", data)
			l.evict("source")
			h, _ := l.handed("grows")
			src := l.open("source", unix.O_RDONLY)
			job := l.held("g", "scratch=2000000")
			if g.zero {
				clear(data)
			}
			test(t, l, h, data, func(ctx context.Context) error { return g.grow(ctx, h, src, data) }, job)
		})
	}
}

// What a running job holds is waited for, and nothing is listed.
func TestGrowthWaitsForJob(t *testing.T) {
	eachGrowth(t, func(t *testing.T, l *lab, h *Handle, data []byte, grow func(context.Context) error, job *Job) {
		ctx, cancel := newWaiter()
		defer cancel()
		_, before := l.d.Errors()
		done := make(chan error, 1)
		go func() { done <- grow(ctx) }()
		l.waits(ctx, done)
		l.gate("g").release()
		l.want(job, Done)
		if err := <-done; err != nil {
			t.Error(err)
		}
		l.same("grows", data)
		if tier := l.tier("grows"); tier != "ram" {
			t.Errorf("a client has it open in memory, and it is in %s", tier)
		}
		if _, now := l.d.Errors(); now != before {
			t.Errorf("listed: %+v", l.lastError())
		}
		l.within()
	})
}

// Who is killed meanwhile has EINTR, and what it wrote until then.
func TestGrowthIsInterruptible(t *testing.T) {
	eachGrowth(t, func(t *testing.T, l *lab, h *Handle, data []byte, grow func(context.Context) error, job *Job) {
		ctx, cancel := newWaiter()
		done := make(chan error, 1)
		go func() { done <- grow(ctx) }()
		l.waits(ctx, done)
		cancel()
		if err := <-done; !errors.Is(err, syscall.EINTR) && !errors.Is(err, context.Canceled) {
			t.Errorf("%v, want EINTR", err)
		}
		if got := l.get("grows"); !bytes.HasPrefix(data, got) || len(got) == len(data) {
			t.Errorf("%d bytes that are not the first of what was written", len(got))
		}
		h.flags |= unix.O_NONBLOCK
		if err := grow(context.Background()); !errors.Is(err, syscall.EAGAIN) {
			t.Errorf("%v, want EAGAIN", err)
		}
		l.gate("g").release()
		l.want(job, Done)
	})
}

// Where the end of all that runs would not do, nobody waits: clients hold the rest.
func TestGrowthDoesNotWaitForClients(t *testing.T) {
	l := newSpillLab(t)
	l.write("theirs.npy", npy(noise(5*unit, 6)...))
	theirs := l.open("theirs.npy", unix.O_RDWR)
	if _, err := theirs.Pin(); err != nil {
		t.Fatal(err)
	}
	h, _ := l.handed("grows")
	job := l.held("g", "theirs.npy scratch=262144") // it has what the client has too
	err := h.Truncate(context.Background(), 14*unit)
	e := l.lastError()
	if !errors.Is(err, syscall.ENOSPC) || e.Errno != syscall.ENOSPC || e.Hint == "" ||
		!strings.HasPrefix(e.Msg, `"grows"`) || !strings.Contains(e.Msg, "no room to grow by 3670016 bytes: memory has ") ||
		!strings.Contains(e.Msg, "bytes free, jobs have ") || !strings.Contains(e.Msg, "; spill0 has 67108864 of 67108864 bytes free") {
		t.Errorf("%v, %+v", err, e)
	}
	_, before := l.d.Errors()
	if err := h.Truncate(context.Background(), 14*unit); !errors.Is(err, syscall.ENOSPC) {
		t.Error(err)
	}
	if _, now := l.d.Errors(); now != before {
		t.Error("it is listed twice in a row")
	}
	l.gate("g").release()
	l.want(job, Done)
	if size, err := h.Buffer().Size(); size != 0 || err != nil {
		t.Error(size, err)
	}
	l.same("theirs.npy", npy(noise(5*unit, 6)...))
}

// A buffer that a client holds in memory has even those leave that jobs wait for: they are brought back for them.
func TestGrowthOverQueuedOperands(t *testing.T) {
	l := newSpillLab(t)
	h, _ := l.handed("grows")
	in := npy(noise(12*unit, 7)...)
	l.write("in.npy", in)
	q := l.queue("later")
	l.set(q, AttrPaused, 1)
	j := l.on("later", "tag 'x' in.npy")
	if err := h.Truncate(context.Background(), 10*unit); err != nil {
		t.Error(err)
	}
	l.same("in.npy", in)
	h.Release()
	l.set(q, AttrPaused, 0)
	l.want(j, Done)
	l.within()
}

// A buffer that a running job has mapped cannot leave: it does when the job has ended, and grows on.
func TestGrowthOfMappedBuffer(t *testing.T) {
	l := newSpillLab(t)
	data := npy(noise(8*unit, 8)...)
	l.write("grows.npy", data)
	h := l.open("grows.npy", unix.O_WRONLY)
	job := l.held("g", "grows.npy scratch=262144")
	ctx, cancel := newWaiter()
	defer cancel()
	done := make(chan error, 1)
	more := noise(30*unit, 9)
	go func() {
		_, err := h.WriteAt(ctx, more, int64(len(data)))
		done <- err
	}()
	l.waits(ctx, done)
	l.gate("g").release()
	l.want(job, Done)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	l.same("grows.npy", append(data, more...))
	if tier := l.tier("grows.npy"); tier != "spill0" {
		t.Errorf("it is in %s", tier)
	}
	l.within()
}

// Without spill tiers too: for scratch, and for a buffer that is there for the job alone.
func TestGrowthWithoutTiers(t *testing.T) {
	l := newTierLab(t, func(c *Config) { c.Store.Mem = 8 << 20 })
	l.write("old.npy", npy(noise(3<<20, 10)...))
	jobs := []*Job{l.held("a", "old.npy"), l.held("b", "scratch=1900000")}
	if err := l.d.Files().Unlink("old.npy"); err != nil {
		t.Fatal(err)
	}
	h, err := l.d.Files().Create(context.Background(), user, "grows", unix.O_WRONLY|unix.O_EXCL, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Release()
	for i, size := range []int64{4 << 20, 7 << 20} {
		ctx, cancel := newWaiter()
		done := make(chan error, 1)
		go func() { done <- h.Truncate(ctx, size) }()
		l.waits(ctx, done)
		l.gate([]string{"a", "b"}[i]).release()
		l.want(jobs[i], Done)
		if err := <-done; err != nil {
			t.Errorf("%d bytes: %v", size, err)
		}
		cancel()
	}
	if err := h.Truncate(context.Background(), 20<<20); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("more than there is: %v", err)
	}
}

// A device that stops keeps nobody waiting.
func TestGrowthEndsWithDevice(t *testing.T) {
	l := newSpillLab(t)
	h, _ := l.handed("grows")
	job := l.held("g", "scratch=2000000")
	ctx, cancel := newWaiter()
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- h.Truncate(ctx, 11*unit) }()
	l.waits(ctx, done)
	now, end := context.WithCancel(context.Background())
	end()
	if err := l.d.Stop(now); err != nil {
		t.Error(err)
	}
	l.want(job, Cancelled)
	if err := <-done; err != nil { // the job's memory was there
		t.Error(err)
	}
}
