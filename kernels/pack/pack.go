// Package pack copies arrays outside memory, for kernels that want their
// elements to lie in another order than they do, goes by way of panels for those that
// work along an axis across the file ([Along]), and joins the refusals of what
// such a kernel plans in phases.
//
// # Model
//
// A kernel that streams in phases (pack, work, unpack) has one slab of memory
// for all of them: each phase is planned within all of it ([Plan]), and takes
// it anew when it runs ([Run]). What the phases lack is then told as one
// figure, the greatest need ([Refusal]), so that whoever gives that much is not
// refused again. Packed arrays lie in temporary space ([Temp]), which the
// caller frees when the run ends.
package pack

import (
	"errors"
	"math"

	"vgpu/kernels"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/scratch"
	"vgpu/kernels/stream"
	"vgpu/kernels/vec/move"
)

// Slack is how much more than its tiling's Mem a copy needs of a slab: its pieces
// of memory are rounded up.
const Slack = 1024

// Plan plans a copy between layouts of one shape, converting if their types
// differ, within mem bytes: the tiling's Mem and Slack. The error is a
// *stream.NoMemError.
func Plan(to, from ndarray.Layout, mem int64) (*stream.Tiling, error) {
	t, err := stream.NewTiling(from.Shape, []stream.Operand{{Layout: from, Load: true}, {Layout: to, Store: true}}, mem-Slack, stream.Cuts{})
	return t, Refusal(mem, Beside(err, Slack))
}

// Beside is the refusal of a tiling's memory when n bytes are kept beside.
func Beside(err error, n int64) error {
	var short *stream.NoMemError
	if errors.As(err, &short) {
		return &stream.NoMemError{Least: short.Least + n, Have: short.Have + n}
	}
	return err
}

// Refusal is the one error for phases that were planned within have bytes each:
// the least memory that does for all, if memory is all that they lack; nil if they
// lack nothing.
func Refusal(have int64, phases ...error) error {
	least := int64(-1)
	for _, err := range phases {
		var short *stream.NoMemError
		if errors.As(err, &short) {
			least = max(least, short.Least)
		} else if err != nil {
			return err
		}
	}
	if least < 0 {
		return nil
	}
	return &stream.NoMemError{Least: least, Have: have}
}

// FirstOf is the first of plans that mem bytes are enough for. A plan that does not
// apply is nil, without an error. The refusal of all is one, of the least memory
// that does for one of them; an error of another kind is the first plan's that has it.
func FirstOf(mem int64, plans ...func(mem int64) (*kernels.Streamed, error)) (*kernels.Streamed, error) {
	return choose(mem, plans, true)
}

// CheapestOf is, of plans as of [FirstOf], not the first that mem bytes are enough for
// but that which moves least, with short runs counted in; the first of equals.
func CheapestOf(mem int64, plans ...func(mem int64) (*kernels.Streamed, error)) (*kernels.Streamed, error) {
	return choose(mem, plans, false)
}

// choose is the first plan, or the cheapest.
func choose(mem int64, plans []func(mem int64) (*kernels.Streamed, error), first bool) (best *kernels.Streamed, err error) {
	least := int64(math.MaxInt64)
	for _, plan := range plans {
		s, err := plan(mem)
		var short *stream.NoMemError
		switch {
		case errors.As(err, &short):
			least = min(least, short.Least)
		case err != nil:
			return nil, err
		case s != nil && (best == nil || s.Moved+s.Apart < best.Moved+best.Apart):
			best = s
		}
		if best != nil && first {
			break
		}
	}
	if best == nil {
		return nil, &stream.NoMemError{Least: least, Have: mem}
	}
	return best, nil
}

// Run copies by a tiling that Plan made, in all memory of a slab, which nothing
// else may be using. It returns when the last byte was stored.
func Run(x *kernels.Exec, s *scratch.Slab, t *stream.Tiling, to, from kernels.Stored) error {
	s.Reset()
	part := &kernels.Exec{Ctx: x.Ctx, W: x.W, Mem: s}
	return t.Run(part, []kernels.Stored{from, to}, func(tile *stream.Tile) error {
		return move.Copy(x.W, tile.Arrays[1], tile.Arrays[0])
	})
}

// Temp is an array in temporary space, with undefined contents: ENOSPC if there
// is none.
func Temp(x *kernels.Exec, l ndarray.Layout) (kernels.Stored, error) {
	b, err := x.Temp(int64(l.Bytes()))
	return kernels.Stored{Blob: b, Layout: l}, err
}
