package gemm

import (
	"math"
	"strconv"
	"strings"

	"vgpu/kernels"
	"vgpu/kernels/ndarray"
)

// planDot checks a dot line: the product of a row and a column.
func planDot(c *kernels.Call) (*kernels.Plan, error) {
	for i := range 2 {
		if in := &c.In[i]; in.Layout.Rank() != 1 {
			e := in.Errorf("%s has shape %s, and a vector is needed", in.Path, ndarray.ShapeString(in.Layout.Shape))
			e.Hint = "gemm multiplies matrices"
			return nil, e
		}
	}
	n := c.In[0].Layout.Shape[0]
	if m := c.In[1].Layout.Shape[0]; m != n {
		return nil, c.In[1].Errorf("%s has %d elements, and %s has %d", c.In[1].Path, m, c.In[0].Path, n)
	}
	d := &dotLine{}
	q := &d.problem
	q.workers = c.Threads
	q.Alpha, q.ConjA = 1, c.Bool("conj") && c.In[0].Layout.DType.IsComplex()
	q.A.Layout, q.B.Layout = insertAxis(c.In[0].Layout, 0), insertAxis(c.In[1].Layout, 1)
	if !q.Init() {
		return nil, typeError(c)
	}
	q.C = ndarray.New(q.scheme.sum, 1, 1)
	perTerm := 2.0
	if q.scheme.sum.IsComplex() {
		perTerm = 8
	}
	p := &kernels.Plan{
		Cost: kernels.Cost{
			Flops:   perTerm * float64(n),
			Bytes:   float64(c.In[0].Layout.Bytes() + c.In[1].Layout.Bytes()),
			Scratch: q.Scratch(false),
		},
		Explain: []kernels.Entry{{Term: "kernel", Text: q.kernel.String()}},
		Run:     d.run,
		Stream:  d.stream,
	}
	if len(c.Out) > 0 {
		p.Out = []kernels.OutSpec{{DType: q.scheme.sum, Shape: []int{}}}
	}
	return p, nil
}

// dotLine is a dot line, understood.
type dotLine struct{ problem Problem }

func (d *dotLine) run(x *kernels.Exec) error {
	q := d.problem
	q.A = ndarray.Array{Layout: insertAxis(x.In[0].Layout, 0), Data: x.In[0].Data} // which need not lie as the plan saw them
	q.B = ndarray.Array{Layout: insertAxis(x.In[1].Layout, 1), Data: x.In[1].Data}
	q.C = ndarray.New(q.scheme.sum, 1, 1)
	if err := q.Run(x.W, x.Mem); err != nil {
		return err
	}
	if len(x.Out) == 0 {
		x.Answer(scalarText(q.C))
		return nil
	}
	q.C.Layout = ndarray.NewLayout(q.scheme.sum)
	return ndarray.Convert(x.Out[0], q.C)
}

// scalarText writes the one element of a as Python's repr does.
func scalarText(a ndarray.Array) string {
	switch d := a.DType; {
	case d.IsComplex():
		z := first[complex128](a)
		im := floatText(imag(z), d.Real())
		if im[0] != '-' {
			im = "+" + im
		}
		return "(" + floatText(real(z), d.Real()) + im + "j)"
	case d.IsUnsigned():
		return strconv.FormatUint(first[uint64](a), 10)
	case d.IsInteger():
		return strconv.FormatInt(first[int64](a), 10)
	}
	s := floatText(first[float64](a), a.DType)
	if !strings.ContainsAny(s, ".en") {
		s += ".0"
	}
	return s
}

// first is the first element, whatever a's layout.
func first[T ndarray.Element](a ndarray.Array) T {
	var v [1]T
	ndarray.Load(v[:], a, 0)
	return v[0]
}

// floatText has as many digits as tell v from its neighbours of type d.
func floatText(v float64, d ndarray.DType) string {
	form := byte('e')
	if size := math.Abs(v); size == 0 || size >= 1e-4 && size < 1e16 {
		form = 'f'
	}
	s := strconv.FormatFloat(v, form, -1, 8*d.Size())
	return strings.ToLower(strings.TrimPrefix(s, "+"))
}
