package stream

import (
	"cmp"
	"slices"

	"vgpu/kernels/ndarray"
)

const (
	// gapBytes is the most bytes between elements that are read to get at the
	// next ones: a device reads whole pages anyway.
	gapBytes = 4096
	// pageBytes is the unit in which long runs keep their place: memory and file
	// are congruent by it, so that an O_DIRECT transfer need not copy.
	pageBytes = 4096
	// longRun is the length from which they do.
	longRun = 64 << 10
	// lineBytes is a cache line, to which rows of some length are aligned.
	lineBytes = 64
	wideRun   = 1024
)

// form says where the elements of a layout lie in a file, as runs of bytes, and
// where in memory.
type form struct {
	mem   ndarray.Layout // in the room, which begins at byte 0
	bytes int            // of the room, whatever the file offset
	run   int            // bytes of a run
	file  int            // where the first run begins
	start int            // and where its memory does
	axes  []runAxis      // over runs, outermost first
	gaps  bool           // runs have bytes that are no element's
}

// runAxis is an axis along which runs repeat.
type runAxis struct {
	axis      int // of the layout
	n         int
	file, mem int // positive strides in bytes
}

// newForm lays out a tile. Runs are joined over gaps of at most gap bytes, and
// over any along the axes that owned marks; nil marks none.
func newForm(l ndarray.Layout, gap int, owned []bool) form {
	size := l.DType.Size()
	f := form{mem: ndarray.Layout{DType: l.DType, Shape: l.Shape, Strides: make([]int, len(l.Shape)), Swapped: l.Swapped}}
	if l.Len() == 0 {
		copy(f.mem.Strides, ndarray.CStrides(l.DType, l.Shape))
		return f
	}
	f.file, f.run = l.Offset, size
	f.axes = make([]runAxis, 0, len(l.Shape)) // planning makes thousands of forms
	for i, n := range l.Shape {
		switch s := l.Strides[i]; {
		case n == 1:
			f.mem.Strides[i] = size
		case s != 0:
			f.file += min(0, (n-1)*s)
			f.axes = append(f.axes, runAxis{axis: i, n: n, file: max(s, -s)})
		}
	}
	slices.SortStableFunc(f.axes, func(a, b runAxis) int { return cmp.Compare(b.file, a.file) })
	f.join(gap, owned)
	f.place()
	f.orient(l)
	return f
}

// join takes inner axes into the run as long as the gaps allow it.
func (f *form) join(gap int, owned []bool) {
	for k := len(f.axes) - 1; k >= 0; k-- {
		a := &f.axes[k]
		between := a.file - f.run
		if between < 0 || between > gap && (owned == nil || !owned[a.axis]) {
			return
		}
		f.gaps = f.gaps || between > 0
		f.mem.Strides[a.axis] = a.file
		f.run += (a.n - 1) * a.file
		f.axes = f.axes[:k]
	}
}

// place gives each run its memory: runs lie one behind the other, in the order
// of the file, a pitch apart.
func (f *form) place() {
	pitch := f.pitch()
	for k := len(f.axes) - 1; k >= 0; k-- {
		a := &f.axes[k]
		a.mem = pitch
		f.mem.Strides[a.axis] = pitch
		pitch *= a.n
	}
	f.bytes = pitch
	if f.run >= longRun {
		f.bytes += pageBytes
		if f.file%lineBytes == 0 {
			f.start = f.file % pageBytes
		}
	}
}

// pitch is the distance of runs in memory. Long ones keep their place in the
// page, for O_DIRECT; shorter ones begin at a cache line, and an odd number of
// lines apart where the pitch would be whole pages. It is a multiple of the
// component's size, so that elements are aligned, if the file's is.
//
// A shorter run must not have a larger pitch, or the last tile of an axis would
// not fit the room of a full one. So no short run has more than the shortest of
// the long ones may have, and none more than in the file, which is what it has
// if it is joined with the next.
func (f *form) pitch() int {
	if len(f.axes) == 0 {
		return f.spaced()
	}
	pitch, next := min(f.spaced(), longRun), f.axes[len(f.axes)-1].file
	if f.run >= longRun {
		pitch = f.run + ((next-f.run)%pageBytes+pageBytes)%pageBytes
		if pitch%f.mem.DType.Real().Size() != 0 {
			pitch = roundUp(pitch, f.mem.DType.Size())
		}
	}
	if next < f.run { // they overlap in the file
		return pitch
	}
	return min(pitch, next)
}

// spaced is the length of a run with what is left free behind it.
func (f *form) spaced() int {
	if f.run < wideRun {
		return roundUp(f.run, f.mem.DType.Size())
	}
	n := roundUp(f.run, lineBytes)
	if n%pageBytes == 0 { // rows a page apart would share a set of the first-level cache
		n += lineBytes
	}
	return n
}

// settle moves long runs to where a room that begins at that place in its page has them
// congruent with the file: who lends it may align it to cache lines alone. There
// is a page more than they take.
func (f *form) settle(room int) {
	if f.run < longRun || f.file%lineBytes != 0 || room%lineBytes != 0 {
		return
	}
	start := (f.file - room%pageBytes + pageBytes) % pageBytes
	f.mem.Offset += start - f.start
	f.start = start
}

// orient turns memory strides around where the file's are negative, and sets the
// offset of the first element.
func (f *form) orient(l ndarray.Layout) {
	f.mem.Offset = f.start
	for i, s := range l.Strides {
		if s < 0 && l.Shape[i] > 1 {
			f.mem.Offset += (l.Shape[i] - 1) * f.mem.Strides[i]
			f.mem.Strides[i] = -f.mem.Strides[i]
		}
	}
}

// overForm is the form of a part of a tile that is in memory already, with
// elements at file of the blob and at mem of the room.
func overForm(file, mem ndarray.Layout, gap int) form {
	f := form{mem: mem}
	if file.Len() == 0 {
		return f
	}
	f.file, f.start, f.run = file.Offset, mem.Offset, file.DType.Size()
	for i, n := range file.Shape {
		if s, m := file.Strides[i], mem.Strides[i]; n > 1 && s != 0 {
			f.file += min(0, (n-1)*s)
			f.start += min(0, (n-1)*m)
			f.axes = append(f.axes, runAxis{axis: i, n: n, file: max(s, -s), mem: max(m, -m)})
		}
	}
	slices.SortStableFunc(f.axes, func(a, b runAxis) int { return cmp.Compare(b.file, a.file) })
	for k := len(f.axes) - 1; k >= 0; k-- {
		a := f.axes[k]
		if between := a.file - f.run; a.mem != a.file || between < 0 || between > gap {
			break
		}
		f.run += (a.n - 1) * a.file
		f.axes = f.axes[:k]
	}
	return f
}

// runs is how many there are: 0 of a layout without elements.
func (f *form) runs() int {
	if f.run == 0 {
		return 0
	}
	n := 1
	for _, a := range f.axes {
		n *= a.n
	}
	return n
}

// between is how many bytes there are between a run and the next.
func (f *form) between() int {
	if len(f.axes) == 0 {
		return runCost // which is the only one
	}
	return max(f.axes[len(f.axes)-1].file-f.run, 0)
}

// at is where run number i lies, in the file and in the room.
func (f *form) at(i int) (file, mem int) {
	file, mem = f.file, f.start
	for k := len(f.axes) - 1; k >= 0; k-- {
		a := f.axes[k]
		j := i % a.n
		i /= a.n
		file += j * a.file
		mem += j * a.mem
	}
	return file, mem
}

// same tells whether two forms of one blob have the same bytes in the same
// places.
func (f *form) same(g *form) bool {
	return f.file == g.file && f.run == g.run && f.start == g.start &&
		slices.EqualFunc(f.axes, g.axes, func(a, b runAxis) bool { return a.n == b.n && a.file == b.file && a.mem == b.mem })
}

// roundUp is the least multiple of unit that is not below n >= 0.
func roundUp(n, unit int) int { return (n + unit - 1) / unit * unit }
