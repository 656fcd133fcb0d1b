// Package expr holds the kernel map: expressions over arrays, compiled to a
// register program that runs over cache-sized chunks.
//
// # Model
//
// The text goes through these stages, a file each:
//
//	lex.go, parse.go   text to syntax tree, every node with its place in the text
//	check.go           syntax to typed values: numpy's broadcasting and promotion,
//	                   with literals weak as in NumPy 2
//	graph.go           the values as a graph of nodes; equal nodes are one node
//	                   (common subexpressions), and nodes without inputs are folded
//	compile.go         the graph as a list of steps over registers; a register is
//	                   a slice of chunk elements, and is reused once its value is dead
//	run.go             steps over chunks, chunks over the pool
//	prim.go            the inner loops, a table for each element type
//
// No step looks at single elements: a step is one call of a loop over slices.
// An input that lies in memory as the loops want it is not copied but is itself
// the register; so is an output. What is broadcast, strided, byte-swapped or of
// a type that is widened for arithmetic (f16, bf16) is gathered a chunk at a
// time.
//
// # Bits
//
// Every operation is rounded to its type and none is reordered, so an element
// depends on nothing but the elements at its place: neither chunks nor threads
// change a bit. The fused loops of fast.go round between their operations and
// give the bits of the loops they stand for; constants are folded by the loops
// that would have run (foldNode), not by Go's arithmetic.
//
// # How to add to it
//
// A function: a row in functionTable (funcs.go), and a loop under its op's name
// in the tables of prim.go for each type that has it; what types it takes
// follows from those. A rule of its own for types goes into special.go. A
// faster loop replaces an entry of the tables, or gets an entry in fast.go if
// it needs to know which operands are uniform; it must give the same bits.
//
// # Synchronization
//
// A program is immutable. Each piece of a run borrows a frame (the registers)
// from a list with a lock of its own and shares nothing else. Locks are taken
// in the order run.mu, scratch.Lanes, the memory's own.
package expr

import "vgpu/kernels"

// Kernels gives the family: map.
func Kernels() []*kernels.Kernel { return []*kernels.Kernel{mapKernel()} }

// syntaxError is a refusal of an expression: what is wrong with the bytes
// [pos, end) of the text, and the remedy.
type syntaxError struct {
	pos, end int
	msg      string
	hint     string
}

func (e *syntaxError) Error() string { return e.msg }
