package fft

import (
	"fmt"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// transpose makes the twiddle and transpose routine of simd.FFTKernels; with
// factored, each row's twiddles are multiplied by a number of u; with stream,
// stores go past the caches.
func (t *target) transpose(factored, stream bool) {
	t.stream = stream
	defer func() { t.stream = false }()
	name := "fftTranspose"
	if factored {
		name += "Factored"
	}
	if stream {
		name += "Stream"
	}
	name += t.suffix()
	t.Function(name)
	t.Doc(fmt.Sprintf("%s transposes blocks of %d x %[2]d; its twin is fftTransposeGo.", name, t.lanes()))
	t.Pragma("noescape")
	t.SignatureExpr(fmt.Sprintf("func(dst, src, t, u *%s, nb, srow, sblock, drow, dblock int)", t.typeName()))
	for _, s := range []struct {
		name string
		step [2]reg.GPPhysical
	}{{"srow", inStep}, {"drow", outStep}} {
		t.MOVQ(t.arg(s.name), s.step[0])
		t.SHLQ(operand.U8(t.shift()), s.step[0])
		t.LEAQ(operand.Mem{Base: s.step[0], Index: s.step[0], Scale: 2}, s.step[1])
	}
	t.MOVQ(t.arg("src"), inBase[0])
	t.MOVQ(t.arg("dst"), outBase[0])
	t.MOVQ(t.arg("t"), twiddle)
	if factored {
		t.MOVQ(t.arg("u"), reg.RDX)
	}
	t.alignFrame(0)
	t.loadOne()
	t.Label("blocks")
	w := t.lanes()
	t.groups(inBase, inStep, w)
	t.groups(outBase, outStep, w)
	t.transposeBody(factored)

	t.MOVQ(t.arg("sblock"), inBase[1])
	t.SHLQ(operand.U8(t.shift()), inBase[1])
	t.ADDQ(inBase[1], inBase[0])
	t.ADDQ(operand.I32(2*w*w*t.size), twiddle)
	if factored {
		t.ADDQ(operand.I32(2*w*t.size), reg.RDX)
	}
	t.MOVQ(t.arg("dblock"), outBase[1])
	t.SHLQ(operand.U8(t.shift()), outBase[1])
	t.ADDQ(outBase[1], outBase[0])
	t.DECQ(t.arg("nb"))
	t.JNE(operand.LabelRef("blocks"))
	t.end()
}

func (t *target) transposeBody(factored bool) {
	t.prog = &program{}
	w, n := t.lanes(), t.bytes()
	for part := range 2 { // real, imaginary
		t.prog.when = late
		rows := make([]*value, w)
		for i := range w {
			x := pair{t.load(row(inBase, inStep, i, 0)), t.load(row(inBase, inStep, i, n))}
			re, im := operand.Mem{Base: twiddle, Disp: i * 2 * n}, operand.Mem{Base: twiddle, Disp: (i*2 + 1) * n}
			c, s := factor{mem: &re}, factor{mem: &im}
			if factored {
				u := pair{t.load(re), t.load(im)}
				u = t.times(u, t.number(operand.Mem{Base: reg.RDX, Disp: 2 * i * t.size}), t.number(operand.Mem{Base: reg.RDX, Disp: (2*i + 1) * t.size}))
				c, s = factor{reg: u.re}, factor{reg: u.im}
			}
			if part == 0 {
				rows[i] = t.madd(x.im, s, t.mul(x.re, c), true)
			} else {
				rows[i] = t.madd(x.im, c, t.mul(x.re, s), false)
			}
		}
		t.prog.when = asWritten
		for l, v := range t.turned(rows, soon) {
			t.store(row(outBase, outStep, l, part*n), v)
		}
	}
	t.emit(t.prog, t.registers())
}

// turned is the transpose of rows given and taken by number, where the lanes
// hold numbers in the order of [target.numbers].
func (t *target) turned(x []*value, second timing) []*value {
	from, out := make([]*value, len(x)), make([]*value, len(x))
	for l, n := range t.numbers() {
		from[l] = x[n]
	}
	y := t.transposed(from, second)
	for l, n := range t.numbers() {
		out[n] = y[l]
	}
	return out
}

// transposed is the transpose of a square of vectors: first of the 16-byte
// parts of registers, then inside them, which has its own timing.
func (t *target) transposed(x []*value, second timing) []*value {
	per := 16 / t.size // reals of a part
	groups := len(x) / per
	rows := make([][]*value, groups) // rows[p]: part p of all rows
	for q := range per {
		column := make([]*value, groups)
		for g := range column {
			column[g] = x[per*g+q]
		}
		for p, v := range t.exchange(column) {
			rows[p] = append(rows[p], v)
		}
	}
	t.prog.when = second
	var out []*value
	for _, row := range rows {
		out = append(out, t.parts(row)...)
	}
	return out
}

// parts transposes 4x4 (2x2) reals in each 16-byte part.
func (t *target) parts(x []*value) []*value {
	if t.size == 8 {
		return []*value{t.shuffle("VUNPCKLPD", -1, x[0], x[1]), t.shuffle("VUNPCKHPD", -1, x[0], x[1])}
	}
	a, b := t.shuffle("VUNPCKLPS", -1, x[0], x[1]), t.shuffle("VUNPCKHPS", -1, x[0], x[1])
	c, d := t.shuffle("VUNPCKLPS", -1, x[2], x[3]), t.shuffle("VUNPCKHPS", -1, x[2], x[3])
	return []*value{
		t.shuffle("VUNPCKLPD", -1, a, c), t.shuffle("VUNPCKHPD", -1, a, c),
		t.shuffle("VUNPCKLPD", -1, b, d), t.shuffle("VUNPCKHPD", -1, b, d),
	}
}

// exchange transposes the matrix of 16-byte parts of 4 (2) registers.
func (t *target) exchange(u []*value) []*value {
	if !t.avx512 {
		return []*value{t.shuffle("VPERM2F128", 0x20, u[0], u[1]), t.shuffle("VPERM2F128", 0x31, u[0], u[1])}
	}
	name := map[int]string{4: "VSHUFF32X4", 8: "VSHUFF64X2"}[t.size]
	a, b := t.shuffle(name, 0x88, u[0], u[1]), t.shuffle(name, 0xdd, u[0], u[1])
	c, d := t.shuffle(name, 0x88, u[2], u[3]), t.shuffle(name, 0xdd, u[2], u[3])
	return []*value{t.shuffle(name, 0x88, a, c), t.shuffle(name, 0x88, b, d), t.shuffle(name, 0xdd, a, c), t.shuffle(name, 0xdd, b, d)}
}
