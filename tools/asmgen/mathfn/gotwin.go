package mathfn

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// twin translates a program into a scalar Go function.
type twin struct {
	p     *Program
	names map[*Value]string
	taken map[string]bool
	out   strings.Builder
}

// goOne gives the Go text of r's scalar function.
func goOne(r *Routine) string {
	t := &twin{p: r.Build(GoTwin), names: map[*Value]string{}, taken: map[string]bool{}}
	t.printf("\nfunc %sOne(%s) %s {\n", unexported(r.Name), r.goParams(func(p Param) string { return p.Elem.Go }), r.Dst.Go)
	for _, p := range r.Params {
		t.taken[p.Name] = true
	}
	for _, v := range t.p.vals {
		t.statement(v)
	}
	t.printf("\treturn %s\n}\n", t.result())
	return t.out.String()
}

// goTables declares what the routines look up.
func goTables(rs []*Routine) string {
	var s strings.Builder
	var done []*table
	for _, r := range rs {
		for _, t := range r.Build(GoTwin).tables() {
			if slices.Contains(done, t) {
				continue
			}
			done = append(done, t)
			fmt.Fprintf(&s, "\nvar %s = [%d]float64{\n", t.name, tableSize)
			for _, v := range t.vals {
				fmt.Fprintf(&s, "\t%s,\n", strconv.FormatFloat(v, 'x', -1, 64))
			}
			s.WriteString("}\n")
		}
	}
	return s.String()
}

// goLoop gives the loop over it.
func goLoop(r *Routine) string {
	var s strings.Builder
	name := unexported(r.Name)
	fmt.Fprintf(&s, "\nfunc %sGo(dst []%s, %s) {\n", name, r.Dst.Go, r.goParams(Param.goType))
	var args []string
	for _, p := range r.Params {
		if p.Scalar {
			args = append(args, p.Name)
			continue
		}
		fmt.Fprintf(&s, "\t%s = %s[:len(dst)]\n", p.Name, p.Name)
		args = append(args, p.Name+"[i]")
	}
	fmt.Fprintf(&s, "\tfor i := range dst {\n\t\tdst[i] = %sOne(%s)\n\t}\n}\n", name, strings.Join(args, ", "))
	return s.String()
}

// goType is the parameter's type in Go functions.
func (p Param) goType() string {
	if p.Scalar {
		return p.Elem.Go
	}
	return "[]" + p.Elem.Go
}

func (r *Routine) goParams(typ func(Param) string) string {
	var ps []string
	for _, p := range r.Params {
		ps = append(ps, p.Name+" "+typ(p))
	}
	return strings.Join(ps, ", ")
}

func (t *twin) printf(format string, args ...any) { fmt.Fprintf(&t.out, format, args...) }

func (t *twin) statement(v *Value) {
	switch v.op {
	case OpConst, OpCast:
		return
	case OpInput:
		t.input(v)
		return
	}
	name := t.name(v)
	t.printf("\t%s := %s\n", name, t.expr(v))
	if v == t.p.bail {
		var args []string
		for _, p := range t.p.r.Params {
			args = append(args, p.Name)
		}
		other := t.p.r.Huge
		if t.p.r.Long != "" {
			other = t.p.r.Long + "One"
		}
		t.printf("\tif %s {\n\t\treturn %s(%s)\n\t}\n", name, other, strings.Join(args, ", "))
	}
}

// name picks an identifier for v's variable.
func (t *twin) name(v *Value) string {
	name := v.name
	if name == "" || t.taken[name] {
		name = fmt.Sprintf("t%d", v.id)
	}
	t.taken[name] = true
	t.names[v] = name
	return name
}

// input converts a parameter to the lane's type.
func (t *twin) input(v *Value) {
	p := t.p.r.Params[v.imm]
	lane := t.lane(v.kind)
	switch {
	case p.Elem.Go == lane:
		t.names[v] = p.Name
	case p.Elem == F16:
		t.printf("\t%sLane := F16ToF32(%s)\n", p.Name, p.Name)
		t.names[v] = p.Name + "Lane"
	default:
		t.names[v] = fmt.Sprintf("%s(%s)", lane, p.Name)
	}
}

// result converts the program's value to the destination's type.
func (t *twin) result() string {
	out, dst := t.p.out, t.p.r.Dst
	s := t.ref(out)
	switch {
	case out.kind == Mask:
		return "byteOfBool(" + s + ")"
	case dst.Go == t.lane(out.kind):
		return s
	case dst == F16:
		return "F32ToF16(" + s + ")"
	}
	return dst.Go + "(" + s + ")"
}

// lane is the Go type of a lane.
func (t *twin) lane(k Kind) string {
	switch k {
	case Float:
		return fmt.Sprintf("float%d", t.p.bits)
	case Int:
		return fmt.Sprintf("uint%d", t.p.bits)
	}
	return "bool"
}

// ref is v as an operand.
func (t *twin) ref(v *Value) string {
	switch v.op {
	case OpConst:
		return fmt.Sprintf("%#x", v.imm)
	case OpCast:
		src := v.args[0]
		switch {
		case src.op == OpConst:
			return t.floatConst(src.imm)
		case v.kind == Float:
			return fmt.Sprintf("math.Float%dfrombits(%s)", t.p.bits, t.ref(src))
		}
		return fmt.Sprintf("math.Float%dbits(%s)", t.p.bits, t.ref(src))
	}
	return t.names[v]
}

// floatConst writes a float so that Go reads the same bits.
func (t *twin) floatConst(bits uint64) string {
	f := math.Float64frombits(bits)
	if t.p.bits == 32 {
		f = float64(math.Float32frombits(uint32(bits)))
	}
	if f == 0 && bits != 0 || math.IsInf(f, 0) || math.IsNaN(f) {
		return fmt.Sprintf("math.Float%dfrombits(%#x)", t.p.bits, bits)
	}
	s := strconv.FormatFloat(f, 'x', -1, 64)
	if f == math.Trunc(f) && math.Abs(f) < 1e6 {
		s = strconv.FormatFloat(f, 'f', 1, 64)
	}
	return fmt.Sprintf("float%d(%s)", t.p.bits, s)
}

var infix = map[Op]string{
	OpFAdd: "%s + %s", OpFSub: "%s - %s", OpFDiv: "%s / %s",
	OpFMin: "lesser(%s, %s)", OpFMax: "greater(%s, %s)",
	OpAnd: "%s & %s", OpOr: "%s | %s", OpXor: "%s ^ %s",
	OpIAdd: "%s + %s", OpISub: "%s - %s", OpIMul: "%s * %s",
	OpIMinU: "min(%s, %s)", OpIMaxU: "max(%s, %s)",
	OpIEq: "%s == %s", OpMAnd: "%s && %s", OpMOr: "%s || %s", OpMNot: "!%s", OpSel: "sel(%s, %s, %s)",
}

// expr is v's operation on its operands. A product is converted to its own
// type, which forbids the compiler to fuse it with a sum.
func (t *twin) expr(v *Value) string {
	var args []any
	for _, a := range v.args {
		args = append(args, t.ref(a))
	}
	n := t.p.bits
	f := func(format string) string { return fmt.Sprintf(format, args...) }
	if format, ok := infix[v.op]; ok {
		return f(format)
	}
	switch v.op {
	case OpFMul:
		return f("float" + strconv.Itoa(n) + "(%s * %s)")
	case OpFMA:
		return f(t.fma() + "(%s, %s, %s)")
	case OpFNMA:
		return f(t.fma() + "(-(%s), %s, %s)")
	case OpFMS:
		return f(t.fma() + "(%s, %s, -(%s))")
	case OpFSqrt:
		return t.viaFloat64("math.Sqrt", args[0])
	case OpRound:
		return t.viaFloat64([]string{"math.RoundToEven", "math.Floor", "math.Ceil", "math.Trunc"}[v.imm], args[0])
	case OpShl:
		return fmt.Sprintf("%s << %d", args[0], v.imm)
	case OpShr:
		return fmt.Sprintf("%s >> %d", args[0], v.imm)
	case OpCmp:
		return f(map[uint64]string{predEq: "%s == %s", predLt: "%s < %s", predLe: "%s <= %s",
			predNe: "%s != %s", predUnord: "%s != %s"}[v.imm])
	case OpIGt:
		return fmt.Sprintf("int%d(%s) > int%d(%s)", n, args[0], n, args[1])
	case OpIMinS:
		return fmt.Sprintf("uint%d(min(int%d(%s), int%d(%s)))", n, n, args[0], n, args[1])
	case OpIMaxS:
		return fmt.Sprintf("uint%d(max(int%d(%s), int%d(%s)))", n, n, args[0], n, args[1])
	case OpIToF:
		return fmt.Sprintf("float%d(int%d(%s))", n, n, args[0])
	case OpFToI:
		return fmt.Sprintf("truncToI%d(%s)", n, args[0])
	case OpLookup:
		return fmt.Sprintf("%s[%s]", v.from.name, args[0])
	}
	panic(fmt.Sprintf("mathfn: no Go for operation %d", v.op))
}

func (t *twin) fma() string {
	if t.p.bits == 32 {
		return "fma32"
	}
	return "math.FMA"
}

// viaFloat64 calls a float64 function whose result, rounded, is exact for float32.
func (t *twin) viaFloat64(fn string, arg any) string {
	if t.p.bits == 32 {
		return fmt.Sprintf("float32(%s(float64(%s)))", fn, arg)
	}
	return fmt.Sprintf("%s(%s)", fn, arg)
}
