package device

import (
	"fmt"
	"strings"

	"vgpu/kernels"
	"vgpu/kernels/ndarray"
)

// explainVerb is the word that asks what a command would do.
const explainVerb = "explain"

// explainPlan is a plan whose answer is what the draft's plan would do.
func (d *Device) explainPlan(dr *draft) *kernels.Plan {
	text := d.explainText(dr)
	return &kernels.Plan{Run: func(x *kernels.Exec) error {
		x.Answer(text)
		return nil
	}}
}

// explainText is `key value` lines, in base units.
func (d *Device) explainText(dr *draft) string {
	var b strings.Builder
	line := func(key, format string, args ...any) {
		fmt.Fprintf(&b, key+" "+format+"\n", args...)
	}
	p := dr.plan
	line("kernel", "%s", dr.call.Kernel.Name)
	line("isa", "%s", d.ISA())
	line("threads", "%d", d.pool.Threads())
	for i, in := range dr.ins {
		line(fmt.Sprintf("input.%d", i), "%s %s", in.ref.Path, in.layout)
	}
	for i := range dr.outs {
		o := &dr.outs[i]
		line(fmt.Sprintf("output.%d", i), "%s %s:%s %s", o.ref.Path, p.Out[i].DType, ndarray.ShapeString(p.Out[i].Shape), o.how())
	}
	line("flops", "%.0f", p.Cost.Flops)
	line("bytes", "%.0f", p.Cost.Bytes)
	line("scratch", "%d", p.Cost.Scratch)
	if dr.mode.streamed == nil && !dr.mode.windows { // those tell it among their entries
		line("mode", "%s", &dr.mode)
		line("memory", "%d", dr.mode.memory)
	}
	for _, e := range dr.mode.entries(p) {
		line(e.Term, "%s", e.Text)
	}
	moved := d.toBring(dr)
	if moved > 0 {
		line("brought", "%.0f", moved)
	}
	if sec, ok := d.estimate(p.Cost, dr.mode.streamed, moved); ok {
		line("seconds", "%.6g", sec)
	}
	return b.String()
}

// how says what becomes of what is there under an output's name.
func (o *outDraft) how() string {
	switch {
	case !o.whole:
		return "updated"
	case o.inPlace:
		return "overwritten"
	default:
		return "new"
	}
}

// toBring is how many bytes a job that does not stream would have to bring into
// memory first, as things are now.
func (d *Device) toBring(dr *draft) (sum float64) {
	if d.moves == nil || dr.mode.streamed != nil {
		return 0
	}
	seen := map[string]bool{}
	for i := range dr.ins {
		in := &dr.ins[i]
		if seen[in.rel] {
			continue
		}
		seen[in.rel] = true
		b, err := d.store.Get(in.rel)
		if err != nil {
			continue // made by an earlier line, or gone: nothing to bring
		}
		switch {
		case b.Resident():
		case dr.mode.windows:
			sum += float64(spanOf(in.layout).bytes())
		default:
			sum += float64(in.file)
		}
		b.Release()
	}
	return sum
}

// estimate is the time that a cost takes at the machine's measured rates: the
// larger of computing and moving, as the roofline model has it (Williams,
// Waterman, Patterson, CACM 52(4), 2009), and of what the kernel knows of its work. A streamed job's disk is a roof
// more, at which short runs count as the bytes that could be moved instead; passes that only
// copy, and what is brought into memory first, are time beside it.
func (d *Device) estimate(c kernels.Cost, s *kernels.Streamed, brought float64) (float64, bool) {
	p, ok := d.Peaks()
	if !ok {
		return 0, false
	}
	sec := max(c.Flops/p.Flops32, c.Bytes/p.Bandwidth, c.Work/float64(d.pool.Threads()))
	if s != nil || brought > 0 {
		disk := d.diskRate()
		if disk <= 0 {
			return 0, false
		}
		sec += brought / disk
		if s != nil {
			sec = max(sec, (s.Moved+s.Apart-s.Alone)/disk) + s.Alone/disk
		}
	}
	return sec, true
}
