package gemm

import (
	"fmt"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// peakChains is the number of independent multiply-adds in flight: more than
// latency times throughput of any core so far (5 cycles, 2 a cycle).
const peakChains = 12

// peaks makes the loops that run multiply-adds on registers alone.
func (g *gen) peaks() {
	g.peak("peakF32AVX512", func(b, a, d int) { g.VFMADD231PS(zmm(b), zmm(a), zmm(d)) })
	g.peak("peakF64AVX512", func(b, a, d int) { g.VFMADD231PD(zmm(b), zmm(a), zmm(d)) })
	g.peak("peakI8VNNI", func(b, a, d int) { g.VPDPBUSD(zmm(b), zmm(a), zmm(d)) })
	g.peak("peakBF16", func(b, a, d int) { g.vdpbf16ps(64, b, a, d) })
	g.peak("peakF32AVX2", func(b, a, d int) { g.VFMADD231PS(ymm(b), ymm(a), ymm(d)) })
	g.peak("peakF64AVX2", func(b, a, d int) { g.VFMADD231PD(ymm(b), ymm(a), ymm(d)) })
	g.peak("peakI16AVX2", func(b, a, d int) { // a multiply-add of pairs takes two instructions
		g.VPMADDWD(ymm(b), ymm(a), ymm(peakChains+2))
		g.VPADDD(ymm(peakChains+2), ymm(d), ymm(d))
	})
}

func (g *gen) peak(name string, fma func(b, a, d int)) {
	g.text(name, "func(n int)", fmt.Sprintf("%s runs n rounds of %d independent multiply-adds.", name, peakChains))
	g.Load(g.Param("n"), reg.RAX)
	for i := range peakChains + 2 {
		g.VXORPS(ymm(i), ymm(i), ymm(i))
	}
	g.Label("loop")
	for i := range peakChains {
		fma(peakChains, peakChains+1, i)
	}
	g.DECQ(reg.RAX)
	g.JNZ(operand.LabelRef("loop"))
	g.VZEROUPPER()
	g.RET()
}

func zmm(i int) reg.Register { return zmms[i] }
func ymm(i int) reg.Register { return zmms[i].AsY() }
func xmm(i int) reg.Register { return zmms[i].AsX() }

var zmms = [32]reg.VecPhysical{
	reg.Z0, reg.Z1, reg.Z2, reg.Z3, reg.Z4, reg.Z5, reg.Z6, reg.Z7,
	reg.Z8, reg.Z9, reg.Z10, reg.Z11, reg.Z12, reg.Z13, reg.Z14, reg.Z15,
	reg.Z16, reg.Z17, reg.Z18, reg.Z19, reg.Z20, reg.Z21, reg.Z22, reg.Z23,
	reg.Z24, reg.Z25, reg.Z26, reg.Z27, reg.Z28, reg.Z29, reg.Z30, reg.Z31,
}
