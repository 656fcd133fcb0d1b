package alloc

import (
	"bytes"
	"fmt"
	"testing"
)

// Whatever the length, the bytes are sorted by their place in the element, and come back.
func TestShuffle(t *testing.T) {
	for _, width := range []int{1, 2, 4, 8} {
		for _, size := range []int{0, 1, 7, 8, 9, 15, 63, 64, 65, 127, 1000, 1003, 4096, 4099} {
			src := noise(uint64(size), size)
			got, back := make([]byte, size), make([]byte, size)
			shuffle(got, src, width)
			n := size / width
			for i, c := range src {
				at := i%width*n + i/width
				if i >= n*width {
					at = i
				}
				if got[at] != c {
					t.Fatalf("%d bytes of %d: byte %d", size, width, i)
				}
			}
			unshuffle(back, got, width)
			if !bytes.Equal(back, src) {
				t.Fatalf("%d bytes of %d do not come back", size, width)
			}
		}
	}
}

func BenchmarkShuffle(b *testing.B) {
	src, dst := noise(1, packChunk), make([]byte, packChunk)
	for _, width := range []int{2, 4, 8} {
		b.Run(fmt.Sprint(width), func(b *testing.B) {
			b.SetBytes(packChunk)
			for b.Loop() {
				shuffle(dst, src, width)
			}
		})
		b.Run(fmt.Sprint("un", width), func(b *testing.B) {
			b.SetBytes(packChunk)
			for b.Loop() {
				unshuffle(src, dst, width)
			}
		})
	}
}
