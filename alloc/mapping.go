package alloc

import (
	"errors"
	"fmt"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// mapped is a shared mapping of a whole file. Its handles are the Mappings.
type mapped struct {
	data []byte
	refs int // guarded by the buffer's mu
}

// Mapping is a hold on the bytes of a buffer, which it keeps from shrinking.
type Mapping struct {
	Data   []byte // the whole buffer as it was when it was mapped; read-only if the buffer is
	b      *Buffer
	m      *mapped
	closed atomic.Bool
}

// Map maps the whole buffer, shared, to read and to write, with all its pages
// allocated (ENOSPC). The mapping is shared by all that ask for it at the same
// size. The caller closes it. ErrSpilled: the bytes are not in the RAM tier,
// and have to be promoted first.
func (b *Buffer) Map() (*Mapping, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.Resident() {
		return nil, fmt.Errorf("map %q: %w", b.Path(), ErrSpilled)
	}
	size, err := b.reserve()
	if err != nil {
		return nil, err
	}
	if b.current == nil || int64(len(b.current.data)) != size {
		data, err := b.mmap(size)
		if err != nil {
			return nil, err
		}
		b.current = &mapped{data: data}
	}
	b.current.refs++
	b.mappings.Add(1)
	b.touch()
	b.Ref()
	return &Mapping{Data: b.current.data, b: b, m: b.current}, nil
}

// mmap maps the file. Huge pages are asked for: one TLB entry for 512 pages is
// what a streaming kernel lives on.
func (b *Buffer) mmap(size int64) (data []byte, err error) {
	if size == 0 { // mmap(2) has no empty mappings
		return nil, nil
	}
	if int64(int(size)) != size {
		return nil, fail("mmap", b.Path(), unix.ENOMEM)
	}
	prot := unix.PROT_READ | unix.PROT_WRITE
	if b.readonly {
		prot = unix.PROT_READ
	}
	path := b.Path()
	err = b.s.do("mmap", path, func() (err error) {
		data, err = unix.Mmap(b.fd, 0, int(size), prot, unix.MAP_SHARED)
		return err
	})
	if err != nil {
		return nil, err
	}
	err = b.s.do("madvise", path, func() error { return unix.Madvise(data, unix.MADV_HUGEPAGE) })
	if err != nil && !errors.Is(err, unix.EINVAL) { // EINVAL: a kernel without huge pages
		return nil, errors.Join(err, b.munmap(data))
	}
	return data, nil
}

// munmap ends a mapping; that of an empty buffer is none.
func (b *Buffer) munmap(data []byte) error {
	if len(data) == 0 {
		return nil
	}
	return b.s.do("munmap", b.Path(), func() error { return unix.Munmap(data) })
}

// Close ends the hold; Data may not be touched afterwards. A second Close does nothing.
func (m *Mapping) Close() {
	if m.closed.Swap(true) {
		return
	}
	b := m.b
	b.mu.Lock()
	b.mappings.Add(-1)
	last := m.m.refs == 1 && b.current == m.m && len(m.m.data) > 0
	b.mu.Unlock()
	if !last {
		b.unhold(m.m)
		return
	}
	cool(b.s.warm.keep(b, m.m))
	if b.Path() == "" { // unlinked, now or before: what takes the last name drops only what it finds kept
		b.s.warm.drop(b)
	}
}

// unhold ends one hold of a mapping, and of the buffer.
func (b *Buffer) unhold(m *mapped) {
	b.mu.Lock()
	m.refs--
	var err error
	if m.refs == 0 {
		if b.current == m {
			b.current = nil
		}
		err = b.munmap(m.data)
	}
	b.mu.Unlock()
	if err != nil {
		b.s.cfg.Logf("%v", err)
	}
	b.Release()
}

// Mapped reports whether anybody holds a mapping.
func (b *Buffer) Mapped() bool { return b.mappings.Load() > 0 }
