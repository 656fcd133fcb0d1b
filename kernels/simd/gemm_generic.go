package simd

import "math"

// The twins of the micro-kernels. They keep one accumulator an element and
// add in the order of k, as the assembly does; where the compiler does not
// fuse a multiply-add the products are rounded once more.

type realNumber interface {
	float32 | float64 | int32 | int64
}

// size is the tile that Run asked for.
func (t *Tile) size() (m, n int) { return t.body >> 8, t.body & 0xff }

// tileReal is C = alpha·(A·B) + beta·C on numbers of one type.
func tileReal[T realNumber](t *Tile) {
	m, n := t.size()
	if m == genericMR && n == genericNR {
		acc := fullTile[T](t)
		finish(t, &acc)
		return
	}
	var acc [genericMR][genericNR]T
	size := sizeOf[T]()
	for p := range t.K {
		a, b := t.A.Add(p*t.AStep), t.B.Add(p*t.BStep)
		for i := range m {
			x := At[T](a.Add(i * t.ARow))
			row := &acc[i]
			for j := range n {
				row[j] += x * At[T](b.Add(j*size))
			}
		}
	}
	finish(t, &acc)
}

// fullTile is the sums of a whole tile, in variables that the compiler keeps
// in registers.
func fullTile[T realNumber](t *Tile) [genericMR][genericNR]T {
	var c00, c01, c02, c03, c10, c11, c12, c13, c20, c21, c22, c23, c30, c31, c32, c33 T
	for p := range t.K {
		a, b := t.A.Add(p*t.AStep), At[[genericNR]T](t.B.Add(p*t.BStep))
		x := At[T](a)
		c00, c01, c02, c03 = c00+x*b[0], c01+x*b[1], c02+x*b[2], c03+x*b[3]
		x = At[T](a.Add(t.ARow))
		c10, c11, c12, c13 = c10+x*b[0], c11+x*b[1], c12+x*b[2], c13+x*b[3]
		x = At[T](a.Add(2 * t.ARow))
		c20, c21, c22, c23 = c20+x*b[0], c21+x*b[1], c22+x*b[2], c23+x*b[3]
		x = At[T](a.Add(3 * t.ARow))
		c30, c31, c32, c33 = c30+x*b[0], c31+x*b[1], c32+x*b[2], c33+x*b[3]
	}
	return [genericMR][genericNR]T{{c00, c01, c02, c03}, {c10, c11, c12, c13}, {c20, c21, c22, c23}, {c30, c31, c32, c33}}
}

// tileBF16 adds pairs: the sum of the products at p and p+1 comes last, as
// VDPBF16PS has it, which also flushes subnormals to zero.
func tileBF16(t *Tile) {
	m, n := t.size()
	var acc [genericMR][genericNR]float32
	for p := range t.K {
		a, b := t.A.Add(p*t.AStep), t.B.Add(p*t.BStep)
		for i := range m {
			x := At[[2]uint16](a.Add(i * t.ARow))
			for j := range n {
				y := At[[2]uint16](b.Add(4 * j))
				acc[i][j] += fromBF16(x[1]) * fromBF16(y[1])
				acc[i][j] += fromBF16(x[0]) * fromBF16(y[0])
			}
		}
	}
	finish(t, &acc)
}

func fromBF16(x uint16) float32 { return math.Float32frombits(uint32(x) << 16) }

// tileVNNI multiplies quadruples of u8, flipped, and i8.
func tileVNNI(t *Tile) {
	m, n := t.size()
	acc := initial(t, m, n)
	for p := range t.K {
		a, b := t.A.Add(p*t.AStep), t.B.Add(p*t.BStep)
		for i := range m {
			x := At[[4]uint8](a.Add(i * t.ARow))
			for q := range x {
				x[q] ^= uint8(t.Flip >> (8 * q))
			}
			for j := range n {
				y := At[[4]int8](b.Add(4 * j))
				for q := range x {
					acc[i][j] += int32(x[q]) * int32(y[q])
				}
			}
		}
	}
	finish(t, &acc)
}

// tileI16 multiplies pairs of i16.
func tileI16(t *Tile) {
	m, n := t.size()
	acc := initial(t, m, n)
	for p := range t.K {
		a, b := t.A.Add(p*t.AStep), t.B.Add(p*t.BStep)
		for i := range m {
			x := At[[2]int16](a.Add(i * t.ARow))
			for j := range n {
				y := At[[2]int16](b.Add(4 * j))
				acc[i][j] += int32(x[0])*int32(y[0]) + int32(x[1])*int32(y[1])
			}
		}
	}
	finish(t, &acc)
}

// initial is Tile.Init in every row.
func initial(t *Tile, m, n int) (acc [genericMR][genericNR]int32) {
	if t.Init == (Ptr{}) {
		return acc
	}
	for i := range m {
		for j := range n {
			acc[i][j] = At[int32](t.Init.Add(4 * j))
		}
	}
	return acc
}

// finish writes alpha·acc + beta·C.
func finish[T realNumber](t *Tile, acc *[genericMR][genericNR]T) {
	m, n := t.size()
	alpha, beta := scalar[T](&t.alpha), scalar[T](&t.beta)
	size := sizeOf[T]()
	for i := range m {
		for j := range n {
			v, c := acc[i][j], t.C.Add(i*t.CRow+j*size)
			if t.flags&flagScale != 0 {
				v *= alpha
			}
			if t.flags&flagReadC != 0 {
				v += beta * At[T](c)
			}
			Put(c, v)
		}
	}
}

// tileComplex sums re(a)·b and im(a)·b apart and joins them at the end, with
// signs that carry conjugation.
func tileComplex[T float32 | float64](t *Tile) {
	m, n := t.size()
	var re, im [genericMR][genericNR][2]T
	size := 2 * sizeOf[T]()
	for p := range t.K {
		a, b := t.A.Add(p*t.AStep), t.B.Add(p*t.BStep)
		for i := range m {
			x := At[[2]T](a.Add(i * t.ARow))
			for j := range n {
				y := At[[2]T](b.Add(j * size))
				re[i][j][0] += x[0] * y[0]
				re[i][j][1] += x[0] * y[1]
				im[i][j][0] += x[1] * y[0]
				im[i][j][1] += x[1] * y[1]
			}
		}
	}
	s1, s2 := scalar[[2]T](&t.sign1), scalar[[2]T](&t.sign2)
	for i := range m {
		for j := range n {
			u, v := re[i][j], im[i][j]
			sum := [2]T{u[0]*s1[0] + v[1]*s2[0], u[1]*s1[1] + v[0]*s2[1]}
			finishComplex(t, t.C.Add(i*t.CRow+j*size), sum)
		}
	}
}

// finishComplex writes alpha·v + beta·C to one element. Beta = 1 adds, so
// that infinities in C stay as they are.
func finishComplex[T float32 | float64](t *Tile, c Ptr, v [2]T) {
	if t.flags&flagScale != 0 {
		v = mulPair(v, &t.alpha, &t.alphaIm)
	}
	if t.flags&flagReadC != 0 {
		old := At[[2]T](c)
		if t.flags&flagMulC != 0 {
			old = mulPair(old, &t.beta, &t.betaIm)
		}
		v = [2]T{v[0] + old[0], v[1] + old[1]}
	}
	Put(c, v)
}

// mulPair is v times the complex number re + i·im in the form of [Tile.Scale].
func mulPair[T float32 | float64](v [2]T, re, im *[2]uint64) [2]T {
	r, i := scalar[[2]T](re), scalar[[2]T](im)
	return [2]T{v[0]*r[0] + v[1]*i[0], v[1]*r[1] + v[0]*i[1]}
}
