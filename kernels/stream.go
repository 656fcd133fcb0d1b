package kernels

import (
	"context"

	"vgpu/kernels/ndarray"
)

// Streamed is how a plan runs when its operands do not fit into memory: they
// stay where they are, and pieces of them pass through memory. It gives the
// same bits as [Plan.Run].
type Streamed struct {
	// Mem is how many bytes Run allocates at the most: pieces in flight and scratch.
	Mem int64
	// Moved is the bytes read and written over all passes.
	Moved float64
	// Apart is as many bytes more as could be moved in the time that is lost
	// because what is moved lies in many runs, each a request.
	Apart float64
	// Alone is as much of both as goes by with nothing computed beside it: by passes that
	// only copy, before and after the one that computes.
	Alone float64
	// Temp is the bytes of temporary space outside memory at the most.
	Temp int64
	// Explain holds `key value` pairs for `explain`: tiles, passes.
	Explain []Entry
	// Run computes from x.Src into x.Dst; x.In and x.Out are empty. It must
	// return an error if the worker was cancelled half way, and may not return
	// while a transfer that it started goes on.
	Run func(x *Exec) error
}

// Blob is bytes outside memory: a buffer on a tier, or temporary space. Its
// methods may be called by any number of goroutines.
type Blob interface {
	// Read and Write start the transfer of segments, which may end in any
	// order, and do not wait for them. The memory belongs to the transfer
	// until Wait has returned. Segments of one call may not overlap, nor may
	// transfers in flight of which one writes. One that reaches beyond the
	// blob fails with EINVAL.
	Read(segs ...Segment) Transfer
	Write(segs ...Segment) Transfer
}

// Segment is a run of bytes of a blob, and the memory for it.
type Segment struct {
	Off int64
	Buf []byte
}

// Transfer is segments on their way.
type Transfer interface {
	// Wait returns when nothing of the transfer is going on any more: with
	// nil when all of it was done, the first error of a segment, or the error
	// of ctx if that ended it. A second Wait returns the same.
	Wait(ctx context.Context) error
}

// Stored is an array outside memory: the source of a streamed run, or its sink.
type Stored struct {
	Blob
	Layout ndarray.Layout // where the elements lie in the blob
}
