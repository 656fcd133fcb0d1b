package alloc

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"vgpu/iouring"
)

// engine moves bytes between memory and the spill tiers: a ring, and blocks of
// memory that it knows, for what cannot go straight to where it is wanted,
// since it has to be checked first or is not aligned. The blocks are part of
// Config.Mem for as long as the store is open.
type engine struct {
	ring   *iouring.Ring
	codecs *codecs // nil: nothing is compressed
	mem    []byte
	block  int64
	free   chan []byte
	nurse  *nurse
	note   string // why not io_uring, or why its memory is not registered
}

// Bounds of the staging memory and of its blocks.
const (
	minStaging = 4 * chunkSize
	maxStaging = 32 << 20
	maxBlock   = 1 << 20
	ringWindow = 64
	flowDepth  = 16 // pieces of one flow under way
	minSpare   = 64 << 10
	maxSpare   = 16 << 20
)

// stagingSize is how much of the memory transfers may have: a thirty-second, in
// blocks that are whole chunks.
func stagingSize(mem int64, packs bool) (size, block int64) {
	size = min(max(mem/32, minStaging), maxStaging)
	block = int64(chunkSize)
	if packs {
		size, block = max(size, 4*packChunk), packChunk
	}
	for block < maxBlock && size/block > 16 {
		block *= 2
	}
	return size / block * block, block
}

// openEngine reserves the staging memory and opens the ring.
func (s *Store) openEngine() error {
	packs := s.packs()
	size, block := stagingSize(s.cfg.Mem, packs)
	var packers int64
	if packs {
		packers = codecCount(s.cfg.Mem)
	}
	if err := s.mem.reserveStaging(size + packers*codecSize); err != nil {
		return fmt.Errorf("staging memory for the spill tiers: %w", err)
	}
	s.mem.setSpare(min(max(s.cfg.Mem/256, minSpare), maxSpare) &^ (pageSize - 1))
	e := &engine{block: block, free: make(chan []byte, size/block)}
	err := s.do("mmap", "staging", func() (err error) {
		e.mem, err = unix.Mmap(-1, 0, int(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_POPULATE)
		return err
	})
	if err != nil {
		return err
	}
	for off := int64(0); off < size; off += block {
		e.free <- e.mem[off : off+block : off+block]
	}
	if e.codecs, err = s.newCodecs(packers); err == nil {
		e.ring, err = iouring.Open(iouring.Options{Backend: s.cfg.IO, Window: ringWindow, Faulty: s.faulty()})
	}
	if err != nil {
		e.codecs.stop()
		return errors.Join(err, e.codecs.close(), unix.Munmap(e.mem))
	}
	kind, reason := e.ring.Backend()
	if e.note = reason; kind == iouring.Uring {
		if err := e.ring.RegisterBuffers(e.memory()); err != nil {
			e.note = err.Error()
		}
	}
	s.io, e.nurse = e, s.newNurse()
	for _, t := range s.spills {
		t.nurse = e.nurse
	}
	return nil
}

// faulty puts the Faults hook before the ring's transfers too.
func (s *Store) faulty() iouring.Faulty {
	faults := either(s.cfg.Faults, s.cfg.SpillFaults)
	if faults == nil {
		return nil
	}
	return func(_ uint64, o *iouring.Op) iouring.Fault {
		err := faults(o.Code.String(), o.Tag.(*piece).path)
		var errno unix.Errno
		switch {
		case err == nil:
			return iouring.Fault{}
		case err == ErrShort: // whole blocks, as direct transfers are cut
			return iouring.Fault{Short: int(pages(int64(o.Size() / 2)))}
		case errors.As(err, &errno):
			return iouring.Fault{Err: errno}
		}
		return iouring.Fault{Err: unix.EIO}
	}
}

// close ends what is under way and frees all. What is suspect still is probed,
// so that the end of the store knows.
func (e *engine) close() error {
	e.nurse.stop()
	for _, t := range e.nurse.s.spills {
		t.settleDoubt()
	}
	e.codecs.stop()
	return errors.Join(e.ring.Close(), e.codecs.close(), unix.Munmap(e.mem))
}

// memory is all that transfers go through.
func (e *engine) memory() [][]byte {
	if e.codecs == nil {
		return [][]byte{e.mem}
	}
	return [][]byte{e.mem, e.codecs.mem}
}

// take gives a staging block. Without wait it is nil if none is free.
func (e *engine) take(ctx context.Context, wait bool) ([]byte, error) {
	select {
	case p := <-e.free:
		return p, nil
	default:
	}
	if !wait {
		return nil, nil
	}
	select {
	case p := <-e.free:
		return p, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// piece is a part of a transfer: one operation.
type piece struct {
	iouring.Op
	path   string
	staged int64        // bytes of a staging block that it needs; 0: Buf is the caller's own
	block  []byte       // the whole of it
	short  int          // bytes with which a read that meets the end of the file is complete
	fill   func() error // before a write: puts the bytes into Buf
	drain  func() error // after a read: takes them out
	call   func() error // nil: what is said above; else a system call that is cheaper than a request, and has done all of it
}

// flow carries out the pieces that next gives, until it gives nil, several at a
// time. It returns when none is under way any more, with the first error. Who
// waits for a staging block holds none, so that flows cannot wait for each
// other in a circle.
func (e *engine) flow(ctx context.Context, next func() *piece) error {
	f := &flow{e: e, ctx: ctx, q: e.ring.NewQueue(), next: next}
	err := f.run()
	if err != nil {
		f.q.Cancel()
	}
	for f.q.Pending() > 0 {
		_, e := f.end(context.Background())
		err = firstOf(err, e)
	}
	if f.held != nil {
		e.give(f.held)
	}
	return err
}

// flows is flow with the work on the bytes, which is copying and checksums, on
// two threads: one alone copies and sums some 3 GB/s.
func (e *engine) flows(ctx context.Context, next func() *piece) error { return e.flowsOn(ctx, 2, next) }

// flowsOn is flow with the work on the bytes on so many threads.
func (e *engine) flowsOn(ctx context.Context, threads int, next func() *piece) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var mu sync.Mutex
	var first error
	one := func() *piece {
		mu.Lock()
		defer mu.Unlock()
		return next()
	}
	run := func() {
		if err := e.flow(ctx, one); err != nil {
			mu.Lock()
			first = firstOf(first, err) // what the other fails with after that is our cancelling
			mu.Unlock()
			cancel()
		}
	}
	var others sync.WaitGroup
	for range threads - 1 {
		others.Go(run)
	}
	run()
	others.Wait()
	return first
}

// give takes a block back.
func (e *engine) give(p *piece) {
	if p.block != nil {
		e.free <- p.block
		p.block = nil
	}
}

// firstOf keeps the first error.
func firstOf(err, later error) error {
	if err != nil {
		return err
	}
	return later
}

// flow is one transfer's pieces on their way through the ring. One goroutine
// drives it.
type flow struct {
	e    *engine
	ctx  context.Context
	q    *iouring.Queue
	next func() *piece
	held *piece // the next one, which is not under way yet
	done bool
}

// run keeps pieces under way until there are no more.
func (f *flow) run() error {
	for {
		for f.q.Pending() < flowDepth {
			begun, err := f.begin()
			if err != nil {
				return err
			}
			if !begun {
				break
			}
		}
		if f.q.Pending() == 0 {
			return nil
		}
		if _, err := f.end(f.ctx); err != nil {
			return err
		}
	}
}

// begin starts a piece. False: there is none, or no staging block for it.
func (f *flow) begin() (bool, error) {
	if f.held == nil && !f.done {
		f.held = f.next()
		f.done = f.held == nil
	}
	p := f.held
	if p == nil {
		return false, nil
	}
	if p.call != nil {
		if err := f.ctx.Err(); err != nil {
			return false, err
		}
		f.held = nil
		return true, p.call()
	}
	if p.staged > 0 && p.block == nil {
		block, err := f.e.take(f.ctx, f.q.Pending() == 0)
		if block == nil {
			return false, err
		}
		p.block, p.Buf = block, block[:p.staged]
	}
	if p.fill != nil {
		if err := p.fill(); err != nil {
			return false, err
		}
	}
	p.Tag = p
	if _, err := f.q.Submit(f.ctx, &p.Op); err != nil {
		return false, err
	}
	f.held = nil
	return true, nil
}

// end waits for a piece and finishes it.
func (f *flow) end(ctx context.Context) (*piece, error) {
	op, err := f.q.Next(ctx)
	if err != nil {
		return nil, err
	}
	p := op.Tag.(*piece)
	if err = p.result(); err != nil {
		f.e.nurse.blame(p.path, err)
	}
	if err == nil && p.drain != nil {
		err = p.drain()
	}
	f.e.give(p)
	return p, err
}

// result is how the operation went.
func (p *piece) result() error {
	switch {
	case p.Err == nil, p.short > 0 && p.N >= p.short:
		return nil
	}
	err := p.Err
	var errno unix.Errno
	if !errors.As(err, &errno) { // the file ended, or took no more, without saying why
		err = fmt.Errorf("%w (%w)", err, unix.EIO)
	}
	return &os.PathError{Op: p.Code.String(), Path: p.path, Err: err}
}

// stop is a context that ends with ctx, or when the store is closed.
func (s *Store) stop(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	quit := context.AfterFunc(s.closing, func() { cancel(unix.ESHUTDOWN) })
	return ctx, func() { quit(); cancel(nil) }
}
