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
		{unsafe.Offsetof(x.C), 48}, {unsafe.Offsetof(x.CRow), 56}, {unsafe.Offsetof(x.body), 64},
		{unsafe.Offsetof(x.mask), 72}, {unsafe.Offsetof(x.flags), 80}, {unsafe.Offsetof(x.Init), 88},
		{unsafe.Offsetof(x.maskP), 96}, {unsafe.Offsetof(x.alpha), 104}, {unsafe.Offsetof(x.alphaIm), 120},
		{unsafe.Offsetof(x.beta), 136}, {unsafe.Offsetof(x.betaIm), 152}, {unsafe.Offsetof(x.sign1), 168},
		{unsafe.Offsetof(x.sign2), 184}, {unsafe.Offsetof(x.Next), 200}, {unsafe.Offsetof(x.NextStep), 208},
		{unsafe.Offsetof(x.NextRun), 216}, {unsafe.Offsetof(x.NextJump), 224},
	} {
		if f.got != f.want {
			t.Errorf("field %d lies at %d, the assembly reads %d", i, f.got, f.want)
		}
	}
}
