package device

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"syscall"
	"time"

	"vgpu/alloc"
	"vgpu/kernels"
	"vgpu/kernels/ndarray"
)

// part is one buffer of a job, and all that the job does with it.
type part struct {
	buf    *alloc.Buffer
	name   string
	reads  bool // some of what it held
	whole  bool // writes every byte
	header []byte
	span   span
	window bool // a copy of the span is used, not the buffer itself
	data   []byte
	base   int64 // where in the buffer data begins
}

// parts lists the buffers of a job, each once.
func (j *Job) parts() []part {
	out := make([]part, 0, len(j.ops))
	for i := range j.ops {
		op := &j.ops[i]
		k := slices.IndexFunc(out, func(p part) bool { return p.buf == op.buf })
		if k < 0 {
			k = len(out)
			out = append(out, part{buf: op.buf, name: op.name, window: j.mode.windows})
		}
		p := &out[k]
		p.reads = p.reads || op.reads
		p.span = p.span.with(op.layout)
		if op.whole {
			p.whole, p.header = true, op.header
		}
	}
	return out
}

// missing is how many bytes of memory the buffer takes beside those that it has.
func (p *part) missing() (int64, error) {
	if p.window {
		return 0, nil
	}
	st, err := p.buf.Stat()
	return max(pageUp(st.Size)-st.Blocks*512, 0), err
}

const page = 4096

// pageUp rounds up to whole pages.
func pageUp(n int64) int64 { return (n + page - 1) &^ (page - 1) }

// workspace is what a kernel runs on: operands in memory, and scratch.
type workspace struct {
	parts  []part
	maps   []*alloc.Mapping
	arrays []ndarray.Array // one an operand
	copies []int           // inputs of which the kernel gets a copy
	mem    *scratch
}

// close unmaps the operands and gives the scratch back, once nothing computes.
func (ws *workspace) close() {
	for _, m := range ws.maps {
		m.Close()
	}
	if ws.mem != nil {
		ws.mem.close()
	}
}

// stage gets a job's operands and its scratch into memory: all, or nothing. A
// *scratchError says that there is not enough memory now.
func (d *Device) stage(ctx context.Context, j *Job) (*workspace, error) {
	parts := j.parts()
	ws, err := d.assemble(ctx, j, parts)
	d.noteUse(j, parts)
	if d.moves == nil || err == nil || !lacksMemory(err) {
		return ws, err
	}
	return d.bringIn(ctx, j, parts)
}

// lacksMemory tells whether an error means that something is not in memory, or
// does not fit now.
func lacksMemory(err error) bool {
	var short *scratchError
	return errors.Is(err, alloc.ErrSpilled) || errors.Is(err, syscall.ENOSPC) || errors.As(err, &short)
}

// assemble maps what is in memory and reserves scratch. It brings nothing in.
func (d *Device) assemble(ctx context.Context, j *Job, parts []part) (ws *workspace, err error) {
	ws = &workspace{parts: parts, copies: j.overlaps(j.plan.Alias)}
	defer func() {
		if err != nil {
			ws.close()
			ws = nil
		}
	}()
	for i := range parts {
		p := &parts[i]
		if p.window {
			continue
		}
		m, err := p.buf.Map()
		if err != nil {
			return ws, fmt.Errorf("%s: %w", p.name, err)
		}
		ws.maps = append(ws.maps, m)
		p.data, p.base = m.Data, 0
	}
	if ws.mem, err = d.scratch(j.scratchFor(parts, ws.copies)); err != nil {
		return ws, err
	}
	for i := range parts {
		if err := parts[i].fill(ctx, d, j, ws.mem); err != nil {
			return ws, err
		}
	}
	if err := j.bindArrays(ws); err != nil || d.moves == nil {
		return ws, err
	}
	return ws, heads(parts)
}

// scratchFor is the scratch of a job with copies of some inputs and of windows.
func (j *Job) scratchFor(parts []part, copies []int) int64 {
	n := j.plan.Cost.Scratch
	for _, i := range copies {
		n += int64(j.ops[i].layout.Bytes()) + 64
	}
	for i := range parts {
		if parts[i].window {
			n += parts[i].span.bytes() + 128
		}
	}
	return n
}

// fill copies a window from wherever the bytes are. Its start keeps its
// distance from a cache line.
func (p *part) fill(ctx context.Context, d *Device, j *Job, mem *scratch) error {
	if !p.window {
		return nil
	}
	size, err := p.buf.Size()
	if err != nil || size < p.span.hi {
		return errors.Join(err, fmt.Errorf("%s %w", p.name, errShapeChanged))
	}
	n, skew := p.span.bytes(), p.span.lo%64
	p.data, p.base = mem.Alloc(int(n + skew))[skew:], p.span.lo
	if !p.reads {
		return nil
	}
	b := blob{p.buf, d, j.ID, p.name}
	return named(p.name, b.Read(kernels.Segment{Off: p.base, Buf: p.data}).Wait(ctx))
}

// named puts an operand's name before an error that does not begin with it.
func named(name string, err error) error {
	if err == nil || errors.Is(err, errShapeChanged) {
		return err
	}
	return fmt.Errorf("%s: %w", name, err)
}

// putBack writes the outputs that were computed in windows to their buffers.
func (ws *workspace) putBack(ctx context.Context, d *Device, j *Job) error {
	for i := j.inputs; i < len(j.ops); i++ {
		op := &j.ops[i]
		p := ws.part(op.buf)
		s := spanOf(op.layout)
		if !p.window || s.bytes() == 0 {
			continue
		}
		b := blob{p.buf, d, j.ID, op.name}
		if err := b.Write(kernels.Segment{Off: s.lo, Buf: p.data[s.lo-p.base : s.hi-p.base]}).Wait(ctx); err != nil {
			return named(op.name, err)
		}
	}
	return nil
}

// part is that of a buffer, which the workspace has.
func (ws *workspace) part(b *alloc.Buffer) *part {
	return &ws.parts[slices.IndexFunc(ws.parts, func(p part) bool { return p.buf == b })]
}

// bindArrays puts the layouts seen at acceptance over the bytes in memory. A
// client may have changed a buffer's size since.
func (j *Job) bindArrays(ws *workspace) error {
	for i := range j.ops {
		op := &j.ops[i]
		p := ws.part(op.buf)
		a := ndarray.Array{Layout: op.layout, Data: p.data}
		if a.Offset -= int(p.base); a.Len() == 0 {
			a.Offset = 0 // its window has no bytes, wherever the buffer has them
		}
		if err := a.Check(); err != nil {
			return fmt.Errorf("%s %w: %w", op.name, errShapeChanged, err)
		}
		ws.arrays = append(ws.arrays, a)
	}
	return nil
}

// overlaps lists the inputs of which the kernel must get a copy, because they
// share bytes with an output in a way that it does not allow for.
func (j *Job) overlaps(alias bool) []int {
	var out []int
	for i := range j.inputs {
		for k := j.inputs; k < len(j.ops); k++ {
			if j.ops[i].buf == j.ops[k].buf && mustCopy(alias, j.ops[i].layout, j.ops[k].layout) {
				out = append(out, i)
				break
			}
		}
	}
	return out
}

// bringTries bounds how often room is made anew for a job, when clients fill
// it as fast.
const bringTries = 8

// bringIn makes room for what a job needs, and brings in what is elsewhere. One
// job does so at a time: two could each hold a half of what both need.
func (d *Device) bringIn(ctx context.Context, j *Job, parts []part) (ws *workspace, err error) {
	start := time.Now()
	d.step(j, "waits for its turn to bring operands in")
	defer d.step(j, "")
	if err := d.moves.enter(ctx); err != nil {
		return nil, err
	}
	defer d.moves.leave()
	defer func() { d.moves.stalled(j, time.Since(start)) }()
	for try := range int64(bringTries + len(parts)) {
		if err = d.roomFor(ctx, j, parts, try*d.slack()); err != nil {
			if errors.Is(err, syscall.ENOSPC) {
				if d.bringOne(ctx, j, parts) {
					continue // which leaves room on its tier for what has to go
				}
				if lost := lostOperand(parts); lost != nil {
					return nil, lost
				}
			}
			return nil, d.shortage(err)
		}
		if err = d.promote(ctx, j, parts); err == nil {
			ws, err = d.assemble(ctx, j, parts)
		}
		if err == nil || !lacksMemory(err) {
			return ws, err
		}
	}
	return nil, d.shortage(err)
}

// slack is how much more room is made at each further try: what rounding took
// is less than a huge page.
func (d *Device) slack() int64 { return min(2<<20, d.store.Usage().Mem/64) }

// shortage makes a *scratchError of any lack of memory; other errors stay.
func (d *Device) shortage(err error) error {
	var short *scratchError
	if errors.As(err, &short) || !lacksMemory(err) {
		return err
	}
	u := d.store.Usage()
	return &scratchError{&alloc.BudgetError{Free: u.Free, Mem: u.Mem}, err}
}

// roomFor makes room for a job: its operands and its scratch, and spare bytes.
func (d *Device) roomFor(ctx context.Context, j *Job, parts []part, spare int64) error {
	want := lent(j.scratchFor(parts, j.overlaps(j.plan.Alias))) + spare
	inos := make([]uint64, len(parts))
	for i := range parts {
		n, err := parts[i].missing()
		if err != nil {
			return err
		}
		want += n
		inos[i] = parts[i].buf.Ino()
	}
	return d.makeRoom(ctx, want, inos, 0, func(what string) { d.step(j, what) })
}

// bringOne brings one operand in that fits as things are, and tells whether there was
// one.
func (d *Device) bringOne(ctx context.Context, j *Job, parts []part) bool {
	free := d.store.Usage().Free
	for i := range parts {
		p := &parts[i]
		if n, err := p.missing(); err == nil && n <= free && !p.window && !p.buf.Resident() {
			return d.promote(ctx, j, parts[i:i+1]) == nil && !p.window
		}
	}
	return false
}

// lostOperand is the error of an operand that its disk does not give any more:
// where the same disk takes nothing either, that is what is to be told, not
// that there is no room.
func lostOperand(parts []part) error {
	var b [1]byte
	for i := range parts {
		p := &parts[i]
		if !p.reads || p.buf.Resident() {
			continue
		}
		if _, err := p.buf.ReadAt(b[:], 0); errors.Is(err, syscall.EIO) {
			return named(p.name, err)
		}
	}
	return nil
}

// promote brings the operands into memory. One that a client holds on its tier is
// used by way of a copy.
func (d *Device) promote(ctx context.Context, j *Job, parts []part) error {
	for i := range parts {
		p := &parts[i]
		if p.window || p.buf.Resident() {
			continue
		}
		d.step(j, "brings "+p.name+" from "+p.buf.Tier())
		err := d.carryIn(ctx, p.buf, p.name, p.whole && !p.reads)
		switch {
		case errors.Is(err, syscall.EBUSY):
			p.window = true // which takes scratch: once more
			return fmt.Errorf("%s is open on its tier: %w", p.name, alloc.ErrSpilled)
		case err != nil:
			return named(p.name, err)
		}
	}
	return nil
}

// heads writes the headers of outputs that are written whole: they may have
// moved without their bytes.
func heads(parts []part) error {
	for i := range parts {
		p := &parts[i]
		if !p.whole || p.reads || len(p.header) == 0 {
			continue
		}
		if _, err := p.buf.WriteAt(p.header, 0); err != nil {
			return named(p.name, err)
		}
	}
	return nil
}

// step notes what a running job does before it computes, for its status.
func (d *Device) step(j *Job, what string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	j.step = what
}
