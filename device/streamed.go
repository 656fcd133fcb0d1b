package device

import (
	"context"
	"fmt"
	"sync"
	"time"

	"vgpu/alloc"
	"vgpu/kernels"
)

// blob shows a buffer to a streamed kernel, and its transfers to the trace.
type blob struct {
	*alloc.Buffer
	d    *Device
	job  uint64
	name string
}

var _ kernels.Blob = blob{}

// Read and Write implement kernels.Blob, and go into the log of transfers.
func (b blob) Read(segs ...kernels.Segment) kernels.Transfer {
	return b.d.transfers.begin(b, true, segs)
}

func (b blob) Write(segs ...kernels.Segment) kernels.Transfer {
	return b.d.transfers.begin(b, false, segs)
}

// temps are the temporary spaces of a streamed run.
type temps struct {
	d    *Device
	job  uint64
	mu   sync.Mutex
	list []*alloc.Buffer
}

// get is kernels.Exec.Temp.
func (t *temps) get(n int64) (kernels.Blob, error) {
	b, err := t.d.store.Temp(n)
	if err != nil {
		return nil, fmt.Errorf("%d bytes of temporary space: %w", n, err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.list = append(t.list, b)
	return blob{b, t.d, t.job, "(temporary)"}, nil
}

// close frees the temporary space, when nothing transfers any more.
func (t *temps) close() {
	for _, b := range t.list {
		b.Release()
	}
}

// runStreamed runs a job whose operands stay on their tiers, each held there
// until it ends.
func (d *Device) runStreamed(ctx context.Context, j *Job) error {
	copies := j.overlaps(j.plan.Alias)
	lend := j.mode.streamed.Mem
	if len(copies) > 0 {
		lend += d.copyPiece()
	}
	mem, err := d.lend(ctx, j, lend)
	if err != nil {
		return err
	}
	defer mem.close()
	parts := j.parts()
	for i := range parts {
		parts[i].buf.Hold()
		defer parts[i].buf.Unhold()
	}
	x := &kernels.Exec{Ctx: ctx, Mem: mem}
	if err := d.bindStored(j, x); err != nil {
		return err
	}
	if err := heads(parts); err != nil {
		return err
	}
	space := &temps{d: d, job: j.ID}
	defer space.close()
	x.Temp = space.get
	for _, i := range copies {
		if err := setAside(ctx, x, i, d.copyPiece()); err != nil {
			return named(j.ops[i].name, err)
		}
	}
	d.noteUse(j, parts)
	d.moves.ranStreamed()
	return d.compute(j, x, func() error { return j.mode.streamed.Run(x) })
}

// lend reserves memory for a streamed run, and makes room for it.
func (d *Device) lend(ctx context.Context, j *Job, n int64) (*scratch, error) {
	mem, err := d.scratch(n)
	if err == nil || !lacksMemory(err) {
		return mem, err
	}
	start := time.Now()
	d.step(j, "waits for its turn to make room")
	defer d.step(j, "")
	if err := d.moves.enter(ctx); err != nil {
		return nil, err
	}
	defer d.moves.leave()
	defer func() { d.moves.stalled(j, time.Since(start)) }()
	for try := range int64(bringTries) {
		if err = d.makeRoom(ctx, lent(n)+try*d.slack(), nil, 0, func(what string) { d.step(j, what) }); err != nil {
			return nil, d.shortage(err)
		}
		if mem, err = d.scratch(n); err == nil || !lacksMemory(err) {
			return mem, err
		}
	}
	return nil, d.shortage(err)
}

// bindStored puts the layouts seen at acceptance over the buffers. A client may
// have changed a buffer's size since.
func (d *Device) bindStored(j *Job, x *kernels.Exec) error {
	for i := range j.ops {
		op := &j.ops[i]
		size, err := op.buf.Size()
		if err != nil {
			return named(op.name, err)
		}
		if s := spanOf(op.layout); s.bytes() > 0 && s.hi > size {
			return fmt.Errorf("%s %w", op.name, errShapeChanged)
		}
		a := kernels.Stored{Blob: blob{op.buf, d, j.ID, op.name}, Layout: op.layout}
		if i < j.inputs {
			x.Src = append(x.Src, a)
		} else {
			x.Dst = append(x.Dst, a)
		}
	}
	return nil
}

// setAside gives the kernel a copy of input i, in temporary space, as it shares
// bytes with an output.
func setAside(ctx context.Context, x *kernels.Exec, i int, piece int64) error {
	src := &x.Src[i]
	s := spanOf(src.Layout)
	base := s.lo &^ (page - 1) // so that transfers stay aligned as they are
	to, err := x.Temp(s.hi - base)
	if err != nil {
		return err
	}
	buf := x.Mem.Alloc(int(piece))
	for off := base; off < s.hi; off += piece {
		p := buf[:min(piece, s.hi-off)]
		if err := src.Read(kernels.Segment{Off: off, Buf: p}).Wait(ctx); err != nil {
			return err
		}
		if err := to.Write(kernels.Segment{Off: off - base, Buf: p}).Wait(ctx); err != nil {
			return err
		}
	}
	src.Blob = to
	src.Layout.Offset -= int(base)
	return nil
}

// streamInstead has a job that found no memory, though nothing else runs, take
// what there is and stream. False: it cannot.
func (d *Device) streamInstead(j *Job) bool {
	if d.moves == nil || j.plan.Stream == nil {
		return false
	}
	mem := d.store.Usage().Free
	list, _, err := d.residents()
	if err != nil {
		return false
	}
	for _, r := range list {
		mem += r.bytes
	}
	mem = d.within(j.limits, mem, len(j.overlaps(j.plan.Alias)) > 0)
	if s := j.mode.streamed; s != nil && mem >= s.Mem { // it has been tried
		return false
	}
	s, err := d.planStream(j.plan, mem)
	if err != nil {
		return false
	}
	now := mode{streamed: s, memory: s.Mem}
	d.mu.Lock()
	defer d.mu.Unlock()
	j.mode, j.explain = now, now.entries(j.plan)
	return true
}

// ranStreamed counts a streamed job.
func (m *mover) ranStreamed() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stats.Streamed++
}
