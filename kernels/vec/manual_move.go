package vec

import "vgpu/kernels"

var copyKernel = &kernels.Kernel{
	Name: "copy", Family: "vec", Summary: "copy an array or a part of one",
	Synopsis: "copy A OUT", MinInputs: 1, MaxInputs: 1, Outputs: kernels.OutputRequired,
	Plan: planCopy,
	Manual: kernels.Manual{
		Description: "Copies A. With slices it cuts a part out, puts one in, or reverses: the output is always written in C order and native byte order, whatever the input's layout. If the output operand gives a shape, or is a slice of a buffer, A is repeated to it by numpy's broadcasting rule.\n\nThe types must agree; cast changes them.",
		Operands:    []kernels.Entry{{Term: "A", Text: "the source"}, {Term: "OUT", Text: "the copy, or the part of a buffer that is overwritten"}},
		Types:       typesSame,
		Cost:        costCopy,
		Errors:      []kernels.Entry{errShape},
		Examples: []kernels.Example{
			{Text: "Every other row, and a row put in place of another.", Lines: []string{"random a.npy:f32:100x100", `copy "a.npy[::2,:]" half.npy`, `copy "half.npy[3]" "a.npy[0]"`}},
			{Text: "One row, repeated.", Lines: []string{`copy "a.npy[0]" rows.npy:f32:10x100`}},
		},
		Notes:   "The patterns are moved unchanged, payloads of NaNs included. Large copies run at the memory's speed.",
		SeeAlso: []string{"cast", "transpose", "reshape", "concat", "flip"},
	},
}

var castKernel = &kernels.Kernel{
	Name: "cast", Family: "vec", Summary: "convert to another type",
	Synopsis: "cast A OUT [dtype=D]", MinInputs: 1, MaxInputs: 1, Outputs: kernels.OutputRequired,
	Options: []kernels.OptionSpec{dtypeOption},
	Plan:    planCast,
	Manual: kernels.Manual{
		Description: "Converts the elements of A to the type that dtype= or the output operand gives, as numpy's astype does. If the output operand gives a shape, or is a slice of a buffer, A is repeated to it by numpy's broadcasting rule.",
		Operands:    []kernels.Entry{{Term: "A", Text: "the source"}, {Term: "OUT", Text: "the result"}},
		Types:       typesAll + " From each to each.",
		Cost:        costCopy,
		Errors:      []kernels.Entry{errShape, {Term: "EINVAL", Text: "no type is given"}},
		Examples: []kernels.Example{
			{Text: "Half the memory, and back.", Lines: []string{"random x.npy:f32:1000 dist=normal", "cast x.npy h.npy dtype=bf16", "cast h.npy y.npy dtype=f32"}},
			{Text: "Into a part of an existing array.", Lines: []string{"fill all.npy:f64:2x1000", `cast x.npy "all.npy[1]"`}},
		},
		Notes:   "To floats: rounded once, to nearest, ties to even; what is too large becomes an infinity. Float to integer: towards zero; what does not fit, and NaN, give what numpy gives on x86, on every machine: the least value of a signed type of 32 bits or more, the low bits of that for narrower ones. Integer to integer: the low bits. Complex to real: the imaginary part is dropped. To bool: 1 unless zero.",
		SeeAlso: []string{"copy"},
	},
}

var transposeKernel = &kernels.Kernel{
	Name: "transpose", Family: "vec", Summary: "permute the axes",
	Synopsis: "transpose A OUT [axes=I,J,...]", MinInputs: 1, MaxInputs: 1, Outputs: kernels.OutputRequired,
	Options: []kernels.OptionSpec{{Name: "axes", Kind: kernels.KindInts, Help: "axis i of the result is axis axes[i] of A; reversed order unless given"}},
	Plan:    planTranspose,
	Manual: kernels.Manual{
		Description: "Writes A with its axes in another order, as numpy.transpose followed by a copy does. Without axes= the order is reversed: a matrix is transposed. Negative axes count from the end.",
		Operands:    []kernels.Entry{{Term: "A", Text: "an array of any rank"}, {Term: "OUT", Text: "the result, of shape A.shape[axes[0]] x A.shape[axes[1]] x ..."}},
		Types:       typesSame,
		Cost:        costCopy,
		Errors:      []kernels.Entry{errShape, {Term: "EINVAL", Text: "axes= is not a permutation of A's axes"}},
		Examples: []kernels.Example{
			{Text: "A matrix.", Lines: []string{"random a.npy:f32:300x200", "transpose a.npy at.npy"}},
			{Text: "Images from height, width, channels to channels, height, width.", Lines: []string{"random hwc.npy:u8:64x48x3", "transpose hwc.npy chw.npy axes=2,0,1"}},
		},
		Notes:   "Axes are merged where their order allows; then tiles of up to 512 x 64 elements are moved, in squares of 8 x 8 through registers, so that the source is read in long runs and the destination is written by whole cache lines.",
		SeeAlso: []string{"reshape", "copy", "flip"},
	},
}

var reshapeKernel = &kernels.Kernel{
	Name: "reshape", Family: "vec", Summary: "give the elements another shape",
	Synopsis: "reshape A OUT [shape=S]", MinInputs: 1, MaxInputs: 1, Outputs: kernels.OutputRequired,
	Options: []kernels.OptionSpec{{Name: "shape", Kind: kernels.KindString, Help: "the shape, such as 3x4; one extent may be -1, what is left"}},
	Plan:    planReshape,
	Manual: kernels.Manual{
		Description: "Copies the elements of A, in C order, to an array of another shape with as many elements, as numpy.reshape does.",
		Operands:    []kernels.Entry{{Term: "A", Text: "the source"}, {Term: "OUT", Text: "the result; its shape, if written, stands in for shape="}},
		Types:       typesSame,
		Cost:        "No flops. Bytes: the input once and the output once. Scratch: the size of A if A is not in C order and the output is a slice that has gaps.",
		Errors:      []kernels.Entry{errShape, {Term: "EINVAL", Text: "the number of elements differs"}},
		Examples: []kernels.Example{
			{Text: "A vector as a matrix of 4 columns.", Lines: []string{"arange i.npy stop=12", "reshape i.npy m.npy shape=-1x4"}},
		},
		SeeAlso: []string{"transpose", "copy"},
	},
}

var concatKernel = &kernels.Kernel{
	Name: "concat", Family: "vec", Summary: "join arrays along an axis",
	Synopsis: "concat A B ... OUT [axis=0]", MinInputs: 1, MaxInputs: -1, Outputs: kernels.OutputRequired,
	Options: []kernels.OptionSpec{{Name: "axis", Kind: kernels.KindInt, Default: "0", Help: "the axis that grows; negative from the end"}},
	Plan:    planConcat,
	Manual: kernels.Manual{
		Description: "Joins arrays along an axis that exists, as numpy.concatenate does. All other extents must agree.",
		Operands:    []kernels.Entry{{Term: "A B ...", Text: "one or more arrays of the same rank, 1 at least"}, {Term: "OUT", Text: "the result"}},
		Types:       typesAll + " Inputs of different types are promoted as numpy.result_type does.",
		Cost:        costCopy,
		Errors:      []kernels.Entry{errShape},
		Examples: []kernels.Example{
			{Text: "Two matrices, one below the other and side by side.", Lines: []string{"fill a.npy:f32:2x3 value=1", "fill b.npy:f32:2x3 value=2", "concat a.npy b.npy tall.npy", "concat a.npy b.npy wide.npy axis=1"}},
		},
		SeeAlso: []string{"stack", "copy"},
	},
}

var stackKernel = &kernels.Kernel{
	Name: "stack", Family: "vec", Summary: "join arrays along a new axis",
	Synopsis: "stack A B ... OUT [axis=0]", MinInputs: 1, MaxInputs: -1, Outputs: kernels.OutputRequired,
	Options: []kernels.OptionSpec{{Name: "axis", Kind: kernels.KindInt, Default: "0", Help: "where the new axis stands in the result; negative from the end"}},
	Plan:    planStack,
	Manual: kernels.Manual{
		Description: "Joins arrays of one shape along a new axis, as numpy.stack does: index i of it is input i.",
		Operands:    []kernels.Entry{{Term: "A B ...", Text: "one or more arrays of the same shape"}, {Term: "OUT", Text: "the result"}},
		Types:       typesAll + " Inputs of different types are promoted as numpy.result_type does.",
		Cost:        costCopy,
		Errors:      []kernels.Entry{errShape},
		Examples: []kernels.Example{
			{Text: "Two coordinates to points.", Lines: []string{"linspace x.npy num=100", "linspace y.npy start=5 stop=6 num=100", "stack x.npy y.npy points.npy axis=1"}},
		},
		SeeAlso: []string{"concat"},
	},
}

var flipKernel = &kernels.Kernel{
	Name: "flip", Family: "vec", Summary: "reverse the order along axes",
	Synopsis: "flip A OUT [axes=I,...]", MinInputs: 1, MaxInputs: 1, Outputs: kernels.OutputRequired,
	Options: []kernels.OptionSpec{{Name: "axes", Kind: kernels.KindInts, Help: "the axes to reverse; all unless given"}},
	Plan:    planFlip,
	Manual: kernels.Manual{
		Description: "Writes A with the order of elements reversed along the given axes, as numpy.flip does. A slice with a negative step does the same to an operand of any kernel.",
		Operands:    []kernels.Entry{{Term: "A", Text: "an array of any rank"}, {Term: "OUT", Text: "the result, of A's shape"}},
		Types:       typesSame,
		Cost:        costCopy,
		Errors:      []kernels.Entry{errShape},
		Examples: []kernels.Example{
			{Text: "Upside down, and mirrored.", Lines: []string{"random a.npy:f32:30x20", "flip a.npy down.npy axes=0", "flip a.npy mirror.npy axes=-1"}},
		},
		SeeAlso: []string{"roll", "transpose"},
	},
}

var rollKernel = &kernels.Kernel{
	Name: "roll", Family: "vec", Summary: "shift elements round in a circle",
	Synopsis: "roll A OUT shift=K[,...] [axes=I,...]", MinInputs: 1, MaxInputs: 1, Outputs: kernels.OutputRequired,
	Options: []kernels.OptionSpec{
		{Name: "shift", Kind: kernels.KindInts, Default: "1", Help: "by how many places; one for each axis, or one for all"},
		{Name: "axes", Kind: kernels.KindInts, Help: "the axes to roll along; without it the elements are rolled in C order"},
	},
	Plan: planRoll,
	Manual: kernels.Manual{
		Description: "Moves the elements by shift places along the axes; what leaves at the end comes in at the start, as numpy.roll does. The element at index i goes to (i + shift) mod n.",
		Operands:    []kernels.Entry{{Term: "A", Text: "an array of any rank"}, {Term: "OUT", Text: "the result, of A's shape"}},
		Types:       typesSame,
		Cost:        "No flops. Bytes: the input once and the output once. Scratch without axes=: the size of A if A is not in C order, and as much if the output is a slice that has gaps. With axes=, six axes of more than two elements that do move are rolled at once; more of them take another pass for every six, and scratch of the size of A, from 13 on twice that.",
		Errors:      []kernels.Entry{errShape, {Term: "EINVAL", Text: "an axis is named twice, or there are more shifts than axes"}},
		Examples: []kernels.Example{
			{Text: "A vector by one place, a matrix by rows and columns.", Lines: []string{"arange i.npy stop=10", "roll i.npy j.npy", "random a.npy:f32:8x8", "roll a.npy b.npy shift=2,-3 axes=0,1"}},
		},
		SeeAlso: []string{"flip"},
	},
}

var whereKernel = &kernels.Kernel{
	Name: "where", Family: "vec", Summary: "choose between two arrays by a condition",
	Synopsis: "where COND A B OUT", MinInputs: 3, MaxInputs: 3, Outputs: kernels.OutputRequired,
	Plan: planWhere,
	Manual: kernels.Manual{
		Description: "Takes each element from A where COND is not zero, and from B where it is, as numpy.where does. The three are broadcast to a common shape.",
		Operands:    []kernels.Entry{{Term: "COND", Text: "the condition: any type, true unless zero (a NaN is true)"}, {Term: "A B", Text: "what to choose from"}, {Term: "OUT", Text: "the result"}},
		Types:       typesAll + " The output has the type that A and B promote to, as numpy.result_type has it.",
		Cost:        "No flops. Bytes: each operand once. No scratch memory.",
		Errors:      []kernels.Entry{errShape},
		Examples: []kernels.Example{
			{Text: "A coin for each element.", Lines: []string{"random coin.npy:bool:1000", "fill a.npy:f32:1000 value=1", "fill b.npy:f32:1 value=-1", "where coin.npy a.npy b.npy steps.npy"}},
		},
		Notes:   "The element not chosen has no effect: patterns are moved, not computed with.",
		SeeAlso: []string{"map"},
	},
}

var trilKernel = triKernel("tril", "lower", "above", planTri(false))

var triuKernel = triKernel("triu", "upper", "below", planTri(true))

// triKernel is tril or triu, whose manuals differ in three words.
func triKernel(name, side, dropped string, plan func(*kernels.Call) (*kernels.Plan, error)) *kernels.Kernel {
	return &kernels.Kernel{
		Name: name, Family: "vec", Summary: "the " + side + " triangle of matrices",
		Synopsis: name + " A OUT [k=0]", MinInputs: 1, MaxInputs: 1, Outputs: kernels.OutputRequired,
		Options: []kernels.OptionSpec{{Name: "k", Kind: kernels.KindInt, Default: "0", Help: "the diagonal that bounds the triangle: 0 the main one, positive above it, negative below"}},
		Plan:    plan,
		Manual: kernels.Manual{
			Description: "Copies A with the elements " + dropped + " diagonal k set to zero, as numpy." + name + " does. More than two axes are a stack of matrices.",
			Operands:    []kernels.Entry{{Term: "A", Text: "an array of rank 2 or more"}, {Term: "OUT", Text: "the result, of A's shape"}},
			Types:       typesSame,
			Cost:        costCopy,
			Errors:      []kernels.Entry{errShape},
			Examples: []kernels.Example{
				{Text: "The triangle with its diagonal, and without.", Lines: []string{"random a.npy:f32:6x6", name + " a.npy t.npy", name + " a.npy s.npy k=" + map[string]string{"tril": "-1", "triu": "1"}[name]}},
			},
			SeeAlso: []string{"eye", "where"},
		},
	}
}
