package alloc

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

// CompressZstd is the compression of a spill tier (SpillConfig.Compress) that
// there is: Zstandard (RFC 8878), of shuffled bytes.
const CompressZstd = "zstd"

// packChunk is how many bytes of a buffer are compressed on their own. Whoever
// reads a byte of a compressed file decompresses so much. It is two blocks of
// the format's, each with an entropy code of its own: half as much mixes
// exponents and noise in one.
const packChunk = 4 * chunkSize

// codecSize bounds the memory of a codec: three blocks of about a chunk each,
// and as much again or more for what the library keeps: tables, history,
// literals. minPackMem is what a device has that compresses, so that a codec is
// an eighth of it at most.
const (
	codecSize   = 2 << 20
	minPackMem  = 8 * codecSize
	maxCodecs   = 32
	codecStride = 3 * codecBlock
	codecBlock  = packChunk + pageSize // what does not shrink is somewhat longer, and the library writes a few bytes past the end if it may
)

// codec compresses and decompresses one chunk at a time. Its blocks lie as
// direct transfers want them.
type codec struct {
	enc             *zstd.Encoder
	dec             *zstd.Decoder
	raw, work, data []byte

	spot  *spot // raw has this chunk of its file, verified; nil: it has not
	chunk int64
}

// codecs is the codecs of a store. There are twice as many as processors, as
// one may wait for a disk, within a thirty-second of the memory.
type codecs struct {
	mem  []byte
	sem  chan struct{} // has as many as are taken
	quit chan struct{} // closed: none is given any more
	mu   sync.Mutex
	idle []*codec // guarded by mu; the one least recently used first
}

// codecCount is how many codecs a device with so much memory has.
func codecCount(mem int64) int64 {
	return max(1, min(mem/32/codecSize, 2*int64(runtime.GOMAXPROCS(0)), maxCodecs))
}

// packs reports whether codecs are needed: to compress, or to read what an
// earlier start has compressed.
func (s *Store) packs() bool {
	for _, t := range s.spills {
		if t.packs {
			return true
		}
	}
	for _, p := range s.table.spots {
		if p.packed() {
			return true
		}
	}
	return false
}

// checkCompress refuses what cannot work.
func (c *Config) checkCompress() error {
	for _, t := range c.Spill {
		switch {
		case t.Compress == "":
		case t.Compress != CompressZstd:
			return fmt.Errorf("compression %q of %s: %s is the one that there is: %w", t.Compress, t.Dir, CompressZstd, unix.EINVAL)
		case c.Mem < minPackMem:
			return fmt.Errorf("memory of %d bytes: a device that compresses needs %d at least: %w", c.Mem, minPackMem, unix.EINVAL)
		}
	}
	return nil
}

// newCodecs makes n codecs, which are idle; none at all if n is 0.
func (x sys) newCodecs(n int64) (*codecs, error) {
	if n == 0 {
		return nil, nil
	}
	z := &codecs{sem: make(chan struct{}, n), quit: make(chan struct{})}
	err := x.do("mmap", "codecs", func() (err error) {
		z.mem, err = unix.Mmap(-1, 0, int(n*codecStride), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
		return err
	})
	for off := int64(0); err == nil && off < int64(len(z.mem)); off += codecStride {
		var c *codec
		if c, err = newCodec(z.mem[off : off+codecStride]); err == nil {
			z.idle = append(z.idle, c)
		}
	}
	if err != nil {
		return nil, errors.Join(err, z.free())
	}
	return z, nil
}

// newCodec makes one of its memory.
func newCodec(mem []byte) (c *codec, err error) {
	block := func(i int) []byte { return mem[i*codecBlock : (i+1)*codecBlock : (i+1)*codecBlock] }
	c = &codec{raw: block(0), work: block(1), data: block(2)}
	// A plane of exponents repeats nothing, and has few values: entropy coding
	// alone is what it needs.
	c.enc, err = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithAllLitEntropyCompression(true),
		zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false), zstd.WithLowerEncoderMem(true), zstd.WithWindowSize(packChunk))
	if err == nil {
		c.dec, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecodeAllCapLimit(true),
			zstd.WithDecoderMaxMemory(packChunk))
	}
	return c, err
}

// stop makes those that wait for a codec fail, and all that come (ESHUTDOWN).
func (z *codecs) stop() {
	if z != nil {
		close(z.quit)
	}
}

// close waits for those that are taken and frees all. Preconditions: stop was called.
func (z *codecs) close() error {
	if z == nil {
		return nil
	}
	for range cap(z.sem) {
		z.sem <- struct{}{}
	}
	return z.free()
}

// free frees the memory.
func (z *codecs) free() error {
	for _, c := range z.idle {
		c.dec.Close()
	}
	if z.mem == nil {
		return nil
	}
	return unix.Munmap(z.mem)
}

// take waits for a codec: that one, if it is idle, that has this chunk already.
// Who holds a codec waits for no other.
func (z *codecs) take(ctx context.Context, p *spot, chunk int64) (*codec, error) {
	select {
	case <-z.quit:
		return nil, unix.ESHUTDOWN
	default:
	}
	select {
	case z.sem <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-z.quit:
		return nil, unix.ESHUTDOWN
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	i := max(slices.IndexFunc(z.idle, func(c *codec) bool { return c.spot == p && c.chunk == chunk }), 0)
	c := z.idle[i]
	z.idle = slices.Delete(z.idle, i, i+1)
	return c, nil
}

// give takes a codec back.
func (z *codecs) give(c *codec) {
	z.mu.Lock()
	z.idle = append(z.idle, c)
	z.mu.Unlock()
	<-z.sem
}

// each calls f for 0 to n-1, which stand for chunks of a file, with as many
// codecs at a time as there are. It returns when none is under way any more,
// with the first error.
func (z *codecs) each(ctx context.Context, p *spot, n int64, chunk func(i int64) int64, f func(ctx context.Context, c *codec, i int64) error) error {
	g, ctx := errgroup.WithContext(ctx)
	var next atomic.Int64
	for range min(n, int64(cap(z.sem))) {
		g.Go(func() error {
			for i := next.Add(1) - 1; i < n; i = next.Add(1) - 1 {
				c, err := z.take(ctx, p, chunk(i))
				if err != nil {
					return err
				}
				err = f(ctx, c, i)
				z.give(c)
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// threads is how many work on the chunks of a file that is brought or taken away whole.
func (z *codecs) threads() int { return min(max(2, runtime.GOMAXPROCS(0)), cap(z.sem)) }

// pack compresses a chunk, shuffled as elements of so many bytes, and gives the
// result, which data has, with zeros to the end of its last page. False: that
// would save no page.
func (c *codec) pack(src []byte, width int) ([]byte, bool) {
	n := len(src)
	if width > 1 {
		shuffle(c.work[:n], src, width)
		src = c.work[:n]
	}
	out := c.enc.EncodeAll(src, c.data[:0])
	end := pages(int64(len(out)))
	if end+pageSize > pages(int64(n)) {
		return nil, false
	}
	clear(c.data[len(out):end])
	return out, true
}

// unpack is pack's inverse: data becomes n bytes of raw. False: it is not what pack gave.
func (c *codec) unpack(data []byte, n, width int) bool {
	dst := c.raw[:0]
	if width > 1 {
		dst = c.work[:0]
	}
	got, err := c.dec.DecodeAll(data, dst)
	if err != nil || len(got) != n {
		return false
	}
	if width > 1 {
		unshuffle(c.raw[:n], got, width)
	} else {
		copy(c.raw, got) // which is where it is, unless the library wanted more room
	}
	return true
}
