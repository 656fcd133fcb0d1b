package tests

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
)

// array is what a buffer of a soak should hold: a matrix of f32 whose values
// are small integers, so that every operation on it is exact in any order. A
// buffer cut short holds raw bytes alone.
type array struct {
	rows, cols int
	v          []float32
	raw        []byte // if cut short; v is nil then
}

func newArray(rows, cols int) *array {
	return &array{rows: rows, cols: cols, v: make([]float32, rows*cols)}
}

func randomArray(rng *rand.Rand, rows, cols int) *array {
	a := newArray(rows, cols)
	for i := range a.v {
		a.v[i] = float32(rng.IntN(17) - 8)
	}
	return a
}

// bytes is the file.
func (a *array) bytes() []byte {
	if a.v == nil {
		return a.raw
	}
	out := npyHeader("<f4", a.rows, a.cols)
	for _, v := range a.v {
		b := math.Float32bits(v)
		out = append(out, byte(b), byte(b>>8), byte(b>>16), byte(b>>24))
	}
	return out
}

func (a *array) header() int64 { return int64(len(npyHeader("<f4", a.rows, a.cols))) }

func (a *array) same(b *array) bool { return a.rows == b.rows && a.cols == b.cols }

// each makes an array of a's shape.
func (a *array) each(f func(i, j int) float32) *array {
	out := newArray(a.rows, a.cols)
	for i := range a.rows {
		for j := range a.cols {
			out.v[i*a.cols+j] = f(i, j)
		}
	}
	return out
}

func (a *array) at(i, j int) float32 { return a.v[i*a.cols+j] }

func clip(v float32) float32 { return min(max(v, -8), 8) }

// operation is a command with operands X and Y, output Z, and what it makes; nil
// if it is not for these operands.
type operation struct {
	line string
	make func(x, y *array) *array
}

var operations = []operation{
	{"copy X Z", func(x, _ *array) *array { return x.each(x.at) }},
	{"flip X Z axes=1", func(x, _ *array) *array {
		return x.each(func(i, j int) float32 { return x.at(i, x.cols-1-j) })
	}},
	{"map 'z = min(max(2*x - y, -8), 8)' x=X y=Y z=Z", func(x, y *array) *array {
		if !x.same(y) {
			return nil
		}
		return x.each(func(i, j int) float32 { return clip(2*x.at(i, j) - y.at(i, j)) })
	}},
	{"map 'z = where(x > 0, -x, x + 1)' x=X z=Z", func(x, _ *array) *array {
		return x.each(func(i, j int) float32 {
			if v := x.at(i, j); v > 0 {
				return -v
			} else {
				return v + 1
			}
		})
	}},
	{"transpose X Z", func(x, _ *array) *array {
		out := newArray(x.cols, x.rows)
		for i := range x.rows {
			for j := range x.cols {
				out.v[j*x.rows+i] = x.at(i, j)
			}
		}
		return out
	}},
	{"sort X Z", func(x, _ *array) *array {
		out := x.each(x.at)
		for i := range x.rows {
			slices.Sort(out.v[i*x.cols : (i+1)*x.cols])
		}
		return out
	}},
	{"max X Z axis=0 keepdims=true", func(x, _ *array) *array {
		out := newArray(1, x.cols)
		for j := range x.cols {
			out.v[j] = -8
			for i := range x.rows {
				out.v[j] = max(out.v[j], x.at(i, j))
			}
		}
		return out
	}},
	{"gemm X Y Z", func(x, y *array) *array {
		if x.cols != y.rows || x.rows*x.cols*y.cols > 5e7 || x.cols > 1000 {
			return nil
		}
		out := newArray(x.rows, y.cols)
		for i := range x.rows {
			for k := range x.cols {
				axpy(x.at(i, k), y.v[k*y.cols:(k+1)*y.cols], out.v[i*y.cols:])
			}
		}
		return out
	}},
}

func axpy(a float32, x, y []float32) {
	for i, v := range x {
		y[i] += a * v
	}
}

// command writes an operation's line.
func (o operation) command(x, y, z string) string {
	return strings.NewReplacer("X", x, "Y", y, "Z", z).Replace(o.line)
}

// model is what the buffers should hold.
type model map[string]*array

// names in order, for choices that a seed repeats.
func (m model) names(fits func(*array) bool) []string {
	var out []string
	for name, a := range m {
		if fits(a) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

func (m model) pick(rng *rand.Rand, fits func(*array) bool) (string, bool) {
	list := m.names(fits)
	if len(list) == 0 {
		return "", false
	}
	return list[rng.IntN(len(list))], true
}

// shape is one of a few kinds: tiny, some pages, megabytes, and now and then
// almost all of the memory there is.
func shape(rng *rand.Rand) (rows, cols int) {
	switch rng.IntN(8) {
	case 0:
		return 1 + rng.IntN(3), 1 + rng.IntN(5)
	case 1, 2:
		return 100, 100 * (1 + rng.IntN(3))
	case 3:
		return 1500, 2000
	default:
		return 700, 300 + 400*rng.IntN(2)
	}
}

func (a *array) String() string { return fmt.Sprintf("%dx%d", a.rows, a.cols) }
