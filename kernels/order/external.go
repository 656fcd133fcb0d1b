package order

import (
	"fmt"

	"vgpu/kernels"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/pack"
	"vgpu/kernels/scratch"
	"vgpu/kernels/stream"
)

// external is a merge sort of rows that do not fit into memory (Knuth, The Art of
// Computer Programming 3, section 5.4). A row is cut into runs, which are sorted
// as in core and written to temporary space; then groups of runs are merged, in
// rounds: of each run as much is taken as is known to come before everything that
// is not in memory, and what was taken is sorted again. That costs a few sweeps
// more than a tree of losers, but all workers do them, and the sort in core
// decides about zeros and NaNs.
//
// It is stable: runs are taken in order, and of equal elements those of a run only
// when none is left in the runs before it. So the result has the bits of a sort in
// core. Rows lie packed; where they do not in the file, they are copied first, or
// last.
type external struct {
	*sorting
	d                   ndarray.DType
	size                int // bytes of an element
	n, rows             int
	run                 int            // elements of a run
	runs                int            // a row
	round               int            // elements of a round
	fan                 int            // runs that are merged at once
	levels              int            // of merges; 0 with one run
	mem                 int            // bytes of phases' memory, which is the same
	before              *stream.Tiling // copies the input to packed rows; nil if it has them
	after               *stream.Tiling // copies packed rows to the output; nil if it has them
	packedIn, packedOut ndarray.Layout
}

const (
	// leastRun is the least length of a run; that of a round is twice as much.
	leastRun = 512
	// mergeBytes is what is read of a run at once, if memory allows.
	mergeBytes = 64 << 10
	// slack is for the rounding of a dozen pieces of memory.
	slack = 1024
)

// external plans a run within mem bytes: the longest runs and rounds that fit,
// and as many runs merged at once as leaves each mergeBytes. The error is a
// *stream.NoMemError.
func (s *sorting) external(mem int64) (*kernels.Streamed, error) {
	in := s.c.In[0].Layout
	e := &external{sorting: s, d: in.DType, size: in.DType.Size(), n: in.Shape[s.axis], rows: in.Len() / max(in.Shape[s.axis], 1)}
	err := e.planCopies(mem)
	if least := int64(max(e.sortBytes(leastRun), e.mergeBytes(2*leastRun))); least > mem {
		err = pack.Refusal(mem, err, &stream.NoMemError{Least: least, Have: mem})
	}
	if err != nil {
		return nil, err
	}
	e.run = min(e.n, most(leastRun, e.n, func(n int) bool { return int64(e.sortBytes(n)) <= mem }))
	e.round = most(2*leastRun, 2*e.n, func(n int) bool { return int64(e.mergeBytes(n)) <= mem })
	e.runs = (e.n + e.run - 1) / e.run
	e.fan = max(2, min(e.runs, e.round*e.size/mergeBytes))
	for left := e.runs; left > 1; left = (left + e.fan - 1) / e.fan {
		e.levels++
	}
	e.mem = e.sortBytes(e.run)
	if e.levels > 0 {
		e.mem = max(e.mem, e.mergeBytes(e.round))
	}
	for _, t := range []*stream.Tiling{e.before, e.after} {
		if t != nil {
			e.mem = max(e.mem, int(t.Mem)+pack.Slack)
		}
	}
	return e.streamed(), nil
}

// most is the greatest n in [lo, hi] that fits; lo does.
func most(lo, hi int, fits func(int) bool) int {
	for lo < hi {
		if mid := lo + (hi-lo+1)/2; fits(mid) {
			lo = mid
		} else {
			hi = mid - 1
		}
	}
	return lo
}

// sortBytes is the memory to sort runs of n elements: two sources, two results
// with the indices, and scratch.
func (e *external) sortBytes(n int) int {
	b := 4*scratch.Round(n*e.size) + e.rowScratch(n) + slack
	if e.index {
		b += 2 * scratch.Size[int64](n)
	}
	return b
}

// mergeBytes is the memory for rounds of n elements: those at hand of all runs, those
// taken, two results, and scratch.
func (e *external) mergeBytes(n int) int {
	b := 4*scratch.Round(n*e.size) + e.rowScratch(n) + slack
	if e.index {
		b += 5 * scratch.Size[int64](n) // the indices of all these, and the order of those taken
	}
	return b
}

// rowScratch is the scratch of a sort of n elements or fewer.
func (e *external) rowScratch(n int) int {
	counters := scratch.Size[[256]int](min(maxBlocks, scratch.Pieces(n, radixBlock)))
	if e.index {
		return indexScratch(e.d, n) + counters
	}
	return sortScratch(e.d, n) + counters
}

// planCopies plans the copies of rows that are not packed.
func (e *external) planCopies(mem int64) error {
	in, out := axisLast(e.c.In[0].Layout, e.axis), axisLast(stream.Output(e.c, 0, e.out), e.axis)
	e.packedIn, e.packedOut = ndarray.NewLayout(e.d, in.Shape...), ndarray.NewLayout(e.out.DType, in.Shape...)
	var errBefore, errAfter error
	if !packedRows(in) {
		e.before, errBefore = pack.Plan(e.packedIn, in, mem)
	}
	if !packedRows(out) {
		e.after, errAfter = pack.Plan(out, e.packedOut, mem)
	}
	return pack.Refusal(mem, errBefore, errAfter)
}

// packedRows tells whether each row along the last axis lies as a Go slice would,
// wherever it begins.
func packedRows(l ndarray.Layout) bool {
	k := l.Rank() - 1
	return !l.Swapped && (l.Strides[k] == l.DType.Size() || l.Shape[k] == 1)
}

// record is the bytes of an element in temporary space.
func (e *external) record() int {
	if e.index {
		return e.size + 8
	}
	return e.size
}

// streamed gives the plan.
func (e *external) streamed() *kernels.Streamed {
	s := &kernels.Streamed{Mem: int64(e.mem), Run: e.runAll}
	all, row := float64(e.n)*float64(e.rows), int64(e.n)
	s.Moved = all * float64(e.size+e.out.DType.Size()+2*e.levels*e.record())
	s.Temp = int64(min(e.levels, 2)) * row * int64(e.record())
	sweeps := 1 + e.levels // the runs, and each round of merges
	of, cost := stream.SinkTraffic(ndarray.NewLayout(e.d, e.run))
	s.Apart = float64(2*sweeps*e.rows*e.runs) * (cost - of) // a run is a transfer, however short
	if e.before != nil {
		s.Moved += e.before.Moved()
		s.Apart += e.before.Apart()
		s.Temp += int64(e.packedIn.Bytes())
		sweeps++
	}
	if e.after != nil {
		s.Moved += e.after.Moved()
		s.Apart += e.after.Apart()
		s.Temp += int64(e.packedOut.Bytes())
		sweeps++
	}
	s.Explain = []kernels.Entry{
		{Term: "algorithm", Text: "external-merge"}, {Term: "run", Text: fmt.Sprint(e.run)}, {Term: "runs", Text: fmt.Sprint(e.runs)},
		{Term: "fan", Text: fmt.Sprint(e.fan)}, {Term: "merges", Text: fmt.Sprint(e.levels)}, stream.Passes(sweeps),
	}
	return s
}

// runAll sorts row by row, between the copies. All phases have the slab in
// turn.
func (e *external) runAll(x *kernels.Exec) error {
	slab := scratch.NewSlab(x.Mem.Alloc(e.mem))
	src, dst := x.Src[0], x.Dst[0]
	src.Layout, dst.Layout = axisLast(src.Layout, e.axis), axisLast(dst.Layout, e.axis)
	packedIn, packedOut := src, dst
	var err error
	if e.before != nil {
		if packedIn, err = pack.Temp(x, e.packedIn); err != nil {
			return err
		}
		if err := pack.Run(x, slab, e.before, packedIn, src); err != nil {
			return err
		}
	}
	if e.after != nil {
		if packedOut, err = pack.Temp(x, e.packedOut); err != nil {
			return err
		}
	}
	if err := e.sortRows(x, slab, packedOut, packedIn); err != nil || e.after == nil {
		return err
	}
	return pack.Run(x, slab, e.after, dst, packedOut)
}
