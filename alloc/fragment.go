package alloc

import (
	"hash/crc32"
	"slices"
)

// fragment is bytes of one chunk whose checksum is known.
type fragment struct {
	lo, hi int64
	sum    uint32
}

// maxParts is the most fragments of a chunk that are kept.
const maxParts = 64

// fragments gives the checksums of a segment, chunk by chunk.
func fragments(s Segment) (list []fragment) {
	for off, p := s.Off, s.Buf; len(p) > 0; {
		n := min(int64(len(p)), chunkSize-off%chunkSize)
		list = append(list, fragment{off, off + n, sum(p[:n])})
		off, p = off+n, p[n:]
	}
	return list
}

// merge adds a fragment to a sorted list that has nothing of it, and makes one
// of those that meet.
func merge(list []fragment, f fragment) []fragment {
	i, _ := slices.BinarySearchFunc(list, f.lo, func(g fragment, lo int64) int { return int(g.lo - lo) })
	if i < len(list) && list[i].lo == f.hi {
		f.sum, f.hi = combine(f.sum, list[i].sum, list[i].hi-list[i].lo), list[i].hi
		list = slices.Delete(list, i, i+1)
	}
	if i > 0 && list[i-1].hi == f.lo {
		list[i-1].sum, list[i-1].hi = combine(list[i-1].sum, f.sum, f.hi-f.lo), f.hi
		return list
	}
	return slices.Insert(list, i, f)
}

// without drops what has bytes of [lo, hi).
func without(list []fragment, lo, hi int64) []fragment {
	return slices.DeleteFunc(list, func(f fragment) bool { return f.lo < hi && lo < f.hi })
}

// combine is the checksum of bytes with sum a and, behind them, n bytes with
// sum b. A CRC is a remainder modulo a polynomial over GF(2), so that of a is
// shifted by n bytes, which is a product, and added (as crc32_combine in zlib
// does, by M. Adler).
func combine(a, b uint32, n int64) uint32 {
	shift := uint32(1) << 31 // 1: the highest bit is the constant term
	for k := 0; n > 0; n, k = n>>1, k+1 {
		if n&1 != 0 {
			shift = polyMul(powers[k], shift)
		}
	}
	return polyMul(shift, a) ^ b
}

// powers[k] is x^(8·2^k) modulo the polynomial: the shift by 2^k bytes.
var powers = func() (list [63]uint32) {
	p := uint32(1) << (31 - 8)
	for k := range list {
		list[k] = p
		p = polyMul(p, p)
	}
	return list
}()

// polyMul is a·b modulo the polynomial of the checksum, bits in reflected order.
func polyMul(a, b uint32) (product uint32) {
	for ; a != 0; a <<= 1 {
		if a>>31 != 0 {
			product ^= b
		}
		if b&1 != 0 {
			b = b>>1 ^ crc32.Castagnoli
		} else {
			b >>= 1
		}
	}
	return product
}
