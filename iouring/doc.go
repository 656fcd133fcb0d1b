// Package iouring moves bytes between memory and files, many transfers at a
// time: io_uring(7) on golang.org/x/sys alone, and threads that call preadv2
// and pwritev2 where the kernel has no io_uring or forbids it.
//
// # Model
//
// A Ring has a window of operations in flight. Any number of Queues submit to
// it, and each hears of its own operations' ends, in the order they end:
//
//	ring, err := iouring.Open(iouring.Options{Window: 32})
//	err = ring.RegisterBuffers(bufs) // memory from mmap, which stays mapped
//	q := ring.NewQueue()
//	for more() || q.Pending() > 0 {
//		for more() && q.Pending() < depth {
//			_, err = q.Submit(ctx, &iouring.Op{Code: iouring.Read, FD: fd, Off: off, Buf: bufs[i]})
//		}
//		op, err := q.Next(ctx) // op.N, op.Err
//	}
//
// Do is the short form: it submits, waits for all, and returns the first
// error.
//
// An operation ends when all of it is done or it cannot go on: what the kernel
// cut short, interrupted (EINTR), put off (EAGAIN) or cancelled though nobody
// asked is taken up again where it stopped. Linked operations (Op.Link) are a
// chain: each begins when the one before has been done in full, and the rest
// of a chain that breaks ends with ECANCELED. A transfer that the kernel cuts
// short does not break a chain.
//
// # Ownership
//
// From Submit until Next, Poll or Do returns it, an operation, its buffers and
// its vector belong to the ring: the caller neither reads, writes nor unmaps
// them, and keeps the file open. This holds after cancelling and after an
// expired context too: the kernel may be writing into the buffer until the
// operation has ended. Registered buffers stay mapped until they are
// unregistered or the ring is closed. Buffers may be of the Go heap, but are
// better not: the ring keeps them alive, and they never move.
//
// # Synchronization
//
// All methods of Ring and Queue may be called by any number of goroutines,
// but RegisterBuffers and RegisterFiles fail with EBUSY while operations are
// in flight. What one goroutine wrote to a buffer before Submit the kernel
// sees, and what the kernel wrote the caller of Next sees.
//
// With io_uring there is no thread of ours: who waits, in Next or for room in
// Submit, waits in the kernel itself and hands out the ends of everybody's
// operations (one at a time does, the leader; when it goes, another waiter
// takes its place). This costs no change of threads where one goroutine
// submits and waits. The kernel goes on with operations that nobody waits
// for, but what has to be taken up again is so when somebody next calls.
//
// Lock order: Ring.gate, then Ring.mu; then a backend's own, of which uring has
// sqMu before cqMu. Backends are called, and call back, with none of these held.
//
// # What is not supported
//
// Kernels before 5.10 run on threads. SINGLE_ISSUER and DEFER_TASKRUN are
// reported but not used: they bind a ring to one thread, and a goroutine has
// none; nor is COOP_TASKRUN, which delays completions until the thread that
// submitted enters the kernel, and that may be computing. Tried all the same
// with everything on one thread (Linux 6.18, virtio disk, 4 KiB random
// reads), they made no difference: 6 to 8 us of CPU an operation with 32 in
// flight, with and without. SQPOLL and IOPOLL cost a core.
package iouring
