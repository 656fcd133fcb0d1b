package iouring

import (
	"sync"

	"golang.org/x/sys/unix"
)

// Fault is what happens to one attempt: a system call's worth of an operation.
// The zero Fault is none. The ring takes up what can be taken up, as it does
// with the kernel's own: Short, EINTR, EAGAIN and ECANCELED are not seen by
// who submits, other errors are.
type Fault struct {
	// Err is the attempt's result, and nothing is done.
	Err unix.Errno
	// Short, if not 0, is how many bytes are transferred at most.
	Short int
	// Hold keeps the result back until so many others have come, or no other
	// is under way.
	Hold int
}

// Faulty decides on faults: n counts attempts from 1, and o says what is
// attempted (it must not be changed). It is called by one goroutine at a time
// and must not call the ring.
type Faulty func(n uint64, o *Op) Fault

// faulty wraps a backend and spoils attempts and results. It sits between ring
// and backend: attempts pass start, results pass filter. mu is a leaf: neither
// backend nor ring is called with it held, but inject is.
type faulty struct {
	backend
	inject Faulty
	out    func([]completion)

	mu     sync.Mutex
	count  uint64
	inside int             // attempts that the backend has
	tails  map[uint64]tail // by the attempt that comes before
	holds  map[uint64]int  // results to hold back, for how many others
	held   []held
}

// tail is the part of a segment that the backend never sees.
type tail struct {
	after int // what the attempt before must give
	rest  []completion
}

// held is a result that is kept back, and how many others have still to come.
type held struct {
	completion
	left int
}

var _ backend = (*faulty)(nil)

// start passes on what goes as it should, and answers for the rest: at once
// where nothing of a segment is left to the backend, else when that has
// answered.
func (f *faulty) start(segments [][]*Op) {
	var pass [][]*Op
	var now []completion
	f.mu.Lock()
	for _, seg := range segments {
		head, rest := f.spoil(seg)
		if len(head) == 0 {
			now = append(now, rest...)
			continue
		}
		pass = append(pass, head)
		f.inside += len(head)
		if len(rest) > 0 {
			last := head[len(head)-1]
			if f.tails == nil {
				f.tails = map[uint64]tail{}
			}
			f.tails[last.id] = tail{last.want, rest}
		}
	}
	f.mu.Unlock()
	if len(pass) > 0 {
		f.backend.start(pass)
	}
	if len(now) > 0 {
		f.out(now)
	}
}

// spoil splits a segment at the first attempt that does not go as it should:
// what the backend is to do, and the results of the rest.
func (f *faulty) spoil(seg []*Op) (head []*Op, rest []completion) {
	for i, o := range seg {
		f.count++
		x := f.inject(f.count, o)
		if x.Hold > 0 {
			if f.holds == nil {
				f.holds = map[uint64]int{}
			}
			f.holds[o.id] = x.Hold
		}
		switch {
		case x.Err != 0:
			return seg[:i], append([]completion{{o.id, -int(x.Err)}}, cancelled(seg[i+1:])...)
		case x.Short > 0 && o.transfers() && o.want > x.Short:
			o.trim(x.Short)
			return seg[:i+1], cancelled(seg[i+1:])
		}
	}
	return seg, nil
}

// cancelled are the results of operations after a break.
func cancelled(ops []*Op) (list []completion) {
	for _, o := range ops {
		list = append(list, completion{o.id, -int(unix.ECANCELED)})
	}
	return list
}

// filter takes the backend's results. A rest is told after the attempt it comes
// behind, as ECANCELED if that was not whole. What is still held when nothing
// is under way any more is let go, as nothing could come that it waits for.
func (f *faulty) filter(list []completion) {
	var pass []completion
	f.mu.Lock()
	for _, c := range list {
		f.inside--
		t, ok := f.tails[c.id]
		delete(f.tails, c.id)
		if ok && (c.res < 0 || c.res < t.after) {
			t.rest[0].res = -int(unix.ECANCELED)
		}
		for _, c := range append([]completion{c}, t.rest...) {
			if n, ok := f.holds[c.id]; ok {
				delete(f.holds, c.id)
				f.held = append(f.held, held{c, n})
				continue
			}
			pass = f.release(append(pass, c))
		}
	}
	if f.inside == 0 {
		for _, h := range f.held {
			pass = append(pass, h.completion)
		}
		f.held = nil
	}
	f.mu.Unlock()
	f.out(pass)
}

// release counts one more result that has come, and adds those held long
// enough.
func (f *faulty) release(pass []completion) []completion {
	keep := f.held[:0]
	for _, h := range f.held {
		if h.left--; h.left <= 0 {
			pass = append(pass, h.completion)
		} else {
			keep = append(keep, h)
		}
	}
	f.held = keep
	return pass
}
