// Package ndarray describes arrays: element types, shapes, strides, views of
// bytes, and the NPY header that types a file.
//
// An [Array] never owns memory: it is a [Layout] over a byte slice that
// somebody else (a mapped buffer, scratch memory, a test) keeps alive.
// Everything in this package is a pure function of its arguments and safe for
// concurrent use; two goroutines may not write overlapping elements at once.
//
// # Model
//
// The model is numpy: a layout is numpy's (dtype, shape, strides, offset), a
// [Range] is one part of its basic slicing, [Promote] its result_type,
// [Convert] its astype, and [ParseNPY] and [AppendNPY] its format. Where numpy
// leaves a result to the machine (a float that does not fit an integer), this
// package gives x86's on every machine, so that bits do not depend on where a
// command runs.
//
// Methods that make views ([Layout.Slice], [Layout.Permute], [Layout.Range],
// [Layout.Broadcast]) never touch data and never change their receiver; the
// Shape and Strides of the result may be shared with it ([Layout.Index] shares
// both), so a layout is not changed in place once it was handed on.
//
// # Elements of any layout
//
// Kernels meet strided, reversed, broadcast, byte-swapped and unaligned
// operands. They look at [Array.Direct] and take the elements as a Go slice if
// it holds; else they use [Load], [Store] or [Convert], which walk any layout
// through chunks in the first-level cache (walk.go). A new element type takes a
// row in dtypeTable, a case in each switch of cast.go and cast_to.go, and its
// place among the constants, on whose order Promote relies.
package ndarray

import "fmt"

// DType is an element type. The zero value is Invalid, whose size is 0. The
// numbers are not written anywhere: they may change from one version to the
// next.
type DType uint8

// The element types, in the order of numpy's promotion within each kind.
const (
	Invalid DType = iota
	Bool          // one byte, 0 or 1
	I8
	U8
	I16
	U16
	I32
	U32
	I64
	U64
	F16  // IEEE 754 binary16
	BF16 // the upper half of a binary32
	F32
	F64
	C64  // two F32: real, imaginary
	C128 // two F64
	numDTypes
)

// DTypes lists every valid element type.
var DTypes = []DType{Bool, I8, U8, I16, U16, I32, U32, I64, U64, F16, BF16, F32, F64, C64, C128}

// dtypeTable has a row for each type. F16 and BF16 are one size and two kinds:
// numpy has no bfloat16, and ml_dtypes stores it as the void type of two bytes.
var dtypeTable = [numDTypes]struct {
	name  string
	descr string // NPY descr of the native little-endian form
	size  int
}{
	Invalid: {"invalid", "", 0},
	Bool:    {"bool", "|b1", 1},
	I8:      {"i8", "|i1", 1},
	U8:      {"u8", "|u1", 1},
	I16:     {"i16", "<i2", 2},
	U16:     {"u16", "<u2", 2},
	I32:     {"i32", "<i4", 4},
	U32:     {"u32", "<u4", 4},
	I64:     {"i64", "<i8", 8},
	U64:     {"u64", "<u8", 8},
	F16:     {"f16", "<f2", 2},
	BF16:    {"bf16", "<V2", 2},
	F32:     {"f32", "<f4", 4},
	F64:     {"f64", "<f8", 8},
	C64:     {"c64", "<c8", 8},
	C128:    {"c128", "<c16", 16},
}

// String gives the name used in commands: f32, c128, bool.
func (d DType) String() string {
	if d >= numDTypes {
		return fmt.Sprintf("dtype(%d)", uint8(d))
	}
	return dtypeTable[d].name
}

// Size is the element's size in bytes, 1 to 16, both parts of a complex number
// included; 0 for Invalid. It panics on a number that is no type.
func (d DType) Size() int { return dtypeTable[d].size }

// IsFloat tells whether d is a real floating-point type.
func (d DType) IsFloat() bool { return d >= F16 && d <= F64 }

// IsComplex tells whether d is a complex type.
func (d DType) IsComplex() bool { return d == C64 || d == C128 }

// IsSigned tells whether d is a signed integer type.
func (d DType) IsSigned() bool { return d == I8 || d == I16 || d == I32 || d == I64 }

// IsUnsigned tells whether d is an unsigned integer type; Bool is not.
func (d DType) IsUnsigned() bool { return d == U8 || d == U16 || d == U32 || d == U64 }

// IsInteger tells whether d is an integer type; Bool is not.
func (d DType) IsInteger() bool { return d.IsSigned() || d.IsUnsigned() }

// StoredAs tells whether values of d may be stored as to: in a type of the
// same kind, of any size, or of a higher one (numpy's "same_kind"). The kinds
// are bool, unsigned, signed, float and complex, in this order.
func (d DType) StoredAs(to DType) bool { return d.kind() <= to.kind() }

// kind orders the kinds of types. Unsigned goes before signed as numpy has it:
// u64 may be stored as i8, i8 may not be stored as u64.
func (d DType) kind() int {
	switch {
	case d == Bool:
		return 0
	case d.IsUnsigned():
		return 1
	case d.IsSigned():
		return 2
	case d.IsFloat():
		return 3
	}
	return 4
}

// Real is the type of d's real part: F32 for C64, F64 for C128, else d.
func (d DType) Real() DType {
	switch d {
	case C64:
		return F32
	case C128:
		return F64
	}
	return d
}

// ParseDType reads a name as [DType.String] gives it, or numpy's long name
// (float32, complex128, int8, ...).
func ParseDType(s string) (DType, error) {
	if d, ok := dtypeByName[s]; ok {
		return d, nil
	}
	return Invalid, fmt.Errorf("unknown dtype %q: one of bool i8 u8 i16 u16 i32 u32 i64 u64 f16 bf16 f32 f64 c64 c128", s)
}

// dtypeByName has our names and numpy's; it is read only.
var dtypeByName = func() map[string]DType {
	m := map[string]DType{
		"int8": I8, "uint8": U8, "int16": I16, "uint16": U16, "int32": I32, "uint32": U32,
		"int64": I64, "uint64": U64, "float16": F16, "bfloat16": BF16, "float32": F32,
		"float64": F64, "complex64": C64, "complex128": C128,
	}
	for _, d := range DTypes {
		m[d.String()] = d
	}
	return m
}()
