package kernels

import (
	"context"
	"sync"

	"vgpu/kernels/ndarray"
	"vgpu/kernels/pool"
)

// OutSpec is an output that a plan will write.
type OutSpec struct {
	DType ndarray.DType
	Shape []int
	// Reads is set if the run reads what the output held before (gemm with
	// beta != 0). Then the output must exist with this type and shape.
	Reads bool
}

// Cost is what a plan expects to spend. Flops and Bytes are for estimates
// (`explain`, fair share) and may be off; Scratch is a bound that the caller
// lends by, and a run that asks for more of it fails.
type Cost struct {
	Flops   float64 // floating-point operations, a multiply-add as two
	Bytes   float64 // bytes read and written, each operand once
	Scratch int64   // bytes of scratch memory at the most, over all workers
	// Work is seconds of one core, of a kernel that neither flops nor bytes at the machine's rates tell of,
	// such as a sort: about what the elements took where it was measured.
	Work float64
}

// Plan is a checked call, ready to run. Its functions own what they captured
// from the call, and nothing of it changes any more; a plan runs once, by Run
// or by what Stream gives, never both.
type Plan struct {
	Out  []OutSpec // one for each of the call's outputs; len 0 with an answer
	Cost Cost
	// Explain holds `key value` pairs for `explain`: path, tiles, algorithm.
	Explain []Entry
	// Alias tells that outputs may share memory with inputs of the same
	// layout (element-wise kernels). Otherwise a caller gives a copy of an
	// input that overlaps an output.
	Alias bool
	// Threads is how many workers pay at the most; 0: all.
	Threads int
	// Stream, if set, plans the same call for operands that stay outside
	// memory, with at most mem bytes of it for pieces and scratch. It touches
	// no data. ENOMEM, with the least that would do, if mem is too little.
	Stream func(mem int64) (*Streamed, error)
	// Run computes. Inputs and outputs in x have the layouts that Check saw
	// (outputs: C order, or the view asked for). It must return an error if
	// the worker was cancelled half way.
	Run func(x *Exec) error
}

// Exec is what a run is given. All of it is the caller's, and good only until
// Run returns: a kernel keeps no slice of In, Out or Mem, and starts no
// goroutine that outlives the run.
type Exec struct {
	Ctx context.Context
	W   *pool.Worker
	In  []ndarray.Array
	Out []ndarray.Array
	Mem Memory

	// Of a streamed run, instead of In and Out. An output that the plan reads
	// is in Dst alone, and can be read there.
	Src []Stored
	Dst []Stored
	// Temp gives n bytes of space outside memory, with undefined contents,
	// until the run ends: ENOSPC if there are none.
	Temp func(n int64) (Blob, error)

	mu     sync.Mutex // guards answer
	answer string
}

// Memory lends scratch memory.
type Memory interface {
	// Alloc gives n bytes, aligned to 64 (to a huge page if large), with
	// undefined contents, until the run ends. Safe for concurrent use.
	// It panics with an error that the caller turns into ENOMEM if the plan's
	// Cost.Scratch was too low.
	Alloc(n int) []byte
}

// Answer sets the text that a kernel without output answers with: a number,
// or lines. No trailing newline is needed.
func (x *Exec) Answer(s string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.answer = s
}

// AnswerText is what Answer was given.
func (x *Exec) AnswerText() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.answer
}
