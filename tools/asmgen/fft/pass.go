package fft

import (
	"fmt"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// variant is one of the forms of a pass; see simd.FFTKernels for their names.
type variant struct {
	name     string
	in, out  layout
	twiddles bool
	scaled   bool
	stream   bool
}

type layout uint8

const (
	planar layout = iota
	interleaved
	swapped
)

var variants = []variant{
	{"Mid", planar, planar, true, false, false},
	{"MidN", planar, planar, false, false, false},
	{"First", interleaved, planar, true, false, false},
	{"FirstN", interleaved, planar, false, false, false},
	{"FirstSwapped", swapped, planar, true, false, false},
	{"FirstSwappedN", swapped, planar, false, false, false},
	{"Last", planar, interleaved, false, false, false},
	{"LastScaled", planar, swapped, false, true, false},
	{"LastStream", planar, interleaved, false, false, true},
	{"LastScaledStream", planar, swapped, false, true, true},
}

// radices that have codelets; simd.FFTRadices is the same list.
var radices = []int{16, 13, 11, 8, 7, 5, 4, 3, 2}

// passName is the function's name.
func passName(v variant, r int, t *target) string {
	return fmt.Sprintf("fft%s%d%s", v.name, r, t.suffix())
}

// Registers of a pass. Three pointers to the input and three to the output, at
// rows 0, 2 and 7, reach rows 0 to 15 by [base], [base + stride·{1,2,4,8}] and
// [base + 3·stride·{1,2,4}].
var (
	inBase  = []reg.GPPhysical{reg.RSI, reg.RAX, reg.RBX}
	outBase = []reg.GPPhysical{reg.RDI, reg.R8, reg.R9}
	inStep  = [2]reg.GPPhysical{reg.R10, reg.R11} // one stride, three strides
	outStep = [2]reg.GPPhysical{reg.R12, reg.R13}
	twiddle = reg.RCX
	count   = reg.RDX
	frame   = reg.R14 // spilled vectors, aligned
)

// baseRow is the row that each pointer points at.
var baseRow = []int{0, 2, 7}

// reach is how a row is addressed: the pointer, the stride register, its scale.
var reach = func() (out [16]struct {
	base, step int
	scale      uint8
}) {
	for k := range out {
		out[k].base = -1
		for b, first := range baseRow {
			for step, unit := range []int{1, 3} {
				for _, scale := range []uint8{0, 1, 2, 4, 8} {
					if out[k].base < 0 && first+unit*int(scale) == k {
						out[k].base, out[k].step, out[k].scale = b, step, scale
					}
				}
			}
		}
	}
	return out
}()

// row addresses row k through bases and strides.
func row(base []reg.GPPhysical, step [2]reg.GPPhysical, k, disp int) operand.Mem {
	r := reach[k]
	m := operand.Mem{Base: base[r.base], Disp: disp}
	if r.scale > 0 {
		m.Index, m.Scale = step[r.step], r.scale
	}
	return m
}

// bases is the number of pointers that r rows need.
func bases(r int) int {
	n := 0
	for k := range r {
		n = max(n, reach[k].base+1)
	}
	return n
}

// arg is the place of an argument.
func (t *target) arg(name string) operand.Mem {
	b, err := t.Param(name).Resolve()
	if err != nil {
		panic(err)
	}
	return b.Addr
}

// pass makes one function.
func (t *target) pass(v variant, r int) {
	t.stream = v.stream
	defer func() { t.stream = false }()
	name := passName(v, r, t)
	t.Function(name)
	t.Doc(fmt.Sprintf("%s is a radix-%d pass of %d lanes; its twin is fftPassGo.", name, r, t.lanes()))
	t.Pragma("noescape")
	t.SignatureExpr(fmt.Sprintf("func(dst, src, tw *%s, m, v, sk, sp, dj, dp int)", t.typeName()))
	regs := t.passSetup()
	rows := t.alignFrame(16) // where the current p's input and output begin
	srcRow, dstRow := rows, rows.Offset(8)
	t.MOVQ(t.arg("src"), reg.RSI)
	t.MOVQ(reg.RSI, srcRow)
	t.MOVQ(t.arg("dst"), reg.RDI)
	t.MOVQ(reg.RDI, dstRow)

	t.Label("rows")
	t.MOVQ(srcRow, inBase[0])
	t.MOVQ(dstRow, outBase[0])
	if v.in != planar {
		t.prefetch(inBase, inStep, srcRow, "sp", r)
	}
	if v.out != planar && !v.stream {
		t.prefetch(outBase, outStep, dstRow, "dp", r)
	}
	t.groups(inBase, inStep, r)
	t.groups(outBase, outStep, r)
	t.MOVQ(t.arg("v"), count)

	t.Label("vectors")
	t.passBody(v, r, regs)
	for i := range bases(r) {
		t.ADDQ(operand.I32(2*t.bytes()), inBase[i])
		t.ADDQ(operand.I32(2*t.bytes()), outBase[i])
	}
	t.DECQ(count)
	t.JNE(operand.LabelRef("vectors"))

	if v.twiddles {
		t.ADDQ(operand.I32(2*(r-1)*t.size), twiddle)
	}
	t.advance(srcRow, "sp")
	t.advance(dstRow, "dp")
	t.DECQ(t.arg("m"))
	t.JNE(operand.LabelRef("rows"))
	t.end()
}

// passSetup loads strides, in bytes, and returns the registers for data.
func (t *target) passSetup() []int {
	for _, s := range []struct {
		name string
		step [2]reg.GPPhysical
	}{{"sk", inStep}, {"dj", outStep}} {
		t.MOVQ(t.arg(s.name), s.step[0])
		t.SHLQ(operand.U8(t.shift()), s.step[0])
		t.LEAQ(operand.Mem{Base: s.step[0], Index: s.step[0], Scale: 2}, s.step[1])
	}
	t.MOVQ(t.arg("tw"), twiddle)
	t.loadOne()
	return t.registers()
}

func (t *target) shift() int { return map[int]int{4: 2, 8: 3}[t.size] }

// groups points base[1:] at their rows.
func (t *target) groups(base []reg.GPPhysical, step [2]reg.GPPhysical, r int) {
	n := bases(r)
	if n > 1 {
		t.LEAQ(operand.Mem{Base: base[0], Index: step[0], Scale: 2}, base[1])
	}
	if n > 2 { // 7 = 1 + 3·2
		t.LEAQ(operand.Mem{Base: base[0], Index: step[0], Scale: 1}, base[2])
		t.LEAQ(operand.Mem{Base: base[2], Index: step[1], Scale: 2}, base[2])
	}
}

// advance adds the argument stride, which counts reals, to a local.
func (t *target) advance(local operand.Mem, stride string) {
	t.MOVQ(t.arg(stride), count)
	t.SHLQ(operand.U8(t.shift()), count)
	t.ADDQ(count, local)
}

// prefetch asks for the rows of an interleaved end that the next p needs, if
// they are so far apart that the processor's own prefetchers do not follow.
func (t *target) prefetch(base []reg.GPPhysical, step [2]reg.GPPhysical, local operand.Mem, stride string, r int) {
	const far = 4096
	skip := "near_" + stride
	t.MOVQ(t.arg(stride), count)
	t.SHLQ(operand.U8(t.shift()), count)
	t.CMPQ(count, operand.I32(far))
	t.JLT(operand.LabelRef(skip))
	t.ADDQ(count, base[0])
	t.groups(base, step, r)
	for k := range r {
		for line := 0; line < 2*t.bytes(); line += 64 {
			t.PREFETCHT0(row(base, step, k, line))
		}
	}
	t.MOVQ(local, base[0])
	t.Label(skip)
}

// passBody is one vector of each row.
func (t *target) passBody(v variant, r int, regs []int) {
	t.prog = &program{}
	x := make([]pair, r)
	for k := range x {
		x[k] = t.loadPair(v.in, func(disp int) operand.Mem { return row(inBase, inStep, k, disp) })
	}
	var scale factor
	if v.scaled {
		scale = t.number(operand.Mem{Base: twiddle})
	}
	y := t.dft(x)
	t.prog.when = soon
	for j, y := range y {
		if v.twiddles && j > 0 {
			c := t.number(operand.Mem{Base: twiddle, Disp: 2 * (j - 1) * t.size})
			s := t.number(operand.Mem{Base: twiddle, Disp: (2*(j-1) + 1) * t.size})
			y = t.times(y, c, s)
		}
		if v.scaled {
			y = pair{t.mul(y.re, scale), t.mul(y.im, scale)}
		}
		t.storePair(v.out, y, func(disp int) operand.Mem { return row(outBase, outStep, j, disp) })
	}
	t.emit(t.prog, regs)
}

// alignFrame points frame at the first cache line of the stack frame that
// spilled vectors will have; [target.emit] then makes it as long as they need.
// It comes before other locals.
func (t *target) alignFrame(locals int) operand.Mem {
	room := t.AllocLocal(locals)
	t.LEAQ(room.Offset(locals+63), frame)
	t.ANDQ(operand.I8(-64), frame)
	return room
}

// spillSlot is a vector of the frame.
func (t *target) spillSlot(slot int) operand.Mem {
	return operand.Mem{Base: frame, Disp: slot * t.bytes()}
}

// times is the complex product y·(c + i·s).
func (t *target) times(y pair, c, s factor) pair {
	return pair{
		t.madd(y.im, s, t.mul(y.re, c), true),
		t.madd(y.im, c, t.mul(y.re, s), false),
	}
}

// loadPair loads a vector of complex numbers in the given layout.
func (t *target) loadPair(l layout, at func(disp int) operand.Mem) pair {
	a, b := t.load(at(0)), t.load(at(t.bytes()))
	if l == planar {
		a.input, b.input = true, true
		return pair{a, b}
	}
	t.prog.when = late
	var p pair
	if t.size == 4 {
		p = pair{t.shuffle("VSHUFPS", 0x88, a, b), t.shuffle("VSHUFPS", 0xdd, a, b)}
	} else {
		p = pair{t.shuffle("VUNPCKLPD", -1, a, b), t.shuffle("VUNPCKHPD", -1, a, b)}
	}
	t.prog.when = asWritten
	if l == swapped {
		p.re, p.im = p.im, p.re
	}
	return p
}

// storePair stores a vector of complex numbers in the given layout.
func (t *target) storePair(l layout, y pair, at func(disp int) operand.Mem) {
	if l == swapped {
		y.re, y.im = y.im, y.re
	}
	if l != planar {
		p := map[int]string{4: "PS", 8: "PD"}[t.size]
		y = pair{t.shuffle("VUNPCKL"+p, -1, y.re, y.im), t.shuffle("VUNPCKH"+p, -1, y.re, y.im)}
	}
	t.store(at(0), y.re)
	t.store(at(t.bytes()), y.im)
}
