// Package diag holds the kernels that compute nothing: they show what the
// device costs by itself, and what it does when a kernel misbehaves.
package diag

import (
	"math"
	"syscall"
	"time"

	"vgpu/kernels"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/pool"
)

// Kernels lists the family.
func Kernels() []*kernels.Kernel { return []*kernels.Kernel{nop, spin, fault} }

var nop = &kernels.Kernel{
	Name: "nop", Family: "diag", Summary: "do nothing, as a measure of what a job costs by itself",
	Synopsis: "nop [IN ...]",
	Outputs:  kernels.OutputNone, MaxInputs: -1,
	Manual: kernels.Manual{
		Description: "Ends done without touching data. Operands only order it: it waits for the jobs that write them, as any job does, so `nop x.npy` is a barrier for one buffer.",
		Operands:    []kernels.Entry{{Term: "IN", Text: "any readable buffer"}},
		Types:       "Any.",
		Cost:        "No flops, no bytes, no scratch.",
		Examples:    []kernels.Example{{Text: "What a launch costs:", Lines: []string{"nop"}}},
		SeeAlso:     []string{"spin"},
	},
	Plan: func(*kernels.Call) (*kernels.Plan, error) {
		return &kernels.Plan{Threads: 1, Run: func(*kernels.Exec) error { return nil }}, nil
	},
}

var spin = &kernels.Kernel{
	Name: "spin", Family: "diag", Summary: "keep the workers busy for a time",
	Synopsis: "spin [seconds=1]",
	Outputs:  kernels.OutputNone,
	Options:  []kernels.OptionSpec{{Name: "seconds", Kind: kernels.KindFloat, Default: "1", Help: "How long each worker computes."}},
	Manual: kernels.Manual{
		Description: "Computes on every worker that the job may use, for the time given: a load for trying out priorities, weights, cancelling and time limits.",
		Types:       "None.",
		Cost:        "No bytes, no scratch.",
		Errors:      []kernels.Entry{{Term: "EINVAL", Text: "seconds is negative, not finite, or more than a day"}},
		Examples:    []kernels.Example{{Text: "A tenth of a second of load:", Lines: []string{"spin seconds=0.1"}}},
		SeeAlso:     []string{"nop"},
	},
	Plan: planSpin,
}

// slice is the length of a spinning worker's pieces.
const slice = time.Millisecond

func planSpin(c *kernels.Call) (*kernels.Plan, error) {
	sec := c.Float("seconds")
	if !(sec >= 0) || math.IsInf(sec, 0) || sec > 86400 {
		return nil, c.Opt("seconds").Errorf("0 to 86400, not %g", sec)
	}
	return &kernels.Plan{Run: func(x *kernels.Exec) error {
		// In short rounds, as a kernel should be: between two pieces a worker
		// turns to jobs that are more urgent.
		for end := time.Now().Add(time.Duration(sec * 1e9)); time.Now().Before(end); {
			err := x.W.For(x.W.Threads(), 1, func(*pool.Worker, int, int) { busy(min(slice, time.Until(end))) })
			if err != nil {
				return err
			}
		}
		return nil
	}}, nil
}

func busy(d time.Duration) {
	for start := time.Now(); time.Since(start) < d; {
	}
}

var fault = &kernels.Kernel{
	Name: "fault", Family: "diag", Summary: "fail, to see what the device does with it",
	Synopsis: "fault [OUT] [kind=error|panic|nested]",
	Outputs:  kernels.OutputOptional,
	Options: []kernels.OptionSpec{{
		Name: "kind", Kind: kernels.KindEnum, Default: "error", Values: []string{"error", "panic", "nested"},
		Help: "error: the kernel returns EIO; panic: it panics; nested: a task that it forked panics.",
	}},
	Manual: kernels.Manual{
		Description: "Fails on purpose. The job ends failed, its output is bad, and nothing else is touched: a way to see how a script, a monitor or the device itself takes a failure.",
		Operands:    []kernels.Entry{{Term: "OUT", Text: "an output of one u8, which will be bad"}},
		Types:       "OUT is u8.",
		Cost:        "Nothing.",
		Errors:      []kernels.Entry{{Term: "EIO", Text: "always"}},
	},
	Plan: planFault,
}

func planFault(c *kernels.Call) (*kernels.Plan, error) {
	p := &kernels.Plan{Run: func(x *kernels.Exec) error {
		switch c.Str("kind") {
		case "panic":
			panic("fault kind=panic")
		case "nested":
			return x.W.For(8, 1, func(_ *pool.Worker, lo, _ int) {
				if lo == 5 {
					panic("fault kind=nested")
				}
			})
		}
		return syscall.EIO
	}}
	for range c.Out {
		p.Out = append(p.Out, kernels.OutSpec{DType: c.Out[0].WantDType(ndarray.U8), Shape: c.Out[0].WantShape([]int{1})})
	}
	return p, nil
}
