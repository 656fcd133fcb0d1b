package alloc

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// Prepared is a buffer that has its space, and no name yet: an output of a job
// that is being accepted. It is published, or discarded.
type Prepared struct {
	*Buffer
	tmp entry // without its directory in a plain tree, where that is the one of what it is to become
}

// Prepare makes a file of n bytes, all of them allocated, that is to stand at
// rel: in the RAM tier, or if it is full on the first spill tier that has room.
// ENOSPC: nothing has changed.
func (s *Store) Prepare(rel string, n int64) (*Prepared, error) {
	p, err := s.prepare(rel)
	if err != nil {
		return nil, err
	}
	_, _, err = p.resize(n)
	if errors.Is(err, unix.ENOSPC) && s.Spills() {
		err = p.resizeSpilled(n)
	}
	return p.or(err, rel)
}

// PrepareSpilled is Prepare on a spill tier whatever room the RAM tier has, if
// there is one: the output of a run that streams.
func (s *Store) PrepareSpilled(rel string, n int64) (*Prepared, error) {
	if !s.Spills() {
		return s.Prepare(rel, n)
	}
	p, err := s.prepare(rel)
	if err != nil {
		return nil, err
	}
	return p.or(p.resizeSpilled(n), rel)
}

// prepare makes an empty file that is to stand at rel.
func (s *Store) prepare(rel string) (p *Prepared, err error) {
	err = s.look(rel, func(e entry) error {
		if rel == "" {
			return fail("create", rel, unix.EISDIR)
		}
		tmp, b, err := s.tempFile(e)
		p = &Prepared{b, tmp}
		return err
	})
	return p, err
}

// or discards it if there is an error, which then is about rel: the buffer has no
// name of its own yet.
func (p *Prepared) or(err error, rel string) (*Prepared, error) {
	if err != nil {
		if nameless := (*os.PathError)(nil); errors.As(err, &nameless) && nameless.Path == "" {
			nameless.Path = rel
		}
		return nil, errors.Join(err, p.Discard(rel))
	}
	return p, nil
}

// resizeSpilled makes an empty buffer one of n bytes on the first spill tier
// that has room.
func (p *Prepared) resizeSpilled(n int64) error {
	_, err := p.makeWay(n)
	for err == nil {
		if _, _, err = p.resize(n); !errors.Is(err, unix.ENOSPC) {
			return err
		}
		_, err = p.makeWay(n)
	}
	return err
}

// temp is the temporary that is to become e.
func (p *Prepared) temp(e entry) entry {
	if p.s.ram.plain {
		return entry{e.dir, p.tmp.name, e.rel}
	}
	return p.tmp
}

// Publish gives the file its name, relative to the same directory that it was
// prepared for. What stands there is replaced, and passes on its owner, mode
// and attributes; else the file belongs to c, with the mode given. EDQUOT: its
// owner's quota has no room for it. After an error it can be published again or
// discarded; after success the caller releases the Buffer.
func (p *Prepared) Publish(c Cred, rel string, mode uint32) error {
	v := victim{fd: -1}
	err := p.s.change(rel, func(e entry) (err error) {
		v, err = p.publish(c, e, mode)
		return err
	})
	p.s.bury(v)
	return err
}

// publish does so. v is what stood there. Preconditions: s.ns is held for writing.
func (p *Prepared) publish(c Cred, e entry, mode uint32) (v victim, err error) {
	s, tmp := p.s, p.temp(e)
	v.fd = -1
	if _, marked := p.Mark(); !marked {
		if err := p.wipe(); err != nil {
			return v, err
		}
	}
	st, err := s.stat(e)
	switch {
	case errors.Is(err, unix.ENOENT):
		if err = s.own(c, tmp, e, mode); err == nil {
			err = s.chargeOwner(tmp, p.Buffer, key{})
		}
		if err == nil {
			err = s.ram.place(tmp, e)
		}
	case err == nil:
		if err = regular(e.rel, &st); err == nil {
			err = s.dressLike(tmp, e, &st)
		}
		if err == nil {
			err = s.chargeOwner(tmp, p.Buffer, keyOf(&st))
		}
		if err == nil {
			v, err = s.supplant(tmp, e)
		}
	}
	if err != nil {
		s.quota.drop(p.key)
		return v, err
	}
	s.table.named(p.Buffer, e.rel)
	s.count.Add(1)
	return v, nil
}

// Discard removes a file that was not published, with its mark, and ends its
// hold. rel is what it was prepared for.
func (p *Prepared) Discard(rel string) error {
	freed, err := p.discard(rel)
	if err != nil { // a plain file whose directory is gone, or the store is closed
		p.Release()
		return err
	}
	if freed {
		p.s.freed()
	}
	return nil
}

// discard does so, and tells whether the bytes are gone.
func (p *Prepared) discard(rel string) (freed bool, err error) {
	s := p.s
	s.ns.Lock()
	defer s.ns.Unlock()
	if s.closed.Load() {
		return false, unix.ESHUTDOWN
	}
	if !s.ram.plain { // it lies in tmp, whatever has become of the directory that it was for
		return s.scrap(p.tmp, p.Buffer), nil
	}
	err = s.at(rel, func(e entry) error {
		freed = s.scrap(p.temp(e), p.Buffer)
		return nil
	})
	return freed, err
}

// Bad tells whether the mark says that the bytes are bad, not that they are
// still to come.
func (m Mark) Bad() bool { return m.State == Bad }

// SettleMark ends the mark that a job put on the buffer: to, or none if to is
// nil. If a later job has marked the buffer since, that mark stands, as the
// buffer is that job's to make good.
func (b *Buffer) SettleMark(job uint64, to *Mark) error {
	s := b.s
	if to != nil {
		if err := b.wipe(); err != nil {
			return err
		}
	}
	s.marks.mu.Lock()
	defer s.marks.mu.Unlock()
	if cur, there := s.marks.of[b.key.ino]; !there || cur.Job != job {
		return nil
	}
	if to == nil {
		b.stale.Store(false)
		return s.clearMarkLocked(b.key.ino)
	}
	return s.setMarkLocked(b.key.ino, *to)
}
