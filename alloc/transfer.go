package alloc

import (
	"context"
	"time"

	"golang.org/x/sys/unix"

	"vgpu/iouring"
)

// Segment is a run of bytes of a buffer, and the memory for it.
type Segment struct {
	Off int64
	Buf []byte
}

// Transfer is segments on their way.
type Transfer struct {
	cancel     context.CancelFunc
	done       chan struct{}
	err        error
	start, end time.Time
}

// Wait returns when nothing of the transfer is going on any more: with nil when
// all of it was done, the first error of a segment, or the error of ctx if that
// ended it. A second Wait returns the same.
func (t *Transfer) Wait(ctx context.Context) error {
	select {
	case <-t.done:
	case <-ctx.Done():
		t.cancel()
		<-t.done
	}
	return t.err
}

// Span is when the transfer began and ended, after Wait has returned.
func (t *Transfer) Span() (start, end time.Time) { return t.start, t.end }

// Read starts to bring segments from wherever the bytes are, in any order, and
// does not wait. The memory belongs to the transfer until Wait has returned.
// Until then the buffer stays where it is. EINVAL: a segment reaches beyond the
// end; EIO: a *ChecksumError, or what the disk says.
func (b *Buffer) Read(segs ...Segment) *Transfer { return b.transfer(segs, b.readSegs) }

// Write starts to put segments into the buffer, within its size, likewise.
// Segments of one call may not overlap, nor may transfers under way of which
// one writes.
func (b *Buffer) Write(segs ...Segment) *Transfer { return b.transfer(segs, b.writeSegs) }

// transfer runs f in the background while the buffer cannot move.
func (b *Buffer) transfer(segs []Segment, f func(context.Context, *home, []Segment, int64) error) *Transfer {
	ctx, cancel := b.s.stop(context.Background())
	t := &Transfer{cancel: cancel, done: make(chan struct{}), start: time.Now()}
	b.mu.RLock()
	go func() {
		defer close(t.done)
		defer cancel()
		defer b.mu.RUnlock()
		err := b.carry(ctx, segs, f)
		t.end = time.Now()
		if t.err = err; err != nil && ctx.Err() != nil {
			t.err = context.Cause(ctx)
		}
	}()
	return t
}

// carry runs f where the bytes are. A compressed file may have to be expanded
// first, and the buffer can move again meanwhile. Preconditions: b.mu is held
// to read, and not for anything else by the caller: it is let go for that.
func (b *Buffer) carry(ctx context.Context, segs []Segment, f func(context.Context, *home, []Segment, int64) error) error {
	for {
		h, size, err := b.span(segs)
		if err == nil {
			err = f(ctx, h, segs, size)
		}
		b.mu.RUnlock()
		again, err := b.instead(ctx, err)
		b.mu.RLock()
		if !again {
			return err
		}
	}
}

// span checks that the segments are within the buffer. Preconditions: b.mu is held.
func (b *Buffer) span(segs []Segment) (h *home, size int64, err error) {
	if b.s.closed.Load() {
		return nil, 0, unix.ESHUTDOWN
	}
	if h, err = b.at(); err != nil {
		return nil, 0, err
	}
	st, err := b.stat()
	if err != nil {
		return nil, 0, err
	}
	for _, s := range segs {
		if s.Off < 0 || s.Off > st.Size-int64(len(s.Buf)) {
			return nil, 0, fail("transfer", b.Path(), unix.EINVAL)
		}
	}
	b.touch()
	return h, st.Size, nil
}

// readSegs reads them. In the RAM tier that is copying.
func (b *Buffer) readSegs(ctx context.Context, h *home, segs []Segment, size int64) error {
	path := b.Path()
	if h == nil {
		for _, s := range segs {
			n, err := b.s.readFull(b.fd, path, s.Buf, s.Off)
			if err == nil && n < len(s.Buf) { // a plain file that somebody cut
				err = fail("read", path, unix.EIO)
			}
			if err = firstOf(ctx.Err(), err); err != nil {
				return err
			}
		}
		return nil
	}
	if h.packed() {
		return b.unpackSegs(ctx, h, segs, size)
	}
	r := &reader{b: b, h: h, segs: segs, size: size, path: path, epoch: h.sums.now(), block: b.s.io.block}
	h.t.traffic.hits.Add(1)
	return b.s.io.flow(ctx, r.next)
}

// Segments of less than directMin that are at most joinGap bytes apart, such as
// the rows of a narrow tile, are read with what is between them: a request
// costs more than so many bytes.
const joinGap = 16 << 10

// reader cuts segments into pieces.
type reader struct {
	b     *Buffer
	h     *home
	segs  []Segment
	size  int64
	path  string
	epoch uint64
	block int64
}

// next is the next piece: bytes that are wanted, what lies between them, what
// is missing of chunks that are to be verified, and of the blocks of the disk.
func (r *reader) next() *piece {
	if !r.skip() {
		return nil
	}
	lo := r.segs[0].Off
	if r.h.sums.unverified(lo) {
		lo &^= chunkSize - 1
	}
	if r.h.direct >= 0 {
		lo &^= pageSize - 1
	}
	var wants []Segment
	limit, hi := (lo+r.step(lo))&^(chunkSize-1), int64(0)
	for {
		w := r.cut(limit)
		wants = append(wants, w)
		end := w.Off + int64(len(w.Buf))
		if hi = end; r.h.sums.unverified(hi - 1) {
			hi = min((hi+chunkSize-1)&^(chunkSize-1), r.size)
		}
		if end == limit || !r.skip() || !r.joins(end, hi, limit, len(w.Buf)) {
			return r.piece(wants, lo, hi)
		}
	}
}

// step is how long a piece from lo on may be: a block of the staging memory, or more of a segment that goes straight to its place.
func (r *reader) step(lo int64) int64 {
	s, long := &r.segs[0], r.b.s.io.straightStep()
	if lo == s.Off && int64(len(s.Buf)) >= long && (r.h.direct < 0 || r.h.t.aligned(s.Buf)) {
		return long
	}
	return r.block
}

// skip drops empty segments, and tells whether there are others.
func (r *reader) skip() bool {
	for len(r.segs) > 0 && len(r.segs[0].Buf) == 0 {
		r.segs = r.segs[1:]
	}
	return len(r.segs) > 0
}

// cut takes what the first segment wants up to limit.
func (r *reader) cut(limit int64) Segment {
	s := &r.segs[0]
	n := min(int64(len(s.Buf)), limit-s.Off)
	w := Segment{s.Off, s.Buf[:n]}
	s.Off, s.Buf = s.Off+n, s.Buf[n:]
	return w
}

// joins tells whether the next segment goes into a piece that ends at hi, or at
// limit at the latest, and whose last n wanted bytes end at end.
func (r *reader) joins(end, hi, limit int64, n int) bool {
	s := &r.segs[0]
	return s.Off >= end && s.Off < limit && (s.Off < hi || s.Off-end <= joinGap && max(n, len(s.Buf)) < directMin)
}

// piece reads [lo, hi), in which the bytes lie that are wanted.
func (r *reader) piece(wants []Segment, lo, hi int64) *piece {
	p := &piece{path: r.h.where, short: int(hi - lo)}
	p.Code, p.FD, p.Off = iouring.Read, r.h.fd, lo
	staged := hi - lo
	if r.h.direct >= 0 {
		p.FD, staged = r.h.direct, pages(hi)-lo
	}
	first := wants[0]
	straight := lo == first.Off && staged == int64(len(first.Buf)) && (r.h.direct < 0 || r.h.t.aligned(first.Buf))
	if straight {
		p.Buf = first.Buf
	} else {
		p.staged = staged
	}
	p.drain = func() error {
		got := p.Buf[:hi-lo]
		if err := r.verify(got, lo); err != nil {
			return err
		}
		for _, w := range wants {
			if !straight {
				copy(w.Buf, got[w.Off-lo:])
			}
			r.h.t.traffic.read.Add(uint64(len(w.Buf)))
		}
		return nil
	}
	return p
}

// verify checks the whole chunks of what was read.
func (r *reader) verify(got []byte, lo int64) error {
	skip := -lo & (chunkSize - 1)
	if skip >= int64(len(got)) {
		return nil
	}
	return r.h.verify(r.path, got[skip:], lo+skip, r.size, r.epoch)
}

// directMin is how long a segment is at least that is written past the page
// cache. Shorter ones, which are rows of tiles, become whole blocks there. They
// are written by pwrite(2), which copies them and is done: the kernel hands a
// request that may have to wait for a page to a thread of its own.
const directMin = 64 << 10

// writeSegs writes them. In the RAM tier that is copying.
func (b *Buffer) writeSegs(ctx context.Context, h *home, segs []Segment, size int64) error {
	if b.readonly {
		return fail("write", b.Path(), unix.EACCES)
	}
	if h == nil {
		return b.copyIn(ctx, segs)
	}
	w := &writer{b: b, h: h, size: size}
	for _, s := range segs {
		w.add(s)
	}
	err := w.begin()
	if err == nil {
		err = b.s.io.flow(ctx, w.next)
	}
	w.end(err == nil)
	return err
}

// copyIn writes segments into the RAM tier.
func (b *Buffer) copyIn(ctx context.Context, segs []Segment) error {
	st, err := b.stat()
	if err != nil {
		return err
	}
	for _, s := range segs {
		_, err := b.write(s.Buf, s.Off, &st)
		if err = firstOf(ctx.Err(), err); err != nil {
			return err
		}
	}
	return nil
}

// writer writes segments of a spilled buffer.
type writer struct {
	b     *Buffer
	h     *home
	size  int64
	parts []part
	spans []*span
	fresh [][]fragment // the checksums of each span
	segs  []Segment
	at    int
	need  int64
}

// part is a run of bytes that goes one way: straight to the disk, or through
// the page cache.
type part struct {
	off    int64
	buf    []byte
	direct bool
}

// add cuts a segment into what is aligned for the disk, and the edges: their
// blocks may have bytes that others are writing just now, and only the page
// cache keeps those apart.
func (w *writer) add(s Segment) {
	w.segs = append(w.segs, s)
	end := s.Off + int64(len(s.Buf))
	lo, hi := pages(s.Off), end&^(pageSize-1)
	if w.h.direct < 0 || hi-lo < directMin {
		lo, hi = end, end
	}
	w.cut(s, s.Off, lo, false)
	w.cut(s, lo, hi, true)
	w.cut(s, hi, end, false)
}

// cut adds [lo, hi) in pieces that end where blocks do, longer ones where none is staged.
func (w *writer) cut(s Segment, lo, hi int64, direct bool) {
	step := w.b.s.io.block
	if direct && lo < hi && w.h.t.aligned(s.Buf[lo-s.Off:]) {
		step = w.b.s.io.straightStep()
	}
	for lo < hi {
		end := min(hi, (lo+step)&^(pageSize-1))
		w.parts = append(w.parts, part{lo, s.Buf[lo-s.Off : end-s.Off], direct})
		lo = end
	}
}

// begin says what will be written, and takes the space that it may need.
func (w *writer) begin() error {
	for _, s := range w.segs {
		sp, err := w.h.sums.begin(w.h.t, w.h.spot, s.Off, s.Off+int64(len(s.Buf)))
		if err != nil {
			return err
		}
		w.spans = append(w.spans, sp)
		w.fresh = append(w.fresh, fragments(s))
	}
	st, err := w.h.t.fstat(w.h.fd, w.h.where)
	if err != nil || st.Blocks*512 >= pages(st.Size) {
		return err
	}
	for _, s := range w.segs {
		w.need += pages(s.Off+int64(len(s.Buf))) - s.Off&^(pageSize-1)
	}
	if err := w.h.t.meter.claim(w.h.key, w.need); err != nil {
		need := w.need
		w.need = 0
		return &fullError{w.h.t.path, need}
	}
	return nil
}

// next is the next piece.
func (w *writer) next() *piece {
	if w.at == len(w.parts) {
		return nil
	}
	part := w.parts[w.at]
	w.at++
	p := &piece{path: w.h.where}
	p.Code, p.FD, p.Off, p.Buf = iouring.Write, w.h.fd, part.off, part.buf
	if !part.direct {
		if len(part.buf) < directMin {
			p.call = func() error {
				_, err := w.h.t.writeFull(w.h.fd, w.h.where, part.buf, part.off)
				return err
			}
		}
		return p
	}
	if p.FD = w.h.direct; !w.h.t.aligned(part.buf) {
		p.staged = int64(len(part.buf))
		p.fill = func() error { copy(p.Buf, part.buf); return nil }
	}
	return p
}

// end says that all of it was written, or not.
func (w *writer) end(whole bool) {
	for i, sp := range w.spans {
		var fresh []fragment
		if whole {
			fresh = w.fresh[i]
		}
		w.h.sums.end(sp, w.size, fresh)
	}
	if w.need > 0 {
		now, err := w.h.blocks()
		if err != nil {
			now = unknown
			w.h.t.logf("%v", err)
		}
		w.h.t.meter.settle(w.h.key, w.need, now)
	}
	if whole {
		for _, s := range w.segs {
			w.h.t.traffic.written.Add(uint64(len(s.Buf)))
		}
	}
}
