package ndarray

// Range is one part of a slice, as Python's basic slicing has it.
type Range struct {
	Start, Stop, Step int
	HasStart, HasStop bool
	Index             bool // a single index, which drops the axis: Start is it
	Ellipsis          bool // "...": as many full axes as are missing
	NewAxis           bool // "None": a new axis of extent 1
}
