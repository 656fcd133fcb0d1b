package alloc

import "encoding/binary"

// Numbers of a kind have bytes of a kind: signs and exponents vary little where
// the low bytes are noise. Sorted by their place in the element they compress
// to much less (the shuffle filter of HDF5 and of Blosc). What is no whole
// element stays at the end.

// shuffle puts the first bytes of all elements first, then the second ones, and
// so on. width is that of an element: 1, 2, 4 or 8. dst and src have one length
// and do not overlap.
func shuffle(dst, src []byte, width int) {
	n := len(src) / width
	done := n &^ 7 // eight elements at a time, a word for each place
	switch width {
	case 2:
		shuffle2(dst, src, n, done)
	case 4:
		shuffle4(dst, src, n, done)
	case 8:
		shuffle8(dst, src, n, done)
	default:
		done = 0
	}
	for k := range width {
		for i := done; i < n; i++ {
			dst[k*n+i] = src[i*width+k]
		}
	}
	copy(dst[n*width:], src[n*width:])
}

// unshuffle is shuffle's inverse.
func unshuffle(dst, src []byte, width int) {
	n := len(src) / width
	done := n &^ 7
	switch width {
	case 2:
		unshuffle2(dst, src, n, done)
	case 4:
		unshuffle4(dst, src, n, done)
	case 8:
		unshuffle8(dst, src, n, done)
	default:
		done = 0
	}
	for k := range width {
		for i := done; i < n; i++ {
			dst[i*width+k] = src[k*n+i]
		}
	}
	copy(dst[n*width:], src[n*width:])
}

// The words below are transposed as matrices of bytes, by exchanging halves of
// halves (Warren, Hacker's Delight, 7-3).
const (
	lowBytes  = 0x00ff00ff00ff00ff
	lowPairs  = 0x0000ffff0000ffff
	lowFours  = 0x00000000ffffffff
	byteShift = 8
	pairShift = 16
	fourShift = 32
)

// swap exchanges the high part of each field of a with the low part of b's.
func swap(a, b *uint64, shift uint, low uint64) {
	t := (*a>>shift ^ *b) & low
	*b ^= t
	*a ^= t << shift
}

// halve packs every second byte of a word, from the lowest on, into its low half.
func halve(x uint64) uint64 {
	x &= lowBytes
	x = (x | x>>byteShift) & lowPairs
	return (x | x>>pairShift) & lowFours
}

// spread is its inverse, of the low half of a word.
func spread(x uint64) uint64 {
	x &= lowFours
	x = (x | x<<pairShift) & lowPairs
	return (x | x<<byteShift) & lowBytes
}

var le = binary.LittleEndian

func shuffle2(dst, src []byte, n, done int) {
	p0, p1 := dst[:n], dst[n:2*n]
	for i := 0; i < done; i += 8 {
		s := src[2*i : 2*i+16 : 2*i+16]
		a, b := le.Uint64(s), le.Uint64(s[8:])
		le.PutUint64(p0[i:], halve(a)|halve(b)<<fourShift)
		le.PutUint64(p1[i:], halve(a>>byteShift)|halve(b>>byteShift)<<fourShift)
	}
}

func unshuffle2(dst, src []byte, n, done int) {
	p0, p1 := src[:n], src[n:2*n]
	for i := 0; i < done; i += 8 {
		a, b := le.Uint64(p0[i:]), le.Uint64(p1[i:])
		d := dst[2*i : 2*i+16 : 2*i+16]
		le.PutUint64(d, spread(a)|spread(b)<<byteShift)
		le.PutUint64(d[8:], spread(a>>fourShift)|spread(b>>fourShift)<<byteShift)
	}
}

// shuffle4 begins with words of an element and the fourth after it, so that two
// exchanges put the eight bytes of a place in order.
func shuffle4(dst, src []byte, n, done int) {
	p0, p1, p2, p3 := dst[:n], dst[n:2*n], dst[2*n:3*n], dst[3*n:4*n]
	for i := 0; i < done; i += 8 {
		s := src[4*i : 4*i+32 : 4*i+32]
		w0 := uint64(le.Uint32(s)) | uint64(le.Uint32(s[16:]))<<fourShift
		w1 := uint64(le.Uint32(s[4:])) | uint64(le.Uint32(s[20:]))<<fourShift
		w2 := uint64(le.Uint32(s[8:])) | uint64(le.Uint32(s[24:]))<<fourShift
		w3 := uint64(le.Uint32(s[12:])) | uint64(le.Uint32(s[28:]))<<fourShift
		swap(&w0, &w2, pairShift, lowPairs)
		swap(&w1, &w3, pairShift, lowPairs)
		swap(&w0, &w1, byteShift, lowBytes)
		swap(&w2, &w3, byteShift, lowBytes)
		le.PutUint64(p0[i:], w0)
		le.PutUint64(p1[i:], w1)
		le.PutUint64(p2[i:], w2)
		le.PutUint64(p3[i:], w3)
	}
}

func unshuffle4(dst, src []byte, n, done int) {
	p0, p1, p2, p3 := src[:n], src[n:2*n], src[2*n:3*n], src[3*n:4*n]
	for i := 0; i < done; i += 8 {
		w0, w1, w2, w3 := le.Uint64(p0[i:]), le.Uint64(p1[i:]), le.Uint64(p2[i:]), le.Uint64(p3[i:])
		swap(&w2, &w3, byteShift, lowBytes)
		swap(&w0, &w1, byteShift, lowBytes)
		swap(&w1, &w3, pairShift, lowPairs)
		swap(&w0, &w2, pairShift, lowPairs)
		d := dst[4*i : 4*i+32 : 4*i+32]
		le.PutUint64(d, w0&lowFours|w1<<fourShift)
		le.PutUint64(d[8:], w2&lowFours|w3<<fourShift)
		le.PutUint64(d[16:], w0>>fourShift|w1&^lowFours)
		le.PutUint64(d[24:], w2>>fourShift|w3&^lowFours)
	}
}

// transpose8 transposes eight words of eight bytes.
func transpose8(a, b, c, d, e, f, g, h uint64) (_, _, _, _, _, _, _, _ uint64) {
	swap(&a, &e, fourShift, lowFours)
	swap(&b, &f, fourShift, lowFours)
	swap(&c, &g, fourShift, lowFours)
	swap(&d, &h, fourShift, lowFours)
	swap(&a, &c, pairShift, lowPairs)
	swap(&b, &d, pairShift, lowPairs)
	swap(&e, &g, pairShift, lowPairs)
	swap(&f, &h, pairShift, lowPairs)
	swap(&a, &b, byteShift, lowBytes)
	swap(&c, &d, byteShift, lowBytes)
	swap(&e, &f, byteShift, lowBytes)
	swap(&g, &h, byteShift, lowBytes)
	return a, b, c, d, e, f, g, h
}

func shuffle8(dst, src []byte, n, done int) {
	for i := 0; i < done; i += 8 {
		s := src[8*i : 8*i+64 : 8*i+64]
		a, b, c, d, e, f, g, h := transpose8(le.Uint64(s), le.Uint64(s[8:]), le.Uint64(s[16:]), le.Uint64(s[24:]),
			le.Uint64(s[32:]), le.Uint64(s[40:]), le.Uint64(s[48:]), le.Uint64(s[56:]))
		le.PutUint64(dst[i:], a)
		le.PutUint64(dst[n+i:], b)
		le.PutUint64(dst[2*n+i:], c)
		le.PutUint64(dst[3*n+i:], d)
		le.PutUint64(dst[4*n+i:], e)
		le.PutUint64(dst[5*n+i:], f)
		le.PutUint64(dst[6*n+i:], g)
		le.PutUint64(dst[7*n+i:], h)
	}
}

func unshuffle8(dst, src []byte, n, done int) {
	for i := 0; i < done; i += 8 {
		a, b, c, d, e, f, g, h := transpose8(le.Uint64(src[i:]), le.Uint64(src[n+i:]), le.Uint64(src[2*n+i:]), le.Uint64(src[3*n+i:]),
			le.Uint64(src[4*n+i:]), le.Uint64(src[5*n+i:]), le.Uint64(src[6*n+i:]), le.Uint64(src[7*n+i:]))
		t := dst[8*i : 8*i+64 : 8*i+64]
		le.PutUint64(t, a)
		le.PutUint64(t[8:], b)
		le.PutUint64(t[16:], c)
		le.PutUint64(t[24:], d)
		le.PutUint64(t[32:], e)
		le.PutUint64(t[40:], f)
		le.PutUint64(t[48:], g)
		le.PutUint64(t[56:], h)
	}
}
