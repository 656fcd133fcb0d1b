package alloc

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// A compressed spill file keeps its bytes at their places: what a chunk of
// packChunk bytes compresses to lies where the chunk begins, in whole pages,
// and the rest of the chunk is a hole. A chunk that would save no page lies
// there as it is. How long each is, and its checksum, tells the packing, which
// is in the file of the checksums; those are of the bytes before they were
// compressed. So nothing but what was written is ever decompressed, and what
// comes of that is verified too. Such a file is written once and never changed:
// who wants to write the buffer, or its descriptor, expands it first.

// packedSuffix ends the name of a compressed spill file, so that nobody takes
// it for a buffer's bytes.
const packedSuffix = ".z"

// packed reports whether the file is a compressed one.
func (p *spot) packed() bool { return strings.HasSuffix(p.name, packedSuffix) }

// packing says how the chunks of a spill file are compressed.
type packing struct {
	width int // of the elements whose bytes were shuffled; 1: they were not
	of    []packedChunk

	wasted atomic.Int64 // bytes that were decompressed and not wanted
	stays  atomic.Bool  // there was no room to expand it
}

// packedChunk is one that was compressed.
type packedChunk struct {
	size uint32 // bytes on the tier; 0: it was not, and is all there
	sum  uint32 // of those
}

// widths are the sizes of elements that shuffling is tried with. Complex
// numbers are two elements.
var widths = [...]int{1, 2, 4, 8}

// packChunks is the number of chunks of so many bytes.
func packChunks(size int64) int64 { return (size + packChunk - 1) / packChunk }

// What a use of a compressed spill file answers inside the package, for instead.
var (
	errPacked = errors.New("the spill file is compressed") // it cannot be: the file has to be another
	errWaste  = errors.New("most of what is decompressed is not wanted")
)

// wasteful reports whether decompressing what is not wanted has cost more by
// now than expanding the file would have: whoever hires until the price of
// buying is spent, and then buys, never pays more than twice what was best (the
// ski rental problem). A kernel that goes through the tiles of a matrix needs a
// part of each chunk, again and again.
func (k *packing) wasteful(size int64) bool { return k.wasted.Load() > size && !k.stays.Load() }

// instead does what is to be done before a use of the bytes that failed can
// succeed, and tells whether it is to be tried again; else err is its error.
// Preconditions: no lock is held.
func (b *Buffer) instead(ctx context.Context, err error) (again bool, _ error) {
	switch {
	case errors.Is(err, errPacked):
		err = b.expand(ctx, math.MaxInt64, true)
	case errors.Is(err, errWaste):
		if err = b.expand(ctx, math.MaxInt64, false); errors.Is(err, unix.ENOSPC) {
			err = b.staysPacked()
		}
	default:
		return false, err
	}
	return err == nil, err
}

// staysPacked gives up expanding for the sake of what is wasted.
func (b *Buffer) staysPacked() error {
	b.mu.RLock()
	defer b.mu.RUnlock()
	h, err := b.at()
	if err == nil && h != nil && h.packed() {
		h.sums.pack.stays.Store(true)
	}
	return err
}

// packMagic begins the file of the checksums of a compressed file: after the
// checksums come the width, the number of chunks, and the size and the checksum
// of each, 4 bytes each like the rest.
const packMagic = 0x315a5256 // "VRZ1"

// append adds the packing to a table.
func (k *packing) append(p []byte) []byte {
	p = le.AppendUint32(p, uint32(k.width))
	p = le.AppendUint32(p, uint32(len(k.of)))
	for _, c := range k.of {
		p = le.AppendUint32(le.AppendUint32(p, c.size), c.sum)
	}
	return p
}

// decodePacking reads what append wrote; nil if it is not that.
func decodePacking(p []byte) *packing {
	if len(p) < 8 || int64(le.Uint32(p[4:]))*8 != int64(len(p)-8) {
		return nil
	}
	k := &packing{width: int(le.Uint32(p))}
	if !slices.Contains(widths[:], k.width) {
		return nil
	}
	for p = p[8:]; len(p) > 0; p = p[8:] {
		c := packedChunk{le.Uint32(p), le.Uint32(p[4:])}
		if c.size > packChunk {
			return nil
		}
		k.of = append(k.of, c)
	}
	return k
}

// checkPacking says that a compressed file without its packing cannot be read.
func (p *spot) checkPacking(u *sums) error {
	if p.packed() && u.pack == nil {
		return fmt.Errorf("%s: the lengths of the compressed chunks are lost: %w", p.sumsEntry().rel, unix.EIO)
	}
	return nil
}
