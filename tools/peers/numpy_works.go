package main

import (
	"fmt"
	"strings"

	"vgpu/kernels/ndarray"
)

// work is a command beside the same in numpy, on one thread.
type work struct {
	name   string
	line   string // ours; its operands are written with type and shape
	python string // numpy's: operands have the names of ours, z is an array like our output, made before
	// aim is the least ratio of numpy's time to ours; or, if ofCopy, of our
	// rate to that of copying memory. 0: none.
	aim    float64
	ofCopy bool
}

// zeros is the operand that holds nothing else; others hold random numbers.
const zeros = "o"

// Sizes: vectors of 64 MiB are beyond the caches, those of 512 KiB stay in the
// second level.
const (
	beyond   = 64 << 20
	inL2     = 512 << 10
	sortable = 1 << 22 // elements
)

// works are what the vector family is compared in.
func works() []work {
	var list []work
	for _, d := range []ndarray.DType{ndarray.F32, ndarray.F64} {
		list = append(list, copyOf(d), axpy(d), fused(d))
		list = append(list, reductionsOf(d, reductions...)...)
		list = append(list, axesOf(d, "sum", "mean", "var", "norm", "max", "argmax", "any")...)
		list = append(list, moves(d)...)
		list = append(list, elementwise(d)...)
		list = append(list, scans(d)...)
		list = append(list, ordering(d)...)
	}
	for _, d := range []ndarray.DType{ndarray.I8, ndarray.U8, ndarray.I16, ndarray.I32, ndarray.U32, ndarray.I64} {
		list = append(list, reductionsOf(d, "sum", "max", "argmax", "any")...)
	}
	list = append(list, reductionsOf(ndarray.I32, "mean", "prod", "count_nonzero")...)
	list = append(list, axesOf(ndarray.I32, "sum", "max", "argmax")...)
	list = append(list, bools()...)
	list = append(list, casts()...)
	for _, d := range []ndarray.DType{ndarray.U8, ndarray.I16, ndarray.I32, ndarray.I64} {
		list = append(list, ordering(d)...)
	}
	list = append(list, scans(ndarray.I32)...)
	return list
}

// reductions are compared at both sizes.
var reductions = []string{"sum", "prod", "max", "min", "mean", "var", "std", "norm", "argmax", "argmin", "any", "all", "count_nonzero", "nansum", "nanmax"}

// vec is a vector operand of so many bytes.
func vec(name string, d ndarray.DType, bytes int) string {
	return fmt.Sprintf("%s:%s:%d", name, d, bytes/d.Size())
}

// inNumpy is a reduction's name there.
func inNumpy(verb string) string {
	if verb == "norm" {
		return "np.linalg.norm"
	}
	return "np." + verb
}

func reductionsOf(d ndarray.DType, verbs ...string) (list []work) {
	for _, verb := range verbs {
		x := "x"
		if verb == "any" {
			x = zeros // else both see the answer at once
		}
		python := fmt.Sprintf("%s(%s)", inNumpy(verb), x)
		list = append(list,
			work{name: verb + " " + d.String(), line: verb + " " + vec(x, d, beyond), python: python, aim: 1},
			work{name: verb + " " + d.String() + " in L2", line: verb + " " + vec(x, d, inL2), python: python, aim: 1})
	}
	return list
}

// shapes are those that reductions along an axis are compared in.
var shapes = []struct {
	name, shape string
	axis        int
}{
	{"rows", "4096x4096", 1}, {"columns", "4096x4096", 0}, {"middle", "256x256x256", 1}, {"short rows", "2097152x8", 1}, {"long columns", "2097152x8", 0},
}

func axesOf(d ndarray.DType, verbs ...string) (list []work) {
	for _, verb := range verbs {
		for _, s := range shapes {
			list = append(list, work{
				name:   fmt.Sprintf("%s %s %s", verb, d, s.name),
				line:   fmt.Sprintf("%s x:%s:%s z axis=%d", verb, d, s.shape, s.axis),
				python: fmt.Sprintf("%s(x, axis=%d)", inNumpy(verb), s.axis), aim: 1,
			})
		}
	}
	return list
}

func copyOf(d ndarray.DType) work {
	return work{name: "copy " + d.String(), line: "copy " + vec("x", d, beyond) + " z", python: "np.copyto(z, x)", aim: 1}
}

// mapped is a map of an expression in x and, perhaps, y.
func mapped(name, expr string, d ndarray.DType, python string) work {
	line := fmt.Sprintf(`map "z = %s" z=z`, expr)
	for _, v := range []string{"x", "y"} {
		if strings.Contains(python, v) && strings.Contains(expr, v) {
			line += " " + v + "=" + vec(v, d, beyond)
		}
	}
	return work{name: name + " " + d.String(), line: line, python: python, aim: 1}
}

func axpy(d ndarray.DType) work {
	return mapped("a*x + y", "2.5*x + y", d, "np.multiply(x, 2.5, out=z); np.add(z, y, out=z)")
}

func fused(d ndarray.DType) work {
	w := mapped("exp(-x*x) + sin(y)", "exp(-x*x) + sin(y)", d, "z[:] = np.exp(-x * x) + np.sin(y)")
	w.aim = 2.5
	return w
}

// elementwise are single functions, which numpy has loops for.
func elementwise(d ndarray.DType) (list []work) {
	list = append(list, mapped("x + y", "x + y", d, "np.add(x, y, out=z)"))
	for _, f := range []string{"sqrt", "abs", "exp", "exp2", "expm1", "sin", "cos", "tan", "tanh", "floor"} {
		list = append(list, mapped(f, f+"(x)", d, "np."+f+"(x, out=z)"))
	}
	return append(list,
		mapped("log", "log(abs(x))", d, "np.log(np.abs(x, out=z), out=z)"),
		mapped("power", "abs(x)**y", d, "np.power(np.abs(x, out=z), y, out=z)"),
		mapped("maximum", "maximum(x, y)", d, "np.maximum(x, y, out=z)"))
}

func moves(d ndarray.DType) []work {
	x, y := vec("x", d, beyond), vec("y", d, beyond)
	square := fmt.Sprintf("x:%s:4096x4096", d)
	return []work{
		{name: "transpose " + d.String(), line: "transpose " + square + " z", python: "np.copyto(z, x.T)", aim: 0.8, ofCopy: true},
		{name: "transpose " + d.String() + " 1,0,2", line: fmt.Sprintf("transpose x:%s:512x512x64 z axes=1,0,2", d), python: "np.copyto(z, x.transpose(1, 0, 2))", aim: 1},
		{name: "transpose " + d.String() + " 2,0,1", line: fmt.Sprintf("transpose x:%s:256x256x256 z axes=2,0,1", d), python: "np.copyto(z, x.transpose(2, 0, 1))", aim: 1},
		{name: "flip " + d.String(), line: "flip " + x + " z", python: "np.copyto(z, x[::-1])", aim: 1},
		{name: "where " + d.String(), line: "where " + vec("c", ndarray.Bool, beyond/d.Size()) + " " + x + " " + y + " z", python: "np.where(c, x, y)", aim: 1},
		{name: "concat " + d.String(), line: "concat " + x + " " + y + " z", python: "np.concatenate((x, y), out=z)", aim: 1},
		{name: "concat " + d.String() + " columns", line: "concat " + square + strings.Replace(" "+square, "x:", "y:", 1) + " z axis=1", python: "np.concatenate((x, y), axis=1, out=z)", aim: 1},
	}
}

func scans(d ndarray.DType) []work {
	square := fmt.Sprintf("x:%s:4096x4096", d)
	list := []work{
		{name: "cumsum " + d.String(), line: "cumsum " + vec("x", d, beyond) + " z", python: "np.cumsum(x, out=z)", aim: 1},
		{name: "cumsum " + d.String() + " rows", line: "cumsum " + square + " z axis=1", python: "np.cumsum(x, axis=1, out=z)", aim: 1},
		{name: "cumsum " + d.String() + " columns", line: "cumsum " + square + " z axis=0", python: "np.cumsum(x, axis=0, out=z)", aim: 1},
	}
	if d.IsFloat() {
		list = append(list, work{name: "softmax " + d.String(), line: "softmax " + square + " z",
			python: "np.subtract(x, x.max(1, keepdims=True), out=z); np.exp(z, out=z); np.divide(z, z.sum(1, keepdims=True), out=z)", aim: 1})
	}
	return list
}

func ordering(d ndarray.DType) []work {
	x := fmt.Sprintf("x:%s:%d", d, sortable)
	list := []work{
		{name: "sort " + d.String(), line: "sort " + x + " z", python: "np.sort(x)", aim: 1},
		{name: "sort " + d.String() + " rows of 1000", line: fmt.Sprintf("sort x:%s:4000x1000 z", d), python: "np.sort(x)", aim: 1},
		{name: "sort " + d.String() + " rows of 16", line: fmt.Sprintf("sort x:%s:200000x16 z", d), python: "np.sort(x)", aim: 1},
		{name: "argsort " + d.String(), line: "argsort " + x + " z", python: "np.argsort(x)", aim: 1},
		{name: "topk " + d.String(), line: "topk " + x + " z k=100", python: "np.partition(x, -100)[-100:]", aim: 1},
		{name: "histogram " + d.String(), line: "histogram " + x + " z bins=100 low=-3 high=3", python: "np.histogram(x, 100, (-3, 3))", aim: 1},
	}
	if d == ndarray.U8 {
		list = append(list, work{name: "bincount u8", line: "bincount " + x + " z minlength=256", python: "np.bincount(x, minlength=256)", aim: 1})
	}
	return list
}

// bools are truth values: those that have to be read to the end, and those
// that need not be.
func bools() []work {
	list := reductionsOf(ndarray.Bool, "any", "count_nonzero", "sum")
	x := vec("x", ndarray.Bool, beyond)
	return append(list,
		work{name: "any bool, found at once", line: "any " + x, python: "np.any(x)", aim: 1},
		work{name: "all bool, found at once", line: "all " + x, python: "np.all(x)", aim: 1},
		work{name: "any f32, found at once", line: "any " + vec("x", ndarray.F32, beyond), python: "np.any(x)", aim: 1})
}

func casts() (list []work) {
	for _, c := range []struct{ from, to ndarray.DType }{
		{ndarray.F32, ndarray.F64}, {ndarray.F64, ndarray.F32}, {ndarray.F32, ndarray.F16}, {ndarray.F16, ndarray.F32},
		{ndarray.I32, ndarray.F32}, {ndarray.F32, ndarray.I32}, {ndarray.U8, ndarray.F32}, {ndarray.I64, ndarray.F64}, {ndarray.I32, ndarray.I64},
	} {
		list = append(list, work{name: fmt.Sprintf("cast %s to %s", c.from, c.to), line: fmt.Sprintf("cast %s z dtype=%s", vec("x", c.from, beyond/2), c.to),
			python: "np.copyto(z, x, casting='unsafe')", aim: 1})
	}
	return append(list, work{name: "cast f32 to bf16", line: "cast " + vec("x", ndarray.F32, beyond) + " z dtype=bf16",
		// numpy has no bf16: what ml_dtypes does, without NaNs
		python: "u = x.view(np.uint32); z[:] = (u + 0x7FFF + ((u >> 16) & 1)) >> 16", aim: 0.8, ofCopy: true})
}
