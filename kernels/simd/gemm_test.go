package simd

import (
	"testing"
)

func TestPeak(t *testing.T) {
	for _, typ := range []GemmType{GemmF32, GemmF64, GemmBF16, GemmVNNI, GemmI16} {
		t.Log(typ, Peak(typ)/1e9)
	}
}

func BenchmarkTile(b *testing.B) {
	for _, isa := range []ISA{AVX2, AVX512} {
		for _, typ := range []GemmType{GemmF32, GemmF64, GemmC64, GemmC128, GemmBF16, GemmVNNI, GemmI16} {
			k := Gemm(typ, isa)
			if k == nil || k.ISA != isa {
				continue
			}
			b.Run(k.String(), func(b *testing.B) {
				const K = 256
				e := typ.ElemBytes()
				A, B, C := make([]byte, K*k.MR*e+64), make([]byte, K*k.NR*e+64), make([]byte, k.MR*k.NR*typ.SumBytes())
				t := &Tile{K: K, A: PtrTo(A), ARow: e, AStep: k.MR * e, B: PtrTo(B), BStep: k.NR * e, C: PtrTo(C), CRow: k.NR * typ.SumBytes()}
				if typ == GemmVNNI || typ == GemmI16 {
					t.ScaleInt(1, 1)
				} else {
					t.Scale(typ, 1, 1, false, false)
				}
				for b.Loop() {
					k.Run(t, k.MR, k.NR)
				}
				ops := 2 * float64(K*k.MR*k.NR*typ.Group())
				if typ.Complex() {
					ops *= 4
				}
				b.ReportMetric(ops*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
			})
		}
	}
}
