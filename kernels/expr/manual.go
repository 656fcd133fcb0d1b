package expr

import (
	"slices"
	"strings"

	"vgpu/kernels"
)

// manual is the page of map. Its list of functions is the tables', so it cannot
// fall behind.
func manual() kernels.Manual {
	return kernels.Manual{
		Description: descriptionText + "\n\nFunctions of floats: " + strings.Join(sorted(floatFunctions), " ") + ". " + functionsText,
		Operands: []kernels.Entry{
			{Term: "EXPRESSION", Text: "one quoted word: statements NAME = ..., separated by semicolons"},
			{Term: "NAME=OPERAND", Text: "an input for each name that is read before it is assigned; an output for names that are assigned. A name may be both: it is then updated. An assigned name without an operand is a temporary"},
		},
		Types: typesText,
		Cost:  "One operation an element for each operator and function (equal subexpressions once, constant ones never). Bytes: each input and output once; nothing in between is written to memory. 32 KB a register and thread. explain tells the number of steps, of registers, and the elements of a chunk.",
		Errors: []kernels.Entry{
			{Term: "EINVAL", Text: "the expression does not parse, or a name in it has no operand; the caret is at the place in the expression"},
			{Term: "EINVAL", Text: "the shapes do not broadcast, or an operation does not take the type"},
			{Term: "EINVAL", Text: "an integer literal does not fit the type of the array beside it"},
			{Term: "EINVAL", Text: "the output is of a lower kind of type than the result (kinds ascend: bool, unsigned, signed, float, complex), or the result's shape does not broadcast to its shape"},
			{Term: "EINVAL", Text: "a key is no name of the expression"},
		},
		Examples: []kernels.Example{
			{Text: "A bell curve over a line.", Lines: []string{"linspace x.npy start=-3 stop=3 num=601", `map "y = exp(-x*x/2) / sqrt(2*pi)" x=x.npy y=y.npy`}},
			{Text: "Update in place.", Lines: []string{"random v.npy:f32:1000x3 seed=1", "random a.npy:f32:1000x3 seed=2", `map "v = v + 0.01*a" v=v.npy a=a.npy`}},
			{Text: "Rows against columns: a table of distances. Slices add the axes.", Lines: []string{"random p.npy:f64:100 seed=3", `map "d = abs(a - b)" a="p.npy[:,None]" b="p.npy[None,:]" d=d.npy`}},
			{Text: "Two outputs and a temporary.", Lines: []string{"random z.npy:c64:256 dist=normal seed=4", `map "r = abs(z); m = 20*log10(r + 1e-12); f = angle(z)" z=z.npy m=db.npy f=phase.npy`}},
			{Text: "A choice, and a part of an existing array.", Lines: []string{"arange i.npy stop=10", `map "c = where(i % 2 == 0, i, -i)" i=i.npy c=c.npy`, `map "c = 0" c="c.npy[5:]"`}},
		},
		Notes:   notesText,
		SeeAlso: []string{"where", "cast", "sum", "softmax"},
	}
}

// sorted is a sorted copy.
func sorted(s []string) []string {
	s = slices.Clone(s)
	slices.Sort(s)
	return s
}

const descriptionText = `Evaluates an expression for every element of its operands, in one pass over memory. Shapes broadcast as in numpy: they are matched from the last axis, and extents of 1 are repeated. An output takes the shape and type of its expression, or those that its operand asks for.

Operators, loosest first: comparisons (< <= > >= == !=, not chained), |, ^, &, << >>, + -, * / // %, unary - + ~, **. They mean what they mean in Python; & | ^ ~ are also the logical operators of bools, and comparisons beside them need parentheses. // rounds down and % has the divisor's sign; a division of integers by zero gives 0.

Numbers are written 12, 0x1f, 0b101, 1.5e-3, and 2j or 2i for imaginary ones. pi, e, inf, nan, True and False are constants, unless an operand or an assigned name is called so.

where(c, a, b) is a where c is nonzero, else b; both are computed. clip(x, lo, hi) is min(max(x, lo), hi). A type's name casts: f32(x), i64(x), bool(x); a complex number casts to bool and complex types alone.`

const functionsText = `Of any number: abs sign square real imag conj angle. Of reals: floor ceil round trunc (integers stay as they are; round takes halves to even), relu, isnan isinf isfinite signbit. Of two: min max (NaN wins) pow atan2 hypot fmod copysign complex(re, im). numpy's names arcsin, arctan2, minimum, power, conjugate and so on are understood too. gelu is the exact x·Φ(x), silu is x·sigmoid(x), sigmoid is 1/(1 + exp(-x)), lgamma the logarithm of |gamma|.`

const typesText = `All. Types combine as in NumPy 2: integers to the smallest that holds both, integers with floats to a float that holds them, 64-bit ones to f64; / of integers is f64; functions of floats take i8 and u8 as f16, i16 and u16 as f32, wider integers as f64. Literals are weak: beside an array they take its type, or its kind's if they are of a higher one (2.5 beside i32 is f64, beside f32 it is f32). Literals among themselves are computed as in Python, without a limit of 64 bits, and sqrt(2) is as weak as 2. Integers wrap around. Results that no array decides are i64, f64 or c128. bf16 combines as f16 does, the two of them to f32.`

const notesText = `Each operation is rounded to its type, and none are fused or reordered: + - * / and sqrt of floats give numpy's bits. f16 and bf16 are computed in f32 and rounded at the end of a statement, at casts and on promotion, not after each operation. exp, log, sin and their kin are within 2 units in the last place. Complex functions are computed in c128.

Powers of 2 are squares, and of floats those of 0.5 and -1 are square roots and reciprocals. An integer to a negative power is truncated: 0, except of 1 and -1; one that is written as a number, such as i**-1, is refused. A shift by the width or more, or by a negative count, shifts all bits out. Integers are compared by value, u64 with i64 too. A float that does not fit the integer it is cast to gives what numpy gives on x86.

The expression is compiled to loops over chunks of 32 KB, which stay in the second-level cache. Results do not depend on the number of threads: every element is computed alone. An output may be one of the inputs.`
