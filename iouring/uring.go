package iouring

import (
	"cmp"
	"errors"
	"fmt"
	"math/bits"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// User data that is no attempt's. Attempts' ids stay below severedData: serial
// numbers would take 2^50 attempts to get there.
const (
	wakeData    = ^uint64(0)
	cancelData  = ^uint64(1)
	severedData = uint64(1) << 63 // set in an attempt's: it was cut off its chain
)

// uring carries out attempts through io_uring. Submitters share the submission
// queue under sqMu; whoever reaps, or has to make room, takes results under
// cqMu. No SQPOLL: the kernel looks at the queue in io_uring_enter(2) only, so
// an entry may be changed until then.
type uring struct {
	sys     *kernel
	deliver func([]completion)
	// interrupt calls wake if anybody reaps.
	interrupt func()
	fd        int

	// published orders what a submitter read of an operation before what the
	// goroutine that reaps it writes: the kernel does so in truth, but neither
	// the memory model nor the race detector knows.
	published atomic.Uint64

	sqMu    sync.Mutex // the submission queue, empty when free
	chains  []bool     // of entries not yet submitted: the end of a chain
	regions []region   // registered buffers, sorted; changed only while nothing is in flight
	files   bool       // are registered

	waits int // of the one who reaps

	cqMu   sync.Mutex // the completion queue's head
	closed bool       // guarded by both: changed with both, read with either
	q      *rings
}

// region is a registered buffer, by address.
type region struct {
	base, end uintptr
	index     uint16
}

var _ backend = (*uring)(nil)

// newUring makes a ring, or tells why there can be none.
func newUring(opt *Options, deliver func([]completion), interrupt func()) (*uring, error) {
	u := &uring{sys: opt.sys, deliver: deliver, interrupt: interrupt}
	entries := uint32(1) << bits.Len(uint(opt.Window-1))
	cq := 2 * entries
	if opt.cqEntries > 0 {
		entries, cq = min(entries, opt.cqEntries), opt.cqEntries
	}
	p := params{flags: setupCQSize | setupClamp | setupSubmitAll, cqEntries: cq}
	fd, errno := u.sys.setup(entries, &p)
	if errno == unix.EINVAL { // before 5.18
		p = params{flags: setupCQSize | setupClamp, cqEntries: cq}
		fd, errno = u.sys.setup(entries, &p)
	}
	if errno != 0 {
		return nil, setupError(errno)
	}
	u.fd = fd
	if err := u.prepare(&p); err != nil {
		return nil, errors.Join(err, unix.Close(fd))
	}
	return u, nil
}

// prepare checks what the kernel offers and maps the queues.
func (u *uring) prepare(p *params) (err error) {
	if p.features&featNeeded != featNeeded {
		return fmt.Errorf("this kernel's io_uring is too old: Linux 5.10 has what is needed: %w", unix.ENOSYS)
	}
	pr, errno := probeOps(u.sys, u.fd)
	if errno != 0 {
		return fmt.Errorf("io_uring does not tell what it can do: %w", errno)
	}
	if missing := missingOps(pr); len(missing) > 0 {
		return fmt.Errorf("io_uring lacks %v: %w", missing, unix.EOPNOTSUPP)
	}
	u.q, err = mapRings(u.fd, p)
	return err
}

// missingOps names the opcodes that this package uses and the kernel has not.
func missingOps(p *probe) (names []string) {
	for _, n := range needed {
		if p.ops[n.code].flags&probeSupported == 0 {
			names = append(names, n.name)
		}
	}
	return names
}

// batch is how many entries are submitted at a time, if no chain is longer.
// Of more than two the kernel prepares all before the device hears of the first
// (io_submit_sqes plugs the block layer), and the time that this takes, 2 to 3 us
// each, is lost where a device works off what it is told of and then waits.
const batch = 2

// start submits segments, a batch at a time.
func (u *uring) start(segments [][]*Op) {
	var ready taken
	u.sqMu.Lock()
	for _, seg := range segments {
		if most := len(u.q.sqes); len(seg) > most { // the ring takes the rest up again
			ready.list = append(ready.list, cancelled(seg[most:])...)
			seg = seg[:most]
		}
		if n := len(u.chains); n > 0 && n+len(seg) > min(batch, len(u.q.sqes)) {
			u.flush(&ready)
		}
		for i, o := range seg {
			e := u.push(i == len(seg)-1)
			fill(e, o, u.fixed)
			if i < len(seg)-1 {
				e.flags |= sqeLink
			}
		}
	}
	u.flush(&ready)
	u.sqMu.Unlock()
	u.pass(ready)
}

// taken is what a submitter took out of the completion queue, or made up.
type taken struct {
	list  []completion
	woken bool // a wake was among it
}

// pass delivers results that came outside reap. The leader may be waiting for
// them in the kernel, or for the wake.
func (u *uring) pass(t taken) {
	if len(t.list) > 0 {
		u.deliver(t.list)
	}
	if len(t.list) > 0 || t.woken {
		u.interrupt()
	}
}

// push takes the next entry of the submission queue, in which there is room,
// for the caller to fill in: without SQPOLL the kernel looks at it in flush
// only. sqMu is held.
func (u *uring) push(endsChain bool) *sqe {
	tail := load(u.q.sqTail)
	u.chains = append(u.chains, endsChain)
	store(u.q.sqTail, tail+1)
	return &u.q.sqes[tail&u.q.sqMask]
}

// pending is the i-th entry not yet submitted.
func (u *uring) pending(i int) *sqe {
	return &u.q.sqes[(load(u.q.sqTail)-uint32(len(u.chains)-i))&u.q.sqMask]
}

// patience is how often the kernel may say that it cannot take entries now.
const patience = 1000

// flush submits what was pushed. Results that it had to take to make room it
// adds to ready. sqMu is held.
func (u *uring) flush(ready *taken) {
	u.published.Add(1)
	for failed := 0; len(u.chains) > 0; {
		n, errno := u.sys.enter(u.fd, uint32(len(u.chains)), 0, 0)
		switch {
		case errno == 0 && n > 0:
			u.submitted(n)
			failed = 0
		case errno == unix.EINTR:
		case (errno == 0 || errno == unix.EAGAIN || errno == unix.EBUSY) && failed < patience:
			// no memory for now, or too many results that nobody has taken
			failed++
			before := len(ready.list)
			list, woken := u.drain(ready.list)
			if ready.list, ready.woken = list, ready.woken || woken; len(list) == before {
				time.Sleep(time.Millisecond)
			}
		default:
			ready.list = u.abandon(ready.list, errno)
		}
	}
}

// submitted takes n entries off. If the kernel stopped within a chain it would
// begin the rest as another: that is made to do nothing instead, and the ring
// takes it up again.
func (u *uring) submitted(n int) {
	if n < len(u.chains) && !u.chains[n-1] {
		for i := n; ; i++ {
			e := u.pending(i)
			*e = sqe{opcode: opNop, userData: e.userData | severedData}
			if u.chains[i] {
				break
			}
			u.chains[i] = true
		}
	}
	u.chains = u.chains[:copy(u.chains, u.chains[n:])]
}

// abandon takes back all entries: the kernel will have none of them.
func (u *uring) abandon(ready []completion, errno unix.Errno) []completion {
	if errno == 0 {
		errno = unix.EAGAIN
	}
	for i := range u.chains {
		if id := u.pending(i).userData; id != wakeData && id != cancelData {
			ready = append(ready, completion{id &^ severedData, -int(errno)})
		}
	}
	store(u.q.sqTail, load(u.q.sqTail)-uint32(len(u.chains)))
	u.chains = u.chains[:0]
	return ready
}

// drain appends the results that are there, and tells whether a wake was
// among them.
func (u *uring) drain(list []completion) (_ []completion, woken bool) {
	u.cqMu.Lock()
	defer u.cqMu.Unlock()
	if u.closed {
		return list, false
	}
	for flushed := false; ; {
		head, tail := load(u.q.cqHead), load(u.q.cqTail)
		u.published.Load()
		for ; head != tail; head++ {
			e := &u.q.cqes[head&u.q.cqMask]
			switch {
			case e.userData == wakeData:
				woken = true
			case e.userData == cancelData:
			case e.userData&severedData != 0:
				list = append(list, completion{e.userData &^ severedData, -int(unix.ECANCELED)})
			default:
				list = append(list, completion{e.userData, int(e.res)})
			}
		}
		store(u.q.cqHead, head)
		if flushed || load(u.q.sqFlags)&sqCQOverflow == 0 {
			return list, woken
		}
		// The kernel keeps results that the queue had no room for until asked.
		_, errno := u.sys.enter(u.fd, 0, 0, enterGetEvents)
		flushed = errno != 0
	}
}

// poll delivers what is there. A wake among it was for a leader, which there is
// none of.
func (u *uring) poll() {
	if list, _ := u.drain(nil); len(list) > 0 {
		u.deliver(list)
	}
}

// yieldWaits is how often reap waits before it lets others go first. A
// goroutine that does so for 10 ms without ever passing through the scheduler
// is taken for one that hogs its P: the runtime's monitor polls every 20 us
// instead of 10 ms, and takes the P away in each wait (proc.go, retake), which
// made 4 KiB reads one at a time 7 % slower.
const yieldWaits = 64

// reap waits in the kernel until results have come, which it delivers, or a
// wake. It blocks its thread, not the process: enter goes through the
// scheduler's system call path.
func (u *uring) reap() {
	if u.waits++; u.waits%yieldWaits == 0 {
		runtime.Gosched()
	}
	for {
		list, woken := u.drain(nil)
		if len(list) > 0 {
			u.deliver(list)
			return
		}
		if woken {
			return
		}
		if _, errno := u.sys.enter(u.fd, 0, 1, enterGetEvents); errno != 0 && errno != unix.EINTR {
			time.Sleep(time.Millisecond) // EAGAIN, EBUSY: short of memory
		}
	}
}

func (u *uring) reaps() bool { return true }

// wake ends a reap by a result of its own, which needs room in the queue like
// any other.
func (u *uring) wake() { u.control([]sqe{{opcode: opNop, userData: wakeData}}) }

// cancel asks the kernel, an entry each. What it answers is of no interest: the
// operations' own results tell.
func (u *uring) cancel(ids []uint64) {
	list := make([]sqe, len(ids))
	for i, id := range ids {
		list[i] = sqe{opcode: opAsyncCancel, fd: -1, addr: id, userData: cancelData}
	}
	u.control(list)
}

// control submits entries of our own.
func (u *uring) control(list []sqe) {
	var ready taken
	u.sqMu.Lock()
	if !u.closed {
		for _, e := range list {
			if len(u.chains) == len(u.q.sqes) {
				u.flush(&ready)
			}
			*u.push(true) = e
		}
		u.flush(&ready)
	}
	u.sqMu.Unlock()
	u.pass(ready)
}

// registerBuffers replaces the registered buffers. Between the two calls, and
// after an error, there are none, and transfers name their memory by address.
func (u *uring) registerBuffers(bufs [][]byte) error {
	u.sqMu.Lock()
	defer u.sqMu.Unlock()
	if len(u.regions) > 0 {
		u.regions = nil
		if err := u.registerList(unregisterBuffers, nil, nil); err != nil {
			return err
		}
	}
	if len(bufs) == 0 {
		return nil
	}
	if err := u.registerList(registerBuffers, bufs, nil); err != nil {
		if err == unix.ENOMEM {
			err = fmt.Errorf("more than may be locked in memory; raise the limit (ulimit -l, or LimitMEMLOCK= of the service): %w", err)
		}
		return err
	}
	for i, b := range bufs {
		u.regions = append(u.regions, region{address(b), address(b) + uintptr(len(b)), uint16(i)})
	}
	slices.SortFunc(u.regions, func(a, b region) int { return cmp.Compare(a.base, b.base) })
	return nil
}

// fixed finds the registered buffer that holds b.
func (u *uring) fixed(b []byte) (index uint16, ok bool) {
	base := address(b)
	i, found := slices.BinarySearchFunc(u.regions, base, func(r region, at uintptr) int { return cmp.Compare(r.base, at) })
	if !found {
		i--
	}
	if i < 0 || base+uintptr(len(b)) > u.regions[i].end {
		return 0, false
	}
	return u.regions[i].index, true
}

// registerFiles replaces the registered files.
func (u *uring) registerFiles(fds []int) error {
	u.sqMu.Lock()
	defer u.sqMu.Unlock()
	if u.files {
		u.files = false
		if err := u.registerList(unregisterFiles, nil, nil); err != nil {
			return err
		}
	}
	if len(fds) == 0 {
		return nil
	}
	err := u.registerList(registerFiles, nil, fds)
	u.files = err == nil
	return err
}

// close unregisters first: the kernel would let go of files and buffers only
// some time after the ring's descriptor is closed.
func (u *uring) close() error {
	err := errors.Join(u.registerBuffers(nil), u.registerFiles(nil))
	u.sqMu.Lock()
	defer u.sqMu.Unlock()
	u.cqMu.Lock()
	defer u.cqMu.Unlock()
	u.closed = true
	return errors.Join(err, u.q.unmap(), unix.Close(u.fd))
}
