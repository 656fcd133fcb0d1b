package alloc

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// pool keeps files whose buffers are gone, with their pages, for outputs that will be written whole: a page that is new has to be zeroed,
// which takes longer than many a kernel. A file in it has a name in tmp/, so that it is dropped at Open like all temporaries. It
// does not count as used, and goes as soon as anybody needs the memory.
//
// What such a file holds is somebody else's. An output made of it is stale until its job has ended done; if it ends otherwise, or gets a name
// without a mark, its bytes are wiped. The mark on the tier says so too (Mark.Stale), for a job that is killed.
type pool struct {
	on    atomic.Bool  // somebody has asked for a file
	bytes atomic.Int64 // of all of them
	mu    sync.Mutex
	list  []pooled // oldest first
}

type pooled struct {
	tmp   entry
	key   key
	bytes int64
}

// Bounds of what is kept: smaller files cost less to make than to keep, and the whole is an eighth of the memory.
const (
	minPooled   = 256 << 10
	maxPooled   = 64
	poolDivisor = 8
)

// PrepareWhole is Prepare for an output of which every byte will be written: what it holds until then is undefined, and must not be
// shown to anybody. It is marked (SetMark) before it is published; SettleMark tells how the job ended.
func (s *Store) PrepareWhole(rel string, n int64) (*Prepared, error) {
	if s.ram.plain || n < minPooled {
		return s.Prepare(rel, n)
	}
	s.pool.on.Store(true)
	for {
		f, found := s.pool.take(n)
		if !found {
			return s.Prepare(rel, n)
		}
		if p, err := s.revive(f, n); err == nil {
			return p, nil
		} else if errors.Is(err, unix.ESHUTDOWN) {
			return nil, err
		} else {
			s.cfg.Logf("a file to be used again: %v", err)
		}
	}
}

// take finds the smallest file that has n bytes, but no more than a quarter too many.
func (p *pool) take(n int64) (f pooled, found bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	best := -1
	for i, f := range p.list {
		if f.bytes >= pages(n) && f.bytes <= n+n/4 && (best < 0 || f.bytes < p.list[best].bytes) {
			best = i
		}
	}
	if best < 0 {
		return f, false
	}
	f = p.list[best]
	p.list = slices.Delete(p.list, best, best+1)
	p.bytes.Add(-f.bytes)
	return f, true
}

// revive makes a file a buffer of n bytes. After an error the file is gone.
func (s *Store) revive(f pooled, n int64) (*Prepared, error) {
	s.ns.RLock()
	defer s.ns.RUnlock()
	if s.closed.Load() {
		return nil, unix.ESHUTDOWN
	}
	fd, err := s.open(f.tmp, unix.O_RDWR, 0)
	if err != nil {
		s.unpool(f)
		return nil, err
	}
	if err := s.ftruncate(fd, f.tmp.rel, n); err != nil {
		s.ram.drop(fd, f.tmp.rel)
		s.unpool(f)
		return nil, err
	}
	s.mem.meter.settle(f.key, 0, pages(n))
	b := s.hold(fd, false, f.key, "")
	b.stale.Store(true)
	b.allocated = n
	return &Prepared{b, f.tmp}, nil
}

// unpool removes a file of the pool.
func (s *Store) unpool(f pooled) {
	s.ram.discard(f.tmp, 0)
	s.mem.meter.forget(f.key)
}

// drain gives back all files of the pool, and reports whether there were any.
func (s *Store) drain() bool {
	p := &s.pool
	p.mu.Lock()
	list := p.list
	p.list = nil
	p.bytes.Store(0)
	p.mu.Unlock()
	for _, f := range list {
		s.unpool(f)
	}
	return len(list) > 0
}

// retire takes a file that is losing its last name out of the tree, to a name in tmp if it could be used again; else to none. v is open.
// Preconditions: s.ns is held for writing.
func (s *Store) retire(e entry, v *victim) error {
	if !s.poolable(v) {
		return s.unlink(e, 0)
	}
	tmp := s.ram.temp(e)
	err := s.rename(e, tmp, unix.RENAME_NOREPLACE)
	if err == nil {
		v.tmp = tmp
	}
	return err
}

// poolable reports whether a victim's file could be used again: it is large, and has all its pages.
func (s *Store) poolable(v *victim) bool {
	return s.pool.on.Load() && v.last && v.file && v.size >= minPooled && v.blocks >= pages(v.size) && s.table.spot(v.key) == nil
}

// lastUseful gives what the file of a dead buffer could be used for, when its last hold has ended.
func (b *Buffer) lastUseful() pooled {
	f := pooled{b.tmp, b.key, 0}
	if f.tmp.name == "" || b.s.closed.Load() {
		return f
	}
	st, err := b.s.fstat(b.fd, b.tmp.rel)
	alone := false
	if err == nil { // who had the buffer mapped must not see the next one's bytes
		alone, err = b.s.alone(b.fd, b.tmp.rel)
	}
	if f.bytes = st.Blocks * 512; err != nil || !alone || b.spot != nil || st.Nlink != 1 || f.bytes < max(pages(st.Size), minPooled) {
		b.s.ram.discard(f.tmp, 0)
		f.tmp = entry{}
	}
	return f
}

// keepOrDrop puts the file of a buffer that is gone into the pool, or removes it. Preconditions: no lock is held; nothing is known of the file any more.
func (s *Store) keepOrDrop(f pooled) {
	if f.tmp.name == "" || s.closed.Load() {
		s.mem.meter.forget(f.key)
		return
	}
	if err := s.strip(f.tmp); err != nil {
		s.cfg.Logf("%v", err)
		s.unpool(f)
		return
	}
	for _, old := range s.pool.put(f, min(s.cfg.Mem/poolDivisor, s.mem.usage().Free/2)) {
		s.unpool(old)
	}
}

// put adds a file and returns those that have to go, so that the rest is no more than limit.
func (p *pool) put(f pooled, limit int64) (out []pooled) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.list = append(p.list, f)
	sum := p.bytes.Add(f.bytes)
	for len(p.list) > 0 && (sum > limit || len(p.list) > maxPooled) {
		out = append(out, p.list[0])
		sum = p.bytes.Add(-p.list[0].bytes)
		p.list = slices.Delete(p.list, 0, 1)
	}
	return out
}

// strip takes from a file what the next buffer should not inherit. Owner and mode it gets anyway.
func (s *Store) strip(e entry) error {
	names, err := s.listxattr(e)
	if err != nil && !errors.Is(err, unix.EOPNOTSUPP) {
		return err
	}
	for _, name := range names {
		if err := s.xattr("removexattr", e, name, func(path string) error { return unix.Lremovexattr(path, name) }); err != nil {
			return err
		}
	}
	return s.chmod(e, 0o600)
}

// wipe makes the bytes of a stale buffer zeros. Preconditions: neither b.mu nor a lock after it is held.
func (b *Buffer) wipe() error {
	if !b.stale.Load() {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.wipeLocked()
}

// wipeLocked does so. What is mapped keeps its pages. Preconditions: b.mu is held for writing, or nobody else has the buffer.
func (b *Buffer) wipeLocked() error {
	st, err := b.stat()
	if err != nil {
		return err
	}
	h, err := b.at()
	if err != nil {
		return err
	}
	switch {
	case b.current != nil:
		clear(b.current.data)
	case h != nil && h.packed():
		n, err := b.s.blank(b.key.ino, h.spot, &st, b.Path())
		if err != nil {
			return err
		}
		old := h.spot
		b.settle(n.home)
		b.s.dropSpot(old)
	case st.Size > 0:
		if _, err := b.reshape(0, pages(st.Size), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE); err != nil {
			return err
		}
	}
	b.stale.Store(false)
	return nil
}

// wipeFile makes the bytes of a file zeros, at start: a job that was killed was to write it, and what it holds may be anybody's.
func (s *Store) wipeFile(rel string) error {
	return s.at(rel, func(e entry) error {
		fd, err := s.open(e, unix.O_RDWR, 0)
		if err != nil {
			return err
		}
		st, err := s.fstat(fd, rel)
		if err == nil {
			err = s.punch(fd, rel, &st)
		}
		if err == nil {
			s.mem.meter.settle(keyOf(&st), 0, 0)
			err = s.wipeSpilled(keyOf(&st))
		}
		return errors.Join(err, s.close(fd, rel))
	})
}

// wipeSpilled does so where they spilled.
func (s *Store) wipeSpilled(k key) error {
	p := s.table.spot(k)
	if p == nil || p.t == nil || !p.found {
		return nil
	}
	if p.packed() {
		return s.blankSpilled(k, p)
	}
	h, err := s.openHome(p, p.where)
	if err != nil {
		return err
	}
	defer h.close()
	if err := h.sums.drop(p.t, p); err != nil {
		return err
	}
	st, err := p.t.fstat(h.fd, p.where)
	if err == nil {
		err = s.punch(h.fd, p.where, &st)
	}
	p.t.meter.settle(p.key, 0, 0)
	return err
}

// blankSpilled does so where they are compressed.
func (s *Store) blankSpilled(k key, p *spot) error {
	st, err := p.t.stat(p.entry())
	if err != nil {
		return err
	}
	n, err := s.blank(k.ino, p, &st, p.where)
	if err != nil {
		return err
	}
	n.close()
	s.table.settle(k, n.spot)
	s.dropSpot(p)
	return nil
}
