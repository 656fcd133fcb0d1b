package iouring

import (
	"sync"

	"golang.org/x/sys/unix"
)

// mostIdle is how many workers wait for work; others end when there is none.
const mostIdle = 4

// threads carries out attempts by system calls that block, each on a thread
// that Go makes for it: a worker is a goroutine. mu is a leaf; results are
// delivered without it.
type threads struct {
	deliver func([]completion)
	limit   int
	wg      sync.WaitGroup

	mu      sync.Mutex
	work    sync.Cond
	queue   [][]*Op // segments that no worker has begun
	workers int
	idle    int
	files   []int
	closed  bool
}

var _ backend = (*threads)(nil)

// newThreads starts no worker: they come with work.
func newThreads(opt *Options, deliver func([]completion)) *threads {
	t := &threads{deliver: deliver, limit: opt.Workers}
	t.work.L = &t.mu
	return t
}

// start queues segments, with a worker for each as far as the limit allows. A
// segment is one worker's, which makes its attempts one after the other.
func (t *threads) start(segments [][]*Op) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.queue = append(t.queue, segments...)
	for range min(len(t.queue)-t.idle, t.limit-t.workers) {
		t.workers++
		t.wg.Add(1)
		go t.run()
	}
	for range segments {
		t.work.Signal()
	}
}

// run is a worker.
func (t *threads) run() {
	defer t.wg.Done()
	for {
		seg := t.pop()
		if seg == nil {
			return
		}
		going := true
		for len(seg) > 0 {
			o := seg[0]
			seg = seg[1:] // o may be another's from the delivery on
			id, res := o.id, -int(unix.ECANCELED)
			if going && !o.cancelled.Load() {
				res = t.attempt(o)
			}
			going = going && o.whole(res)
			t.deliver([]completion{{id, res}})
		}
	}
}

// pop waits for a segment; nil is the worker's end.
func (t *threads) pop() []*Op {
	t.mu.Lock()
	defer t.mu.Unlock()
	for len(t.queue) == 0 && !t.closed {
		if t.idle == mostIdle {
			t.workers--
			return nil
		}
		t.idle++
		t.work.Wait()
		t.idle--
	}
	if len(t.queue) == 0 {
		return nil
	}
	seg := t.queue[0]
	t.queue[0] = nil
	t.queue = t.queue[1:]
	return seg
}

// attempt makes the system call.
func (t *threads) attempt(o *Op) int {
	fd, ok := t.file(o)
	if !ok {
		return -int(unix.EBADF)
	}
	var n int
	var err error
	switch o.Code {
	case Read:
		n, err = unix.Preadv2(fd, o.bufs, o.offset(), 0)
	case Write:
		n, err = unix.Pwritev2(fd, o.bufs, o.offset(), 0)
	case Fsync:
		if o.DataOnly {
			err = unix.Fdatasync(fd)
		} else {
			err = unix.Fsync(fd)
		}
	case Fallocate:
		err = unix.Fallocate(fd, o.Mode, o.Off, o.Len)
	}
	if errno, ok := err.(unix.Errno); ok && errno != 0 {
		return -int(errno)
	}
	return n
}

// file is the descriptor that an operation means; false if it is no registered
// one.
func (t *threads) file(o *Op) (fd int, ok bool) {
	if !o.FixedFile {
		return o.FD, true
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if o.FD < 0 || o.FD >= len(t.files) {
		return -1, false
	}
	return t.files[o.FD], true
}

// cancel ends segments that no worker has begun. What a worker is at cannot be
// stopped; what it has yet to begin it looks at itself.
func (t *threads) cancel(ids []uint64) {
	set := make(map[uint64]bool, len(ids))
	for _, id := range ids {
		set[id] = true
	}
	var list []completion
	t.mu.Lock()
	keep := t.queue[:0:0]
	for _, seg := range t.queue {
		if !set[seg[0].id] {
			keep = append(keep, seg)
			continue
		}
		for _, o := range seg {
			list = append(list, completion{o.id, -int(unix.ECANCELED)})
		}
	}
	t.queue = keep
	t.mu.Unlock()
	t.deliver(list)
}

// Workers deliver: there is nothing to reap, and nobody to wake.
func (t *threads) poll()       {}
func (t *threads) reap()       {}
func (t *threads) reaps() bool { return false }
func (t *threads) wake()       {}

// registerBuffers has nothing to gain here.
func (t *threads) registerBuffers([][]byte) error { return nil }

func (t *threads) registerFiles(fds []int) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.files = fds
	return nil
}

func (t *threads) close() error {
	t.mu.Lock()
	t.closed = true
	t.work.Broadcast()
	t.mu.Unlock()
	t.wg.Wait()
	return nil
}
