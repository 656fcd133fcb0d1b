package vfs

import (
	"bufio"
	"context"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// harmless are signals that a client gets without anybody wanting its system
// call to end: the Go runtime's preemption (SIGURG), a child's end, a terminal
// that changes size, a stop and its end. Who is stopped stops once its call is
// through: no other system call on a file ends for that (signal(7)), and a
// command that was interrupted might be written again.
const harmless = 1<<(unix.SIGURG-1) | 1<<(unix.SIGCHLD-1) | 1<<(unix.SIGWINCH-1) | 1<<(unix.SIGCONT-1) |
	1<<(unix.SIGSTOP-1) | 1<<(unix.SIGTSTP-1) | 1<<(unix.SIGTTIN-1) | 1<<(unix.SIGTTOU-1)

// pollPending is how often a client is looked at after a harmless interrupt:
// the kernel sends one interrupt a request, so a later Ctrl-C is not told.
const pollPending = 50 * time.Millisecond

// waiting is the context of a request that may wait long. FUSE interrupts a
// request for any signal; this one ends only for a signal that is meant to
// end the call. The caller must call stop.
func waiting(ctx context.Context) (out context.Context, stop func()) {
	c, ok := fuse.FromContext(ctx)
	if !ok {
		return context.WithCancel(ctx)
	}
	pid := c.Pid
	own, cancel := context.WithCancel(context.Background())
	return &waitContext{own, sync.OnceFunc(func() { go watch(ctx, own, pid, cancel) })}, cancel
}

// waitContext looks out for an interrupt from the first call of Done on. Few
// requests come to wait, and a goroutine for each of the others costs more
// than what they do.
type waitContext struct {
	context.Context
	watch func()
}

// Done begins to watch. Err and Deadline do not: who never waits is not
// watched.
func (c *waitContext) Done() <-chan struct{} {
	c.watch()
	return c.Context.Done()
}

// watch cancels what a request waits for once it is interrupted and means it.
// It ends with own: stop ends it, whatever becomes of the request.
func watch(request, own context.Context, pid uint32, cancel func()) {
	select {
	case <-own.Done():
		return
	case <-request.Done():
	}
	for own.Err() == nil && !meant(pid) {
		select {
		case <-own.Done():
		case <-time.After(pollPending):
		}
	}
	cancel()
}

// meant tells whether a signal is pending for the thread that is meant to end
// its call, or the thread has gone. It sleeps in the kernel, so what interrupted
// it is still pending, but for a signal of its process that another thread has
// taken: that one has dealt with it.
func meant(pid uint32) bool {
	pending, alive := pendingSignals(pid)
	return !alive || pending&^harmless != 0
}

// pendingSignals reads the signals pending for a thread that is alive and not
// blocked or ignored by it: proc(5). Bit n-1 is signal n. ok is false for a
// thread that has gone, zombies included, or that cannot be looked at.
func pendingSignals(pid uint32) (set uint64, ok bool) {
	f, err := os.Open("/proc/" + strconv.Itoa(int(pid)) + "/status")
	if err != nil {
		return 0, false
	}
	defer f.Close()
	var masked uint64
	for sc := bufio.NewScanner(f); sc.Scan(); {
		key, val, _ := strings.Cut(sc.Text(), ":")
		val = strings.TrimSpace(val)
		bits, err := strconv.ParseUint(val, 16, 64)
		switch key {
		case "State":
			if strings.HasPrefix(val, "Z") || strings.HasPrefix(val, "X") {
				return 0, false
			}
		case "SigPnd", "ShdPnd":
			set |= bits
			ok = err == nil
		case "SigBlk", "SigIgn":
			masked |= bits
		}
	}
	return set &^ masked, ok
}
