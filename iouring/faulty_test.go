package iouring

import (
	"bytes"
	"fmt"
	"testing"

	"golang.org/x/sys/unix"
)

// both runs a test on each backend with a fault of its own.
func both(t *testing.T, window int, fault func() Faulty, f func(t *testing.T, r *Ring)) {
	for _, b := range []Backend{Uring, Threads} {
		t.Run(string(b), func(t *testing.T) { f(t, open(t, Options{Backend: b, Window: window, Faulty: fault()})) })
	}
}

// nth faults at the n-th attempt only, and tells whether it came to that.
func nth(n uint64, f Fault, hit *bool) func() Faulty {
	return func() Faulty {
		return func(i uint64, _ *Op) Fault {
			if i != n {
				return Fault{}
			}
			*hit = true
			return f
		}
	}
}

// TestNthFails fails the n-th attempt for n = 1, 2, ... until a program runs
// through, with errors that stop an operation and such that do not.
func TestNthFails(t *testing.T) {
	for _, f := range []Fault{{Err: unix.EIO}, {Err: unix.ENOSPC}, {Err: unix.EINTR}, {Err: unix.EAGAIN}, {Err: unix.ECANCELED}, {Short: 100}, {Hold: 2}} {
		hard := f.Err == unix.EIO || f.Err == unix.ENOSPC
		for n, hit := uint64(1), true; hit; n++ {
			hit = false
			both(t, 4, nth(n, f, &hit), func(t *testing.T, r *Ring) {
				err := program(t, r)
				switch {
				case hit && hard:
					wantErr(t, fmt.Sprintf("%v at %d", f, n), err, f.Err)
				case err != nil:
					t.Errorf("%+v at %d: %v", f, n, err)
				}
			})
			if n > 100 {
				t.Fatal("the program has no end")
			}
		}
	}
}

// program writes a file in chains and reads it back, and checks that what
// succeeded is there.
func program(t *testing.T, r *Ring) error {
	fd, err := unix.MemfdCreate("program", unix.MFD_CLOEXEC) // where a sync costs nothing
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	data := randomBytes(make([]byte, 6000), 5)
	var first error
	for i := 0; i < len(data); i += 2000 {
		w := []*Op{
			{Code: Write, FD: fd, Off: int64(i), Buf: data[i : i+1000], Link: true},
			{Code: Write, FD: fd, Off: int64(i + 1000), Vec: [][]byte{data[i+1000 : i+1300], data[i+1300 : i+2000]}, Link: true},
			{Code: Fsync, FD: fd, DataOnly: true}, {},
		}
		if err := r.Do(ctx, w...); first == nil {
			first = err
		}
		broken := false
		for _, o := range w[:3] {
			if broken && o.Err != unix.ECANCELED {
				t.Errorf("after the break of a chain: %v", o.Err)
			}
			if broken = broken || o.Err != nil; !broken && o.N != o.Size() {
				t.Errorf("%d of %d", o.N, o.Size())
			}
		}
	}
	back := make([]byte, len(data))
	if err := r.Do(ctx, &Op{Code: Read, FD: fd, Buf: back}); err != nil || first != nil {
		if first == nil {
			first = err
		}
		return first
	}
	if !bytes.Equal(back, data) {
		t.Error("other bytes came back")
	}
	return nil
}

// TestStubborn never lets an operation through: it ends with the errno.
func TestStubborn(t *testing.T) {
	for _, errno := range []unix.Errno{unix.EAGAIN, unix.EINTR} {
		always := func() Faulty { return func(uint64, *Op) Fault { return Fault{Err: errno} } }
		both(t, 2, always, func(t *testing.T, r *Ring) {
			after := &Op{}
			wantErr(t, "at last", r.Do(ctx, &Op{Link: true}, after), errno)
			wantErr(t, "after that", after.Err, unix.ECANCELED)
		})
	}
}

// TestByteByByte transfers a byte at a time.
func TestByteByByte(t *testing.T) {
	one := func() Faulty { return func(uint64, *Op) Fault { return Fault{Short: 1} } }
	both(t, 4, one, func(t *testing.T, r *Ring) {
		fd := file(t, 0, 0)
		data, back := randomBytes(make([]byte, 2500), 2), make([]byte, 2500)
		do(t, r, &Op{Code: Write, FD: fd, Buf: data, Link: true}, &Op{Code: Fsync, FD: fd, Link: true}, &Op{Code: Read, FD: fd, Vec: [][]byte{back[:9], nil, back[9:]}})
		if !bytes.Equal(back, data) {
			t.Error("other bytes came back")
		}
	})
}

// TestHold reverses the order of completions: the first is held until two
// others have come, while a third is still under way.
func TestHold(t *testing.T) {
	var hit bool
	both(t, 4, nth(1, Fault{Hold: 2}, &hit), func(t *testing.T, r *Ring) {
		q := r.NewQueue()
		rd, wr := pipe(t)
		rd2, wr2 := pipe(t)
		read := func(fd int, tag any) *Op { return &Op{Code: Read, FD: fd, Off: -1, Buf: make([]byte, 1), Tag: tag} }
		submit(t, q, &Op{Tag: "held"}, read(rd, "other"), read(rd, "other"), read(rd2, "last"))
		if !poll(func() bool { return q.Poll() != nil || holding(r) == 1 }) || q.Pending() != 4 {
			t.Fatal("the first is not held")
		}
		for range 2 { // only now can the others come, one after the other
			if _, err := unix.Write(wr, []byte("x")); err != nil {
				t.Fatal(err)
			}
			if tag := next(t, q).Tag; tag != "other" {
				t.Errorf("%v came before two others", tag)
			}
		}
		if tag := next(t, q).Tag; tag != "held" {
			t.Errorf("%v came after them", tag)
		}
		if _, err := unix.Write(wr2, []byte("x")); err != nil {
			t.Fatal(err)
		}
		if tag := next(t, q).Tag; tag != "last" {
			t.Errorf("%v came last", tag)
		}
	})
}

// holding is the number of results held back.
func holding(r *Ring) int {
	f := r.b.(*faulty)
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.held)
}

// TestCancelBetween cancels an operation between two of its attempts.
func TestCancelBetween(t *testing.T) {
	for _, x := range []Fault{{Short: 10}, {Err: unix.EAGAIN}} {
		cut := func() Faulty {
			return func(_ uint64, o *Op) Fault {
				if o.Code != Write {
					return Fault{}
				}
				o.cancelled.Store(true) // as Cancel does, at just this time
				return x
			}
		}
		both(t, 4, cut, func(t *testing.T, r *Ring) {
			o, after := &Op{Code: Write, FD: file(t, 0, 0), Buf: make([]byte, 100), Link: true}, &Op{}
			wantErr(t, "cancelled", r.Do(ctx, o, after), unix.ECANCELED)
			if o.N > x.Short || after.Err != unix.ECANCELED {
				t.Errorf("%d bytes, then %v", o.N, after.Err)
			}
		})
	}
}
