package simd

import (
	"testing"
	"unsafe"
)

// TestTileLayout pins the offsets that tools/asmgen/gemm/tile.go knows.
func TestTileLayout(t *testing.T) {
	var x Tile
	for i, f := range []struct{ got, want uintptr }{
		{unsafe.Offsetof(x.K), 0}, {unsafe.Offsetof(x.A), 8}, {unsafe.Offsetof(x.ARow), 16},
		{unsafe.Offsetof(x.AStep), 24}, {unsafe.Offsetof(x.B), 32}, {unsafe.Offsetof(x.BStep), 40},
		{unsafe.Offsetof(x.C), 48}, {unsafe.Offsetof(x.CRow), 56}, {unsafe.Offsetof(x.Init), 64},
		{unsafe.Offsetof(x.Tiles), 72}, {unsafe.Offsetof(x.ANext), 80}, {unsafe.Offsetof(x.BNext), 88},
		{unsafe.Offsetof(x.CNext), 96}, {unsafe.Offsetof(x.INext), 104}, {unsafe.Offsetof(x.pack), 112},
		{unsafe.Offsetof(x.ahead), 120}, {unsafe.Offsetof(x.run), 128}, {unsafe.Offsetof(x.jump), 136},
		{unsafe.Offsetof(x.runs), 144}, {unsafe.Offsetof(x.left), 152}, {unsafe.Offsetof(x.step), 160},
		{unsafe.Offsetof(x.body), 168}, {unsafe.Offsetof(x.mask), 176}, {unsafe.Offsetof(x.flags), 184},
		{unsafe.Offsetof(x.maskP), 192}, {unsafe.Offsetof(x.alpha), 200}, {unsafe.Offsetof(x.alphaIm), 216},
		{unsafe.Offsetof(x.beta), 232}, {unsafe.Offsetof(x.betaIm), 248}, {unsafe.Offsetof(x.sign1), 264},
		{unsafe.Offsetof(x.sign2), 280}, {unsafe.Offsetof(x.Flip), 296},
	} {
		if f.got != f.want {
			t.Errorf("field %d lies at %d, the assembly reads %d", i, f.got, f.want)
		}
	}
}
