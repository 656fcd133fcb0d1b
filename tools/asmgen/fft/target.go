package fft

import (
	"fmt"
	"math"
	"reflect"

	"github.com/mmcloughlin/avo/attr"
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// target is a precision and an instruction set that code is made for.
type target struct {
	*build.Context
	avx512 bool
	size   int  // bytes of a real
	stream bool // stores go past the caches
	consts map[string]operand.Mem
	prog   *program
}

func (t *target) lanes() int {
	if t.avx512 {
		return 64 / t.size
	}
	return 32 / t.size
}

// bytes is the size of a vector of reals.
func (t *target) bytes() int { return t.lanes() * t.size }

func (t *target) typeName() string {
	if t.size == 4 {
		return "float32"
	}
	return "float64"
}

// suffix names the target in function names.
func (t *target) suffix() string {
	p := map[int]string{4: "F32", 8: "F64"}[t.size]
	if t.avx512 {
		return p + "AVX512"
	}
	return p + "AVX2"
}

// regOne is the vector register of AVX-512 code that holds ones.
const regOne = 31

// numbers lists which number of a vector is in each lane of planar vectors: in
// the order in which shuffles inside 16-byte parts, which take one cycle where
// those across them take four or five, part interleaved vectors.
func (t *target) numbers() []int {
	per, w := 8/t.size, t.lanes() // numbers of a 16-byte part
	var out []int
	for first := 0; first < w/2; first += per {
		for _, half := range []int{0, w / 2} {
			for i := range per {
				out = append(out, half+first+i)
			}
		}
	}
	return out
}

// loadOne fills regOne.
func (t *target) loadOne() {
	if t.avx512 {
		name := map[int]string{4: "VBROADCASTSS", 8: "VBROADCASTSD"}[t.size]
		t.ins(name, true, "", t.constant(1), t.vec(regOne))
	}
}

// end returns, after the streaming stores are seen by all.
func (t *target) end() {
	if t.stream {
		t.SFENCE()
	}
	t.VZEROUPPER()
	t.RET()
}

// registers are the vector registers for data.
func (t *target) registers() []int {
	n := 16
	if t.avx512 {
		n = regOne
	}
	var out []int
	for r := n - 1; r >= 0; r-- {
		out = append(out, r)
	}
	return out
}

var vectors = []reg.VecPhysical{
	reg.X0, reg.X1, reg.X2, reg.X3, reg.X4, reg.X5, reg.X6, reg.X7, reg.X8, reg.X9, reg.X10, reg.X11, reg.X12, reg.X13, reg.X14, reg.X15,
	reg.X16, reg.X17, reg.X18, reg.X19, reg.X20, reg.X21, reg.X22, reg.X23, reg.X24, reg.X25, reg.X26, reg.X27, reg.X28, reg.X29, reg.X30, reg.X31,
}

// vec is vector register r at the target's width.
func (t *target) vec(r int) operand.Op {
	if t.avx512 {
		return vectors[r].AsZ()
	}
	return vectors[r].AsY()
}

// ins emits an instruction by its mnemonic: name with PS or PD, or as it is.
func (t *target) ins(name string, exact bool, suffix string, ops ...operand.Op) {
	if !exact {
		name += map[int]string{4: "PS", 8: "PD"}[t.size]
	}
	m := reflect.ValueOf(t.Context).MethodByName(name + suffix)
	if !m.IsValid() {
		panic("asmgen: avo has no " + name + suffix)
	}
	in := make([]reflect.Value, len(ops))
	for i, o := range ops {
		in[i] = reflect.ValueOf(o)
		if !m.Type().IsVariadic() {
			in[i] = in[i].Convert(m.Type().In(i))
		}
	}
	m.Call(in)
}

// constant is the place of a vector of copies of x > 0.
func (t *target) constant(x float64) operand.Mem {
	_, bits := t.datum(x)
	return t.vectorOf(fmt.Sprintf("fftC%d_%x", 8*t.size, bits), x)
}

// constants is the place of a vector of copies of a and b in turn.
func (t *target) constants(a, b float64) operand.Mem {
	_, x := t.datum(a)
	_, y := t.datum(b)
	return t.vectorOf(fmt.Sprintf("fftC%d_%x_%x", 8*t.size, x, y), a, b)
}

// datum is x as it lies in memory.
func (t *target) datum(x float64) (operand.Constant, uint64) {
	if t.size == 4 {
		return operand.F32(x), uint64(math.Float32bits(float32(x)))
	}
	return operand.F64(x), math.Float64bits(x)
}

// vectorOf is the place of a vector of numbers in turn, made once for its key.
func (t *target) vectorOf(key string, x ...float64) operand.Mem {
	if m, ok := t.consts[key]; ok {
		return m
	}
	m := t.StaticGlobal(key)
	t.DataAttributes(attr.RODATA | attr.NOPTR)
	for i := range 32 / t.size {
		c, _ := t.datum(x[i%len(x)])
		t.AddDatum(i*t.size, c)
	}
	t.consts[key] = m
	return m
}

// The operations of programs.

func (t *target) load(m operand.Mem) *value {
	return t.prog.add(&value{kind: load, name: "VMOVU", mem: &m, imm: -1})
}

// broadcast loads one number into all lanes.
func (t *target) broadcast(m operand.Mem) *value {
	name := map[int]string{4: "VBROADCASTSS", 8: "VBROADCASTSD"}[t.size]
	return t.prog.add(&value{kind: load, name: name, exact: true, mem: &m, imm: -1})
}

func (t *target) store(m operand.Mem, v *value) {
	name := "VMOVU"
	if t.stream {
		name = "VMOVNT"
	}
	t.prog.add(&value{kind: store, name: name, a: v, mem: &m, imm: -1})
}

func (t *target) op2(name string, a, b *value) *value {
	return t.prog.add(&value{kind: binary, name: name, a: a, b: b, imm: -1})
}

func (t *target) add(a, b *value) *value { return t.op2("VADD", a, b) }
func (t *target) sub(a, b *value) *value { return t.op2("VSUB", a, b) }

// shuffle is an in-register shuffle of two vectors; name is the full mnemonic.
func (t *target) shuffle(name string, imm int, a, b *value) *value {
	return t.prog.add(&value{kind: binary, name: name, exact: true, a: a, b: b, imm: imm})
}

// factor is a multiplier: a constant vector or a broadcast number in memory,
// or a register.
type factor struct {
	mem  *operand.Mem
	bcst bool
	reg  *value
}

// number is the factor in memory at m: one number, for all lanes.
func (t *target) number(m operand.Mem) factor {
	if t.avx512 {
		return factor{mem: &m, bcst: true}
	}
	return factor{reg: t.broadcast(m)}
}

// mul is a·f.
func (t *target) mul(a *value, f factor) *value {
	return t.prog.add(&value{kind: binary, name: "VMUL", a: a, b: f.reg, mem: f.mem, bcst: f.bcst, imm: -1})
}

// madd is c + a·f, or c - a·f if minus.
func (t *target) madd(a *value, f factor, c *value, minus bool) *value {
	name := "VFMADD"
	if minus {
		name = "VFNMADD"
	}
	return t.prog.add(&value{kind: fused, name: name, a: a, b: f.reg, mem: f.mem, bcst: f.bcst, c: c, imm: -1})
}

// real is the factor of a positive constant.
func (t *target) real(x float64) factor {
	m := t.constant(x)
	return factor{mem: &m, bcst: t.avx512}
}

// addScaled is a + x·b, with an addition if x is 1 or -1.
func (t *target) addScaled(a *value, x float64, b *value) *value {
	switch {
	case b.kind == negated:
		return t.addScaled(a, -x, b.a)
	case x == 1:
		return t.add(a, b)
	case x == -1:
		return t.sub(a, b)
	case x < 0:
		return t.madd(b, t.real(-x), a, true)
	}
	return t.madd(b, t.real(x), a, false)
}
