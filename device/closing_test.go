package device

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// full is a device whose memory one buffer has all but a little of, which a client has closed and removed; the kernel has not yet told that
// this was the last close(2).
func full(t *testing.T) (l *lab, h *Handle) {
	l = newTierLab(t)
	l.write("huge", noise(56<<20, 1))
	h = l.open("huge", unix.O_RDONLY)
	h.Flush()
	if err := l.d.store.Unlink("huge"); err != nil {
		t.Fatal(err)
	}
	return l, h
}

// wants are what finds no room there.
var wants = []struct {
	name string
	try  func(*lab) error
}{
	{"output", func(l *lab) error { return done(l, "mix out n=16777216") }},
	{"scratch", func(l *lab) error {
		l.gate("g").release()
		return done(l, "hold g scratch=16777216")
	}},
	{"growth", func(l *lab) error {
		return l.open("small", unix.O_RDWR).Truncate(context.Background(), 16<<20)
	}},
	{"write", func(l *lab) error {
		_, err := l.open("small", unix.O_RDWR).WriteAt(context.Background(), make([]byte, 16<<20), 0)
		return err
	}},
}

// done runs a line, and tells what kept it from its end.
func done(l *lab, line string) error {
	jobs, err := l.try(MainQueue, line)
	if err != nil || len(jobs) != 1 {
		return err
	}
	if !poll(func() bool { return jobs[0].Snapshot().State >= Done }) {
		return fmt.Errorf("%s does not end: %+v", line, jobs[0].Snapshot())
	}
	if e := jobs[0].Snapshot().Errno; e != 0 {
		return e
	}
	return nil
}

// What a client has closed and removed is room for what it does next, though the kernel tells of the last close a moment later.
func TestRoomOfClosed(t *testing.T) {
	for _, w := range wants {
		t.Run(w.name, func(t *testing.T) {
			l, h := full(t)
			l.write("small", nil)
			time.AfterFunc(30*time.Millisecond, h.Release) // as soon as it waits; a moment before, it needs not to
			if err := w.try(l); err != nil {
				t.Errorf("%v; %+v", err, l.d.store.Usage())
			}
			if list, _ := l.d.Errors(); len(list) != 0 {
				t.Errorf("%+v", list)
			}
		})
	}
}

// Where another descriptor keeps it, that is waited for no longer than a close takes.
func TestRoomOfHeld(t *testing.T) {
	for _, w := range wants {
		t.Run(w.name, func(t *testing.T) {
			l, h := full(t)
			l.write("small", nil)
			err := w.try(l)
			if !errors.Is(err, syscall.ENOSPC) && !errors.Is(err, syscall.ENOMEM) {
				t.Errorf("%v; %+v", err, l.d.store.Usage())
			}
			if list, _ := l.d.Errors(); len(list) == 0 {
				t.Errorf("%+v", list)
			}
			h.Release()
			if err := w.try(l); err != nil {
				t.Errorf("once it is released: %v", err)
			}
		})
	}
}
