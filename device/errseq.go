package device

import (
	"context"
	"fmt"
	"strings"
	"syscall"

	"vgpu/kernels/command"
)

// failures is a queue's record of jobs that did not end done, with the
// semantics of the kernel's errseq_t: every handle that was open when a job
// failed hears of it once; if none has, the next opener does. Guarded by
// Device.mu.
type failures struct {
	seq   uint64 // failures ever
	seen  uint64 // the latest of them that somebody has heard of
	lines []failure
}

type failure struct {
	seq  uint64
	text string
}

// cursor is how far a handle has heard.
type cursor struct{ seq uint64 }

func (f *failures) add(j *Job, e ErrorEntry) {
	f.seq++
	if len(f.lines) == maxFailLines {
		f.lines = append(f.lines[:0], f.lines[maxFailLines/4:]...)
	}
	text := fmt.Sprintf("job %d %s: %s: %s: %s\n", j.ID, j.state, ErrnoName(e.Errno), e.Msg, command.Printable(j.Line))
	f.lines = append(f.lines, failure{f.seq, text})
}

func (q *Queue) openCursor() cursor {
	q.dev.mu.Lock()
	defer q.dev.mu.Unlock()
	return cursor{q.fails.seen}
}

// check is EIO if there are failures that the cursor has not passed, and
// passes them. With heard they count as told.
func (q *Queue) check(c *cursor, heard bool) error {
	q.dev.mu.Lock()
	defer q.dev.mu.Unlock()
	n := q.fails.seq - c.seq
	if n == 0 {
		return nil
	}
	c.seq = q.fails.seq
	if heard {
		q.fails.seen = q.fails.seq
	}
	return fmt.Errorf("%d jobs of queue %s did not end done: %w", n, q.Name, syscall.EIO)
}

// report is the lines of the failures that the cursor has not passed; it
// passes them and they count as told.
func (q *Queue) report(c *cursor) string {
	q.dev.mu.Lock()
	defer q.dev.mu.Unlock()
	if q.fails.seq == c.seq {
		return ""
	}
	var b strings.Builder
	if len(q.fails.lines) > 0 {
		if lost := q.fails.lines[0].seq - c.seq - 1; q.fails.lines[0].seq > c.seq+1 {
			fmt.Fprintf(&b, "%d earlier failures are no longer listed\n", lost)
		}
	}
	for _, l := range q.fails.lines {
		if l.seq > c.seq {
			b.WriteString(l.text)
		}
	}
	c.seq, q.fails.seen = q.fails.seq, q.fails.seq
	return b.String()
}

// Wait is one open handle on a queue's wait file.
type Wait struct {
	q    *Queue
	turn chan struct{} // holds a token while somebody reads: reads take turns
	errs cursor
	text string // of the current round, not yet read
	fail bool   // the round ends with EIO
	open bool   // a round is under way
}

// OpenWait starts a handle on the queue's wait file.
func (q *Queue) OpenWait() *Wait {
	return &Wait{q: q, turn: make(chan struct{}, 1), errs: q.openCursor()}
}

// Read blocks until all that the queue accepted before it has ended. It gives
// a line per failure not told before and then fails with EIO, or gives 0 if
// there is none; then the next round begins. EINTR if ctx ends, EAGAIN if nonblock
// and something has not ended.
func (w *Wait) Read(ctx context.Context, p []byte, nonblock bool) (int, error) {
	if err := w.take(ctx, nonblock); err != nil {
		return 0, err
	}
	defer func() { <-w.turn }()
	if !w.open {
		if nonblock && len(w.q.Unfinished()) > 0 {
			return 0, syscall.EAGAIN
		}
		if err := w.q.waitIdle(ctx); err != nil {
			return 0, err
		}
		w.text = w.q.report(&w.errs)
		w.open, w.fail = true, w.text != ""
	}
	if w.text != "" {
		n := copy(p, w.text)
		w.text = w.text[n:]
		return n, nil
	}
	w.open = false
	if w.fail {
		return 0, syscall.EIO
	}
	return 0, nil
}

// take waits for the turn to read.
func (w *Wait) take(ctx context.Context, nonblock bool) error {
	select {
	case w.turn <- struct{}{}:
		return nil
	default:
	}
	if nonblock {
		return syscall.EAGAIN
	}
	select {
	case w.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return syscall.EINTR
	}
}
