package stream_test

import (
	"testing"

	"vgpu/kernels/kerneltest"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/stream"
)

// stepped is every step-th element of each axis of an array in C order.
func stepped(d ndarray.DType, shape []int, steps ...int) ndarray.Layout {
	l := ndarray.NewLayout(d, shape...)
	for i, s := range steps {
		l.Shape[i], l.Strides[i] = (l.Shape[i]+s-1)/s, l.Strides[i]*s
	}
	return l
}

// What lies between the elements of an output is brought in and written back,
// where that takes less than a request for each element; what lies farther apart
// is not, nor what two outputs may have between them.
func TestOutputsWithGaps(t *testing.T) {
	const mem = 4 << 20
	for _, c := range []struct {
		name  string
		out   ndarray.Layout
		owned bool
	}{
		{"every other", stepped(ndarray.F32, []int{4_000_000}, 2), true},
		{"of three axes", stepped(ndarray.F32, []int{900, 900, 8}, 1, 1, 3), true},
		{"every other row", stepped(ndarray.F32, []int{9000, 64}, 2, 1), true},
		{"a column of long rows", stepped(ndarray.F32, []int{9000, 1024}, 1, 1024), false},
		{"no gaps", ndarray.NewLayout(ndarray.F32, 2_000_000), false},
	} {
		in := ndarray.NewLayout(ndarray.F32, c.out.Shape...)
		ops := []stream.Operand{{Layout: in, Load: true}, {Layout: c.out, Store: true}}
		g, err := stream.NewTiling(c.out.Shape, ops, mem, stream.Cuts{})
		if err != nil {
			t.Fatal(err)
		}
		elements := 2 * float64(in.Bytes())
		if owned := g.Moved() > elements*1.1; owned != c.owned || g.Mem > mem {
			t.Errorf("%s: tiles of %v move %g bytes for %g, in %d", c.name, g.Extents, g.Moved(), elements, g.Mem)
		}
		// Of two that may lie in each other's gaps, elements alone are written.
		twice := []stream.Operand{{Layout: c.out, Store: true}, {Layout: c.out, Store: true}}
		if g, err = stream.NewTiling(c.out.Shape, twice, mem, stream.Cuts{}); err != nil {
			t.Fatal(err)
		}
		if moved := g.Moved(); moved > elements*1.1 {
			t.Errorf("%s: two outputs: %g bytes are moved for %g", c.name, moved, elements)
		}
	}
}

// Bytes between the elements of an output are what they were, and elements of
// tiles that lie beside each other are kept apart, whatever the view.
func TestGapsAreKept(t *testing.T) {
	x := ndarray.New(ndarray.U8, 40, 50, 6)
	for i := range x.Data {
		x.Data[i] = byte(i * 7)
	}
	operands := map[string]ndarray.Array{"x": x, "y": ndarray.New(ndarray.U8, 80, 100, 12), "w": ndarray.New(ndarray.U8, 2100)}
	for i := range operands["y"].Data {
		operands["y"].Data[i] = byte(i * 5)
	}
	for _, line := range []string{
		"add x y[::2,::2,::2]", "add x y[::-2,1::2,::-2]", "add x y[:40,:50,:6]", "add x y[::2,::-2,6:]", "add x y[40:,::2,::2] update=1",
		"add w[::2] w[1::2]", "add w[:-2:2] w[2::2]",
	} {
		kerneltest.Stream(t, adder, line, operands)
	}
}
