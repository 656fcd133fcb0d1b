package alloc

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// key names an inode.
type key struct{ dev, ino uint64 }

func keyOf(st *unix.Stat_t) key { return key{st.Dev, st.Ino} }

// table is the buffers that somebody holds.
type table struct {
	mu    sync.Mutex
	held  map[key]*Buffer
	spots map[key]*spot     // where the bytes of those are that have spilled, held or not
	used  map[key]time.Time // when those that nobody holds were used last
}

// Buffer is one inode of the tree while anybody holds it. There is one object an inode: the same pointer is the same buffer,
// by whatever name it was found, renamed or unlinked meanwhile.
type Buffer struct {
	s        *Store
	key      key
	fd       int
	readonly bool // the daemon itself may not write it: a plain one, or one of an unprivileged user

	refs int    // guarded by table.mu
	path string // guarded by table.mu
	dead bool   // guarded by table.mu: it has no name left
	tmp  entry  // guarded by table.mu: but this one, by which it could be used again

	mu        sync.RWMutex // the size, and where the bytes are: read to use them within it, written to change it; and what follows
	allocated int64        // bytes from the start that are known to have their pages in the RAM tier
	current   *mapped      // the mapping of the whole file, if one is held that has its size
	mappings  atomic.Int32 // held, of any size; changed under mu
	pins      atomic.Int32 // holds that keep the bytes where they are; counted up under mu
	lastUse   atomic.Int64 // Unix time in ns
	stale     atomic.Bool  // the bytes are somebody else's, and the job that is to overwrite them has not ended

	hm   sync.RWMutex // written for the one step of a move, and to open the spill file; read by who does not wait for moves
	spot *spot        // nil: the bytes are in the RAM tier
	home *home        // spot, open; nil until it is needed
}

// Get opens the buffer of that name, or gives the one that is open. The caller releases it.
// EISDIR: it is a directory; ELOOP: a symlink; EINVAL: a special file.
func (s *Store) Get(rel string) (b *Buffer, err error) {
	err = s.look(rel, func(e entry) (err error) {
		b, err = s.get(e)
		return err
	})
	return b, err
}

// get finds or opens the buffer at e. Preconditions: s.ns is held.
func (s *Store) get(e entry) (*Buffer, error) {
	st, err := s.stat(e)
	if err != nil {
		return nil, err
	}
	if err := regular(e.rel, &st); err != nil {
		return nil, err
	}
	if b := s.table.ref(keyOf(&st)); b != nil {
		return b, nil
	}
	fd, readonly, err := s.openFile(e)
	if err != nil {
		return nil, err
	}
	if st, err = s.fstat(fd, e.rel); err == nil { // in a plain tree others may have replaced it
		err = regular(e.rel, &st)
	}
	if err != nil {
		s.ram.drop(fd, e.rel)
		return nil, err
	}
	return s.hold(fd, readonly, keyOf(&st), e.rel), nil
}

// regular refuses all that is not a file of bytes.
func regular(rel string, st *unix.Stat_t) error {
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		return nil
	case unix.S_IFDIR:
		return fail("open", rel, unix.EISDIR)
	case unix.S_IFLNK:
		return fail("open", rel, unix.ELOOP)
	}
	return fail("open", rel, unix.EINVAL)
}

// openFile opens for reading and writing, or if the daemon may not write the file for reading.
func (s *Store) openFile(e entry) (fd int, readonly bool, err error) {
	fd, err = s.open(e, unix.O_RDWR|unix.O_NONBLOCK, 0)
	if errors.Is(err, unix.EACCES) || errors.Is(err, unix.EROFS) || errors.Is(err, unix.EPERM) || errors.Is(err, unix.ETXTBSY) {
		fd, err = s.open(e, unix.O_RDONLY|unix.O_NONBLOCK, 0)
		return fd, true, err
	}
	return fd, false, err
}

// hold makes fd the buffer of its inode, or if there has come to be one meanwhile, closes it and gives that one.
func (s *Store) hold(fd int, readonly bool, k key, rel string) *Buffer {
	s.table.mu.Lock()
	b := s.table.held[k]
	if b != nil {
		b.refs++
		s.table.mu.Unlock()
		s.ram.drop(fd, rel)
		return b
	}
	b = &Buffer{s: s, key: k, fd: fd, readonly: readonly, refs: 1, path: rel, spot: s.table.spots[k]}
	s.table.held[k] = b
	s.table.mu.Unlock()
	return b
}

// ref takes a hold on what is held already; nil if it is not.
func (t *table) ref(k key) *Buffer {
	t.mu.Lock()
	defer t.mu.Unlock()
	b := t.held[k]
	if b != nil {
		b.refs++
	}
	return b
}

// size is the number of buffers that are held.
func (t *table) size() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return int64(len(t.held))
}

// unnamed takes note that a file lost the name rel, the last it had or not, and has the name tmp instead or none; it tells whether anybody
// holds it.
func (t *table) unnamed(k key, rel string, last bool, tmp entry) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	b := t.held[k]
	if b == nil {
		return false
	}
	if b.path == rel {
		b.path = ""
	}
	b.dead = b.dead || last
	if last {
		b.tmp = tmp
	}
	return true
}

// named gives a held file its first name.
func (t *table) named(b *Buffer, rel string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	b.path = rel
}

// renamed takes note of a rename, or an exchange, in the paths of all that are held.
func (t *table) renamed(old, now string, exchange bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, b := range t.held {
		if path, yes := moved(b.path, old, now); yes {
			b.path = path
		} else if path, yes := moved(b.path, now, old); yes && exchange {
			b.path = path
		}
	}
}

// Ref takes another hold.
func (b *Buffer) Ref() {
	b.s.table.mu.Lock()
	defer b.s.table.mu.Unlock()
	if b.refs <= 0 {
		panic("alloc: Ref of a buffer that was released")
	}
	b.refs++
}

// Release ends a hold. The last one closes the file; if it has no name any more, its bytes and its mark are gone then.
func (b *Buffer) Release() {
	if b.release() {
		b.s.freed()
	}
}

// release does so, and tells whether the bytes are gone.
func (b *Buffer) release() bool {
	t := &b.s.table
	t.mu.Lock()
	if b.refs <= 0 {
		t.mu.Unlock()
		panic("alloc: Release of a buffer that was released")
	}
	last, dead, path := b.refs == 1, b.dead, b.path
	if last && !dead && (b.unfiled() || b.stale.Load()) {
		t.mu.Unlock()
		b.settleBytes() // while nobody can open the files anew
		t.mu.Lock()
		last, dead, path = b.refs == 1, b.dead, b.path
	}
	if b.refs--; last {
		delete(t.held, b.key)
		if !dead && b.s.Spills() {
			t.used[b.key] = b.LastUse()
		}
	}
	t.mu.Unlock()
	if !last {
		return false
	}
	// Nobody can reach b now. The file is open until its mark is off.
	if dead {
		f := b.lastUseful()
		b.s.forget(b.key)
		b.s.keepOrDrop(f)
	}
	if b.home != nil {
		b.home.close()
	}
	if err := b.s.close(b.fd, path); err != nil {
		b.s.cfg.Logf("%v", err) // of a plain file on a network: the data may not have arrived
	}
	return dead
}

// Path is the last known name, relative to the root; "" after that was unlinked.
func (b *Buffer) Path() string {
	path, _ := b.name()
	return path
}

// name is Path, and whether the last name is gone.
func (b *Buffer) name() (path string, unlinked bool) {
	b.s.table.mu.Lock()
	defer b.s.table.mu.Unlock()
	return b.path, b.dead
}

// String names the buffer in messages.
func (b *Buffer) String() string { return fmt.Sprintf("%q (inode %d)", b.Path(), b.key.ino) }

// Ino is the inode number.
func (b *Buffer) Ino() uint64 { return b.key.ino }

// Fd is the descriptor of the file that the bytes are in, the buffer's own: for passthrough and copy_file_range, not to be closed. Who
// uses it calls Hold before and Unhold after. A compressed file is of no use to others: it is rewritten uncompressed first, on its tier or where
// there is room. -1: there is none, or the spill file cannot be opened, as a read will tell.
func (b *Buffer) Fd() int {
	for {
		fd, err := b.plainFile()
		again, err := b.instead(context.Background(), err)
		switch {
		case again:
			continue
		case err != nil:
			b.s.cfg.Logf("%v", err)
			return -1
		}
		return fd
	}
}

// plainFile is file of what is not compressed.
func (b *Buffer) plainFile() (int, error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if h, err := b.at(); err == nil && h != nil {
		if h.packed() {
			return -1, errPacked
		}
		h.lent.Store(true)
	}
	return b.file()
}

// Stat tells about the buffer. st_blocks is what is resident.
func (b *Buffer) Stat() (unix.Stat_t, error) {
	path, unlinked := b.name() // whose lock comes before hm
	b.hm.RLock()
	defer b.hm.RUnlock()
	st, err := b.s.fstat(b.fd, path)
	if path == "" && unlinked {
		st.Nlink = 0 // whatever name it has to be used again by
	}
	p, h := b.spot, b.home
	if err != nil || p == nil {
		return st, err
	}
	var data unix.Stat_t
	switch {
	case h != nil:
		data, err = h.t.fstat(h.fd, h.where)
	case p.t == nil:
		_, err = b.s.openHome(p, path)
	default:
		data, err = p.t.stat(p.entry())
	}
	if err != nil {
		return st, p.lost(path, err)
	}
	overlay(&st, &data)
	return st, nil
}

// Size is the number of bytes.
func (b *Buffer) Size() (int64, error) {
	st, err := b.Stat()
	return st.Size, err
}
