package kerneltest_test

import (
	"strings"
	"testing"

	"vgpu/kernels"
	"vgpu/kernels/kerneltest"
	"vgpu/kernels/ndarray"
)

// ones is a source: it makes arrays from nothing.
var ones = &kernels.Kernel{
	Name: "ones", Family: "test", Summary: "make an array of ones", Synopsis: "ones Y [n=3]",
	Manual: kernels.Manual{
		Description: "Y = 1.", Types: "The result is f64.", Cost: "None.",
		Operands: []kernels.Entry{{Term: "Y", Text: "the array"}},
		Errors:   []kernels.Entry{{Term: "EINVAL", Text: "n is negative"}},
		Examples: []kernels.Example{{Text: "Make one, and double it:", Lines: []string{"ones x", "double x y", "double y[:2] y"}}},
	},
	Options: []kernels.OptionSpec{{Name: "n", Kind: kernels.KindInt, Default: "3", Help: "How many"}},
	Plan: func(c *kernels.Call) (*kernels.Plan, error) {
		n := c.Int("n")
		if n < 0 {
			return nil, c.Opt("n").Errorf("is negative")
		}
		return &kernels.Plan{
			Out: []kernels.OutSpec{{DType: ndarray.F64, Shape: []int{n}}},
			Run: func(x *kernels.Exec) error {
				for i := range ndarray.Slice[float64](x.Out[0]) {
					ndarray.Slice[float64](x.Out[0])[i] = 1
				}
				return nil
			},
		}, nil
	},
}

func TestManual(t *testing.T) {
	kerneltest.Manual(t, ones)
	r := &recorder{TB: t}
	kerneltest.Manual(r, &kernels.Kernel{
		Name: "bad", Summary: "Bad.", Synopsis: "worse X", MaxInputs: 1,
		Manual: kernels.Manual{
			SeeAlso: []string{"bad"}, Errors: []kernels.Entry{{Term: "EFOO"}},
			Examples: []kernels.Example{{Lines: []string{"badly x"}}},
		},
		Options: []kernels.OptionSpec{{Name: "m", Kind: kernels.KindEnum}},
	})
	all := strings.Join(r.errors, "\n")
	for _, want := range []string{
		"no family", "has a stop", "the synopsis", "no description", "no types", "no cost", "no operands", "see also", "not of DESIGN",
		"an entry has no text", "no help", "without values", "without a line of the verb",
	} {
		if !strings.Contains(all, want) {
			t.Errorf("%q was not found: %s", want, all)
		}
	}
}

func TestExamples(t *testing.T) {
	kerneltest.Examples(t, []*kernels.Kernel{double, ones}, ones)
	r := &recorder{TB: t}
	kerneltest.Examples(r, []*kernels.Kernel{ones}, ones)
	if len(r.errors) != 1 || !strings.Contains(r.errors[0], "unknown verb double") {
		t.Errorf("%q", r.errors)
	}
}
