package order

import "vgpu/kernels"

const (
	typesAll  = "All: bool i8 u8 i16 u16 i32 u32 i64 u64 f16 bf16 f32 f64 c64 c128."
	numpyNaN  = "NaN comes last, as numpy has it, also in descending order. -0 and +0 are equal. Complex numbers are ordered by the real part, then by the imaginary part; those with a NaN part come last, in numpy's order R+nan·j, nan+R·j, nan+nan·j, and by the part that is a number within these."
	radixNote = "Values are turned into unsigned keys and sorted by counting digits of 8 bits, least significant first (Knuth, The Art of Computer Programming 3, section 5.2.5, algorithm R); passes over digits that are all equal are left out."
)

var (
	errAxis = kernels.Entry{Term: "EINVAL", Text: "the axis does not exist, the input is a scalar, or the output operand has another type or shape"}

	axisOption = kernels.OptionSpec{Name: "axis", Kind: kernels.KindInt, Default: "-1", Help: "the axis to work along; negative from the end"}
	descOption = kernels.OptionSpec{Name: "descending", Kind: kernels.KindBool, Default: "0", Help: "greatest first; equal elements stay in their order, NaN stays last"}
	weightsOpt = kernels.OptionSpec{Name: "weights", Kind: kernels.KindOperand, Help: "what each element counts, an array of the input's shape; 1 unless given"}
)

var sortKernel = &kernels.Kernel{
	Name: "sort", Family: "order", Summary: "sort along an axis",
	Synopsis: "sort A OUT [axis=-1] [descending=0]", MinInputs: 1, MaxInputs: 1, Outputs: kernels.OutputRequired,
	Options: []kernels.OptionSpec{axisOption, descOption},
	Plan:    planSort,
	Manual: kernels.Manual{
		Description: "Sorts the rows of A along an axis, ascending unless descending=1, as numpy.sort does. The sort is stable to the bit: zeros of both signs and NaNs of different payloads keep their order.\n\n" + numpyNaN,
		Operands:    []kernels.Entry{{Term: "A", Text: "an array of rank 1 or more"}, {Term: "OUT", Text: "the sorted array, of A's shape"}},
		Types:       typesAll + " The output has A's type.",
		Cost:        "O(n) for a row of n elements: each is moved once for every byte of its type at the most. Bytes: the input once and the output once. Scratch: n elements for each row under work, or 32 to 64 KiB a thread where n is at most 128, up to 128 KiB where many rows of up to 1024 elements of 4 bytes are sorted at once; 5 words of 8 bytes an element for complex types; a copy of A, and one of the output, if the axis is not the last or they do not lie in C order.",
		Errors:      []kernels.Entry{errAxis},
		Examples: []kernels.Example{
			{Text: "A vector, and the columns of a matrix, greatest first.", Lines: []string{"random x.npy:f32:100000 dist=normal", "sort x.npy y.npy", "random a.npy:i16:100x20", "sort a.npy b.npy axis=0 descending=1"}},
		},
		Notes:   radixNote + " Rows of up to 128 elements, and 64 rows or more of up to 1024 elements of 4 bytes, are sorted many at once: their elements become columns of a matrix, which a network sorts (section 5.2.2, algorithm M). Rows from 262144 elements on are sorted by all threads together, in blocks.",
		SeeAlso: []string{"argsort", "topk", "searchsorted"},
	},
}

var argsortKernel = &kernels.Kernel{
	Name: "argsort", Family: "order", Summary: "the order that would sort along an axis",
	Synopsis: "argsort A OUT [axis=-1] [descending=0]", MinInputs: 1, MaxInputs: 1, Outputs: kernels.OutputRequired,
	Options: []kernels.OptionSpec{axisOption, descOption},
	Plan:    planArgsort,
	Manual: kernels.Manual{
		Description: "Writes, for each row along the axis, the indices of its elements in sorted order: the first index is that of the least element. It is stable, as numpy.argsort(kind='stable'): of equal elements the one that comes first in A comes first.\n\n" + numpyNaN,
		Operands:    []kernels.Entry{{Term: "A", Text: "an array of rank 1 or more"}, {Term: "OUT", Text: "the indices, i64, of A's shape"}},
		Types:       typesAll + " The output is i64.",
		Cost:        "O(n) for a row of n elements. Bytes: the input once and the output once. Scratch for each row under work: 16 bytes an element for types of up to 32 bits, 24 for 64 bits, 32 for complex types; a copy of A, and one of the output, if the axis is not the last or they do not lie in C order.",
		Errors:      []kernels.Entry{errAxis},
		Examples: []kernels.Example{
			{Text: "The order of a vector.", Lines: []string{"random x.npy:f64:1000", "argsort x.npy i.npy"}},
			{Text: "Of each row, greatest first.", Lines: []string{"random a.npy:u8:10x50", "argsort a.npy j.npy descending=1"}},
		},
		Notes:   radixNote + " Rows of up to 128 elements are sorted by networks of eight and merges that do not branch on the data.",
		SeeAlso: []string{"sort", "topk", "argmin", "argmax"},
	},
}

var topkKernel = &kernels.Kernel{
	Name: "topk", Family: "order", Summary: "the k largest or smallest elements along an axis",
	Synopsis: "topk A OUT k=K [axis=-1] [largest=1] [indices=0]", MinInputs: 1, MaxInputs: 1, Outputs: kernels.OutputRequired,
	Options: []kernels.OptionSpec{
		{Name: "k", Kind: kernels.KindInt, Default: "1", Help: "how many"},
		axisOption,
		{Name: "largest", Kind: kernels.KindBool, Default: "1", Help: "the largest, in descending order; else the smallest, ascending"},
		{Name: "indices", Kind: kernels.KindBool, Default: "0", Help: "write where they stand (i64) instead of the elements"},
	},
	Plan: planTopk,
	Manual: kernels.Manual{
		Description: "Writes the first k elements that sort with descending= would give along the axis, or their indices. Of equal elements the one that comes first in A is taken first. NaN is taken only when nothing else is left.",
		Operands:    []kernels.Entry{{Term: "A", Text: "an array of rank 1 or more"}, {Term: "OUT", Text: "of A's shape, with k along the axis"}},
		Types:       "All but c64 and c128. The output has A's type, or is i64 with indices=1.",
		Cost:        "One sweep with a heap of k places (O(n) for random input, O(n log k) at worst), or a sort of the row if k > 64 and k is more than 1/32 of the row or 4096. Bytes: the input once and the output once. Scratch: 16·k bytes for every 131072 elements of a row under work, 16·k for the result, or that of argsort and 8 bytes an element; copies as for sort.",
		Errors:      []kernels.Entry{errAxis, {Term: "EINVAL", Text: "k is negative or more than there are elements"}},
		Examples: []kernels.Example{
			{Text: "The five largest of each row, and where they stand.", Lines: []string{"random a.npy:f32:100x1000", "topk a.npy best.npy k=5", "topk a.npy where.npy k=5 indices=1"}},
		},
		SeeAlso: []string{"sort", "argsort", "argmax"},
	},
}

var searchsortedKernel = &kernels.Kernel{
	Name: "searchsorted", Family: "order", Summary: "where values belong in a sorted array",
	Synopsis: "searchsorted SORTED VALUES OUT [side=left|right]", MinInputs: 2, MaxInputs: 2, Outputs: kernels.OutputRequired,
	Options: []kernels.OptionSpec{{Name: "side", Kind: kernels.KindEnum, Values: []string{"left", "right"}, Default: "left", Help: "the first place among equal elements, or the last"}},
	Plan:    planSearchsorted,
	Manual: kernels.Manual{
		Description: "Writes, for each value, at which index of SORTED it would be put in to keep the order: the number of elements below it (side=left), or of those not above it (side=right), as numpy.searchsorted does.\n\n" + numpyNaN + "\n\nThat SORTED ascends is not checked; if it does not, the answer is some index.",
		Operands:    []kernels.Entry{{Term: "SORTED", Text: "a vector in ascending order"}, {Term: "VALUES", Text: "an array of any shape"}, {Term: "OUT", Text: "the indices, i64, of the values' shape"}},
		Types:       typesAll + " They are compared in the type that both promote to.",
		Cost:        "log2(n + 1) comparisons a value. Bytes: each operand once. Scratch: 8 bytes an element of SORTED, 16 for complex types, and up to 64 KB a thread.",
		Errors:      []kernels.Entry{{Term: "EINVAL", Text: "SORTED is not a vector"}},
		Examples: []kernels.Example{
			{Text: "Which of ten classes.", Lines: []string{"linspace bounds.npy start=0.1 stop=0.9 num=9", "random x.npy:f64:1000", "searchsorted bounds.npy x.npy class.npy side=right"}},
		},
		SeeAlso: []string{"sort", "histogram"},
	},
}

var histogramKernel = &kernels.Kernel{
	Name: "histogram", Family: "order", Summary: "count values by intervals",
	Synopsis: "histogram A OUT [bins=10] [low= high=] [edges=OPERAND] [weights=OPERAND] [density=0]", MinInputs: 1, MaxInputs: 1, Outputs: kernels.OutputRequired,
	Options: []kernels.OptionSpec{
		{Name: "bins", Kind: kernels.KindInt, Default: "10", Help: "how many intervals of equal width"},
		{Name: "low", Kind: kernels.KindFloat, Help: "lower end of the first; the least value unless given"},
		{Name: "high", Kind: kernels.KindFloat, Help: "upper end of the last; the greatest value unless given"},
		{Name: "edges", Kind: kernels.KindOperand, Help: "a vector of the bins' edges, one more than bins, not descending"},
		weightsOpt,
		{Name: "density", Kind: kernels.KindBool, Default: "0", Help: "divide by the total and the widths, so that the integral is 1"},
	},
	Plan: planHistogram,
	Manual: kernels.Manual{
		Description: "Counts the values of A in each of a row of intervals, as numpy.histogram does: bin i holds edges[i] <= v < edges[i+1], the last its upper edge too. Values outside the edges, and NaN, are not counted. All axes count alike.\n\nThe bins have equal widths between low and high (widened by 0.5 on both sides if those are equal), or the edges of an operand. The edges of equal bins are what linspace start=LOW stop=HIGH num=BINS+1 makes.",
		Operands:    []kernels.Entry{{Term: "A", Text: "an array of any shape"}, {Term: "OUT", Text: "the counts, a vector of bins elements"}},
		Types:       "A, edges and weights: all but c64 and c128. OUT: i64, or f64 with weights or density. Values are compared with the edges in f64; edges of equal bins are rounded to A's type if it is f16, bf16 or f32.",
		Cost:        "One sweep, two without low and high. Bytes: each operand once. Scratch: 8 bytes a bin for each of up to 64 partial tables, for the edges, and for a density.",
		Errors: []kernels.Entry{
			{Term: "EINVAL", Text: "no bins, an infinite interval, low without high, edges that are no vector, weights of another shape"},
			{Term: "EDOM", Text: "low and high are not given and A holds a NaN or an infinity; edges that descend"},
		},
		Examples: []kernels.Example{
			{Text: "A normal distribution, from -4 to 4.", Lines: []string{"random x.npy:f32:100000 dist=normal", "histogram x.npy h.npy bins=64 low=-4 high=4"}},
			{Text: "As a density, with edges of one's own.", Lines: []string{"linspace e.npy start=-2 stop=2 num=9", "histogram x.npy p.npy edges=e.npy density=1"}},
		},
		Notes:   "The bin is computed by a multiplication and then put right by comparing with the edges, so that no value is misplaced by rounding. Weights are added in f64, in an order fixed by A's shape.",
		SeeAlso: []string{"bincount", "searchsorted", "linspace"},
	},
}

var bincountKernel = &kernels.Kernel{
	Name: "bincount", Family: "order", Summary: "count how often each number occurs",
	Synopsis: "bincount A OUT minlength=N [weights=OPERAND]", MinInputs: 1, MaxInputs: 1, Outputs: kernels.OutputRequired,
	Options: []kernels.OptionSpec{
		{Name: "minlength", Kind: kernels.KindInt, Help: "length of the table: one more than the greatest number that may occur; without it the output operand's length counts"},
		weightsOpt,
	},
	Plan: planBincount,
	Manual: kernels.Manual{
		Description: "Counts, for each number i below minlength, how many elements of A equal it, or adds up their weights. Unlike numpy.bincount it does not lengthen the table for greater numbers: the size of an output must be known beforehand, so such a number is an error.",
		Operands:    []kernels.Entry{{Term: "A", Text: "an array of any shape"}, {Term: "OUT", Text: "the table, a vector of minlength elements"}},
		Types:       "A: bool and all integer types. weights: all but c64 and c128. OUT: i64, or f64 with weights.",
		Cost:        "One sweep. Bytes: each operand once. Scratch: 8 bytes a place for each of up to 64 partial tables.",
		Errors: []kernels.Entry{
			{Term: "EINVAL", Text: "no length, values that are not integers, weights of another shape"},
			{Term: "EDOM", Text: "a negative number, or one of minlength or more"},
		},
		Examples: []kernels.Example{
			{Text: "How often each face of a die fell.", Lines: []string{"random dice.npy:u8:6000 low=1 high=7", "bincount dice.npy counts.npy minlength=7"}},
		},
		Notes:   "Weights are added in f64, in an order fixed by A's shape.",
		SeeAlso: []string{"histogram"},
	},
}
