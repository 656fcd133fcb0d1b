package gemm

import (
	"github.com/mmcloughlin/avo/ir"
	"github.com/mmcloughlin/avo/operand"
)

// vdpbf16ps emits VDPBF16PS b, a, d on vectors of 32 or 64 bytes: 32-bit lane
// i of d gains a[2i+1]·b[2i+1] + a[2i]·b[2i]. Neither avo nor Go's assembler
// knows it, so it goes out as bytes: EVEX.F3.0F38.W0 52 /r (Intel SDM, volume 2).
func (g *gen) vdpbf16ps(bytes, b, a, d int) {
	const map0F38, ppF3, fixed = 2, 2, 4
	p0 := map0F38 | inv(d, 3)<<7 | inv(b, 4)<<6 | inv(b, 3)<<5 | inv(d, 4)<<4
	p1 := ppF3 | fixed | (^uint8(a)&15)<<3
	p2 := uint8(bytes/32)<<5 | inv(a, 4)<<3
	modrm := 0xc0 | uint8(d&7)<<3 | uint8(b&7)
	g.Commentf("VDPBF16PS %d, %d, %d (%d bytes)", b, a, d, bytes)
	for _, code := range []uint8{0x62, p0, p1, p2, 0x52, modrm} {
		g.Instruction(&ir.Instruction{Opcode: "BYTE", Operands: []operand.Op{operand.U8(code)}})
	}
}

// inv is bit n of x, inverted, as EVEX stores the high bits of registers.
func inv(x, n int) uint8 { return uint8(^x>>n) & 1 }
