package gemm

import (
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Tall tiles are for products that lie in the L1 cache and have few columns: 14
// rows of 2 vectors, 28 sums. There are fewer of them than of lower ones, and
// each has a beginning and an end that cost as much as four steps. They ask for
// nothing ahead and have one loop.

// talls are the kinds that have them.
var talls = []kind{
	{name: "tallF32AVX512", doc: "f32", avx512: true, rows: 14, vecs: 2, elem: 4, fma: fmaPS},
	{name: "tallF64AVX512", doc: "f64", avx512: true, rows: 14, vecs: 2, elem: 8, fma: fmaPD},
}

// tallTiles makes a function of every kind. Body number i has i + 1 rows.
func (g *gen) tallTiles() {
	for _, k := range talls {
		t := tiler{gen: g, kind: k}
		t.text(t.name, "func(tile *uint64)", t.name+" runs a Tile of two vectors a row in cache: "+t.doc+".")
		t.Load(t.Param("tile"), reg.R12)
		t.KMOVQ(t.arg(tileMask), reg.K1)
		t.dispatch(t.rows)
		for i := range t.rows {
			t.Label(bodyLabel(i))
			t.tallBody(i + 1)
		}
	}
}

// tallBody is the code for m rows: an odd step, then two at a time.
func (t tiler) tallBody(m int) {
	b := body{tiler: t, m: m, nv: t.vecs}
	top, pairs, loop, done := t.label("tile"), t.label("pairs"), t.label("loop"), t.label("done")
	t.Label(top)
	b.loadOperands()
	b.clear(m * b.nv)
	t.MOVQ(t.arg(tileK), reg.RAX)
	t.BTRQ(operand.U8(0), reg.RAX)
	t.JCC(operand.LabelRef(pairs))
	b.step()
	t.Label(pairs)
	t.TESTQ(reg.RAX, reg.RAX)
	t.JZ(operand.LabelRef(done))
	t.Label(loop)
	b.step()
	b.step()
	t.SUBQ(operand.U8(2), reg.RAX)
	t.JNZ(operand.LabelRef(loop))
	t.Label(done)
	t.finishReal(m, b.nv)
	b.nextTile(top)
	t.VZEROUPPER()
	t.RET()
}
