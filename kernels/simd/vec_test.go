package simd

import (
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"
)

// routine is a line of the generated tables: an exported function and its twin.
type routine struct {
	name     string
	fn, twin any
}

// tables are the routines of all families.
func tables() []routine { return append(append([]routine{}, vecTable...), mathTable...) }

// eachISA runs f with every instruction set that the machine has.
func eachISA(t *testing.T, f func(t *testing.T)) {
	defer func() {
		if err := Force(Best()); err != nil {
			t.Fatal(err)
		}
	}()
	for isa := Generic; isa <= Best(); isa++ {
		if err := Force(isa); err != nil {
			t.Fatal(err)
		}
		t.Run(isa.String(), f)
	}
}

// TestVectorTwins compares every routine with its twin: all lengths around the
// block edges, unaligned slices, special values, in place, and what lies
// around the destination untouched.
func TestVectorTwins(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		for _, r := range tables() {
			t.Run(r.name, func(t *testing.T) {
				step := 1
				switch { // coprime to the vectors' lengths: all remainders come
				case Active() == Generic: // the twin itself, behind the wrapper
					step = 13
				case testing.Short():
					step = 3
				}
				for n := 0; n <= 130; n += step {
					checkTwin(t, r, n, n%7)
				}
				checkTwin(t, r, 2*chunk+3, 1)
			})
		}
	})
}

// margin is the number of elements around a destination that must survive.
const margin = 16

func checkTwin(t *testing.T, r routine, n, offset int) {
	rng := rand.New(rand.NewPCG(uint64(n), uint64(len(r.name))))
	typ := reflect.TypeOf(r.fn)
	args := make([]reflect.Value, typ.NumIn())
	for i := 1; i < len(args); i++ {
		args[i] = randomArg(rng, typ.In(i), n, offset, r.name)
	}
	whole := reflect.MakeSlice(typ.In(0), n+2*margin, n+2*margin)
	fill(rng, whole, r.name)
	before := reflect.AppendSlice(reflect.MakeSlice(typ.In(0), 0, 0), whole)
	want := reflect.MakeSlice(typ.In(0), n, n)
	call(r.twin, want, args)
	call(r.fn, whole.Slice(margin, margin+n), args)
	requireSame(t, "before the destination", whole.Slice(0, margin), before.Slice(0, margin))
	requireSame(t, fmt.Sprintf("n=%d", n), whole.Slice(margin, margin+n), want)
	requireSame(t, "behind the destination", whole.Slice(margin+n, n+2*margin), before.Slice(margin+n, n+2*margin))
	if typ.In(1) == typ.In(0) { // in place
		call(r.fn, args[1], args)
		requireSame(t, fmt.Sprintf("in place, n=%d", n), args[1], want)
	}
}

func call(f any, dst reflect.Value, args []reflect.Value) {
	reflect.ValueOf(f).Call(append([]reflect.Value{dst}, args[1:]...))
}

func requireSame(t *testing.T, what string, got, want reflect.Value) {
	t.Helper()
	for i := range want.Len() {
		if bitsOf(got.Index(i)) != bitsOf(want.Index(i)) {
			t.Fatalf("%s: element %d is %v (%#x), want %v (%#x)", what, i,
				got.Index(i), bitsOf(got.Index(i)), want.Index(i), bitsOf(want.Index(i)))
		}
	}
}

// bitsOf is a value's encoding; all NaNs are one.
func bitsOf(v reflect.Value) uint64 {
	switch v.Kind() {
	case reflect.Float32:
		if f := float32(v.Float()); f == f {
			return uint64(math.Float32bits(f))
		}
		return math.MaxUint64
	case reflect.Float64:
		if f := v.Float(); f == f {
			return math.Float64bits(f)
		}
		return math.MaxUint64
	case reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return uint64(v.Int())
	}
	return v.Uint()
}

func randomArg(rng *rand.Rand, typ reflect.Type, n, offset int, name string) reflect.Value {
	if typ.Kind() != reflect.Slice {
		v := reflect.MakeSlice(reflect.SliceOf(typ), 1, 1)
		fill(rng, v, name)
		return v.Index(0)
	}
	v := reflect.MakeSlice(typ, n+offset, n+offset).Slice(offset, n+offset)
	fill(rng, v, name)
	return v
}

var specials = []float64{0, math.Copysign(0, -1), 1, -1, 0.5, 2, math.Inf(1), math.Inf(-1), math.NaN(),
	math.MaxFloat32, math.SmallestNonzeroFloat32, -math.SmallestNonzeroFloat32, math.MaxFloat64, math.SmallestNonzeroFloat64,
	0x1p-126, 0x1.8p-127, 0x1p-1022, 0x1.8p-1030, 65504, 65519.9, 65520, 0x1p-14, 0x1p-25, 1e5, 1e10, 1e300,
	math.MinInt32, math.MaxInt32, 0x1p31, 0x1p63, -0x1p63, 255, 256, -129, 88, 89, -104, 709, 710, -745, -746}

// fill makes up elements: specials, small numbers, and any bits.
func fill(rng *rand.Rand, v reflect.Value, name string) {
	for i := range v.Len() {
		e := v.Index(i)
		switch e.Kind() {
		case reflect.Float32, reflect.Float64:
			e.SetFloat(randomFloat(rng, e.Kind()))
		case reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
			e.SetInt(int64(rng.Uint64()) >> (64 - e.Type().Bits()) >> rng.IntN(e.Type().Bits()))
		default:
			e.SetUint(rng.Uint64() >> (64 - e.Type().Bits()) >> rng.IntN(e.Type().Bits()))
		}
		if e.Kind() == reflect.Uint8 && (name == "NotBool") {
			e.SetUint(e.Uint() & 1)
		}
	}
}

func randomFloat(rng *rand.Rand, k reflect.Kind) float64 {
	switch rng.IntN(4) {
	case 0:
		return specials[rng.IntN(len(specials))]
	case 1:
		return rng.NormFloat64() * 3
	case 2:
		return rng.NormFloat64() * math.Exp2(float64(rng.IntN(40)-20))
	}
	if k == reflect.Float32 {
		return float64(math.Float32frombits(rng.Uint32()))
	}
	return math.Float64frombits(rng.Uint64())
}

// TestShortOperands wants a panic before anything is written.
func TestShortOperands(t *testing.T) {
	for _, r := range tables() {
		typ := reflect.TypeOf(r.fn)
		for short := 1; short < typ.NumIn(); short++ {
			if typ.In(short).Kind() != reflect.Slice {
				continue
			}
			args := make([]reflect.Value, typ.NumIn())
			for i := range args {
				args[i] = reflect.Zero(typ.In(i))
				if typ.In(i).Kind() == reflect.Slice {
					args[i] = reflect.MakeSlice(typ.In(i), 40, 40)
				}
			}
			args[short] = args[short].Slice(0, 39)
			fill(rand.New(rand.NewPCG(1, 2)), args[0], r.name)
			before := reflect.AppendSlice(reflect.MakeSlice(typ.In(0), 0, 0), args[0])
			if !panics(func() { call(r.fn, args[0], args) }) {
				t.Errorf("%s accepts a short operand %d", r.name, short)
			}
			requireSame(t, r.name, args[0], before)
		}
	}
}

func panics(f func()) (did bool) {
	defer func() { did = recover() != nil }()
	f()
	return false
}
