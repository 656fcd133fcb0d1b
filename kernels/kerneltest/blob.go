package kerneltest

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"syscall"
	"testing"

	"vgpu/kernels"
)

// Disk is the blobs of a streamed run, and keeps account of their transfers. It
// is as unhelpful as the contract of [kernels.Blob] allows: what is read comes
// when it is waited for and not a moment sooner, and what is written is taken at
// once but can be read only when it has been waited for.
//
// It reports to the test what the contract forbids: transfers that overlap, that
// nobody waits for, memory that is touched while a transfer has it.
type Disk struct {
	t testing.TB

	// FailAt is the number, from 1, of the transfer that fails with Fault; 0:
	// none does. OnStart is called with the number of each transfer that starts.
	FailAt  int
	Fault   error
	OnStart func(n int)

	mu       sync.Mutex // guards what follows
	started  int
	moved    int64
	inFlight map[*transfer]bool
}

// NewDisk makes a disk without blobs.
func NewDisk(t testing.TB) *Disk { return &Disk{t: t, inFlight: map[*transfer]bool{}} }

// Blob makes a blob of the disk over data, of which only bytes lo to hi-1 may be
// read and written.
func (d *Disk) Blob(data []byte, lo, hi int) *Blob { return &Blob{disk: d, data: data, lo: lo, hi: hi} }

// Blob is a [kernels.Blob] in memory.
type Blob struct {
	disk   *Disk
	data   []byte
	lo, hi int
	// inPlace: it is source and sink at once. A source's gaps may be read while
	// they are written.
	inPlace bool
}

var _ kernels.Blob = (*Blob)(nil)

// Read implements kernels.Blob.
func (b *Blob) Read(segs ...kernels.Segment) kernels.Transfer { return b.start(false, segs) }

// Write implements kernels.Blob.
func (b *Blob) Write(segs ...kernels.Segment) kernels.Transfer { return b.start(true, segs) }

// transfer is a call of Read or Write that has not been waited for.
type transfer struct {
	blob  *Blob
	write bool
	segs  []kernels.Segment
	taken [][]byte // what a write took
	err   error
	over  bool
}

func (b *Blob) start(write bool, segs []kernels.Segment) kernels.Transfer {
	x := &transfer{blob: b, write: write, segs: inOrder(segs)}
	d := b.disk
	if d.OnStart != nil {
		d.mu.Lock()
		n := d.started + 1
		d.mu.Unlock()
		d.OnStart(n)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.started++
	if d.started == d.FailAt {
		x.err = d.Fault
	}
	x.inspect()
	for _, s := range x.segs {
		if write {
			x.taken = append(x.taken, bytes.Clone(s.Buf))
			continue
		}
		spoil(s.Buf)
	}
	d.inFlight[x] = true
	return x
}

// spoilt is a piece of poison, copied from since the race detector is told of
// each byte that is set, and once of a copy.
var spoilt = bytes.Repeat([]byte{poison}, 64<<10)

// spoil poisons all of b.
func spoil(b []byte) {
	for len(b) > 0 {
		b = b[copy(b, spoilt):]
	}
}

// inspect checks a transfer against the contract. The disk is locked.
func (x *transfer) inspect() {
	b := x.blob
	for i, s := range x.segs {
		lo, hi := int(s.Off), int(s.Off)+len(s.Buf)
		if len(s.Buf) == 0 {
			b.disk.t.Errorf("a segment without bytes at %d", s.Off)
		}
		if lo < 0 || hi > len(b.data) {
			x.err = fmt.Errorf("bytes %d to %d of a blob of %d: %w", lo, hi, len(b.data), syscall.EINVAL)
			b.disk.t.Errorf("%v", x.err)
		} else if lo < b.lo || hi > b.hi {
			b.disk.t.Errorf("bytes %d to %d are moved (written: %t), and the operand has %d to %d", lo, hi, x.write, b.lo, b.hi)
		}
		if i > 0 && overlap(x.segs[i-1:i], x.segs[i:i+1]) {
			b.disk.t.Errorf("segments at %d and %d of a transfer overlap", x.segs[i-1].Off, s.Off)
		}
	}
	for y := range b.disk.inFlight {
		if y.blob == b && (x.write || y.write) && (x.write == y.write || !b.inPlace) && overlap(x.segs, y.segs) {
			b.disk.t.Errorf("transfers under way overlap, from %d and from %d", x.segs[0].Off, y.segs[0].Off)
		}
	}
}

// overlap tells whether segments of two transfers, or two segments of one, have
// a byte in common. Both are in the order of offsets.
func overlap(a, b []kernels.Segment) bool {
	for len(a) > 0 && len(b) > 0 {
		if a[0].Off > b[0].Off {
			a, b = b, a
		}
		if a[0].Off+int64(len(a[0].Buf)) > b[0].Off {
			return true
		}
		a = a[1:]
	}
	return false
}

// inOrder is the segments by offset.
func inOrder(segs []kernels.Segment) []kernels.Segment {
	return slices.SortedFunc(slices.Values(segs), func(a, b kernels.Segment) int { return cmp.Compare(a.Off, b.Off) })
}

// Wait implements kernels.Transfer.
func (x *transfer) Wait(ctx context.Context) error {
	d := x.blob.disk
	d.mu.Lock()
	defer d.mu.Unlock()
	if x.over {
		return x.err
	}
	x.over = true
	delete(d.inFlight, x)
	if x.err == nil {
		x.err = ctx.Err()
	}
	if x.err == nil {
		x.move()
	}
	return x.err
}

// move does what was started.
func (x *transfer) move() {
	d := x.blob.disk
	for i, s := range x.segs {
		d.moved += int64(len(s.Buf))
		at := x.blob.data[s.Off:][:len(s.Buf)]
		if x.write {
			if !bytes.Equal(s.Buf, x.taken[i]) {
				d.t.Errorf("memory changed while it was being written to %d", s.Off)
			}
			copy(at, x.taken[i])
			continue
		}
		if bytes.ContainsFunc(s.Buf[:min(len(s.Buf), 64)], func(r rune) bool { return r != 0xfffd }) {
			d.t.Errorf("memory changed while it was being read from %d", s.Off)
		}
		copy(s.Buf, at)
	}
}

// Started is how many transfers there were, Moved the bytes of those that ended
// well.
func (d *Disk) Started() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.started
}

// Moved is the bytes of the transfers that ended well.
func (d *Disk) Moved() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.moved
}

// Quiet reports transfers that nobody has waited for.
func (d *Disk) Quiet() {
	d.t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	if n := len(d.inFlight); n > 0 {
		d.t.Errorf("%d transfers were not waited for", n)
	}
}
