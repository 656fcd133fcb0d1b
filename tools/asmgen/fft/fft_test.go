package fft

import (
	"fmt"
	"go/parser"
	"go/token"
	"math"
	"math/cmplx"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/printer"
	"github.com/mmcloughlin/avo/reg"
)

// evaluator runs a program on numbers instead of emitting it.
type evaluator struct {
	t      *testing.T
	inputs map[*value]float64
	consts map[string]float64 // by symbol
	done   map[*value]float64
}

func (e *evaluator) of(v *value) float64 {
	if x, ok := e.done[v]; ok {
		return x
	}
	x := e.compute(v)
	e.done[v] = x
	return x
}

// second is the operand that may be a constant in memory.
func (e *evaluator) second(v *value) float64 {
	if v.mem == nil {
		return e.of(v.b)
	}
	x, ok := e.consts[v.mem.Symbol.Name]
	if !ok {
		e.t.Fatalf("no constant %s", v.mem.Symbol.Name)
	}
	return x
}

func (e *evaluator) compute(v *value) float64 {
	switch {
	case v.kind == load:
		return e.inputs[v]
	case v.name == "VADD":
		return e.of(v.a) + e.second(v)
	case v.name == "VSUB":
		return e.of(v.a) - e.second(v)
	case v.name == "VMUL":
		return e.of(v.a) * e.second(v)
	case v.name == "VFMADD":
		return math.FMA(e.of(v.a), e.second(v), e.of(v.c))
	case v.name == "VFNMADD":
		return math.FMA(-e.of(v.a), e.second(v), e.of(v.c))
	}
	e.t.Fatalf("cannot evaluate %s", v.name)
	return 0
}

// constantsOf reads the values back from the data that constant made.
func constantsOf(t *testing.T, consts map[string]operand.Mem) map[string]float64 {
	out := map[string]float64{}
	for name, m := range consts {
		var bits uint64
		if _, err := fmt.Sscanf(name, "fftC64_%x", &bits); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		out[m.Symbol.Name] = math.Float64frombits(bits)
	}
	return out
}

// TestProgramsAreDFTs evaluates each codelet's program, as written and after
// balancing, against the definition.
func TestProgramsAreDFTs(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for _, r := range radices {
		tg := &target{Context: build.NewContext(), avx512: true, size: 8, consts: map[string]operand.Mem{}, prog: &program{}}
		e := &evaluator{t: t, inputs: map[*value]float64{}, done: map[*value]float64{}}
		x, in := make([]pair, r), make([]complex128, r)
		for k := range x {
			x[k] = pair{tg.load(operand.Mem{Disp: 16 * k}), tg.load(operand.Mem{Disp: 16*k + 8})}
			in[k] = complex(rng.NormFloat64(), rng.NormFloat64())
			e.inputs[x[k].re], e.inputs[x[k].im] = real(in[k]), imag(in[k])
		}
		y := tg.dft(x)
		e.consts = constantsOf(t, tg.consts)
		for j := range r {
			want := 0i
			for k := range r {
				want += in[k] * cmplx.Rect(1, -2*math.Pi*float64(j*k%r)/float64(r))
			}
			if got := complex(e.of(y[j].re), e.of(y[j].im)); cmplx.Abs(got-want) > 1e-13 {
				t.Errorf("radix %d: output %d is %v, want %v", r, j, got, want)
			}
		}
	}
}

// ofPacked evaluates a packed value of one number.
func (e *evaluator) ofPacked(v *value) complex128 {
	if v.kind == load {
		return complex(e.inputs[v], e.done[v])
	}
	a, b := e.ofPacked(v.a), complex(0, 0)
	if v.mem == nil {
		b = e.ofPacked(v.b)
	} else {
		var x, y uint64
		if n, _ := fmt.Sscanf(strings.TrimSuffix(v.mem.Symbol.Name, "<>"), "fftC64_%x_%x", &x, &y); n < 2 {
			y = x
		}
		b = complex(math.Float64frombits(x), math.Float64frombits(y))
	}
	times := complex(real(a)*real(b), imag(a)*imag(b))
	switch v.name {
	case "VADD":
		return a + b
	case "VSUB":
		return a - b
	case "VSHUFPD":
		return complex(imag(a), real(a))
	case "VFMADD":
		return e.ofPacked(v.c) + times
	case "VFNMADD":
		return e.ofPacked(v.c) - times
	}
	e.t.Fatalf("cannot evaluate %s", v.name)
	return 0
}

// TestPackedProgramsAreDFTs is the same of packed arithmetic.
func TestPackedProgramsAreDFTs(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 1))
	for _, r := range []int{2, 3, 4, 5, 6, 8, 10, 12, 15, 16, 20} {
		tg := &target{Context: build.NewContext(), size: 8, consts: map[string]operand.Mem{}, prog: &program{}}
		e := &evaluator{t: t, inputs: map[*value]float64{}, done: map[*value]float64{}}
		x, in := make([]*value, r), make([]complex128, r)
		for k := range x {
			x[k], in[k] = tg.load(operand.Mem{}), complex(rng.NormFloat64(), rng.NormFloat64())
			e.inputs[x[k]], e.done[x[k]] = real(in[k]), imag(in[k])
		}
		for j, y := range tg.packedDFT(x) {
			want := 0i
			for k := range r {
				want += in[k] * cmplx.Rect(1, -2*math.Pi*float64(j*k%r)/float64(r))
			}
			if got := e.ofPacked(y); cmplx.Abs(got-want) > 1e-13 {
				t.Errorf("radix %d: output %d is %v, want %v", r, j, got, want)
			}
		}
	}
}

// TestOperationCounts: the codelets cost what the literature's do, or less.
func TestOperationCounts(t *testing.T) {
	for r, limit := range map[int]int{2: 4, 3: 14, 4: 16, 5: 36, 8: 52, 16: 148} {
		tg := &target{Context: build.NewContext(), avx512: true, size: 4, consts: map[string]operand.Mem{}, prog: &program{}}
		x := make([]pair, r)
		for k := range x {
			x[k] = pair{tg.load(operand.Mem{}), tg.load(operand.Mem{})}
		}
		for _, y := range tg.dft(x) {
			tg.store(operand.Mem{}, y.re)
			tg.store(operand.Mem{}, y.im)
		}
		tg.prog.schedule()
		ops := 0
		for _, v := range tg.prog.code {
			if v.kind == binary || v.kind == fused {
				ops++
			}
		}
		if ops > limit {
			t.Errorf("radix %d takes %d operations, more than %d", r, ops, limit)
		}
	}
}

// TestTranspositionMovesEveryLane follows lane numbers through the shuffles.
func TestTranspositionMovesEveryLane(t *testing.T) {
	for _, avx512 := range []bool{false, true} {
		for _, size := range []int{4, 8} {
			tg := &target{Context: build.NewContext(), avx512: avx512, size: size, consts: map[string]operand.Mem{}, prog: &program{}}
			w := tg.lanes()
			rows, lanes := make([]*value, w), map[*value][]int{}
			for i := range rows {
				rows[i] = tg.load(operand.Mem{})
				for l := range w {
					lanes[rows[i]] = append(lanes[rows[i]], i*w+l)
				}
			}
			for l, v := range tg.transposed(rows, soon) {
				for i, got := range shuffled(t, v, lanes, 16/size) {
					if got != i*w+l {
						t.Fatalf("%s: row %d lane %d holds %d, want %d", tg.suffix(), l, i, got, i*w+l)
					}
				}
			}
		}
	}
}

// shuffled is what a shuffle makes of the lanes of its operands, per numbers to
// 16 bytes (Intel's manual, volume 2).
func shuffled(t *testing.T, v *value, known map[*value][]int, per int) []int {
	if l, ok := known[v]; ok {
		return l
	}
	a, b := shuffled(t, v.a, known, per), shuffled(t, v.b, known, per)
	out := make([]int, len(a))
	unit, half := 1, 0 // of an unpack: numbers that move together, which half
	switch {
	case v.name == "VPERM2F128" || strings.HasPrefix(v.name, "VSHUFF"):
		parts := len(a) / per
		src := func(part int) []int { return part4(v, part, parts, a, b, per) }
		for p := range parts {
			copy(out[p*per:], src(p))
		}
		known[v] = out
		return out
	case v.name == "VUNPCKLPD" || v.name == "VUNPCKHPD":
		unit = per / 2
	case v.name != "VUNPCKLPS" && v.name != "VUNPCKHPS":
		t.Fatalf("no model of %s", v.name)
	}
	if strings.Contains(v.name, "CKH") {
		half = per / 2
	}
	for base := 0; base < len(a); base += per {
		for i := range per / 2 {
			to := base + i/unit*2*unit + i%unit
			out[to], out[to+unit] = a[base+half+i], b[base+half+i]
		}
	}
	known[v] = out
	return out
}

// part4 is 16-byte part p of a VPERM2F128 or VSHUFF of a and b.
func part4(v *value, p, parts int, a, b []int, per int) []int {
	if parts == 2 { // VPERM2F128: two bits choose among four parts
		sel := v.imm >> (4 * p) & 3
		return append(append([]int(nil), a...), b...)[sel*per:][:per]
	}
	from := a
	if p >= 2 {
		from = b
	}
	return from[v.imm>>(2*p)&3*per:][:per]
}

// TestGenerate makes everything, and reads the table as Go.
func TestGenerate(t *testing.T) {
	ctx := build.NewContext()
	Generate(ctx)
	file, err := ctx.Result()
	if err != nil {
		t.Fatal(err)
	}
	if text, err := printer.NewGoAsm(printer.Config{Pkg: "simd"}).Print(file); err != nil || !strings.Contains(string(text), "VFMADD231PS") {
		t.Fatal("no assembly", err)
	}
	files, err := GoFiles()
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		if _, err := parser.ParseFile(token.NewFileSet(), name, text, 0); err != nil {
			t.Error(err)
		}
	}
}

// TestSpilling: with few registers the program still computes, by way of the
// frame, and never reads what it has not written.
func TestSpilling(t *testing.T) {
	ctx := build.NewContext()
	ctx.Function("f")
	ctx.SignatureExpr("func()")
	tg := &target{Context: ctx, avx512: true, size: 8, consts: map[string]operand.Mem{}, prog: &program{}}
	x := make([]pair, 16)
	for k := range x {
		p := pair{tg.load(operand.Mem{Base: reg.RSI, Disp: k}), tg.load(operand.Mem{Base: reg.RSI, Disp: -k - 1})}
		p.re.input, p.im.input = true, true
		x[k] = p
	}
	for _, y := range tg.dft(x) {
		tg.store(operand.Mem{Base: reg.RDI}, y.re)
		tg.store(operand.Mem{Base: reg.RDI}, y.im)
	}
	tg.emit(tg.prog, []int{0, 1, 2, 3, 4, 5, 6, 7})
	file, err := ctx.Result()
	if err != nil {
		t.Fatal(err)
	}
	written := map[string]bool{}
	for _, i := range file.Functions()[0].Instructions() {
		for n, op := range i.Operands {
			m, ok := op.(operand.Mem)
			if !ok || m.Base != frame {
				continue
			}
			if n == len(i.Operands)-1 {
				written[m.Asm()] = true
			} else if !written[m.Asm()] {
				t.Fatalf("%s is read before it is written", m.Asm())
			}
		}
	}
	if len(written) == 0 {
		t.Error("sixteen points in eight registers, and nothing was spilled")
	}
}
