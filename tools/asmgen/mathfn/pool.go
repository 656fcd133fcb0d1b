package mathfn

import (
	"math"
	"slices"

	"github.com/mmcloughlin/avo/attr"
	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
)

// poolEntry is the size of a constant in the pool: replicated to an AVX2
// vector, so that AVX2 code can use it as a memory operand. AVX-512 code
// broadcasts its first lane.
const poolEntry = 32

// pool collects the constants of a file into one read-only table.
type pool struct {
	name    string
	offsets map[constant]int
	order   []constant
	tables  []*table
}

type constant struct {
	bits  int
	value uint64
}

func newPool(name string) *pool { return &pool{name: name, offsets: map[constant]int{}} }

func (p *pool) addr(k constant) operand.Mem {
	off, ok := p.offsets[k]
	if !ok {
		off = len(p.order) * poolEntry
		p.offsets[k] = off
		p.order = append(p.order, k)
	}
	return operand.NewDataAddr(operand.NewStaticSymbol(p.name), off)
}

// table is the place of so many bytes into a table of values.
func (p *pool) table(t *table, offset int) operand.Mem {
	if !slices.Contains(p.tables, t) {
		p.tables = append(p.tables, t)
	}
	return operand.NewDataAddr(operand.NewStaticSymbol(p.name+"_"+t.name), offset)
}

// emit writes the constants and tables, after the functions that refer to them.
func (p *pool) emit(c *build.Context) {
	for _, t := range p.tables {
		c.StaticGlobal(p.name + "_" + t.name)
		c.DataAttributes(attr.RODATA | attr.NOPTR)
		for _, v := range t.vals {
			c.AppendDatum(operand.U64(math.Float64bits(v)))
		}
	}
	if len(p.order) == 0 {
		return
	}
	c.StaticGlobal(p.name)
	c.DataAttributes(attr.RODATA | attr.NOPTR)
	for _, k := range p.order {
		word := k.value
		for n := k.bits; n < 64; n *= 2 {
			word |= word << n
		}
		for range poolEntry / 8 {
			c.AppendDatum(operand.U64(word))
		}
	}
}
