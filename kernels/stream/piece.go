package stream

import (
	"context"
	"errors"
	"runtime/debug"

	"vgpu/kernels"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/pool"
)

// Piece is a tile of a stored array and memory for it. Its owner is whoever
// made it; while a Load or Store is under way the memory is the transfer's.
type Piece struct {
	// Array is the tile in memory. Its strides follow the file's.
	Array  ndarray.Array
	stored kernels.Stored
	form   form
	gap    int // that may be read between runs
}

// SourceSize is the bytes of memory that [Source] needs for a tile of that
// layout. It does not depend on the layout's offset, and does not grow if the
// extents shrink.
func SourceSize(l ndarray.Layout) int {
	f := newForm(l, gapBytes, nil)
	return f.bytes
}

// SinkSize is the same for [Sink].
func SinkSize(l ndarray.Layout) int {
	f := newForm(l, 0, nil)
	return f.bytes
}

// SourceTraffic is the bytes that loading a tile of that layout moves, and what
// it costs: the same with as many more bytes as could be moved in the time that
// its runs take for being apart: what lies between them is read if that takes less.
func SourceTraffic(l ndarray.Layout) (bytes, cost float64) {
	f := newForm(l, gapBytes, nil)
	return f.read()
}

// SinkTraffic is the same for a tile that is written.
func SinkTraffic(l ndarray.Layout) (bytes, cost float64) {
	f := newForm(l, 0, nil)
	return f.written()
}

// read and written are the traffic of a source and of a sink.
func (f *form) read() (bytes, cost float64)    { return f.traffic(min(f.between(), runCost)) }
func (f *form) written() (bytes, cost float64) { return f.traffic(runCost) }

// traffic is the bytes of all runs, and with what each of them costs beside.
func (f *form) traffic(apart int) (bytes, cost float64) {
	runs := float64(f.runs())
	bytes = runs * float64(f.run)
	return bytes, bytes + runs*float64(apart)
}

// Source makes a piece of a tile that is only read. mem, of [SourceSize] bytes
// at least and aligned to 64, is the piece's from now on.
func Source(s kernels.Stored, mem []byte) Piece { return newPiece(s, mem, gapBytes, nil) }

// Sink makes a piece of a tile that is written (and may be read): no gaps. It
// needs [SinkSize] bytes. Axes of stride 0 cannot be written.
func Sink(s kernels.Stored, mem []byte) Piece { return newPiece(s, mem, 0, nil) }

func newPiece(s kernels.Stored, mem []byte, gap int, owned []bool) Piece {
	f := newForm(s.Layout, gap, owned)
	f.settle(pageOffset(mem))
	return Piece{Array: ndarray.Array{Layout: f.mem, Data: mem[:f.bytes:f.bytes]}, stored: s, form: f, gap: gap}
}

// Range is the part [lo, hi) of one axis, in the same memory.
func (p *Piece) Range(axis, lo, hi int) Piece {
	q := Piece{Array: p.Array.Range(axis, lo, hi), stored: Range(p.stored, axis, lo, hi), gap: p.gap}
	q.form = overForm(q.stored.Layout, q.Array.Layout, p.gap)
	return q
}

// Load starts reading the tile. A piece without elements is not read.
func (p *Piece) Load(ctx context.Context) kernels.Transfer {
	return p.transfer(ctx, p.stored.Read)
}

// Store starts writing the tile: its elements, and nothing between them. The
// piece must be a Sink: a Source has gaps in its runs, which somebody else may
// own.
func (p *Piece) Store(ctx context.Context) kernels.Transfer {
	return p.transfer(ctx, p.stored.Write)
}

// Same tells whether q, a piece of the same array, has the same bytes of it in
// the same places of its memory: what was read for one is there for the other.
func (p *Piece) Same(q *Piece) bool { return p.form.same(&q.form) }

// What a transfer costs beside its bytes, as bytes of a transfer: a run of its
// own (a request of the device, and parts of pages at its ends), and StepCost for
// a step of the pipeline.
const (
	runCost  = 16 << 10
	StepCost = 256 << 10
)

// maxSegments is how many segments a call of a blob is given at the most.
const maxSegments = 1024

// transfer starts a transfer by call, which is the blob's Read or Write.
func (p *Piece) transfer(ctx context.Context, call func(...kernels.Segment) kernels.Transfer) kernels.Transfer {
	switch n := p.form.runs(); {
	case n == 0:
		return nil
	case n <= maxSegments:
		return call(p.segments(0, n)...)
	default:
		return feed(ctx, n, func(lo, hi int) kernels.Transfer { return call(p.segments(lo, hi)...) })
	}
}

// segments is runs lo to hi-1.
func (p *Piece) segments(lo, hi int) []kernels.Segment {
	out := make([]kernels.Segment, 0, hi-lo)
	for i := lo; i < hi; i++ {
		file, mem := p.form.at(i)
		end := mem + p.form.run
		out = append(out, kernels.Segment{Off: int64(file), Buf: p.Array.Data[mem:end:end]})
	}
	return out
}

// feeder is a transfer of many segments: some calls after the other, two of
// them at once. Nobody else would catch a panic of its goroutine: it becomes the
// transfer's error, as one in a task of the pool.
type feeder struct {
	done chan struct{}
	open []kernels.Transfer // not waited for
	err  error              // once done
}

// feed starts it. Each call takes segments lo to hi-1.
func feed(ctx context.Context, n int, call func(lo, hi int) kernels.Transfer) *feeder {
	f := &feeder{done: make(chan struct{})}
	go func() {
		defer close(f.done)
		defer f.wait(ctx, 0) // whatever happens, the memory is the transfers' until then
		for lo := 0; lo < n && f.err == nil; lo += maxSegments {
			f.try(func() error {
				f.open = append(f.open, call(lo, min(lo+maxSegments, n)))
				return nil
			})
			f.wait(ctx, 1)
		}
	}()
	return f
}

// wait waits for the first calls, until so many are left.
func (f *feeder) wait(ctx context.Context, left int) {
	for len(f.open) > left {
		t := f.open[0]
		f.open = f.open[1:]
		if t != nil {
			f.try(func() error { return t.Wait(ctx) })
		}
	}
}

// try calls fn and keeps the first error, or panic.
func (f *feeder) try(fn func() error) {
	err := errGoexit
	defer func() {
		if v := recover(); v != nil {
			err = &pool.PanicError{Value: v, Stack: debug.Stack()}
		}
		if f.err == nil {
			f.err = err
		}
	}()
	err = fn()
}

// errGoexit is the error of a call that ended its goroutine, as
// testing.T.FailNow does.
var errGoexit = errors.New("stream: runtime.Goexit was called")

// Wait implements kernels.Transfer. The context that ends the transfer is the one
// that it was started with.
func (f *feeder) Wait(context.Context) error {
	<-f.done
	return f.err
}
