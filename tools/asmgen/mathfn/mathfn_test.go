package mathfn

import (
	"bytes"
	"go/parser"
	"go/token"
	"math"
	"strings"
	"testing"

	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/pass"
	"github.com/mmcloughlin/avo/printer"
)

// assembly compiles what generate adds and gives the text.
func assembly(t *testing.T, generate func(c *build.Context)) string {
	t.Helper()
	c := build.NewContext()
	generate(c)
	file, err := c.Result()
	if err != nil {
		t.Fatal(err)
	}
	if err := pass.Compile.Execute(file); err != nil {
		t.Fatal(err)
	}
	text, err := printer.NewGoAsm(printer.Config{Pkg: "simd"}).Print(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestFamilies makes every family twice: it must assemble, its Go must parse,
// every routine must be there for both instruction sets, and the texts must be the same.
func TestFamilies(t *testing.T) {
	for _, f := range Families() {
		t.Run(f.Name, func(t *testing.T) {
			text := assembly(t, f.Generate)
			if again := assembly(t, f.Generate); again != text {
				t.Error("the assembly differs from run to run")
			}
			for _, r := range f.routines {
				if !strings.Contains(text, "·"+r.asmName(AVX512)+"(SB)") {
					t.Errorf("no %s", r.asmName(AVX512))
				}
				if has := strings.Contains(text, "·"+r.asmName(AVX2)+"(SB)"); has == r.NoAVX2 {
					t.Errorf("%s: AVX2 %v", r.Name, has)
				}
			}
			checkGo(t, f)
		})
	}
}

func checkGo(t *testing.T, f Family) {
	files, err := f.GoFiles()
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		if _, err := parser.ParseFile(token.NewFileSet(), name, text, 0); err != nil {
			t.Error(err)
		}
		if !bytes.HasPrefix(text, []byte("// Code generated ")) || !bytes.Contains(text, []byte("DO NOT EDIT.")) {
			t.Errorf("%s has no marker", name)
		}
	}
}

// crowded keeps n values alive at once: x+1, x+2, ..., then their product.
func crowded(n int) *Routine {
	return elementwise("Crowded", F32, "", func(b *Builder, in []*Value) *Value {
		var vs []*Value
		for i := range n {
			vs = append(vs, b.Add(in[0], b.C(float64(i+1))))
		}
		p := vs[0]
		for _, v := range vs[1:] {
			p = b.Mul(p, v)
		}
		return p
	}, "x")
}

// TestSpills wants the stack to be used when, and only when, the registers
// are too few, and every value that comes back to have been stored.
func TestSpills(t *testing.T) {
	for _, c := range []struct {
		isa    Target
		values int
		spills bool
	}{{AVX2, 8, false}, {AVX2, 24, true}, {AVX512, 24, false}, {AVX512, 48, true}} {
		text := assembly(t, func(b *build.Context) {
			pl := newPool("constants")
			assemble(b, pl, crowded(c.values), c.isa, false)
			pl.emit(b)
		})
		stores, loads := 0, 0
		for line := range strings.Lines(text) {
			stores += strings.Count(line, "(SP)\n")
			loads += strings.Count(line, "(SP), ")
		}
		if (stores > 0) != c.spills || stores != loads {
			t.Errorf("%d values on target %d: %d stores to the stack, %d loads from it", c.values, c.isa, stores, loads)
		}
	}
}

// TestPowTables wants every part of the logarithm's table to have its middle, and log(C) in two words.
func TestPowTables(t *testing.T) {
	for i := range tableSize {
		from, to := math.Float64frombits(powRoot+uint64(i)<<48), math.Float64frombits(powRoot+uint64(i+1)<<48)
		c := 2 * powHalf.vals[i]
		if c <= from || c >= to || max(c/from, to/c) > 1.032 {
			t.Errorf("part %d, [%v, %v), has the middle %v", i, from, to, c)
		}
		high, low := powHigh.vals[i], powLow.vals[i]
		if math.Abs(high+low-math.Log(c)) > 0x1p-53 || math.Abs(low) > 0x1p-42 || math.Ldexp(high, 41) != math.Trunc(math.Ldexp(high, 41)) {
			t.Errorf("log(%v) is %v + %v", c, high, low)
		}
	}
}

// TestLookup wants a table in two registers of AVX-512, to which an index's high bits do not matter, and a gather
// with a masked index on AVX2; and the table once in the constants.
func TestLookup(t *testing.T) {
	tab := table{name: "squares"}
	for i := range tab.vals {
		tab.vals[i] = float64(i * i)
	}
	r := elementwise("Square", F64, "", func(b *Builder, in []*Value) *Value {
		x := b.AsI(in[0])
		return b.Add(b.Lookup(&tab, x), b.Lookup(&tab, b.Shr(x, 4)))
	}, "x")
	for isa, want := range map[Target][2]int{AVX512: {4, 0}, AVX2: {0, 2}} { // of two lookups, and those of the tail
		text := assembly(t, func(b *build.Context) {
			pl := newPool("constants")
			assemble(b, pl, r, isa, false)
			pl.emit(b)
		})
		if got := [2]int{strings.Count(text, "VPERMI2PD"), strings.Count(text, "VGATHERQPD")}; got != want {
			t.Errorf("target %d: %v permutations and gathers, want %v", isa, got, want)
		}
		if n := strings.Count(text, "DATA constants_squares<>"); n != tableSize {
			t.Errorf("target %d: %d elements of the table", isa, n)
		}
	}
	if text := goTables([]*Routine{r, r}); strings.Count(text, "var squares = ") != 1 || !strings.Contains(text, "0x1.c2p+07") {
		t.Errorf("the twin's table: %s", text)
	}
	if text := goOne(r); !strings.Contains(text, "squares[") || strings.Count(text, "& 0xf") != 2 {
		t.Errorf("the twin: %s", text)
	}
}

// TestBuilder checks what the recorder simplifies.
func TestBuilder(t *testing.T) {
	b := &Builder{Target: GoTwin, Bits: 32, consts: map[uint64]*Value{}}
	one, again := root(b.C(1)), root(b.C(1))
	if b.C(1) == b.C(2) || one != again {
		t.Error("constants are not told apart, or not shared")
	}
	if v := root(b.Neg(b.C(1))); v.op != OpConst || v.imm != 0xbf800000 {
		t.Errorf("-1 is %v", v)
	}
	x := b.input(0, Param{Name: "x", Elem: F32})
	if b.AsF(b.AsI(x)) != x {
		t.Error("there and back is not nothing")
	}
	unused := b.Mul(x, x)
	for _, v := range live(b.vals, b.Add(x, b.C(1)), nil) {
		if v == unused {
			t.Error("an unused value stays")
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("an integer passes for a float")
		}
	}()
	b.Add(x, b.K(1))
}
