package alloc

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"slices"
	"sync"

	"golang.org/x/sys/unix"
)

// chunkSize is how many bytes of a spill file share a checksum. Whoever reads a
// part of a chunk that nobody has verified yet reads all of it.
const chunkSize = 64 << 10

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sum is the checksum of a chunk, CRC-32C (RFC 3720, appendix B.4). 0 stands
// for "unknown", and the one chunk in four billion whose checksum that is goes
// unverified.
func sum(p []byte) uint32 { return crc32.Update(0, castagnoli, p) }

// sums is the checksums of a spill file: of each chunk, the last one being as
// long as the file makes it. Its file on the tier is written when the bytes are
// whole, and removed before they change, so that what a process that was killed
// leaves is right, or nothing.
type sums struct {
	mu      sync.Mutex
	of      []uint32 // 0: unknown
	seen    []bool   // verified since the file was opened
	filed   bool     // the file on the tier says the same
	off     bool     // somebody may write the spill file without our seeing it
	fixed   bool     // nobody can: its file system is read-only
	writers []*span
	pack    *packing // of a compressed file, which nobody writes
	epoch   uint64   // counts changes: a chunk that was read over one proves nothing
	// parts is what is known of chunks that were written in part, sorted:
	// neighbours that end within a chunk make it whole together.
	parts map[int64][]fragment
}

// span is bytes that are being written.
type span struct {
	lo, hi  int64
	spoiled bool // by another writer

	edges   []edge  // chunks of which it is a part
	touched []int64 // of those, where others have begun to write
	mends   []mend  // of those, what is known of what is being overwritten: its writer's
}

// ChecksumError says that bytes came back from a spill tier other than they
// went there. It is an EIO.
type ChecksumError struct {
	Path     string // of the buffer
	File     string // the spill file
	Off, Len int64  // of the chunk, in bytes
}

func (e *ChecksumError) Error() string {
	return fmt.Sprintf("bytes %d to %d of %q are not what was spilled (checksum of %s)", e.Off, e.Off+e.Len, e.Path, e.File)
}

// Unwrap makes the error EIO.
func (e *ChecksumError) Unwrap() error { return unix.EIO }

// newSums is a table that knows nothing.
func newSums(size int64) *sums {
	n := chunks(size)
	return &sums{of: make([]uint32, n), seen: make([]bool, n)}
}

// chunks is the number of chunks of so many bytes.
func chunks(size int64) int64 { return (size + chunkSize - 1) / chunkSize }

// unverified tells whether reading [off, off+1) has to verify its chunk.
func (u *sums) unverified(off int64) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	i := off / chunkSize
	return i < int64(len(u.of)) && u.of[i] != 0 && !u.seen[i]
}

// now is the epoch, to be taken before chunks are read that verify is told of.
func (u *sums) now() uint64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.epoch
}

// verify checks the whole chunks of p, which was read from off on, where a
// chunk begins. size is that of the file. It gives the first offset that is
// wrong, or -1, and how many chunks it verified.
func (u *sums) verify(p []byte, off, size int64, epoch uint64) (bad int64, n int) {
	for ; len(p) > 0; off += chunkSize {
		c := p[:min(chunkSize, int64(len(p)))]
		p = p[len(c):]
		if len(c) < chunkSize && off+int64(len(c)) < size {
			break // a part of one
		}
		checked, ok := u.check(c, off/chunkSize, epoch)
		if !ok {
			return off, n
		}
		n += checked
	}
	return -1, n
}

// check compares one chunk.
func (u *sums) check(c []byte, i int64, epoch uint64) (n int, ok bool) {
	u.mu.Lock()
	known := i < int64(len(u.of)) && u.of[i] != 0
	u.mu.Unlock()
	if !known {
		return 0, true
	}
	got := sum(c)
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.epoch != epoch || i >= int64(len(u.of)) || u.of[i] == 0 {
		return 0, true // it has changed meanwhile
	}
	u.seen[i] = u.seen[i] || got == u.of[i]
	return 1, got == u.of[i]
}

// begin says that [lo, hi) will be written. Its checksums are unknown from now
// on, here and on the tier.
func (u *sums) begin(t *spillTier, p *spot, lo, hi int64) (*span, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	w := &span{lo: lo, hi: hi}
	if u.pack != nil {
		return nil, errPacked
	}
	if err := u.change(p, lo, hi); err != nil || u.off || lo >= hi {
		return w, err
	}
	if err := u.unfile(t, p); err != nil {
		return nil, err
	}
	w.edges = u.edges(lo, hi)
	u.forget(lo, hi)
	for _, o := range u.writers {
		if o.touch(lo, hi); o.lo < hi && lo < o.hi {
			o.spoiled, w.spoiled = true, true
		}
	}
	u.writers = append(u.writers, w)
	return w, nil
}

// end says that a span has been written, or was not: of has its checksums, or
// is nil. size is that of the file.
func (u *sums) end(w *span, size int64, of []fragment) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.writers = slices.DeleteFunc(u.writers, func(o *span) bool { return o == w })
	if u.off || w.lo >= w.hi {
		return
	}
	u.forget(w.lo, w.hi)
	if n := chunks(size); n > int64(len(u.of)) {
		u.of = append(u.of, make([]uint32, n-int64(len(u.of)))...)
		u.seen = append(u.seen, make([]bool, n-int64(len(u.seen)))...)
	}
	if w.spoiled {
		return
	}
	for _, f := range of {
		u.learn(f, size)
	}
	u.mend(w, of)
}

// learn takes note of the checksum of a fragment, and of its chunk's if that is
// known with it. u.mu is held.
func (u *sums) learn(f fragment, size int64) {
	k := f.lo / chunkSize
	if k >= int64(len(u.of)) {
		return
	}
	list, whole := merge(u.parts[k], f), min(size-k*chunkSize, chunkSize)
	complete := list[0].hi-list[0].lo == whole
	if complete {
		u.of[k], u.seen[k] = list[0].sum, true
	}
	if complete && whole == chunkSize || len(list) > maxParts { // those of a shorter last chunk stay: the file may grow
		delete(u.parts, k)
		return
	}
	if u.parts == nil {
		u.parts = map[int64][]fragment{}
	}
	u.parts[k] = list
}

// forget makes the checksums of [lo, hi) unknown. u.mu is held.
func (u *sums) forget(lo, hi int64) {
	u.epoch++
	for i := lo / chunkSize; i < min(chunks(hi), int64(len(u.of))); i++ {
		u.of[i], u.seen[i] = 0, false
	}
	for i := lo / chunkSize; i < chunks(hi) && len(u.parts) > 0; i++ {
		if list := without(u.parts[i], lo, hi); len(list) > 0 {
			u.parts[i] = list
		} else {
			delete(u.parts, i)
		}
	}
}

// resize follows a change of the file's size from one that made the last chunk
// another. It is called before the file shrinks, and before it grows.
func (u *sums) resize(t *spillTier, p *spot, from, to int64) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if from == to {
		return nil
	}
	first, end := min(from, to)&^(chunkSize-1), max(from, to)
	if err := u.change(p, first, end); err != nil || u.off {
		return err
	}
	if u.pack != nil {
		return errPacked
	}
	if err := u.unfile(t, p); err != nil {
		return err
	}
	u.forget(first, end)
	if n := chunks(to); n < int64(len(u.of)) {
		u.of, u.seen = u.of[:n], u.seen[:n]
	}
	clear(u.parts) // which were on their way to another last chunk
	return nil
}

// drop forgets all for good: somebody may write the file from now on without
// our seeing it.
func (u *sums) drop(t *spillTier, p *spot) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.pack != nil {
		return errPacked
	}
	if err := u.change(p, 0, math.MaxInt64); err != nil {
		return err
	}
	if err := u.unfile(t, p); err != nil {
		return err
	}
	u.epoch++
	u.off, u.of, u.seen, u.parts = true, nil, nil, nil
	return nil
}

// change takes note that [lo, hi) of the file will not be what it was. EROFS: it
// cannot be changed. u.mu is held.
func (u *sums) change(p *spot, lo, hi int64) error {
	if u.fixed {
		return fail("write", p.where, unix.EROFS)
	}
	p.changed.Store(true)
	p.rot.forget(lo, hi)
	return nil
}

// unfile removes the table's file from the tier. u.mu is held.
func (u *sums) unfile(t *spillTier, p *spot) error {
	if !u.filed {
		return nil
	}
	if err := t.unlink(p.sumsEntry(), 0); err != nil && !errors.Is(err, unix.ENOENT) {
		return err
	}
	t.meter.forget(p.sumsKey)
	u.filed = false
	return nil
}

// file writes the table to the tier, if there is anything in it that is not
// there. Preconditions: nobody writes the spill file.
func (u *sums) file(t *spillTier, p *spot) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.filed || u.off || u.pack == nil && !slices.ContainsFunc(u.of, func(c uint32) bool { return c != 0 }) {
		return nil
	}
	err := t.writeSums(p, u.encode())
	u.filed = err == nil
	return err
}

// sumsMagic begins the file of a table: then the number of chunks, the
// checksums, and one over all of that; 4 bytes each, little-endian.
const sumsMagic = 0x31435256 // "VRC1"

// encode writes the form that is described above.
func (u *sums) encode() []byte {
	p := make([]byte, 0, 4*len(u.of)+12)
	magic := uint32(sumsMagic)
	if u.pack != nil {
		magic = packMagic
	}
	p = binary.LittleEndian.AppendUint32(p, magic)
	p = binary.LittleEndian.AppendUint32(p, uint32(len(u.of)))
	for _, c := range u.of {
		p = binary.LittleEndian.AppendUint32(p, c)
	}
	if u.pack != nil {
		p = u.pack.append(p)
	}
	return binary.LittleEndian.AppendUint32(p, sum(p))
}

// decode reads a table. False: it is none, or not whole.
func (u *sums) decode(p []byte) bool {
	if len(p) < 12 || len(p)%4 != 0 {
		return false
	}
	body := p[:len(p)-4]
	if binary.LittleEndian.Uint32(p[len(body):]) != sum(body) {
		return false
	}
	magic, n := binary.LittleEndian.Uint32(body), int64(binary.LittleEndian.Uint32(body[4:]))
	if body = body[8:]; n*4 > int64(len(body)) || magic != sumsMagic && magic != packMagic || magic == sumsMagic && n*4 != int64(len(body)) {
		return false
	}
	if magic == packMagic {
		if u.pack = decodePacking(body[n*4:]); u.pack == nil {
			return false
		}
	}
	u.of = make([]uint32, 0, n)
	for body = body[:n*4]; len(body) > 0; body = body[4:] {
		u.of = append(u.of, binary.LittleEndian.Uint32(body))
	}
	u.seen, u.filed = make([]bool, len(u.of)), true
	return true
}

// writeSums puts a table's file in place, whole.
func (t *spillTier) writeSums(p *spot, text []byte) error {
	tmp := t.temp(entry{rel: p.sumsEntry().rel})
	fd, err := t.open(tmp, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	st, err := t.fstat(fd, tmp.rel)
	if err == nil {
		err = t.spend(fd, keyOf(&st), int64(len(text)), func() error {
			_, err := t.writeFull(fd, tmp.rel, text, 0)
			return err
		})
	}
	if err = errors.Join(err, t.close(fd, tmp.rel)); err == nil {
		err = t.rename(tmp, p.sumsEntry(), 0)
	}
	if err != nil {
		t.discardFile(tmp, keyOf(&st))
		return err
	}
	p.sumsKey = keyOf(&st)
	return nil
}

// readSums reads the table of a spill file: one that knows nothing if there is
// no file, or it is damaged.
func (t *spillTier) readSums(p *spot) (*sums, error) {
	u := &sums{}
	e := p.sumsEntry()
	text, err := t.readFile(e)
	if err != nil {
		return nil, err
	}
	if text == nil {
		return u, nil
	}
	if !u.decode(text) {
		t.logf("%s: the checksums are damaged: the bytes go unverified", e.rel)
		u.filed = true // so that it is removed with the first change
	}
	return u, nil
}

// spend runs a call that may add n bytes to a file, within the tier's budget.
func (t *spillTier) spend(fd int, k key, n int64, call func() error) error {
	n = pages(n)
	if err := t.meter.claim(k, n); err != nil {
		return &fullError{t.path, n}
	}
	err := call()
	st, serr := t.fstat(fd, t.path)
	now := st.Blocks * 512
	if serr != nil {
		now, err = unknown, errors.Join(err, serr)
		t.health.unsure.Store(true)
	}
	t.meter.settle(k, n, now)
	return err
}

// fullError says that a tier's own limit is reached. It is an ENOSPC.
type fullError struct {
	path string
	need int64
}

func (e *fullError) Error() string {
	return fmt.Sprintf("spill tier %s: no room for %d bytes", e.path, e.need)
}

// Unwrap makes the error ENOSPC.
func (e *fullError) Unwrap() error { return unix.ENOSPC }
