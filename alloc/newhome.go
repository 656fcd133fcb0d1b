package alloc

import (
	"context"
	"fmt"
	"math/rand/v2"

	"golang.org/x/sys/unix"

	"vgpu/iouring"
)

// newHome is a spill file that is being written: temporary until it is named.
type newHome struct {
	*home
	tmp   entry
	size  int64
	named bool
}

// newData makes a file of so many bytes on a tier, with all its space, under a temporary name.
func (s *Store) newData(t *spillTier, ino uint64, size int64, rel string) (*newHome, error) {
	n, err := s.newFileOn(t, ino, size, "", rel)
	if err == nil {
		err = n.open(rel, func() error { return n.reserve(rel) })
	}
	if err != nil {
		return nil, err
	}
	return n, nil
}

// newFileOn makes an empty file that will be called after its inode, with a suffix.
func (s *Store) newFileOn(t *spillTier, ino uint64, size int64, suffix, rel string) (*newHome, error) {
	n, era := &newHome{tmp: t.temp(entry{rel: rel}), size: size}, t.health.era.Load()
	fd, err := t.open(n.tmp, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	name := fmt.Sprintf("%d-%016x%s", ino, rand.Uint64(), suffix)
	n.home = &home{spot: &spot{token: t.token, t: t, name: name, where: t.path, found: true}, fd: fd, direct: -1, sums: newSums(size)}
	n.era.Store(era)
	return n, nil
}

// open makes it ready for transfers, with its space or without, as allocate does. After an error it is gone.
func (n *newHome) open(rel string, allocate func() error) error {
	st, err := n.t.fstat(n.fd, rel)
	if n.key = keyOf(&st); err == nil {
		err = allocate()
	}
	if err == nil && n.t.direct {
		n.direct, err = n.t.openDirect(n.tmp)
	}
	if err != nil {
		n.discard()
	}
	return err
}

// reserve allocates the file's space, and gives it a size of whole pages for the time of the copy: a direct transfer ends with one, and
// one that makes a file longer would have to wait for all others.
func (n *newHome) reserve(rel string) error {
	return n.t.spend(n.fd, n.key, n.size, func() error {
		if _, err := n.t.fill(n.fd, rel, 0, pages(n.size)); err != nil {
			return err
		}
		return n.t.ftruncate(n.fd, rel, pages(n.size))
	})
}

// finish gives the file its size and times, and its name and that of its checksums, which make it known to nobody yet.
func (n *newHome) finish(st *unix.Stat_t) error {
	t := n.t
	if err := t.ftruncate(n.fd, n.tmp.rel, n.size); err != nil {
		return err
	}
	if err := t.setTimes(n.fd, n.tmp.rel, st); err != nil {
		return err
	}
	if err := t.rename(n.tmp, n.entry(), unix.RENAME_NOREPLACE); err != nil {
		return err
	}
	n.named = true
	return n.sums.file(t, n.spot)
}

// discard removes what was made.
func (n *newHome) discard() {
	n.close()
	e := n.tmp
	if n.named {
		e = n.entry()
		n.t.discardFile(n.sumsEntry(), n.sumsKey)
	}
	n.t.discardFile(e, n.key)
}

// copyIn writes the bytes of a resident buffer into the file, and sums them up.
func (n *newHome) copyIn(ctx context.Context, b *Buffer) error {
	switch mappable, err := b.mappable(n.size); {
	case err != nil:
		return err
	case mappable:
		return n.writeOut(ctx, b)
	}
	return n.copyFrom(ctx, b.fd, b)
}

// copyFrom writes the bytes behind a descriptor of the buffer into the file by way of staging memory, and sums them up there.
func (n *newHome) copyFrom(ctx context.Context, fd int, b *Buffer) error {
	off, path, x := int64(0), b.Path(), b.sysOf(fd)
	return b.s.io.flows(ctx, func() *piece {
		if off >= n.size {
			return nil
		}
		at, size := off, min(b.s.io.block, n.size-off)
		off += size
		p := &piece{path: n.where, staged: size}
		p.Code, p.FD, p.Off = iouring.Write, n.fd, at
		if n.direct >= 0 {
			p.FD, p.staged = n.direct, pages(size)
		}
		p.fill = func() error { return n.load(x, fd, path, p.Buf, at, size) }
		return p
	})
}

// load reads a piece of what is copied, by calls of x, and sums it up.
func (n *newHome) load(x sys, fd int, path string, p []byte, off, size int64) error {
	k, err := x.readFull(fd, path, p[:size], off)
	if err != nil {
		return err
	}
	clear(p[k:])
	n.sumUp(p[:size], off)
	return nil
}

// sumUp notes the checksums of bytes from off on, where a chunk begins.
func (n *newHome) sumUp(p []byte, off int64) {
	for i := off / chunkSize; len(p) > 0; i++ {
		part := p[:min(chunkSize, len(p))]
		n.sums.of[i], p = sum(part), p[len(part):]
	}
}
