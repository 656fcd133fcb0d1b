package iouring

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// TestCancel cancels what is in flight: a read of an empty pipe, what is
// linked to it, and what waits.
func TestCancel(t *testing.T) {
	eachBlocking(t, 8, func(t *testing.T, r *Ring) {
		rd, wr := pipe(t)
		q, other := r.NewQueue(), r.NewQueue()
		buf := make([]byte, 8)
		first := &Op{Code: Read, FD: rd, Off: -1, Buf: buf[:4], Link: true}
		second := &Op{Code: Read, FD: rd, Off: -1, Buf: buf[4:]}
		kept := &Op{}
		submit(t, q, first, second)
		submit(t, other, kept)
		q.Cancel(kept, &Op{}) // not this queue's: nothing happens
		q.Cancel()
		if _, err := unix.Write(wr, []byte("12345678")); err != nil { // for the thread that is in the call
			t.Fatal(err)
		}
		if next(t, q) != first || next(t, q) != second {
			t.Error("out of order")
		}
		if first.Err != nil && first.Err != unix.ECANCELED || second.Err != unix.ECANCELED {
			t.Errorf("%v, %v", first.Err, second.Err)
		}
		if next(t, other); kept.Err != nil {
			t.Errorf("another queue's: %v", kept.Err)
		}
		q.Cancel()
		q.Cancel(first)
	})
}

func TestContext(t *testing.T) {
	eachBlocking(t, 2, func(t *testing.T, r *Ring) {
		rd, wr := pipe(t)
		q := r.NewQueue()
		a, b := &Op{Code: Read, FD: rd, Off: -1, Buf: make([]byte, 1)}, &Op{Code: Read, FD: rd, Off: -1, Buf: make([]byte, 1)}
		submit(t, q, a, b)
		var wg sync.WaitGroup
		for i := range 4 { // a leader, and others
			c, cancel := context.WithCancel(ctx)
			wg.Go(func() {
				_, err := q.Next(c)
				if i%2 == 1 {
					_, err = r.NewQueue().Submit(c, &Op{})
				}
				wantErr(t, "a wait", err, context.Canceled)
			})
			if i%2 == 0 {
				wg.Go(func() { wantErr(t, "room", r.Do(c, &Op{}), context.Canceled) })
			}
			cancel()
		}
		wg.Wait()
		if q.Pending() != 2 {
			t.Fatalf("%d pending", q.Pending())
		}
		if _, err := unix.Write(wr, []byte("ab")); err != nil {
			t.Fatal(err)
		}
		gone, cancel := context.WithCancel(ctx)
		cancel()
		if next(t, q); !poll(func() bool { return r.flying() == 0 || q.Poll() != nil }) {
			t.Fatal("the second read does not end")
		}
		if q.Pending() > 0 { // what has ended is handed out whatever the context says
			if o, err := q.Next(gone); err != nil || o.Err != nil {
				t.Error(o, err)
			}
		}
	})
}

// TestDoCancelled expires in the middle of Do, which waits for the kernel all
// the same.
func TestDoCancelled(t *testing.T) {
	eachBlocking(t, 4, func(t *testing.T, r *Ring) {
		rd, wr := pipe(t)
		c, cancel := context.WithCancel(ctx)
		done := make(chan error, 1)
		o := &Op{Code: Read, FD: rd, Off: -1, Buf: make([]byte, 2)}
		go func() { done <- r.Do(c, o) }()
		if !poll(func() bool { return r.flying() == 1 }) {
			t.Fatal("it does not begin")
		}
		cancel()
		if _, err := unix.Write(wr, []byte("xy")); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			wantErr(t, "Do", err, context.Canceled)
		}
		if o.Err == nil && string(o.Buf) != "xy" {
			t.Errorf("%q", o.Buf)
		}
	})
}

// TestThreadEnds submits from a thread that then ends: the kernel cancels what
// the thread began, and the ring takes it up again.
func TestThreadEnds(t *testing.T) {
	eachBlocking(t, 4, func(t *testing.T, r *Ring) {
		rd, wr := pipe(t)
		q := r.NewQueue()
		o := &Op{Code: Read, FD: rd, Off: -1, Buf: make([]byte, 3), Link: true}
		after := &Op{}
		tid := onMortalThread(func() { submit(t, q, o, after) })
		task := fmt.Sprintf("/proc/self/task/%d", tid)
		if !poll(func() bool { _, err := os.Stat(task); return os.IsNotExist(err) }) {
			t.Fatal("the thread does not end")
		}
		if _, err := unix.Write(wr, []byte("abc")); err != nil {
			t.Fatal(err)
		}
		if next(t, q) != o || next(t, q) != after || o.Err != nil || after.Err != nil || string(o.Buf) != "abc" {
			t.Errorf("%q, %v, %v", o.Buf, o.Err, after.Err)
		}
	})
}

// onMortalThread calls f on a thread that ends after it, and returns the
// thread's id. The process's first thread does not end.
func onMortalThread(f func()) int {
	tid := make(chan int)
	go func() {
		runtime.LockOSThread() // without unlocking the thread ends with the goroutine
		if unix.Gettid() == unix.Getpid() {
			defer runtime.UnlockOSThread()
			tid <- onMortalThread(f)
			return
		}
		f()
		tid <- unix.Gettid()
	}()
	return <-tid
}

// TestClose closes with operations in flight and goroutines that wait.
func TestClose(t *testing.T) {
	eachBlocking(t, 3, func(t *testing.T, r *Ring) {
		rd, wr := pipe(t)
		q := r.NewQueue()
		var ops []*Op
		for range 3 {
			ops = append(ops, &Op{Code: Read, FD: rd, Off: -1, Buf: make([]byte, 1)})
		}
		submit(t, q, ops...)
		var wg sync.WaitGroup
		wg.Go(func() {
			for range ops {
				if o, err := q.Next(ctx); err != nil || o.Err != nil && o.Err != unix.ECANCELED {
					t.Error(o, err)
				}
			}
		})
		wg.Go(func() { // no room, until the ring is closed or an operation has ended
			if err := r.Do(ctx, &Op{}); err != nil && err != unix.ECANCELED {
				wantErr(t, "waiting for room", err, ErrClosed)
			}
		})
		wg.Go(func() {
			if err := r.Close(); err != nil {
				t.Error(err)
			}
		})
		if _, err := unix.Write(wr, []byte("123")); err != nil {
			t.Fatal(err)
		}
		wg.Wait()
		_, err := q.Submit(ctx, &Op{})
		wantErr(t, "submit", err, ErrClosed)
		wantErr(t, "close", r.Close(), ErrClosed)
		wantErr(t, "register", r.RegisterFiles(nil), ErrClosed)
		_, err = q.Next(ctx)
		wantErr(t, "next", err, ErrIdle)
		q.Cancel(ops[0])
		r.b.wake()
		r.b.poll()
	})
}

func TestRegister(t *testing.T) {
	eachBlocking(t, 2, func(t *testing.T, r *Ring) {
		rd, wr := pipe(t)
		mem := pages(t, 8192)
		for range 3 {
			if err := errors.Join(r.RegisterBuffers([][]byte{mem[4096:], mem[:4096]}), r.RegisterFiles([]int{rd, wr})); err != nil {
				t.Fatal(err)
			}
		}
		q := r.NewQueue()
		o := &Op{Code: Read, FixedFile: true, Off: -1, Buf: mem[10:20]}
		submit(t, q, o)
		wantErr(t, "in flight", r.RegisterBuffers(nil), unix.EBUSY)
		wantErr(t, "in flight", r.RegisterFiles(nil), unix.EBUSY)
		do(t, r, &Op{Code: Write, FD: 1, FixedFile: true, Off: -1, Buf: []byte("0123456789")})
		if next(t, q); o.Err != nil || string(mem[10:20]) != "0123456789" {
			t.Errorf("%q, %v", mem[10:20], o.Err)
		}
		wantErr(t, "an empty buffer", r.RegisterBuffers([][]byte{{}}), unix.EINVAL)
		wantErr(t, "too many", r.RegisterFiles(make([]int, 1025)), unix.EINVAL)
		wantErr(t, "a bad file", r.RegisterFiles([]int{rd, -1}), unix.EBADF)
		if err := errors.Join(r.RegisterBuffers(nil), r.RegisterFiles(nil)); err != nil {
			t.Error(err)
		}
	})
}

// TestSpansRegions reads into memory that is registered in part, or across two
// registered buffers.
func TestSpansRegions(t *testing.T) {
	each(t, 2, func(t *testing.T, r *Ring) {
		fd := file(t, 0, 0)
		mem := pages(t, 4*4096)
		if err := r.RegisterBuffers([][]byte{mem[4096:8192], mem[8192:12288]}); err != nil {
			t.Fatal(err)
		}
		want := randomBytes(make([]byte, 5000), 1)
		do(t, r, &Op{Code: Write, FD: fd, Buf: want})
		for _, at := range []int{0, 1000, 4096, 5000, 8192, 10000, 11384} {
			do(t, r, &Op{Code: Read, FD: fd, Buf: mem[at : at+5000]})
			if !bytes.Equal(mem[at:at+5000], want) {
				t.Errorf("into %d: other bytes", at)
			}
		}
	})
}

// TestIdleWorkers has many threads at work, of which few stay when there is none.
func TestIdleWorkers(t *testing.T) {
	const most = 3 * mostIdle
	r := open(t, Options{Backend: Threads, Window: most})
	b := r.b.(*threads)
	count := func() (workers, idle int) {
		b.mu.Lock()
		defer b.mu.Unlock()
		return b.workers, b.idle
	}
	rd, wr := pipe(t)
	q := r.NewQueue()
	for range 3 {
		for range most {
			submit(t, q, &Op{Code: Read, FD: rd, Off: -1, Buf: make([]byte, 1)})
		}
		if !poll(func() bool { workers, idle := count(); return workers == most && idle == 0 }) {
			t.Fatal("not all are read at once")
		}
		if _, err := unix.Write(wr, make([]byte, most)); err != nil {
			t.Fatal(err)
		}
		for range most {
			if o := next(t, q); o.Err != nil || o.N != 1 {
				t.Errorf("%d, %v", o.N, o.Err)
			}
		}
		if !poll(func() bool { workers, idle := count(); return workers == mostIdle && idle == mostIdle }) {
			t.Fatal("too many or too few workers are left")
		}
	}
}

// TestRegisterFilesKeepsWhatWas cuts a transfer short after a registration
// that was refused: the ring goes on with the files from before.
func TestRegisterFilesKeepsWhatWas(t *testing.T) {
	for name, opt := range backends(false) {
		opt.Faulty = func(n uint64, _ *Op) Fault {
			if n == 1 {
				return Fault{Short: 100}
			}
			return Fault{}
		}
		t.Run(name, func(t *testing.T) {
			r := open(t, opt)
			fd := file(t, 0, 0)
			if err := r.RegisterFiles([]int{fd}); err != nil {
				t.Fatal(err)
			}
			wantErr(t, "a bad file", r.RegisterFiles([]int{fd, -1}), unix.EBADF)
			want := randomBytes(make([]byte, 5000), 7)
			do(t, r, &Op{Code: Write, FixedFile: true, Buf: want})
			got := make([]byte, len(want))
			do(t, r, &Op{Code: Read, FD: fd, Buf: got})
			if !bytes.Equal(got, want) {
				t.Error("the file has other bytes")
			}
		})
	}
}
