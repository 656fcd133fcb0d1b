package device

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"syscall"
	"time"
)

// Session is one open handle on a queue's ctl file, or on run. It assembles
// lines from writes: a line may arrive in several, and a write may hold many.
type Session struct {
	d    *Device
	q    *Queue
	cred Cred
	opt  SessionOptions

	mu     sync.Mutex // guards what follows; never held while waiting
	lines  LineBuffer
	answer []byte // of jobs that have ended, not yet read (run)
	errs   cursor
}

// SessionOptions say how a session behaves.
type SessionOptions struct {
	Sync      bool // each write waits for its jobs and returns their failure
	NonBlock  bool // a full queue is EAGAIN
	WriteOnly bool // nobody can Read: answers are not kept
}

// Open starts a session on the queue.
func (q *Queue) Open(c Cred, o SessionOptions) *Session {
	return &Session{d: q.dev, q: q, cred: c, opt: o, errs: q.openCursor()}
}

// Write takes bytes of lines. The complete lines among them are accepted as a
// whole or not at all. With Sync it returns when all have ended: with the
// errno of the first that failed, or EINTR (the jobs are cancelled) if ctx
// ends. On an error none of p is kept, nor of an unfinished line before it,
// except that after EAGAIN and EINTR the same bytes may be written again.
func (s *Session) Write(ctx context.Context, p []byte) (int, error) {
	s.mu.Lock()
	before := s.lines
	lines, err := s.lines.Add(p)
	s.mu.Unlock()
	if err != nil {
		s.d.noteError(ErrorEntry{Queue: s.q.Name, Errno: Errno(err), Msg: saying(err), Hint: "a line holds at most 65536 bytes"})
		return 0, err
	}
	if len(lines) == 0 {
		return len(p), nil
	}
	if err = s.run(ctx, lines); err == nil {
		return len(p), nil
	}
	s.restore(err, before)
	return 0, err
}

// restore sets what there is of a line after a failure: what there was before
// if the client will do the same again, else nothing, so that the rest of what
// was refused does not run at the next flush.
func (s *Session) restore(err error, before LineBuffer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = LineBuffer{}
	if errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EINTR) {
		s.lines = before
	}
}

// Flush runs a line that was left without its newline, and reports failures
// of the queue that this handle has not heard of, as close(2) does. What it
// reports does not count as heard by others: shells ignore what close says.
func (s *Session) Flush(ctx context.Context) error {
	s.mu.Lock()
	before := s.lines
	tail := s.lines.Tail()
	s.mu.Unlock()
	if tail != "" {
		if err := s.run(ctx, []string{tail}); err != nil {
			s.restore(err, before)
			return err
		}
	}
	if s.opt.Sync {
		return nil
	}
	return s.q.check(&s.errs, false)
}

// Sync waits until all that the queue has accepted is finished, and reports
// failures that this handle has not heard of, once: fsync(2). EINTR if ctx ends.
func (s *Session) Sync(ctx context.Context) error {
	if err := s.q.waitIdle(ctx); err != nil {
		return err
	}
	return s.q.check(&s.errs, true)
}

func (s *Session) run(ctx context.Context, lines []string) error {
	sub := &submission{queue: s.q, cred: s.cred, lines: lines, nonblock: s.opt.NonBlock, silent: s.opt.Sync}
	jobs, start, err := s.d.submit(ctx, sub)
	if err != nil || !s.opt.Sync {
		s.d.launch(start)
		return err
	}
	defer s.watch(ctx, jobs)()
	if len(start) > 0 { // this goroutine has nothing better to do than the first
		s.d.launch(start[1:])
		s.d.launch(s.d.runOne(start[0]))
	}
	return s.collect(ctx, jobs)
}

// watchAfter is how long a write may take before it is looked at whether its
// context has ended. Most are over by then, and looking wakes a thread.
const watchAfter = time.Millisecond

// watch cancels the jobs of a write, the last first, if ctx ends before stop
// is called.
func (s *Session) watch(ctx context.Context, jobs []*Job) (stop func()) {
	over := make(chan struct{})
	timer := time.AfterFunc(watchAfter, func() {
		select {
		case <-over:
		case <-ctx.Done():
			for _, j := range slices.Backward(jobs) {
				j.Cancel("its writer was interrupted")
			}
		}
	})
	return func() {
		timer.Stop()
		close(over)
	}
}

// collect waits for the jobs of a write and keeps their answers for Read.
func (s *Session) collect(ctx context.Context, jobs []*Job) error {
	var first error
	for _, j := range jobs {
		<-j.done
		snap := j.Snapshot()
		switch {
		case snap.State == Done && !s.opt.WriteOnly:
			s.keep(snap.answerText())
		case snap.State != Done && first == nil:
			first = fmt.Errorf("job %d %s: %s: %w", j.ID, snap.State, snap.Error.Msg, snap.Errno)
		}
	}
	if first != nil && ctx.Err() != nil && errors.Is(first, syscall.ECANCELED) {
		return syscall.EINTR
	}
	return first
}

// maxAnswer bounds the answers kept for a reader.
const maxAnswer = 1 << 20

// keep remembers an answer. When they are too many, since nobody reads them,
// the older half goes: at once, so that the next ones cost nothing.
func (s *Session) keep(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = append(s.answer, text...)
	if len(s.answer) > maxAnswer {
		cut := len(s.answer) - maxAnswer/2
		cut += bytes.IndexByte(s.answer[cut:], '\n') + 1
		s.answer = append(s.answer[:0], s.answer[cut:]...)
	}
}

// answerText is the answer, or a line of statistics for a kernel that gives none.
func (s *Snapshot) answerText() string {
	if s.Answer == "" {
		return fmt.Sprintf("job=%d verb=%s seconds=%.9f flops=%.0f bytes=%.0f gflops=%.3f\n", s.ID, s.Verb, s.Seconds, s.Cost.Flops, s.Cost.Bytes, s.Gflops())
	}
	if s.Answer[len(s.Answer)-1] == '\n' {
		return s.Answer
	}
	return s.Answer + "\n"
}

// Read takes the answers that have not been read yet, oldest first; 0 at their
// end.
func (s *Session) Read(p []byte) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := copy(p, s.answer)
	s.answer = s.answer[n:]
	return n
}
