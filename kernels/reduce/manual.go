package reduce

import "vgpu/kernels"

// text is what differs between the pages of reductions; page makes a whole
// one of it.
type text struct {
	description string
	types       string
	errors      []kernels.Entry
	examples    []kernels.Example
	notes       string
	see         []string
}

const (
	shapeText = "\n\nThe result has X's shape without the reduced axes, or with an extent of 1 in their place if keepdims=yes. Without axis= all axes are reduced and the result is a scalar. axis= with nothing behind it reduces no axis. Without OUT the answer is the number, in the shortest form that reads back as the same value, as Python prints it; that needs a result of one element."
	orderText = "The order of operations follows from the shape alone, so that any number of threads gives the same bits. X is seen as O x K x W: kept axes before, the K reduced elements in C order, kept axes behind the last reduced axis of more than one element. If W = 1, K is cut into blocks of 4096; in a block element i goes to lane i mod 64, each lane is computed in order, and the 64 lanes are joined in halves (j with j+32, then j+16, and so on); a block of less than 64 elements is computed from left to right. If W > 1, K is cut into groups of 32 rows that are computed in order. Blocks or groups are then joined in pairs of neighbours, and the results again, until one is left. This is pairwise summation (Higham, The accuracy of floating point summation, SIAM J. Sci. Comput. 14(4), 1993) with short runs at its leaves."
	floatText = "f16, bf16, f32 and f64 are computed in f64, c64 and c128 in c128, and the result is rounded to its type once, at the end. For 16- and 32-bit floats it is therefore nearly always the correctly rounded one, whatever the number of elements; numpy, which adds in the type itself, differs from it by its own error."
	exactText = "The result is exact and does not depend on any order."
	numpySums = "bool and signed integers give i64, unsigned ones u64, and wrap around. Floats and complex numbers give their own type."
	numpyMean = "bool and integers give f64; floats and complex numbers give their own type."
	noComplex = "Any but c64 and c128, which have no order; the result has X's type."
)

var (
	emptyError = kernels.Entry{Term: "EINVAL", Text: "there is no element to choose from: a reduced axis has extent 0"}
	castError  = kernels.Entry{Term: "EINVAL", Text: "dtype= is of a lower kind than X (kinds ascend: bool, unsigned, signed, float, complex)"}
	axisErrors = []kernels.Entry{
		{Term: "EINVAL", Text: "axis= names an axis that X does not have, or one twice"},
		{Term: "EINVAL", Text: "the result has more than one element and there is no OUT"},
		{Term: "EINVAL", Text: "OUT is of a lower kind of type than the result, or of another shape"},
	}
)

func (v *verb) page() kernels.Manual {
	t := v.manual
	return kernels.Manual{
		Description: t.description + shapeText,
		Operands: []kernels.Entry{
			{Term: "X", Text: "the array to reduce"},
			{Term: "OUT", Text: "the result; made if it does not exist. A type or a slice of OUT may ask for another type of the same or a higher kind"},
		},
		Types:    t.types,
		Cost:     v.cost(),
		Errors:   append(t.errors, axisErrors...),
		Examples: t.examples,
		Notes:    t.notes,
		SeeAlso:  t.see,
	}
}

func (v *verb) cost() string {
	s := "One operation an element, or a few. X is read once and OUT written once."
	if v.passes > 1 {
		s = "A few operations an element. X is read twice and OUT written once."
	}
	s += " Work is split among threads by results if they are many, and by parts of the sum if they are few."
	return s + " Scratch: up to 160 KB a thread (as much again for complex numbers), a value for each 65,536 elements that a result is of (or 512 rows), and up to 16 bytes a result between two passes."
}

// example is a vector and a matrix, reduced by verb.
func example(verb, vector, matrix string) []kernels.Example {
	return []kernels.Example{
		{Text: vector, Lines: []string{"random x.npy:f32:100000 seed=1", verb + " x.npy"}},
		{Text: matrix, Lines: []string{"random a.npy:f64:300x200 seed=2", verb + " a.npy r.npy axis=1"}},
	}
}

var (
	sumText = text{
		description: "The sum of elements along axes. The sum of no elements is 0.",
		types:       numpySums, errors: []kernels.Entry{castError},
		examples: append(example("sum", "The sum of a vector, as an answer.", "The sums of rows."),
			kernels.Example{Text: "Of all but the last axis, kept for broadcasting.", Lines: []string{"random b.npy:f32:20x30x3 seed=3", "sum b.npy c.npy axis=0,1 keepdims=yes"}}),
		notes: floatText + "\n\n" + orderText, see: []string{"mean", "nansum", "cumsum", "prod"},
	}
	prodText = text{
		description: "The product of elements along axes. The product of no elements is 1.",
		types:       numpySums, errors: []kernels.Entry{castError},
		examples: []kernels.Example{{Text: "Ten factorial.", Lines: []string{"arange x.npy start=1 stop=11", "prod x.npy"}}},
		notes:    floatText + "\n\n" + orderText, see: []string{"sum", "cumprod"},
	}
	minText = text{
		description: "The least element along axes. If one is NaN, so is the result.",
		types:       noComplex, errors: []kernels.Entry{emptyError},
		examples: example("min", "The least of a vector.", "The least of each row."),
		notes:    exactText + " Which of -0 and +0 comes out is not specified.", see: []string{"max", "nanmin", "argmin"},
	}
	maxText = text{
		description: "The greatest element along axes. If one is NaN, so is the result.",
		types:       noComplex, errors: []kernels.Entry{emptyError},
		examples: example("max", "The greatest of a vector.", "The greatest of each row."),
		notes:    exactText + " Which of -0 and +0 comes out is not specified.", see: []string{"min", "nanmax", "argmax"},
	}
	meanText = text{
		description: "The sum of elements along axes, divided by their number. The mean of no elements is NaN.",
		types:       numpyMean, errors: []kernels.Entry{castError},
		examples: example("mean", "The mean of a vector.", "The means of rows."),
		notes:    floatText + " Integers are summed in f64.\n\n" + orderText, see: []string{"nanmean", "var", "sum"},
	}
	varText = text{
		description: "The mean of |x - m|², where m is the mean: the sum of squares divided by N - ddof. With ddof=1 it is the unbiased estimate. If N <= ddof it is a division by zero: NaN or inf.",
		types:       "bool and integers give f64, floats their own type, complex numbers the type of their real part.",
		examples:    example("var", "The variance of a vector.", "The variance of each row."),
		notes:       "Two passes: the mean first, then the squares of the distances from it, so that a large mean costs no digits. " + floatText + "\n\n" + orderText,
		see:         []string{"std", "mean"},
	}
	stdText = text{
		description: "The square root of the variance (see var).",
		types:       "bool and integers give f64, floats their own type, complex numbers the type of their real part.",
		examples:    example("std", "The standard deviation of a vector.", "That of each row."),
		notes:       "Two passes: the mean first, then the squares of the distances from it. " + floatText + "\n\n" + orderText, see: []string{"var", "mean"},
	}
	normText = text{
		description: "The vector norm of the elements along axes: (Σ|x|^p)^(1/p) with p = ord. ord=2 (or fro) is the Euclidean norm, ord=1 the sum of absolute values, ord=inf and ord=-inf their greatest and least, ord=0 the number of nonzero elements. Over several axes it is the norm of all their elements together: ord=2 is then the Frobenius norm of matrices, but ord=1 and ord=inf are not matrix norms.",
		types:       "bool and integers give f64, floats their own type, complex numbers the type of their real part.",
		errors:      []kernels.Entry{{Term: "EINVAL", Text: "ord is no number, or has no value for no elements"}},
		examples: append(example("norm", "The length of a vector.", "The lengths of rows."),
			kernels.Example{Text: "The largest magnitude.", Lines: []string{"random z.npy:c64:100 dist=normal seed=4", "norm z.npy ord=inf"}}),
		notes: "ord=2 neither overflows nor underflows: where the sum of squares leaves the range of f64, X is read again and scaled by its greatest element. " + floatText + "\n\n" + orderText,
		see:   []string{"sum", "max"},
	}
	argminText = text{
		description: "Where the least element is: the index of the first of them, or of the first NaN if there is one. Over several axes, or all, it is the index in C order of the reduced axes.",
		types:       "Any but c64 and c128; the result is i64.", errors: []kernels.Entry{emptyError},
		examples: example("argmin", "Of a vector.", "Of each row."), notes: exactText, see: []string{"min", "argmax"},
	}
	argmaxText = text{
		description: "Where the greatest element is: the index of the first of them, or of the first NaN if there is one. Over several axes, or all, it is the index in C order of the reduced axes.",
		types:       "Any but c64 and c128; the result is i64.", errors: []kernels.Entry{emptyError},
		examples: example("argmax", "Of a vector.", "Of each row."), notes: exactText, see: []string{"max", "argmin"},
	}
	anyText = text{
		description: "Whether any element along axes is nonzero (NaN is). Of no elements it is False.",
		types:       "Any; the result is bool.", examples: example("any", "Of a vector.", "Of each row."), notes: exactText, see: []string{"all", "count_nonzero"},
	}
	allText = text{
		description: "Whether all elements along axes are nonzero (NaN is). Of no elements it is True.",
		types:       "Any; the result is bool.", examples: example("all", "Of a vector.", "Of each row."), notes: exactText, see: []string{"any", "count_nonzero"},
	}
	countText = text{
		description: "The number of nonzero elements along axes (NaN is nonzero).",
		types:       "Any; the result is i64.", examples: example("count_nonzero", "Of a vector.", "Of each row."), notes: exactText, see: []string{"any", "all", "sum"},
	}
	nansumText = text{
		description: "The sum of elements along axes, NaN taken as 0. A complex number is NaN if a part is.",
		types:       numpySums, errors: []kernels.Entry{castError},
		examples: []kernels.Example{{Text: "A gap in the data.", Lines: []string{"fill x.npy:f32:10 value=1", `fill "x.npy[3]" value=nan`, "nansum x.npy"}}},
		notes:    floatText + "\n\n" + orderText, see: []string{"sum", "nanmean"},
	}
	nanmeanText = text{
		description: "The mean of the elements along axes that are not NaN; NaN if there are none. A complex number is NaN if a part is.",
		types:       numpyMean, errors: []kernels.Entry{castError},
		examples: []kernels.Example{{Text: "A gap in the data.", Lines: []string{"fill x.npy:f32:10 value=1", `fill "x.npy[3]" value=nan`, "nanmean x.npy"}}},
		notes:    floatText + "\n\n" + orderText, see: []string{"mean", "nansum"},
	}
	nanminText = text{
		description: "The least element along axes that is not NaN; NaN if there is none.",
		types:       noComplex, errors: []kernels.Entry{emptyError},
		examples: []kernels.Example{{Text: "A gap in the data.", Lines: []string{"arange x.npy:f32 stop=10", `fill "x.npy[0]" value=nan`, "nanmin x.npy"}}},
		notes:    exactText, see: []string{"min", "nanmax"},
	}
	nanmaxText = text{
		description: "The greatest element along axes that is not NaN; NaN if there is none.",
		types:       noComplex, errors: []kernels.Entry{emptyError},
		examples: []kernels.Example{{Text: "A gap in the data.", Lines: []string{"arange x.npy:f32 stop=10", `fill "x.npy[9]" value=nan`, "nanmax x.npy"}}},
		notes:    exactText, see: []string{"max", "nanmin"},
	}
)

const scanNotes = "Floats are computed in f64, complex numbers in c128, from first to last, and each element is rounded to its type. Lines of more than 65536 elements along the last axis are cut into pieces of that length: the totals of pieces are added up first, and each piece goes on from the total before it. The order depends on the shape alone."

var (
	cumsumPage = scanPage("Element k of a line is the sum of elements 0 to k of X's line. Without axis= X is taken as one line in C order and OUT is a vector.",
		kernels.Example{Text: "Triangular numbers.", Lines: []string{"arange x.npy stop=10", "cumsum x.npy y.npy"}}, "cumprod", "sum")
	cumprodPage = scanPage("Element k of a line is the product of elements 0 to k of X's line. Without axis= X is taken as one line in C order and OUT is a vector.",
		kernels.Example{Text: "Factorials.", Lines: []string{"arange x.npy start=1 stop=11", "cumprod x.npy y.npy"}}, "cumsum", "prod")
	softmaxPage = softmaxManual("exp(x - m) / Σ exp(x - m) along an axis, where m is the greatest element of the line: positive numbers whose sum is 1.",
		kernels.Example{Text: "Class probabilities of each row.", Lines: []string{"random x.npy:f32:100x10 dist=normal seed=1", "softmax x.npy p.npy"}}, "log_softmax")
	logSoftmaxPage = softmaxManual("x - m - log Σ exp(x - m) along an axis, where m is the greatest element of the line: the logarithm of softmax without its underflow.",
		kernels.Example{Text: "Log-likelihoods along the first axis.", Lines: []string{"random x.npy:f32:10x100 dist=normal seed=1", "log_softmax x.npy p.npy axis=0"}}, "softmax")
)

func scanPage(description string, e kernels.Example, see ...string) kernels.Manual {
	return kernels.Manual{
		Description: description,
		Operands:    []kernels.Entry{{Term: "X", Text: "the array"}, {Term: "OUT", Text: "the result, of X's shape, or a vector of its size without axis="}},
		Types:       numpySums,
		Cost:        "One operation an element, two for lines of more than 65536 elements. X is read once (twice), OUT written once. Work is split by lines, and by parts of long ones along the last axis.",
		Errors:      []kernels.Entry{castError, {Term: "EINVAL", Text: "axis= is not one axis of X"}},
		Examples:    []kernels.Example{e},
		Notes:       scanNotes,
		SeeAlso:     see,
	}
}

func softmaxManual(description string, e kernels.Example, see string) kernels.Manual {
	return kernels.Manual{
		Description: description,
		Operands:    []kernels.Entry{{Term: "X", Text: "the array"}, {Term: "OUT", Text: "the result, of X's shape"}},
		Types:       "Any but c64 and c128. bool and integers give f64, floats their own type.",
		Cost:        "Three passes over X, one exponential an element, two for lines of more than 16384 elements or not along the last axis. OUT is written once. Work is split by lines.",
		Errors:      []kernels.Entry{{Term: "EINVAL", Text: "axis= is not one axis of X, or X is complex or a scalar"}},
		Examples:    []kernels.Example{e},
		Notes:       "f64 is computed in f64, all else in f32 with sums in f64. A line that has a NaN or +inf, or nothing but -inf, is NaN. The order of the sum depends on the shape alone.",
		SeeAlso:     []string{see, "map", "sum"},
	}
}
