package iouring

import (
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// Code is what an operation does.
type Code uint8

// The operations.
const (
	Nop       Code = iota // nothing
	Read                  // read Buf, or Vec, at Off
	Write                 // write Buf, or Vec, at Off
	Fsync                 // fsync(2), or fdatasync(2) with DataOnly
	Fallocate             // fallocate(2) of Len bytes at Off with Mode
	numCodes
)

var codeNames = [numCodes]string{"nop", "read", "write", "fsync", "fallocate"}

// String is the name of the system call, near enough.
func (c Code) String() string {
	if c < numCodes {
		return codeNames[c]
	}
	return fmt.Sprintf("code %d", uint8(c))
}

// Limits of one system call. Longer operations are several calls, one after
// the other.
const (
	maxVector   = 1024    // IOV_MAX
	maxTransfer = 1 << 30 // the kernel's is 2 GiB less a page; a registered buffer's 1 GiB
	directAlign = 4096    // where a direct transfer that was cut short is taken up
	maxTries    = 1000    // times that an operation is tried again without having moved a byte
)

// Op is one operation. The caller fills in the first fields and may use an Op
// again once it has ended. It must not be copied while it is in flight, nor be
// in two Submits at once (EBUSY).
type Op struct {
	Code Code
	// FD is an open file, or with FixedFile an index into the registered ones.
	FD        int
	FixedFile bool
	// Off is in bytes; -1 is the file's own position, for pipes.
	Off int64
	// Buf or Vec is the memory to transfer. With O_DIRECT addresses, lengths
	// and Off are multiples of the device's block (4096 does everywhere).
	Buf []byte
	Vec [][]byte
	// Len and Mode are fallocate's.
	Len  int64
	Mode uint32
	// DataOnly makes Fsync fdatasync(2).
	DataOnly bool
	// Link holds back the operation after this one in the same Submit until
	// this one is done in full.
	Link bool
	// Tag is the caller's.
	Tag any

	// N is the number of bytes transferred, all of them unless Err is set.
	N int
	// Err is nil, a unix.Errno, io.EOF (a read that reached the end of the
	// file), io.ErrShortWrite (a file that takes no more, without saying why);
	// ECANCELED if it was cancelled or its chain broke before it.
	Err error

	opState
}

// opState is the ring's side of an operation, guarded by Ring.mu, except that
// a backend reads it between start and the completion.
type opState struct {
	queue     *Queue // nil: the caller's
	chain     *chain
	alone     chain // the chain of an operation without links
	aloneOps  [1]*Op
	id        uint64 // of the attempt: a serial number, and the slot in the low bits
	start     int    // bytes before this attempt
	want      int    // bytes that this attempt asks for
	tries     int    // attempts since the last byte was moved
	res       int    // what the attempt gave, if got
	got       bool
	cancelled atomic.Bool
	bufs      [][]byte // of this attempt
	oneBuf    [1][]byte
	iov       []unix.Iovec
}

// transfers tells whether results are byte counts.
func (o *Op) transfers() bool { return o.Code == Read || o.Code == Write }

// Size is the number of bytes the operation is to transfer.
func (o *Op) Size() int {
	if o.Vec == nil {
		return len(o.Buf)
	}
	n := 0
	for _, b := range o.Vec {
		n += len(b)
	}
	return n
}

// validate refuses what makes no sense whatever the file is: EOPNOTSUPP for an
// unknown code, EINVAL for the rest. It looks at nothing that the kernel
// checks.
func (o *Op) validate() error {
	switch {
	case o.Code >= numCodes:
		return fmt.Errorf("iouring: %v: %w", o.Code, unix.EOPNOTSUPP)
	case o.Off < -1 || o.Off == -1 && !o.transfers():
		return fmt.Errorf("iouring: %v at offset %d: %w", o.Code, o.Off, unix.EINVAL)
	case o.Buf != nil && o.Vec != nil:
		return fmt.Errorf("iouring: %v with both a buffer and a vector: %w", o.Code, unix.EINVAL)
	case o.Code == Fallocate && o.Len <= 0:
		return fmt.Errorf("iouring: fallocate of %d bytes: %w", o.Len, unix.EINVAL)
	}
	return nil
}

// prepare sets up the next attempt, and tells whether it is the last if all
// goes well.
func (o *Op) prepare() (last bool) {
	if !o.transfers() {
		return true
	}
	o.start = o.resumeAt()
	left := o.Size() - o.start
	o.trim(min(left, maxTransfer))
	return o.want == left
}

// trim makes the attempt one of at most `limit` bytes from start on.
func (o *Op) trim(limit int) {
	if o.Vec == nil {
		o.oneBuf[0] = o.Buf[o.start : o.start+limit]
		o.bufs, o.want = o.oneBuf[:], limit
		return
	}
	o.bufs, o.want = o.bufs[:0], 0
	skip := o.start
	for _, b := range o.Vec {
		if skip >= len(b) {
			skip -= len(b)
			continue
		}
		b = b[skip:min(len(b), skip+limit-o.want)]
		skip = 0
		if o.want += len(b); len(b) > 0 {
			o.bufs = append(o.bufs, b)
		}
		if o.want == limit || len(o.bufs) == maxVector {
			return
		}
	}
}

// resumeAt is where a transfer goes on: after the last byte moved, but for
// O_DIRECT at the block that holds it, which is then moved again.
func (o *Op) resumeAt() int {
	if o.N%directAlign == 0 || o.Off < 0 || !o.isDirect() {
		return o.N
	}
	return o.N - o.N%directAlign
}

// isDirect asks the kernel whether the file has O_DIRECT. It is called for
// transfers that were cut short within a block only, so a system call is cheap
// enough.
func (o *Op) isDirect() bool {
	fd := o.FD
	if o.FixedFile {
		files := o.queue.ring.files
		if o.FD < 0 || o.FD >= len(files) {
			return true // a kernel that did not let go of its files: a block moved twice does no harm
		}
		fd = files[o.FD]
	}
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	return err == nil && flags&unix.O_DIRECT != 0
}

// offset is where in the file the attempt begins.
func (o *Op) offset() int64 {
	if o.Off < 0 {
		return -1
	}
	return o.Off + int64(o.start)
}

// whole tells whether a result is all the attempt asked for: a chain goes on
// only then.
func (o *Op) whole(res int) bool { return res >= 0 && (!o.transfers() || res >= o.want) }

// advance takes an attempt's result, as the kernel gives it: bytes, or an errno
// negated. It tells whether the operation has ended, and how. ECANCELED counts
// as interruption unless Cancel asked for it: the kernel gives it to what stood
// behind a short transfer in a chain.
func (o *Op) advance(res int) (ended bool, err error) {
	switch errno := unix.Errno(-res); {
	case res < 0 && (errno == unix.EINTR || errno == unix.EAGAIN || errno == unix.ECANCELED):
		o.tries++
		if o.cancelled.Load() {
			return true, unix.ECANCELED
		}
		return o.tries > maxTries, errno
	case res < 0:
		return true, errno
	case !o.transfers():
		return true, nil
	}
	before := o.N
	o.N = max(o.N, o.start+res)
	switch {
	case o.N == o.Size():
		return true, nil
	case o.cancelled.Load():
		return true, unix.ECANCELED
	case o.N > before:
		o.tries = 0
		return false, nil
	case o.Code == Read:
		return true, io.EOF
	}
	return true, io.ErrShortWrite
}

// chain is operations of which each waits for the one before.
type chain struct {
	ops     []*Op
	next    int  // the first that has not ended
	out     int  // attempts that the backend has
	stalled bool // ops[next] has to be tried again once out is 0
	broken  bool // an operation failed
}

// segment prepares attempts for what is left of the chain, as far as they can
// be handed over at once: up to an operation that needs a second attempt, or
// one that was cancelled.
func (c *chain) segment() []*Op {
	c.stalled = false
	end := c.next
	for last := true; last && end < len(c.ops) && !c.ops[end].cancelled.Load(); end++ {
		last = c.ops[end].prepare()
	}
	c.out = end - c.next
	return c.ops[c.next:end]
}

// settle takes as many results as are there, in the chain's order, and calls
// end for operations that ended. It tells whether the chain must be started
// again.
func (c *chain) settle(end func(*Op, error)) (again bool) {
	for !c.broken && !c.stalled && c.next < len(c.ops) && c.ops[c.next].got {
		o := c.ops[c.next]
		o.got = false
		ended, err := o.advance(o.res)
		if !ended {
			c.stalled = true
			break
		}
		c.next++
		c.broken = err != nil
		end(o, err)
	}
	if c.out > 0 || c.next == len(c.ops) {
		return false
	}
	for _, o := range c.ops[c.next:] {
		o.got = false
	}
	if !c.broken && c.ops[c.next].cancelled.Load() {
		c.broken = true
	}
	if !c.broken {
		return true
	}
	for c.next < len(c.ops) {
		c.next++
		end(c.ops[c.next-1], unix.ECANCELED)
	}
	return false
}

// cut splits operations into chains. The Link of the last operation means
// nothing.
func cut(ops []*Op) [][]*Op {
	var out [][]*Op
	for len(ops) > 0 {
		n := 1
		for n < len(ops) && ops[n-1].Link {
			n++
		}
		out = append(out, ops[:n])
		ops = ops[n:]
	}
	return out
}

// Errors of queues and rings.
var (
	// ErrIdle is Next's answer when nothing is in flight.
	ErrIdle = errors.New("iouring: nothing is in flight")
	// ErrClosed is the answer of a ring that is closed.
	ErrClosed = errors.New("iouring: the ring is closed")
)
