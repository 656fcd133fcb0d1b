package simd

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestTranspose compares with the definition for sizes around the tiles,
// strides beyond the rows, aligned and not, and looks that
// what lies between dst's rows stays.
func TestTranspose(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		testTranspose(t, Transpose32)
		testTranspose(t, Transpose64)
	})
}

func testTranspose[T uint32 | uint64](t *testing.T, f func(dst []T, ldd int, src []T, lds int, m, n int)) {
	sizes := []int{0, 1, 3, 4, 7, 8, 9, 15, 16, 17, 31, 32, 33, 48, 67}
	for _, m := range sizes {
		for _, n := range sizes {
			for variant := range 2 {
				ldd, lds := (n+63)&^63, m // rows of whole lines
				if variant != 0 {
					ldd, lds = n+1, m+3
				}
				src, got := filled[T](n*lds, 1), filled[T](m*ldd, 2)
				want := slices.Clone(got)
				for i := range m {
					for j := range n {
						want[i*ldd+j] = src[j*lds+i]
					}
				}
				f(got, ldd, src, lds, m, n)
				if !slices.Equal(got, want) {
					t.Fatalf("%T %d x %d, variant %d", src, m, n, variant)
				}
			}
		}
	}
}

func filled[T uint32 | uint64](n int, seed uint64) []T {
	rng := rand.New(rand.NewPCG(seed, 1))
	x := make([]T, n)
	for i := range x {
		x[i] = T(rng.Uint64())
	}
	return x
}

// TestTransposeBounds wants a panic, and nothing written, for slices too short.
func TestTransposeBounds(t *testing.T) {
	for name, f := range map[string]func(dst, src []uint32){
		"dst":     func(dst, src []uint32) { Transpose32(dst[:1023], 32, src, 32, 32, 32) },
		"src":     func(dst, src []uint32) { Transpose32(dst, 32, src[:1023], 32, 32, 32) },
		"overlap": func(dst, src []uint32) { Transpose32(dst, 31, src, 32, 32, 32) },
	} {
		dst, src := make([]uint32, 1024), filled[uint32](1024, 3)
		if !panics(func() { f(dst, src) }) {
			t.Errorf("%s: no panic", name)
		}
		if slices.Max(dst) != 0 {
			t.Errorf("%s: written before the panic", name)
		}
	}
}

func TestCopyStream(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		for _, n := range []int{0, 1, 255, 1023, 1024, 1025, 5000, 300000} {
			for offset := range 3 {
				src, got := make([]byte, n), make([]byte, n+offset+8)
				for i := range src {
					src[i] = byte(rand.Uint32())
				}
				CopyStream(got[offset:offset+n], src)
				want := append(append(make([]byte, offset), src...), make([]byte, 8)...)
				if !bytes.Equal(got, want) {
					t.Fatalf("n=%d offset=%d", n, offset)
				}
			}
		}
	})
	if !panics(func() { CopyStream(make([]byte, 5), make([]byte, 4)) }) {
		t.Error("a short source is accepted")
	}
}

// BenchmarkTranspose blocks a large matrix as a caller would, for comparison with copy.
func BenchmarkTranspose(b *testing.B) {
	const n = 4096
	src, dst := filled[uint32](n*n, 1), make([]uint32, n*n)
	wide, out := filled[uint64](n*n/2, 1), make([]uint64, n*n/2)
	b.Run("copy", func(b *testing.B) {
		b.SetBytes(n * n * 4)
		for b.Loop() {
			copy(dst, src)
		}
	})
	for _, blk := range [][2]int{{64, 512}, {512, 64}, {16, 4096}, {128, 128}, {16, 512}, {32, 512}} {
		benchmarkBlocks(b, dst, src, n, blk, Transpose32)
		benchmarkBlocks(b, out, wide, n, blk, Transpose64)
	}
}

// benchmarkBlocks transposes n rows in blocks, as they come and by way of a packed
// block that is stored past the caches.
func benchmarkBlocks[T uint32 | uint64](b *testing.B, dst, src []T, n int, blk [2]int, f func(dst []T, ldd int, src []T, lds int, m, n int)) {
	width, packed := len(src)/n, make([]T, blk[0]*blk[1])
	for _, staged := range []bool{false, true} {
		b.Run(fmt.Sprintf("%T/staged=%v/%v", src, staged, blk), func(b *testing.B) {
			b.SetBytes(int64(len(src) * sizeOf[T]()))
			for b.Loop() {
				for j := 0; j < n; j += blk[0] {
					for i := 0; i < width; i += blk[1] {
						to, m := dst[i*n+j:], min(width, blk[1])
						if !staged {
							f(to, n, src[j*width+i:], width, m, blk[0])
							continue
						}
						f(packed, blk[0], src[j*width+i:], width, m, blk[0])
						StreamRows(to, n, packed, blk[0], m, blk[0])
					}
				}
			}
		})
	}
}

// TestStreamRows looks at what lies between the rows too.
func TestStreamRows(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		for _, n := range []int{0, 1, 8, 16, 24, 64} {
			for _, rows := range []int{0, 1, 3, 700, 3000} {
				for _, c := range []struct{ offset, ldd int }{{0, n}, {0, n + 16}, {0, n + 1}, {1, n + 16}} {
					testStreamRows[uint32](t, rows, n, c.offset, c.ldd)
					testStreamRows[uint64](t, rows, n, c.offset, c.ldd)
				}
			}
		}
	})
	for name, f := range map[string]func(dst, src []uint32){
		"dst":     func(dst, src []uint32) { StreamRows(dst[:1023], 32, src, 32, 32, 32) },
		"src":     func(dst, src []uint32) { StreamRows(dst, 32, src[:1023], 32, 32, 32) },
		"overlap": func(dst, src []uint32) { StreamRows(dst, 31, src, 32, 32, 32) },
		"before":  func(dst, src []uint32) { StreamRows(dst, 32, src, -32, 32, 32) },
	} {
		dst := make([]uint32, 1024)
		if !panics(func() { f(dst, filled[uint32](1024, 3)) }) || slices.Max(dst) != 0 {
			t.Errorf("%s: no panic, or written before it", name)
		}
	}
}

func testStreamRows[T uint32 | uint64](t *testing.T, rows, n, offset, ldd int) {
	t.Helper()
	for _, lds := range []int{n, 0, n / 2, n + 5} {
		src, got := filled[T](rows*lds+n, 1), filled[T](offset+rows*ldd+64, 2)
		want := slices.Clone(got)
		for i := range rows {
			copy(want[offset+i*ldd:], src[i*lds:i*lds+n])
		}
		StreamRows(got[offset:], ldd, src, lds, rows, n)
		if !slices.Equal(got, want) {
			t.Fatalf("%T: %d rows of %d, %d apart, to %d apart from %d on", src, rows, n, lds, ldd, offset)
		}
	}
}

// TestReverse looks at elements of every size, at lengths and places around whole lines, and past the caches.
func TestReverse(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		testReverse(t, func(i int) uint8 { return uint8(i * 7) })
		testReverse(t, func(i int) uint16 { return uint16(i * 7919) })
		testReverse(t, func(i int) uint32 { return uint32(i * 2654435761) })
		testReverse(t, func(i int) uint64 { return uint64(i) * 0x9e3779b97f4a7c15 })
		testReverse(t, func(i int) complex128 { return complex(float64(i), float64(-i)) })
		testReverse(t, func(i int) [3]byte { return [3]byte{byte(i), byte(i >> 8), 1} })
	})
	if dst := []int32{9, 9}; !panics(func() { Reverse(dst, dst[:1]) }) || dst[0] != 9 {
		t.Error("a short source is accepted, or dst was written")
	}
}

func testReverse[T comparable](t *testing.T, value func(i int) T) {
	t.Helper()
	for _, n := range []int{0, 1, 7, 31, 64, 127, 128, 129, 200, 1000, 70001} {
		for offset := range 3 {
			src, want := make([]T, n+5), make([]T, n+5)
			for i := range src {
				src[i], want[i] = value(i), value(i+n)
			}
			got := slices.Clone(want)
			for i := range n {
				want[offset+i] = value(n - 1 - i)
			}
			for _, f := range []func(dst, src []T){Reverse[T], ReverseStream[T]} {
				if f(got[offset:offset+n], src[:n]); !slices.Equal(got, want) {
					t.Fatalf("%T: %d elements at %d", src, n, offset)
				}
			}
		}
	}
}

// TestTransposeReals: elements of one and of two numbers, whatever their size, and
// nothing beside them.
func TestTransposeReals(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		for _, unit := range []int{1, 2} {
			for _, shape := range [][2]int{{0, 3}, {1, 1}, {8, 37}, {37, 8}, {33, 18}} {
				testTransposeReals[float32](t, unit, shape[0], shape[1])
				testTransposeReals[float64](t, unit, shape[0], shape[1])
			}
		}
	})
}

func testTransposeReals[T Float](t *testing.T, unit, m, n int) {
	ldd, lds := n+3, m+5
	src, dst, want := make([]T, unit*lds*n), make([]T, unit*ldd*m), make([]T, unit*ldd*m)
	for i := range src {
		src[i] = T(i + 1)
	}
	for i := range m {
		for j := range n {
			copy(want[unit*(i*ldd+j):], src[unit*(j*lds+i):][:unit])
		}
	}
	TransposeReals(dst, ldd, src, lds, unit, m, n)
	if !slices.Equal(dst, want) {
		t.Errorf("%T: %d x %d of %d numbers", dst, m, n, unit)
	}
}
