package iouring

import (
	"fmt"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// kernel is the system calls, which tests replace.
type kernel struct {
	setup    func(entries uint32, p *params) (fd int, errno unix.Errno)
	enter    func(fd int, submit, wait, flags uint32) (n int, errno unix.Errno)
	register func(fd int, op uint32, arg unsafe.Pointer, n uint32) unix.Errno
}

// realKernel makes the system calls. setup and enter may block, and go through
// the scheduler (Syscall), so that other goroutines run meanwhile.
var realKernel = kernel{
	setup: func(entries uint32, p *params) (int, unix.Errno) {
		fd, _, errno := unix.Syscall(unix.SYS_IO_URING_SETUP, uintptr(entries), uintptr(unsafe.Pointer(p)), 0)
		return int(fd), errno
	},
	enter: func(fd int, submit, wait, flags uint32) (int, unix.Errno) {
		n, _, errno := unix.Syscall6(unix.SYS_IO_URING_ENTER, uintptr(fd), uintptr(submit), uintptr(wait), uintptr(flags), 0, 0)
		return int(n), errno
	},
	register: func(fd int, op uint32, arg unsafe.Pointer, n uint32) unix.Errno {
		_, _, errno := unix.Syscall6(unix.SYS_IO_URING_REGISTER, uintptr(fd), uintptr(op), uintptr(arg), uintptr(n), 0, 0)
		return errno
	},
}

// rings are the queues shared with the kernel. The ends are written by one side
// each, with release, and read by the other with acquire: io_uring(7).
type rings struct {
	mem, sqeMem []byte // mappings

	sqTail, sqFlags, cqHead, cqTail *uint32
	sqMask, cqMask                  uint32
	sqes                            []sqe
	cqes                            []cqe
}

// mapRings maps the queues. Kernels with SINGLE_MMAP have both in one mapping.
func mapRings(fd int, p *params) (*rings, error) {
	size := max(p.sqOff.array+4*p.sqEntries, p.cqOff.cqes+uint32(unsafe.Sizeof(cqe{}))*p.cqEntries)
	const prot, flags = unix.PROT_READ | unix.PROT_WRITE, unix.MAP_SHARED | unix.MAP_POPULATE
	mem, err := unix.Mmap(fd, offSQRing, int(size), prot, flags)
	if err != nil {
		return nil, fmt.Errorf("mapping the queues: %w", err)
	}
	q := &rings{mem: mem}
	if q.sqeMem, err = unix.Mmap(fd, offSQEs, int(p.sqEntries)*int(unsafe.Sizeof(sqe{})), prot, flags); err != nil {
		return nil, fmt.Errorf("mapping the submission entries: %w", q.unmapAfter(err))
	}
	at := func(off uint32) *uint32 { return (*uint32)(unsafe.Pointer(&mem[off])) }
	q.sqTail, q.sqFlags = at(p.sqOff.tail), at(p.sqOff.flags)
	q.cqHead, q.cqTail = at(p.cqOff.head), at(p.cqOff.tail)
	q.sqMask, q.cqMask = *at(p.sqOff.ringMask), *at(p.cqOff.ringMask)
	q.sqes = unsafe.Slice((*sqe)(unsafe.Pointer(&q.sqeMem[0])), p.sqEntries)
	q.cqes = unsafe.Slice((*cqe)(unsafe.Pointer(&mem[p.cqOff.cqes])), p.cqEntries)
	array := unsafe.Slice(at(p.sqOff.array), p.sqEntries)
	for i := range array { // entry i of the queue is sqes[i], for good
		array[i] = uint32(i)
	}
	return q, nil
}

// unmapAfter frees the first mapping and gives err, with what went wrong with
// that.
func (q *rings) unmapAfter(err error) error {
	if e := unix.Munmap(q.mem); e != nil {
		return fmt.Errorf("%w; and munmap: %w", err, e)
	}
	return err
}

// unmap frees both mappings. Nothing may touch the queues any more.
func (q *rings) unmap() error {
	err := unix.Munmap(q.sqeMem)
	if err != nil {
		return q.unmapAfter(err)
	}
	return unix.Munmap(q.mem)
}

// fill writes an attempt's entry. fixed finds registered buffers.
func fill(e *sqe, o *Op, fixed func([]byte) (uint16, bool)) {
	*e = sqe{fd: int32(o.FD), off: uint64(o.offset()), userData: o.id}
	if o.FixedFile {
		e.flags |= sqeFixedFile
	}
	if o.tries > 0 { // it was put off or interrupted: let a kernel thread wait
		e.flags |= sqeAsync
	}
	switch o.Code {
	case Nop:
		*e = sqe{opcode: opNop, userData: o.id}
	case Read:
		fillTransfer(e, o, fixed, opRead)
	case Write:
		fillTransfer(e, o, fixed, opWrite)
	case Fsync:
		e.opcode, e.off = opFsync, 0
		if o.DataOnly {
			e.opFlags = fsyncDataSync
		}
	case Fallocate:
		e.opcode, e.off, e.addr, e.length = opFallocate, uint64(o.Off), uint64(o.Len), o.Mode
	}
}

// fillTransfer chooses among the three forms of a read or write. code is
// that of the plain one.
func fillTransfer(e *sqe, o *Op, fixed func([]byte) (uint16, bool), code uint8) {
	if len(o.bufs) > 1 {
		o.iov = o.iov[:0]
		for _, b := range o.bufs {
			v := unix.Iovec{Base: unsafe.SliceData(b)}
			v.SetLen(len(b))
			o.iov = append(o.iov, v)
		}
		e.opcode = code - opRead + opReadv
		e.addr, e.length = uint64(uintptr(unsafe.Pointer(unsafe.SliceData(o.iov)))), uint32(len(o.iov))
		return
	}
	e.opcode = code
	if len(o.bufs) == 0 || len(o.bufs[0]) == 0 {
		return
	}
	b := o.bufs[0]
	e.addr, e.length = uint64(address(b)), uint32(len(b))
	if i, ok := fixed(b); ok {
		e.opcode, e.bufIndex = code-opRead+opReadFixed, i
	}
}

// address is where a slice's memory begins.
func address(b []byte) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(b))) }

// registerList makes an io_uring_register call with a list.
func (u *uring) registerList(op uint32, bufs [][]byte, fds []int) error {
	var errno unix.Errno
	switch op {
	case registerBuffers:
		iov := make([]unix.Iovec, len(bufs))
		for i, b := range bufs {
			iov[i].Base = unsafe.SliceData(b)
			iov[i].SetLen(len(b))
		}
		errno = u.sys.register(u.fd, op, unsafe.Pointer(unsafe.SliceData(iov)), uint32(len(iov)))
	case registerFiles:
		list := make([]int32, len(fds))
		for i, fd := range fds {
			list[i] = int32(fd)
		}
		errno = u.sys.register(u.fd, op, unsafe.Pointer(unsafe.SliceData(list)), uint32(len(list)))
	default:
		errno = u.sys.register(u.fd, op, nil, 0)
	}
	if errno != 0 {
		return errno
	}
	return nil
}

// probeOps asks which opcodes there are.
func probeOps(sys *kernel, fd int) (*probe, unix.Errno) {
	var p probe
	errno := sys.register(fd, registerProbe, unsafe.Pointer(&p), uint32(len(p.ops)))
	return &p, errno
}

// load and store are of the queues' ends, which the kernel sees too.
func load(p *uint32) uint32     { return atomic.LoadUint32(p) }
func store(p *uint32, v uint32) { atomic.StoreUint32(p, v) }
