package reduce

import "vgpu/kernels/ndarray"

// extreme is which element is looked for.
type extreme uint8

const (
	smallest extreme = iota
	greatest
	smallestNumber // of those that are not NaN
	greatestNumber
)

// String is the verb.
func (e extreme) String() string { return [...]string{"min", "max", "nanmin", "nanmax"}[e] }

func extremeOf[T ordered](dt ndarray.DType, e extreme) *reduction[T, T] {
	return remembered(e.String(), dt, func() *reduction[T, T] { return newExtreme[T](dt, e) })
}

// newExtreme makes the reduction of an extreme, without vector loops.
func newExtreme[T ordered](dt ndarray.DType, e extreme) *reduction[T, T] {
	r := &reduction[T, T]{dt: dt, bare: true, raw: dt == ndarray.U8, lift: same[T]}
	switch e {
	case smallest:
		r.leaf, r.fold, r.join = minLeafOf[T](), minFoldOf[T](), smaller[T]
	case greatest:
		r.leaf, r.fold, r.join = maxLeafOf[T](), maxFoldOf[T](), larger[T]
	case smallestNumber:
		r.leaf, r.fold, r.join = minNumberLeafOf[T](), foldOf(smallerNumber[T]), smallerNumber[T]
	case greatestNumber:
		r.leaf, r.fold, r.join = maxNumberLeafOf[T](), foldOf(largerNumber[T]), largerNumber[T]
	}
	r.fused = func(x []T, _ place) T { return r.leaf(x) }
	r.fusedFold = func(acc, x []T, _ place) { r.fold(acc, x) }
	return r
}

// runExtreme works on elements of their own type; halves as f32, bools as
// bytes.
func runExtreme(e extreme) func(j *job) error {
	return func(j *job) error {
		switch j.in.DType {
		case ndarray.Bool, ndarray.U8:
			return extremeOn[uint8](j, ndarray.U8, e)
		case ndarray.I8:
			return extremeOn[int8](j, ndarray.I8, e)
		case ndarray.I16:
			return extremeOn[int16](j, ndarray.I16, e)
		case ndarray.U16:
			return extremeOn[uint16](j, ndarray.U16, e)
		case ndarray.I32:
			return extremeOn[int32](j, ndarray.I32, e)
		case ndarray.U32:
			return extremeOn[uint32](j, ndarray.U32, e)
		case ndarray.I64:
			return extremeOn[int64](j, ndarray.I64, e)
		case ndarray.U64:
			return extremeOn[uint64](j, ndarray.U64, e)
		case ndarray.F64:
			return extremeOn[float64](j, ndarray.F64, e)
		}
		return extremeOn[float32](j, ndarray.F32, e)
	}
}

func extremeOn[T ordered](j *job, dt ndarray.DType, e extreme) error {
	if e >= smallestNumber && !dt.IsFloat() {
		e -= smallestNumber // integers are never NaN
	}
	return run(j, extremeOf[T](dt, e), func(vals []T, o int) { ndarray.Store(j.out, vals, o) })
}

// runArg gives the index of the first smallest or greatest element.
func runArg(e extreme) func(j *job) error {
	return func(j *job) error {
		paired := j.c.In[0].Layout.Len() < maxPlaces
		switch j.in.DType {
		case ndarray.Bool, ndarray.U8:
			return argOn[uint8](j, ndarray.U8, e)
		case ndarray.I8:
			return argOn[int8](j, ndarray.I8, e)
		case ndarray.I16:
			return argOn[int16](j, ndarray.I16, e)
		case ndarray.U16:
			return argOn[uint16](j, ndarray.U16, e)
		case ndarray.I32:
			if paired {
				return pairsOn(j, ndarray.I32, e, &greatestI32, &leastI32)
			}
			return argOn[int32](j, ndarray.I32, e)
		case ndarray.U32:
			return argOn[uint32](j, ndarray.U32, e)
		case ndarray.I64:
			return argOn[int64](j, ndarray.I64, e)
		case ndarray.U64:
			return argOn[uint64](j, ndarray.U64, e)
		case ndarray.F64:
			return argOn[float64](j, ndarray.F64, e)
		}
		if paired {
			return pairsOn(j, ndarray.F32, e, &greatestF32, &leastF32)
		}
		return argOn[float32](j, ndarray.F32, e)
	}
}

func argOn[T ordered](j *job, dt ndarray.DType, e extreme) error {
	r := remembered("arg"+e.String(), dt, func() *reduction[T, where[T]] {
		if e == greatest {
			return argReduction(dt, isGreater[T], maxLeafOf[T](), argmaxFold[T])
		}
		return argReduction(dt, isLess[T], minLeafOf[T](), argminFold[T])
	})
	return run(j, r, func(vals []where[T], o int) {
		var index [128]int64
		for ; len(vals) > 0; o += len(index) {
			n := min(len(vals), len(index))
			for i, v := range vals[:n] {
				index[i] = v.k
			}
			ndarray.Store(j.out, index[:n], o)
			vals = vals[n:]
		}
	})
}
