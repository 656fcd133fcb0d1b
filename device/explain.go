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
	for _, e := range p.Explain {
		line(e.Term, "%s", e.Text)
	}
	if sec, ok := d.estimate(p.Cost); ok {
		line("seconds", "%.6g", sec)
	}
	return b.String()
}

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

// estimate is the time that a cost takes at the machine's measured rates: the
// larger of computing and moving, as the roofline model has it (Williams,
// Waterman, Patterson, CACM 52(4), 2009).
func (d *Device) estimate(c kernels.Cost) (float64, bool) {
	p, ok := d.Peaks()
	if !ok {
		return 0, false
	}
	return max(c.Flops/p.Flops32, c.Bytes/p.Bandwidth), true
}
