package simd

import (
	"math"
	"sync"
)

// fftGeneric builds the pure-Go kernels with w lanes: documentation, test
// oracle, and the path of machines without the instructions.
func fftGeneric[T Float](w int) *FFTKernels[T] {
	k := &FFTKernels[T]{ISA: Generic, W: w, Lane: fftLanes[T](w)}
	for _, r := range FFTRadices {
		k.Mid[r] = fftPassGo[T](r, w, Planar, Planar, true)
		k.MidN[r] = fftPassGo[T](r, w, Planar, Planar, false)
		k.First[r] = fftPassGo[T](r, w, Interleaved, Planar, true)
		k.FirstN[r] = fftPassGo[T](r, w, Interleaved, Planar, false)
		k.FirstSwapped[r] = fftPassGo[T](r, w, Swapped, Planar, true)
		k.FirstSwappedN[r] = fftPassGo[T](r, w, Swapped, Planar, false)
		k.Last[r] = fftPassGo[T](r, w, Planar, Interleaved, false)
		k.LastScaled[r] = fftPassGo[T](r, w, Planar, Swapped, false)
	}
	k.Transpose = func(dst, src, t, u []T, nb, srow, sblock, drow, dblock int) {
		fftTransposeGo(k.Lane, dst, src, t, u, nb, srow, sblock, drow, dblock)
	}
	k.TransposeStream = k.Transpose
	k.LastStream, k.LastScaledStream = k.Last, k.LastScaled
	k.Deinterleave, k.DeinterleaveSwapped = fftRelayGo[T](w, Interleaved), fftRelayGo[T](w, Swapped)
	k.Mul, k.Unpack, k.Pack = fftMulGo[T], fftUnpackGo[T], fftPackGo[T]
	k.Columns16, k.Columns16Swapped = fftColumns16Go(k.Lane, k.FirstN[16]), fftColumns16Go(k.Lane, k.FirstSwappedN[16])
	k.Whole = map[int][2]FFTWhole[T]{256: fftWholeGo(k, 16), 512: fftWholeGo(k, 32)}
	k.Packed = map[int][2]FFTWhole[T]{}
	for n, p := range fftPackedPlans {
		k.Packed[n] = fftPackedGo[T](p, w)
	}
	return k
}

// fftPackedGo is the twin of the routines of [FFTKernels].Packed.
func fftPackedGo[T Float](p fftPackedPlan, w int) [2]FFTWhole[T] {
	columns, first, last := fftColumnDFT[T](p.n1), fftColumnDFT[T](p.first), fftColumnDFT[T](p.last)
	starts, vectors, row := p.starts(w/2), (p.n1-1)*2*w, 2*p.n1
	of := func(re, im int) FFTWhole[T] {
		return func(dst, src, t, s, scale []T) {
			factor := T(1)
			if re == 1 {
				factor = scale[0]
			}
			x := new(fftColumn[T])
			for b, j2 := range starts {
				for i := range w / 2 {
					x.gather(src[2*(j2+i):], p.n1, 2*p.n2(), re, im)
					columns(x)
					x.packedTwiddle(t[b*vectors:], p.n1, w, i)
					x.scatter(s[(j2+i)*row:], p.n1, 2, 0, 1, 1)
				}
			}
			rows := t[len(starts)*vectors:]
			for k1 := range p.n1 {
				for i := range p.last {
					x.gather(s[i*row+2*k1:], p.first, p.last*row, 0, 1)
					first(x)
					x.packedTwiddle(rows[i*(p.first-1)*2*w:], p.first, w, 0)
					x.scatter(s[i*row+2*k1:], p.first, p.last*row, 0, 1, 1)
				}
				for j := range p.first {
					x.gather(s[j*p.last*row+2*k1:], p.last, row, 0, 1)
					last(x)
					x.scatter(dst[j*row+2*k1:], p.last, p.first*row, re, im, factor)
				}
			}
		}
	}
	return [2]FFTWhole[T]{of(0, 1), of(1, 0)}
}

// fftColumn holds the points of one DFT of those.
type fftColumn[T Float] struct{ re, im [20]T }

// fftColumnDFT is the DFT of r points in place.
func fftColumnDFT[T Float](r int) func(x *fftColumn[T]) {
	power := r & -r
	switch {
	case r == 1:
		return func(*fftColumn[T]) {}
	case r == 15:
		return fftCoprime[T](3, 5)
	case power > 1 && power < r:
		return fftCoprime[T](r/power, power)
	}
	dft := fftButterfly[T](r)
	return func(x *fftColumn[T]) {
		var y fftPoint[T]
		copy(y.re[:r], x.re[:])
		copy(y.im[:r], x.im[:])
		dft(&y)
		copy(x.re[:r], y.re[:])
		copy(x.im[:r], y.im[:])
	}
}

// fftCoprime is the DFT of a·b points where a and b have no common divisor: number
// b·i + a·j goes in at (i, j), and number k comes out at (k mod a, k mod b).
func fftCoprime[T Float](a, b int) func(x *fftColumn[T]) {
	columns, rows := fftColumnDFT[T](a), fftColumnDFT[T](b)
	return func(x *fftColumn[T]) {
		var table [5]fftColumn[T] // rows[k mod a][j]
		for j := range b {
			var col fftColumn[T]
			for i := range a {
				k := (b*i + a*j) % (a * b)
				col.re[i], col.im[i] = x.re[k], x.im[k]
			}
			columns(&col)
			for i := range a {
				table[i].re[j], table[i].im[j] = col.re[i], col.im[i]
			}
		}
		for i := range a {
			rows(&table[i])
		}
		for k := range a * b {
			x.re[k], x.im[k] = table[k%a].re[k%b], table[k%a].im[k%b]
		}
	}
}

// gather takes r points of interleaved parts at a distance.
func (x *fftColumn[T]) gather(src []T, r, apart, re, im int) {
	for k := range r {
		x.re[k], x.im[k] = src[k*apart+re], src[k*apart+im]
	}
}

// scatter gives them back, times a factor.
func (x *fftColumn[T]) scatter(dst []T, r, apart, re, im int, factor T) {
	for k := range r {
		dst[k*apart+re], dst[k*apart+im] = x.re[k]*factor, x.im[k]*factor
	}
}

// packedTwiddle multiplies points from 1 on by number i of vectors of [FFTPacked].
func (x *fftColumn[T]) packedTwiddle(t []T, r, w, i int) {
	for j := 1; j < r; j++ {
		c, s := t[(j-1)*2*w+2*i], t[(j-1)*2*w+w+2*i+1]
		x.re[j], x.im[j] = x.re[j]*c-x.im[j]*s, x.re[j]*s+x.im[j]*c
	}
}

// fftWholeGo is the twin of the transforms of 16·n2 points in one routine.
func fftWholeGo[T Float](k *FFTKernels[T], n2 int) [2]FFTWhole[T] {
	const row = 2 * 16
	v := 16 / k.W
	rows := func(last FFTPasses[T], dst, s, scale []T) { last[16](dst, s, scale, 1, v, row, 0, row, 0) }
	if n2 == 32 {
		tw := make([]T, 0, 4*7*2)
		for p := range 4 {
			for j := 1; j < 8; j++ {
				c, s := fftRoot(p*j, 32)
				tw = append(tw, T(c), T(-s))
			}
		}
		rows = func(last FFTPasses[T], dst, s, scale []T) {
			tile := make([]T, len(s))
			k.Mid[8](tile, s, tw, 4, v, 4*row, row, row, 8*row)
			last[4](dst, tile, scale, 8, v, 8*row, row, 8*row, row)
		}
	}
	of := func(columns func(dst, src, t []T, v, sk int), last FFTPasses[T]) FFTWhole[T] {
		return func(dst, src, t, s, scale []T) {
			columns(s, src, t, n2/k.W, 2*n2)
			rows(last, dst, s[:n2*row], scale)
		}
	}
	return [2]FFTWhole[T]{of(k.Columns16, k.Last), of(k.Columns16Swapped, k.LastScaled)}
}

// fftRoot is exp(2πi·k/n) to double precision, exact at multiples of 1/4.
func fftRoot(k, n int) (re, im float64) {
	quarter := (8*k + n) / (2 * n) // nearest multiple of a quarter turn
	s, c := math.Sincos(math.Pi / 2 * float64(4*k-quarter*n) / float64(n))
	switch quarter % 4 {
	case 1:
		return -s, c
	case 2:
		return -c, -s
	case 3:
		return s, -c
	}
	return c, s
}

// fftLanes is [FFTKernels].Lane: 16-byte parts hold numbers of the first and of
// the second half of the vector, as many of each.
func fftLanes[T Float](w int) []int {
	per := 1 // numbers of a half in a part
	if _, ok := any(T(0)).(float32); ok {
		per = 2
	}
	out := make([]int, w)
	for i := range w / 2 {
		out[i] = i/per*2*per + i%per
		out[w/2+i] = out[i] + per
	}
	return out
}

// lanePlace gives the places of the parts of each number in a vector of w lanes.
func lanePlace[T Float](l FFTLayout, w int) (re, im []int) {
	if l == Planar {
		re = fftLanes[T](w)
	}
	for i := range w {
		switch l {
		case Interleaved:
			re, im = append(re, 2*i), append(im, 2*i+1)
		case Swapped:
			re, im = append(re, 2*i+1), append(im, 2*i)
		default:
			im = append(im, w+re[i])
		}
	}
	return re, im
}

// fftPassGo is the twin of every pass; see [FFTPass].
func fftPassGo[T Float](r, w int, in, out FFTLayout, twiddle bool) FFTPass[T] {
	dft := fftButterfly[T](r)
	ire, iim := lanePlace[T](in, w)
	ore, oim := lanePlace[T](out, w)
	points := sync.Pool{New: func() any { return new(fftPoint[T]) }} // what a routine unknown here is given must not be on the stack
	return func(dst, src, tw []T, m, v, sk, sp, dj, dp int) {
		x := points.Get().(*fftPoint[T])
		defer points.Put(x)
		scale := T(1)
		if out == Swapped {
			scale = tw[0]
		}
		for p := range m {
			for q := range v {
				from, to := p*sp+q*2*w, p*dp+q*2*w
				for l := range w {
					for k := range r {
						o := from + k*sk
						x.re[k], x.im[k] = src[o+ire[l]], src[o+iim[l]]
					}
					dft(x)
					if twiddle {
						x.twiddle(r, tw[p*(r-1)*2:])
					}
					for j := range r {
						o := to + j*dj
						dst[o+ore[l]], dst[o+oim[l]] = x.re[j]*scale, x.im[j]*scale
					}
				}
			}
		}
	}
}

// fftPoint holds the points of one small DFT.
type fftPoint[T Float] struct{ re, im [16]T }

func (x *fftPoint[T]) twiddle(r int, tw []T) {
	for j := 1; j < r; j++ {
		c, s := tw[2*j-2], tw[2*j-1]
		x.re[j], x.im[j] = x.re[j]*c-x.im[j]*s, x.re[j]*s+x.im[j]*c
	}
}

// fftButterfly is the DFT of r points in place.
func fftButterfly[T Float](r int) func(x *fftPoint[T]) {
	switch r {
	case 2:
		return fftDFT2[T]
	case 4:
		return func(x *fftPoint[T]) { x.dft4(0, 1) }
	case 8:
		return fftSplit[T](2, 4)
	case 16:
		return fftSplit[T](4, 4)
	}
	return fftOdd[T](r)
}

func fftDFT2[T Float](x *fftPoint[T]) {
	x.re[0], x.re[1] = x.re[0]+x.re[1], x.re[0]-x.re[1]
	x.im[0], x.im[1] = x.im[0]+x.im[1], x.im[0]-x.im[1]
}

// dft4 transforms the points o, o+s, o+2s, o+3s in place.
func (x *fftPoint[T]) dft4(o, s int) {
	a, b, c, d := o, o+s, o+2*s, o+3*s
	sr, si := x.re[a]+x.re[c], x.im[a]+x.im[c]
	tr, ti := x.re[a]-x.re[c], x.im[a]-x.im[c]
	ur, ui := x.re[b]+x.re[d], x.im[b]+x.im[d]
	vr, vi := x.im[b]-x.im[d], x.re[d]-x.re[b] // (b-d)·(-i)
	x.re[a], x.im[a] = sr+ur, si+ui
	x.re[b], x.im[b] = tr+vr, ti+vi
	x.re[c], x.im[c] = sr-ur, si-ui
	x.re[d], x.im[d] = tr-vr, ti-vi
}

func (x *fftPoint[T]) dft2(a, b int) {
	x.re[a], x.re[b] = x.re[a]+x.re[b], x.re[a]-x.re[b]
	x.im[a], x.im[b] = x.im[a]+x.im[b], x.im[a]-x.im[b]
}

// fftSplit is the DFT of a*b points, a and b being 2 or 4: index k = b·k1+k2
// in, j = j1+a·j2 out.
func fftSplit[T Float](a, b int) func(x *fftPoint[T]) {
	n := a * b
	var tw fftPoint[T]
	for k2 := range b {
		for j1 := range a {
			c, s := fftRoot(k2*j1, n)
			tw.re[j1*b+k2], tw.im[j1*b+k2] = T(c), T(-s)
		}
	}
	return func(x *fftPoint[T]) {
		for k2 := range b {
			if a == 2 {
				x.dft2(k2, k2+b)
			} else {
				x.dft4(k2, b)
			}
		}
		for i := b; i < n; i++ {
			c, s := tw.re[i], tw.im[i]
			x.re[i], x.im[i] = x.re[i]*c-x.im[i]*s, x.re[i]*s+x.im[i]*c
		}
		var y fftPoint[T]
		for j1 := range a {
			x.dft4(j1*b, 1)
			for j2 := range b {
				y.re[j1+a*j2], y.im[j1+a*j2] = x.re[j1*b+j2], x.im[j1*b+j2]
			}
		}
		*x = y
	}
}

// fftOdd is the DFT of an odd number r of points by sums and differences of
// mirrored pairs: half the products of the definition.
func fftOdd[T Float](r int) func(x *fftPoint[T]) {
	h := (r - 1) / 2
	var cs, sn [16]T
	for k := range r {
		c, s := fftRoot(k, r)
		cs[k], sn[k] = T(c), T(s)
	}
	return func(x *fftPoint[T]) {
		var y fftPoint[T]
		y.re[0], y.im[0] = x.re[0], x.im[0]
		for k := 1; k <= h; k++ {
			x.dft2(k, r-k) // sum at k, difference at r-k
			y.re[0] += x.re[k]
			y.im[0] += x.im[k]
		}
		for j := 1; j <= h; j++ {
			ar, ai := x.re[0], x.im[0]
			var br, bi T
			for k := 1; k <= h; k++ {
				c, s := cs[j*k%r], sn[j*k%r]
				ar += c * x.re[k]
				ai += c * x.im[k]
				br += s * x.im[r-k]
				bi -= s * x.re[r-k]
			}
			y.re[j], y.im[j] = ar+br, ai+bi
			y.re[r-j], y.im[r-j] = ar-br, ai-bi
		}
		*x = y
	}
}

// fftTransposeGo is the twin of [FFTKernels.Transpose].
func fftTransposeGo[T Float](lane []int, dst, src, t, u []T, nb, srow, sblock, drow, dblock int) {
	w := len(lane)
	for b := range nb {
		for i := range w {
			row := b*w + i
			x, tw := src[b*sblock+i*srow:][:2*w], t[row*2*w:][:2*w]
			for n, l := range lane {
				re, im := x[l]*tw[l]-x[w+l]*tw[w+l], x[l]*tw[w+l]+x[w+l]*tw[l]
				if u != nil {
					c, s := u[2*row], u[2*row+1]
					re, im = re*c-im*s, re*s+im*c
				}
				o := b*dblock + n*drow + lane[i]
				dst[o], dst[o+w] = re, im
			}
		}
	}
}

// fftColumns16Go is the twin of [FFTKernels.Columns16].
func fftColumns16Go[T Float](lane []int, first FFTPass[T]) func(dst, src, t []T, v, sk int) {
	w := len(lane)
	tiles := sync.Pool{New: func() any { tile := make([]T, 16*2*w); return &tile }}
	return func(dst, src, t []T, v, sk int) {
		p := tiles.Get().(*[]T)
		defer tiles.Put(p)
		tile := *p
		for b := range v {
			first(tile, src[b*2*w:], nil, 1, 1, sk, 0, 2*w, 0)
			for g := range 16 / w {
				fftTransposeGo(lane, dst[b*w*32+g*2*w:], tile[g*w*2*w:], t[(b*16+g*w)*2*w:], nil, 1, 2*w, 0, 32, 0)
			}
		}
	}
}

// fftRelayGo makes the twin that copies rows of vectors from a layout to Planar.
func fftRelayGo[T Float](w int, in FFTLayout) func(dst, src []T, rows, v, srow, drow int) {
	ire, iim := lanePlace[T](in, w)
	ore, oim := lanePlace[T](Planar, w)
	return func(dst, src []T, rows, v, srow, drow int) {
		for i := range rows {
			for q := range v {
				s, d := src[i*srow+q*2*w:][:2*w], dst[i*drow+q*2*w:][:2*w]
				for l := range w {
					d[ore[l]], d[oim[l]] = s[ire[l]], s[iim[l]]
				}
			}
		}
	}
}

func fftMulGo[T Float](dst, a, b []T, n int) {
	dst, a, b = dst[:2*n], a[:2*n], b[:2*n]
	for i := 0; i < 2*n; i += 2 {
		ar, ai, br, bi := a[i], a[i+1], b[i], b[i+1]
		dst[i], dst[i+1] = ar*br-ai*bi, ar*bi+ai*br
	}
}

// fftUnpackGo is the twin of [FFTKernels].Unpack.
func fftUnpackGo[T Float](y, tw []T, h, lo, hi int) {
	for k := lo; k < hi; k++ {
		a, b := y[2*k:2*k+2:2*k+2], y[2*(h-k):2*(h-k)+2:2*(h-k)+2]
		c, s := tw[2*k], tw[2*k+1]
		er, ei := (a[0]+b[0])/2, (a[1]-b[1])/2
		or, oi := (a[1]+b[1])/2, (b[0]-a[0])/2
		tr, ti := or*c-oi*s, or*s+oi*c
		a[0], a[1] = er+tr, ei+ti
		if 2*k != h {
			b[0], b[1] = er-tr, ti-ei
		}
	}
}

// fftPackGo is the twin of [FFTKernels].Pack.
func fftPackGo[T Float](z, x, tw []T, h, lo, hi int) {
	for k := lo; k < hi; k++ {
		a, b := 2*k, 2*(h-k)
		c, s := tw[2*k], tw[2*k+1]
		er, ei := x[a]+x[b], x[a+1]-x[b+1]
		dr, di := x[a]-x[b], x[a+1]+x[b+1]
		or, oi := dr*c+di*s, di*c-dr*s // times the conjugate twiddle
		z[a], z[a+1] = er-oi, ei+or
		if a != b {
			z[b], z[b+1] = er+oi, or-ei
		}
	}
}
