package vec

import "vgpu/kernels"

// Errors that several manuals list.
var (
	errShape = kernels.Entry{Term: "EINVAL", Text: "an axis, a shape or a type that does not go with the input or with the output operand"}
	errMade  = kernels.Entry{Term: "EINVAL", Text: "the output's shape is not given, or is given twice and differs; a value is not a number, or does not fit the type"}
)

const typesAll = "All: bool i8 u8 i16 u16 i32 u32 i64 u64 f16 bf16 f32 f64 c64 c128."

const typesSame = typesAll + " The output has the input's type."

const costCopy = "No flops. Bytes: the input once and the output once. No scratch memory."

var fillKernel = &kernels.Kernel{
	Name: "fill", Family: "vec", Summary: "set every element to a value",
	Synopsis: "fill OUT [value=0] [dtype=D] [shape=S]",
	Outputs:  kernels.OutputRequired,
	Options: []kernels.OptionSpec{
		{Name: "value", Kind: kernels.KindString, Default: "0", Help: "the value: an integer (0x10 as well), a float (inf, nan), a complex number such as 1-2j, true or false"},
		dtypeOption, shapeOption,
	},
	Plan: planFill,
	Manual: kernels.Manual{
		Description: "Makes an array whose elements all have one value, or sets all elements of one that exists. Type and shape come from the output operand (x.npy:f32:512x512), else from dtype= and shape=, else from the buffer as it is. A slice of a buffer that exists is filled in place and the rest of it is left alone.\n\nIf nothing gives a type it is f64, or c128 for a complex value, as in numpy.full.",
		Operands:    []kernels.Entry{{Term: "OUT", Text: "the array"}},
		Types:       typesAll + " An integer type takes integers in its range (1e3 is one); bool takes any number, and is true unless it is zero.",
		Cost:        "No flops. Bytes: the output once. No scratch memory.",
		Errors:      []kernels.Entry{errMade},
		Examples: []kernels.Example{
			{Text: "A matrix of ones, then its first row set to infinity.", Lines: []string{"fill ones.npy:f32:512x512 value=1", `fill "ones.npy[0,:]" value=inf`}},
			{Text: "A complex vector.", Lines: []string{"fill z.npy dtype=c64 shape=16 value=0.5-2j"}},
		},
		Notes:   "Integers of any size are kept exactly; floats are rounded to the type once, to nearest, ties to even.",
		SeeAlso: []string{"arange", "copy", "linspace", "random"},
	},
}

var randomKernel = &kernels.Kernel{
	Name: "random", Family: "vec", Summary: "fill with random numbers that depend on seed and place alone",
	Synopsis: "random OUT [dist=uniform|normal|exponential|integers] [low= high=] [mean= std=] [seed=0] [dtype=D] [shape=S]",
	Outputs:  kernels.OutputRequired,
	Options: []kernels.OptionSpec{
		{Name: "dist", Kind: kernels.KindEnum, Values: []string{"uniform", "normal", "exponential", "integers"}, Help: "distribution; without it integers for integer types and bool, uniform for others"},
		{Name: "low", Kind: kernels.KindString, Help: "lower bound, included, of uniform (0) and integers (the type's least value; 0 if only high= is given)"},
		{Name: "high", Kind: kernels.KindString, Help: "upper bound, excluded, of uniform (1) and integers (one above the type's greatest value; 2 for floats)"},
		{Name: "mean", Kind: kernels.KindString, Help: "mean of normal (0) and exponential (1)"},
		{Name: "std", Kind: kernels.KindString, Help: "standard deviation of normal (1)"},
		{Name: "seed", Kind: kernels.KindString, Default: "0", Help: "the stream, 0 to 2^64 - 1"},
		dtypeOption, shapeOption,
	},
	Plan: planRandom,
	Manual: kernels.Manual{
		Description: "Fills an array with pseudo-random numbers. The generator is counter-based: element i (counted in C order) is a function of the seed, i, the distribution with its parameters, and the type. So the same command gives the same bits for any number of threads, in one piece or in several, and a seed is all that must be kept to repeat an experiment. The seed is 0 unless given: ask for other numbers by giving another.\n\nType and shape come from the output operand, else from dtype= and shape=, else from the buffer as it is; the type is f64 if nothing says it.\n\nuniform: low + (high - low)·u, where u is a multiple of 2^-p in [0, 1) and p the precision of the type (f16 11, bf16 8, f32 24, f64 53 bits). normal: mean + std·z. exponential: with the given mean. integers: each of low to high - 1 alike. The parts of a complex number are drawn independently, each as a real number of the distribution.",
		Operands:    []kernels.Entry{{Term: "OUT", Text: "the array"}},
		Types:       "uniform, normal, exponential: f16 bf16 f32 f64 c64 c128. integers: bool, all integer types, and f16 bf16 f32 f64.",
		Cost:        "One block of Philox (10 rounds) makes 4 uniform f16, bf16 or f32, 2 f64, 2 normal, 2 exponential numbers, or 2 integers (1 if the range exceeds 2^32). Bytes: the output once. No scratch memory.",
		Errors: []kernels.Entry{errMade,
			{Term: "EINVAL", Text: "an empty or infinite range, a negative deviation, a parameter that the distribution does not have, a distribution that the type cannot hold"}},
		Examples: []kernels.Example{
			{Text: "Standard normal noise, twice the same.", Lines: []string{"random x.npy:f32:1000x100 dist=normal seed=42", "random y.npy:f32:1000x100 dist=normal seed=42"}},
			{Text: "Dice, and bytes.", Lines: []string{"random dice.npy:u8:1000 low=1 high=7 seed=7", "random noise.bin:u8:65536"}},
			{Text: "Points on a square.", Lines: []string{"random points.npy:f64:1000x2 low=-1 high=1"}},
		},
		Notes:   "Generator: Philox4x32-10 with the seed as key and the block number as counter (Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3, SC'11, section 3.3); it passes TestU01's BigCrush. The numbers are not those of numpy's Philox, which is the 4x64 variant with another transformation, and not for cryptography.\n\nnormal is Box and Muller's exact transformation (Ann. Math. Stat. 29, 1958) in f64 arithmetic, of a radius from 64 bits and an angle from 56, rounded to the type once: the tails are right as far as 9.49 standard deviations. exponential is -log(u) of a 64-bit u, up to 45 means.\n\nintegers multiplies instead of rejecting, since a rejection would make element i depend on others: floor(w·n / 2^64) with a 64-bit word w if n = high - low is at most 2^32, floor(R·n / 2^128) with a 128-bit block R otherwise. A value's probability differs from 1/n by less than a factor 1 ± 2^-32 or 1 ± 2^-64.\n\nlow + (high - low)·u is rounded to the type, so that high itself can appear when the interval is not [0, 1) and narrow against its bounds; numpy says the same of its uniform.",
		SeeAlso: []string{"fill", "histogram"},
	},
}

var arangeKernel = &kernels.Kernel{
	Name: "arange", Family: "vec", Summary: "numbers from start, at a step, up to but without stop",
	Synopsis: "arange OUT stop=N [start=0] [step=1] [dtype=D]",
	Outputs:  kernels.OutputRequired,
	Options: []kernels.OptionSpec{
		{Name: "start", Kind: kernels.KindString, Default: "0", Help: "the first value"},
		{Name: "stop", Kind: kernels.KindString, Help: "the end, which is not a value; without it the output operand's length counts"},
		{Name: "step", Kind: kernels.KindString, Default: "1", Help: "the distance of neighbours, not 0"},
		dtypeOption,
	},
	Plan: planArange,
	Manual: kernels.Manual{
		Description: "Makes the vector start, start + step, start + 2·step, ... of ceil((stop - start) / step) values (none if that is negative), as numpy.arange does. With a step that is not an integer the rounding of that quotient decides whether a value next to stop is there; linspace avoids the question.\n\nThe type is i64 if start, stop and step are integers, else f64, unless dtype= or the output operand says otherwise.",
		Operands:    []kernels.Entry{{Term: "OUT", Text: "the vector; its length, if written, stands in for stop="}},
		Types:       typesAll + " Integer types need an integer start and step, and hold all values; complex types have imaginary parts of 0.",
		Cost:        "2 flops an element for floats. Bytes: the output once. No scratch memory.",
		Errors:      []kernels.Entry{errMade, {Term: "EINVAL", Text: "a step of 0, or an end that is not finite"}},
		Examples: []kernels.Example{
			{Text: "0 to 9, and even numbers downwards.", Lines: []string{"arange i.npy stop=10", "arange down.npy:i32 start=10 stop=0 step=-2"}},
			{Text: "0, 0.25, 0.5, 0.75, by length.", Lines: []string{"arange t.npy:f32:4 step=0.25"}},
		},
		Notes:   "Integers are exact. Floats are start + i·step with two roundings in f64, then one to the type; numpy computes in the type itself, and its step is the rounded (start + step) - start, so that the last bits may differ.",
		SeeAlso: []string{"linspace", "fill"},
	},
}

var linspaceKernel = &kernels.Kernel{
	Name: "linspace", Family: "vec", Summary: "evenly spaced numbers between two ends",
	Synopsis: "linspace OUT start=A stop=B [num=50] [endpoint=1] [dtype=D]",
	Outputs:  kernels.OutputRequired,
	Options: []kernels.OptionSpec{
		{Name: "start", Kind: kernels.KindComplex, Default: "0", Help: "the first value"},
		{Name: "stop", Kind: kernels.KindComplex, Default: "1", Help: "the last value, or the end that is left out"},
		{Name: "num", Kind: kernels.KindInt, Default: "50", Help: "how many; without it the output operand's length counts"},
		{Name: "endpoint", Kind: kernels.KindBool, Default: "1", Help: "whether stop is the last value"},
		dtypeOption,
	},
	Plan: planLinspace,
	Manual: kernels.Manual{
		Description: "Makes a vector of num numbers at equal distances from start to stop, as numpy.linspace does. The last is stop itself, to the bit, unless endpoint=0.\n\nThe type is f64, or c128 if an end is complex, unless dtype= or the output operand says otherwise. Values of integer types are rounded down.",
		Operands:    []kernels.Entry{{Term: "OUT", Text: "the vector; its length, if written, stands in for num="}},
		Types:       typesAll + " Complex ends need a complex type.",
		Cost:        "2 flops an element. Bytes: the output once. No scratch memory.",
		Errors:      []kernels.Entry{errMade, {Term: "EINVAL", Text: "a negative num, or complex ends for a real type"}},
		Examples: []kernels.Example{
			{Text: "The interval [0, 1] in steps of a hundredth.", Lines: []string{"linspace x.npy start=0 stop=1 num=101"}},
			{Text: "One period, without its end.", Lines: []string{"linspace t.npy:f32:256 stop=6.283185307179586 endpoint=0"}},
		},
		Notes:   "Computed in f64 in numpy's order of operations, i·step + start with step = (stop - start) / div, and rounded to the type once: the bits are numpy's.",
		SeeAlso: []string{"arange"},
	},
}

var eyeKernel = &kernels.Kernel{
	Name: "eye", Family: "vec", Summary: "ones on a diagonal, zeros elsewhere",
	Synopsis: "eye OUT [n=N] [m=N] [k=0] [dtype=D]",
	Outputs:  kernels.OutputRequired,
	Options: []kernels.OptionSpec{
		{Name: "n", Kind: kernels.KindInt, Help: "rows; without it the output operand's shape counts"},
		{Name: "m", Kind: kernels.KindInt, Help: "columns, n unless given"},
		{Name: "k", Kind: kernels.KindInt, Default: "0", Help: "the diagonal: 0 the main one, positive above it, negative below"},
		dtypeOption,
	},
	Plan: planEye,
	Manual: kernels.Manual{
		Description: "Makes a matrix that is 1 where column - row = k and 0 elsewhere, as numpy.eye does: the identity, unless n, m or k say otherwise. The type is f64 unless dtype= or the output operand says otherwise.",
		Operands:    []kernels.Entry{{Term: "OUT", Text: "the matrix"}},
		Types:       typesAll,
		Cost:        "No flops. Bytes: the output once. No scratch memory.",
		Errors:      []kernels.Entry{errMade},
		Examples: []kernels.Example{
			{Text: "An identity matrix, and a shift.", Lines: []string{"eye i.npy n=4", "eye shift.npy:f32:4x4 k=1"}},
		},
		Notes:   "Exact.",
		SeeAlso: []string{"fill", "tril", "triu"},
	},
}
