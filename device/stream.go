package device

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"syscall"
	"time"
)

// JobRecord is the JSON line of an ended job in log and events. Times are
// seconds since the epoch.
type JobRecord struct {
	ID       uint64  `json:"id"`
	Queue    string  `json:"queue"`
	Cmd      string  `json:"cmd"`
	UID      uint32  `json:"uid"`
	State    string  `json:"state"`
	Errno    string  `json:"errno,omitempty"`
	Error    string  `json:"error,omitempty"`
	Answer   string  `json:"answer,omitempty"`
	Queued   float64 `json:"queued"`
	Started  float64 `json:"started,omitempty"`
	Finished float64 `json:"finished"`
	Seconds  float64 `json:"seconds"`
	Flops    float64 `json:"flops"`
	Bytes    float64 `json:"bytes"`
	Gflops   float64 `json:"gflops"`
	Threads  int     `json:"threads"`
	ISA      string  `json:"isa"`
}

// UnixSeconds is a time as files show it; 0 for the zero time.
func UnixSeconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMicro()) / 1e6
}

func (s *Snapshot) record() JobRecord {
	r := JobRecord{
		ID: s.ID, Queue: s.Queue, Cmd: s.Line, UID: s.UID, State: s.State.String(), Answer: s.Answer,
		Queued: UnixSeconds(s.Queued), Started: UnixSeconds(s.Started), Finished: UnixSeconds(s.Finished),
		Seconds: s.Seconds, Flops: s.Cost.Flops, Bytes: s.Cost.Bytes, Gflops: s.Gflops(), Threads: s.Threads, ISA: s.ISA,
	}
	if s.Error != nil {
		r.Errno, r.Error = ErrnoName(s.Error.Errno), s.Error.Msg
	}
	return r
}

// publish writes an ended job's record to the log and the streams. mu is held.
func (q *Queue) publish(j *Job) {
	snap := j.snapshotLocked()
	line, err := json.Marshal(snap.record())
	if err != nil { // only a non-finite number can do that, and none is in a record
		q.dev.noteErrorLocked(ErrorEntry{Queue: q.Name, Job: j.ID, Errno: syscall.EIO, Msg: "its record cannot be written: " + err.Error()})
		return
	}
	line = append(line, '\n')
	q.log.add(line)
	for s := range q.streams {
		s.add(line)
	}
}

// logFile is the bounded text of a queue's log. Guarded by Device.mu.
type logFile struct{ text []byte }

// add appends a line; when the log is full its older half is dropped.
func (l *logFile) add(line []byte) {
	if len(l.text)+len(line) > logBytes {
		cut := len(l.text) / 2
		if nl := bytes.IndexByte(l.text[cut:], '\n'); nl >= 0 {
			cut += nl + 1
		}
		l.text = append([]byte(nil), l.text[cut:]...)
	}
	l.text = append(l.text, line...)
}

// LogSize is the size of the log in bytes.
func (q *Queue) LogSize() int64 {
	q.dev.mu.Lock()
	defer q.dev.mu.Unlock()
	return int64(len(q.log.text))
}

// ReadLog copies the log's bytes from off on; 0 at or past its end.
func (q *Queue) ReadLog(p []byte, off int64) int {
	q.dev.mu.Lock()
	defer q.dev.mu.Unlock()
	if off < 0 || off >= int64(len(q.log.text)) {
		return 0
	}
	return copy(p, q.log.text[off:])
}

// Stream is one open handle on a queue's events: the records of the jobs that
// end from now on. A reader that is too slow loses the oldest, and is told so
// by a line {"lost":N}.
type Stream struct {
	q    *Queue
	mu   sync.Mutex    // guards what follows; taken after Device.mu
	cur  []byte        // being read: none of it is dropped, so that no line is cut
	buf  []byte        // what comes after it
	lost int           // lines dropped from the beginning of buf
	wake chan struct{} // has room for one
	end  bool
}

// OpenEvents starts a stream.
func (q *Queue) OpenEvents() *Stream {
	s := &Stream{q: q, wake: make(chan struct{}, 1)}
	q.dev.mu.Lock()
	defer q.dev.mu.Unlock()
	s.end = q.removed || q.dev.closed && q.pending == 0
	q.streams[s] = struct{}{}
	return s
}

// Close ends the stream.
func (s *Stream) Close() {
	s.q.dev.mu.Lock()
	defer s.q.dev.mu.Unlock()
	delete(s.q.streams, s)
}

// closeStreams lets the readers see the end. mu is held.
func (q *Queue) closeStreams() {
	for s := range q.streams {
		s.mu.Lock()
		s.end = true
		s.mu.Unlock()
		s.signal()
	}
}

// signal wakes a reader, or the next one that comes. It never blocks.
func (s *Stream) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// add appends a line and drops the oldest for it, never one that is being read.
// Device.mu is held: events of one queue come in order.
func (s *Stream) add(line []byte) {
	s.mu.Lock()
	for len(s.buf)+len(line) > logBytes {
		i := bytes.IndexByte(s.buf, '\n')
		s.buf = s.buf[i+1:]
		s.lost++
	}
	s.buf = append(s.buf, line...)
	s.mu.Unlock()
	s.signal()
}

// Read blocks until there is something to tell. 0 if the queue was removed or
// the device stops; EINTR if ctx ends, EAGAIN if nonblock and there is nothing.
func (s *Stream) Read(ctx context.Context, p []byte, nonblock bool) (int, error) {
	for {
		if n, end := s.take(p); n > 0 || end {
			return n, nil
		}
		if nonblock {
			return 0, syscall.EAGAIN
		}
		select {
		case <-s.wake:
		case <-ctx.Done():
			return 0, syscall.EINTR
		}
	}
}

// take copies what there is, without waiting. Reads may cut a line; the rest of
// it comes next, whatever is dropped meanwhile.
func (s *Stream) take(p []byte) (n int, end bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.cur) == 0 {
		if s.lost > 0 {
			s.cur = fmt.Appendf(nil, "{\"lost\":%d}\n", s.lost)
		}
		s.cur = append(s.cur, s.buf...)
		s.buf, s.lost = nil, 0
	}
	n = copy(p, s.cur)
	s.cur = s.cur[n:]
	if s.end || len(s.cur)+len(s.buf) > 0 {
		s.signal() // there may be other readers
	}
	return n, s.end && n == 0
}
