package device

import (
	"fmt"
	"syscall"

	"vgpu/kernels"
	"vgpu/kernels/ndarray"
)

// mode is how a job uses memory, chosen when it is accepted.
type mode struct {
	// streamed, if set, runs the kernel on operands that stay on their tiers.
	streamed *kernels.Streamed
	// windows copies of each operand only the part that the job uses, since the
	// whole buffers together would not fit.
	windows bool
	memory  int64 // bytes of memory that it will hold
}

// String is the mode's name in explain.
func (m *mode) String() string {
	switch {
	case m.streamed != nil:
		return "streamed"
	case m.windows:
		return "windows"
	}
	return "memory"
}

// entries are what explain says of a job that does not simply run in memory,
// and of its plan.
func (m *mode) entries(p *kernels.Plan) []kernels.Entry {
	if m.streamed == nil && !m.windows {
		return p.Explain
	}
	out := append([]kernels.Entry{{Term: "mode", Text: m.String()}, {Term: "memory", Text: fmt.Sprint(m.memory)}}, p.Explain...)
	if s := m.streamed; s != nil {
		out = append(out, kernels.Entry{Term: "moved", Text: fmt.Sprintf("%.0f", s.Moved)}, kernels.Entry{Term: "temp", Text: fmt.Sprint(s.Temp)})
		out = append(out, s.Explain...)
	}
	return out
}

// footprint is the memory that a command asks for, in bytes.
type footprint struct {
	scratch int64 // of the kernel, and copies of inputs that an output overlaps
	copied  int64 // of that, the copies
	outs    int64 // new outputs
	buffers int64 // all files that it names, each once
	windows int64 // of those, what it uses
}

// footprintOf adds a draft up.
func (dr *draft) footprint() (f footprint) {
	f.scratch = dr.plan.Cost.Scratch
	files := map[string]int64{}
	spans := map[string]span{}
	for i := range dr.ins {
		in := &dr.ins[i]
		files[in.rel] = in.file
		spans[in.rel] = spans[in.rel].with(in.layout)
		if dr.overlapped(in) {
			f.copied += int64(in.layout.Bytes()) + 64
		}
	}
	f.scratch += f.copied
	for i := range dr.outs {
		o := &dr.outs[i]
		switch {
		case o.whole && !o.inPlace: // another inode than an input of that name
			f.outs += o.size
			f.buffers += o.size
			f.windows += o.size
		case o.whole:
			f.outs += o.size
			files[o.rel], spans[o.rel] = o.size, spans[o.rel].with(o.layout)
		default:
			files[o.rel], spans[o.rel] = o.file, spans[o.rel].with(o.layout)
		}
	}
	for rel, n := range files {
		f.buffers += n
		f.windows += min(n, spans[rel].bytes())
	}
	return f
}

// overlapped tells whether the kernel must get a copy of an input.
func (dr *draft) overlapped(in *inDraft) bool {
	for i := range dr.outs {
		o := &dr.outs[i]
		if o.inPlace && o.rel == in.rel && mustCopy(dr.plan.Alias, in.layout, o.layout) {
			return true
		}
	}
	return false
}

// mustCopy tells whether an input that lies in the same buffer as an output
// shares bytes with it in a way that the kernel does not allow for. alias is the
// plan's.
func mustCopy(alias bool, in, out ndarray.Layout) bool {
	return ndarray.Overlaps(in, out) && (!alias || !ndarray.SameLayout(in, out))
}

// span is a range of a buffer's bytes. The zero value is empty.
type span struct{ lo, hi int64 }

// spanOf is the bytes that a layout reaches.
func spanOf(l ndarray.Layout) span {
	lo, hi := l.Extent()
	return span{int64(lo), int64(hi)}
}

func (s span) bytes() int64 { return s.hi - s.lo }

// with is the least range that has both.
func (s span) with(l ndarray.Layout) span {
	o := spanOf(l)
	switch {
	case o.bytes() == 0:
		return s
	case s.bytes() == 0:
		return o
	}
	return span{min(s.lo, o.lo), max(s.hi, o.hi)}
}

// checkMemory chooses how the command will use memory, and refuses what cannot
// fit even on an empty device, or within the command's own limit.
func (b *batch) checkMemory(dr *draft) error {
	usage := b.d.store.Usage()
	f := dr.footprint()
	if b.d.store.Spills() {
		return b.chooseMode(dr, f, usage.Mem-usage.Staging)
	}
	// The operands are in memory, or files there (Plain), whoever else uses them.
	dr.mode.memory = f.scratch + f.windows
	need := f.scratch + f.outs
	if b.d.cfg.Store.Plain != "" {
		need = f.scratch
	}
	switch limit := dr.limits.memory; {
	case limit > 0 && dr.mode.memory > limit:
		return dr.overLimit(dr.mode.memory)
	case need > usage.Mem:
		return failf(syscall.ENOMEM, dr.line.Verb.Span, "mount with a larger --mem, or with --spill", fmt.Sprintf("%s needs %d bytes of memory, and the device has %d", dr.call.Kernel.Name, need, usage.Mem))
	}
	return nil
}

// overLimit refuses a job for its own maxmem=: ENOMEM.
func (dr *draft) overLimit(need int64) error {
	return failf(syscall.ENOMEM, dr.line.Verb.Span, "raise maxmem=, or work on slices", fmt.Sprintf("%s needs %d bytes for operands and scratch, and maxmem is %d", dr.call.Kernel.Name, need, dr.limits.memory))
}

// chooseMode is for a device that spills: in memory if all operands fit there,
// else only the parts that are used, else streamed. The command's own limit
// bounds the same sum, of scratch and what it has of the operands in memory.
func (b *batch) chooseMode(dr *draft, f footprint, mem int64) error {
	limit := dr.limits.memory
	if limit <= 0 {
		limit = mem
	}
	switch whole, parts := f.scratch+f.buffers, f.scratch+f.windows; {
	case whole <= limit && lent(f.scratch)+f.buffers <= mem:
		dr.mode.memory = whole
		return nil
	case parts <= limit && lent(parts) <= mem:
		dr.mode.memory = parts
		dr.mode.windows = true
		return nil
	case dr.limits.memory > 0 && dr.plan.Stream == nil && lent(parts) <= mem:
		return dr.overLimit(parts)
	}
	mem = b.d.within(dr.limits, mem, f.copied > 0)
	s, err := b.d.planStream(dr.plan, mem)
	if err != nil {
		return dr.cannotStream(f, mem, err)
	}
	dr.mode = mode{streamed: s, memory: s.Mem}
	return nil
}

// within is how much a streamed run may ask for where so much is there, and its
// command has limits. If inputs overlap an output, the piece in which they are
// copied aside counts too.
func (d *Device) within(l limits, mem int64, overlaps bool) int64 {
	mem = d.streamable(mem)
	switch {
	case l.memory <= 0:
		return mem
	case overlaps:
		return min(mem, max(l.memory-d.copyPiece(), 0))
	}
	return min(mem, l.memory)
}

// cannotStream is the refusal of what fits in no mode.
func (dr *draft) cannotStream(f footprint, mem int64, err error) error {
	name := dr.call.Kernel.Name
	msg := fmt.Sprintf("%s cannot fit: it needs %d bytes of memory, there are %d, and it cannot be streamed", name, f.scratch+f.buffers, mem)
	if err != errNoStream {
		msg = fmt.Sprintf("%s cannot fit, even streamed: it needs %d bytes of memory at once, there are %d, and %v", name, f.scratch+f.buffers, mem, err)
	}
	return failf(syscall.ENOMEM, dr.line.Verb.Span, "mount with a larger --mem, or work on slices", msg)
}

// lent is what n bytes of scratch can take with rounding: alloc gives huge
// pages, whole, and keeps pieces apart.
func lent(n int64) int64 {
	if n == 0 {
		return 0
	}
	over := n/512 + 64<<10
	if n >= 2<<20 {
		over += 2 << 20
	}
	return n + over
}

// streamable is how much a streamed run may ask for where so much is there: less
// rounding, and the piece in which overlapping inputs are set aside.
func (d *Device) streamable(mem int64) int64 {
	return mem - (lent(mem) - mem) - d.copyPiece()
}

// copyPiece is how much of an overlapping input is in memory at a time, while
// it is copied aside.
func (d *Device) copyPiece() int64 {
	return max(min(4<<20, d.store.Usage().Mem/64&^(page-1)), page)
}

var errNoStream = fmt.Errorf("the kernel does not stream: %w", syscall.ENOMEM)

// planStream has a kernel plan a streamed run within mem bytes. A half of the
// memory is tried first: the tiles are large by then, and what other jobs
// work on may stay. Nearly all of it is taken where a half does not do, and by a
// job that is alone, if that saves more than it takes to have buffers leave.
func (d *Device) planStream(p *kernels.Plan, mem int64) (*kernels.Streamed, error) {
	s, err := streamedIn(p, mem/2)
	if err != nil {
		return streamedIn(p, mem)
	}
	if !d.idleNow() {
		return s, nil
	}
	if all, err := streamedIn(p, mem-mem/lowWater); err == nil && d.pays(all, s) {
		return all, nil
	}
	return s, nil
}

// leastGain is the part of what is moved that more memory must save.
const leastGain = 1.0 / 16

// pays tells whether a plan with more memory saves more transfers than it takes
// to move what it alone has leave memory out, and in again when that is used.
func (d *Device) pays(more, less *kernels.Streamed) bool {
	gain := less.Moved + less.Apart - more.Moved - more.Apart
	if gain <= leastGain*(less.Moved+less.Apart) {
		return false
	}
	u := d.store.Usage()
	out := max(lent(more.Mem)-u.Free, 0)
	if out == 0 {
		return true
	}
	list, _, err := d.residents()
	if err != nil {
		return false
	}
	can := int64(0)
	for _, r := range list {
		can += r.bytes
	}
	return out <= can && gain > 2*float64(out-max(lent(less.Mem)-u.Free, 0))
}

// idleNow tells whether no job has been accepted that has not ended.
func (d *Device) idleNow() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.unfinished() == 0
}

// streamedIn is a kernel's plan within mem bytes.
func streamedIn(p *kernels.Plan, mem int64) (s *kernels.Streamed, err error) {
	if p.Stream == nil {
		return nil, errNoStream
	}
	defer func() {
		if v := recover(); v != nil {
			s, err = nil, fmt.Errorf("the kernel panicked: %v: %w", v, syscall.EIO)
		}
	}()
	if s, err = p.Stream(mem); err == nil && s.Mem > mem {
		return nil, fmt.Errorf("its plan for %d bytes takes %d: %w", mem, s.Mem, syscall.ENOMEM)
	}
	return s, err
}
