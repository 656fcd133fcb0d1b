// Package gemm generates the micro-kernels of matrix multiplication, the
// packing of their operands, and the loops that measure a core's peak.
package gemm

import (
	"github.com/mmcloughlin/avo/attr"
	"github.com/mmcloughlin/avo/build"
)

// Generate adds the family's routines to c.
func Generate(c *build.Context) {
	g := &gen{Context: c}
	g.peaks()
	g.tiles()
	g.packs()
	g.dots()
	g.packRowsAVX2()
}

// gen is a build context with what avo lacks. All its code uses physical
// registers: the tiles fill the register file, so there is nothing for avo's
// allocator to choose.
type gen struct {
	*build.Context
	labels int // labels made so far
}

// text begins a leaf function without a frame.
func (g *gen) text(name, signature string, doc ...string) {
	g.Function(name)
	g.Attributes(attr.NOSPLIT)
	g.SignatureExpr(signature)
	g.Pragma("noescape")
	g.Doc(doc...)
}
