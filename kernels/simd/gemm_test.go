package simd

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// gemmKernelsHere lists every kernel in assembly that this machine runs.
func gemmKernelsHere() (out []*GemmKernel) {
	for isa := AVX2; isa <= Best(); isa++ {
		for typ := range numGemmTypes {
			if k := Gemm(typ, isa); k != nil && k.ISA == isa {
				out = append(out, k)
			}
		}
	}
	return out
}

// tileCase is a call of a micro-kernel on memory of its own. C has a margin
// of a row and some columns, which must stay as it is.
type tileCase struct {
	k           *GemmKernel
	m, n        int
	a, b, c     []byte
	tile        Tile
	rowsC, rowC int
}

// newTileCase makes operands of small integers, so that every sum is exact
// in every type and order. Strides leave gaps unless packed is set.
func newTileCase(r *rand.Rand, k *GemmKernel, m, n, steps int, packed bool) *tileCase {
	elem, sum := k.Type.ElemBytes(), k.Type.SumBytes()
	c := &tileCase{k: k, m: m, n: n, rowsC: m + 1, rowC: (n + 3) * sum}
	aRow, aStep, bStep := elem, k.MR*elem, k.NR*elem
	if !packed {
		aRow, aStep = (steps+r.IntN(3))*elem, elem
		if r.IntN(2) == 0 {
			aRow, aStep = elem, (m+r.IntN(3))*elem
		}
		bStep = (n + r.IntN(5)) * elem
	}
	c.a = fillSmall(r, k.Type, true, max(m*aRow+steps*aStep, elem))
	c.b = fillSmall(r, k.Type, false, steps*bStep+k.NR*elem)
	if !packed { // nothing beyond the last element
		c.b = c.b[:max((steps-1)*bStep+n*elem, elem)]
		c.b = c.b[:len(c.b):len(c.b)]
	}
	c.c = fillSums(r, k.Type, c.rowsC*c.rowC/sum)
	c.tile = Tile{K: steps, A: PtrTo(c.a), ARow: aRow, AStep: aStep, B: PtrTo(c.b), BStep: bStep, CRow: c.rowC}
	return c
}

// fillSmall makes n bytes of small integers of the type's operands.
func fillSmall(r *rand.Rand, t GemmType, isA bool, n int) []byte {
	b := make([]byte, n+16)
	p := PtrTo(b)
	for at := 0; at < n; {
		v := r.IntN(7) - 3
		switch t {
		case GemmF32, GemmC64:
			Put(p.Add(at), float32(v))
			at += 4
		case GemmF64, GemmC128:
			Put(p.Add(at), float64(v))
			at += 8
		case GemmBF16:
			Put(p.Add(at), uint16(math.Float32bits(float32(v))>>16))
			at += 2
		case GemmVNNI:
			Put(p.Add(at), uint8(r.IntN(256)))
			at++
		case GemmI16:
			Put(p.Add(at), uint16(r.IntN(1<<16)))
			at += 2
		default:
			Put(p.Add(at), r.Uint64())
			at += 8
		}
	}
	return b[:n]
}

// fillSums makes n elements of C.
func fillSums(r *rand.Rand, t GemmType, n int) []byte {
	b := make([]byte, n*t.SumBytes())
	lane := t.laneBytes()
	for at := 0; at < len(b); at += lane {
		switch v := float64(r.IntN(9) - 4); {
		case t.Integer() && lane == 4:
			Put(PtrTo(b[at:]), r.Uint32())
		case t.Integer():
			Put(PtrTo(b[at:]), r.Uint64())
		case lane == 4:
			Put(PtrTo(b[at:]), float32(v))
		default:
			Put(PtrTo(b[at:]), v)
		}
	}
	return b
}

// run computes on a copy of C by kernel k, in pieces that it can do at once.
func (c *tileCase) run(k *GemmKernel) []byte {
	out := bytes.Clone(c.c)
	elem, sum := k.Type.ElemBytes(), k.Type.SumBytes()
	for i := 0; i < c.m; i += k.MR {
		for j := 0; j < c.n; j += k.NR {
			t := c.tile
			if t.K > 0 {
				t.A, t.B = t.A.Add(i*t.ARow), t.B.Add(j*elem)
			}
			if t.Init != (Ptr{}) {
				t.Init = t.Init.Add(4 * j)
			}
			t.C = PtrTo(out).Add(i*c.rowC + j*sum)
			k.Run(&t, min(k.MR, c.m-i), min(k.NR, c.n-j))
		}
	}
	return out
}

// TestTiles compares every micro-kernel with its twin on all edge sizes.
func TestTiles(t *testing.T) {
	scalars := []complex128{0, 1, -2, 3, 2 + 3i, -1i}
	for _, k := range gemmKernelsHere() {
		t.Run(k.String(), func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, uint64(k.Type)))
			for m := 1; m <= k.MR; m++ {
				for n := 1; n <= k.NR; n++ {
					grouped := k.Type.Group() > 1
					c := newTileCase(r, k, m, n, []int{0, 1, 2, 3, 4, 5, 8, 17, 30}[r.IntN(9)], grouped || r.IntN(2) == 0)
					alpha, beta := scalars[r.IntN(len(scalars))], scalars[r.IntN(len(scalars))]
					if !k.Type.Complex() {
						alpha, beta = complex(real(alpha), 0), complex(real(beta), 0)
					}
					conjA, conjB := r.IntN(2) == 0, r.IntN(2) == 0
					if k.Type.Integer() {
						c.tile.ScaleInt(int64(real(alpha)), int64(real(beta)))
						c.tile.Flip = uint64(r.IntN(2) * FlipI8)
						if r.IntN(2) == 0 {
							c.tile.Init = PtrTo(fillSums(r, k.Type, k.NR))
						}
					} else {
						c.tile.Scale(k.Type, alpha, beta, conjA, conjB)
					}
					if got, want := c.run(k), c.run(genericGemm[k.Type]); !sameValues(k.Type, got, want) {
						t.Fatalf("%d x %d, %d steps, alpha %v, beta %v, conj %v %v: differs from the twin", m, n, c.tile.K, alpha, beta, conjA, conjB)
					}
				}
			}
		})
	}
}

// TestTileRuns runs several tiles in a call, with B packed on the way and lines
// asked for ahead, and compares with a call for each. Five of 2000 steps are too
// many for one call of assembly.
func TestTileRuns(t *testing.T) {
	for _, k := range append(gemmKernelsHere(), genericGemm[GemmF64], genericGemm[GemmI16]) {
		r := rand.New(rand.NewPCG(7, uint64(k.Type)))
		elem, sum := k.Type.ElemBytes(), k.Type.SumBytes()
		for _, size := range [][2]int{{1, 37}, {2, 37}, {3, 37}, {5, 2000}} {
			tiles, steps := size[0], size[1]
			c := newTileCase(r, k, 2*k.MR, tiles*k.NR, steps, false)
			bStep := tiles * k.NR * elem
			c.b = fillSmall(r, k.Type, false, steps*bStep)
			c.tile.B, c.tile.BStep = PtrTo(c.b), bStep
			if k.Type.Integer() {
				c.tile.ScaleInt(2, 1)
				c.tile.Init = PtrTo(fillSums(r, k.Type, tiles*k.NR))
			} else {
				c.tile.Scale(k.Type, 2, 1, false, false)
			}
			want, got := c.run(k), bytes.Clone(c.c)
			packed := make([]byte, steps*bStep)
			for i := 0; i < c.m; i += k.MR { // the first rows pack, the others read that
				q := c.tile
				q.A, q.C = q.A.Add(i*q.ARow), PtrTo(got).Add(i*c.rowC)
				q.Tiles, q.BNext, q.CNext = tiles, k.NR*elem, k.NR*sum
				if k.Type.Integer() {
					q.INext = 4 * k.NR
				}
				q.Ahead = Walk{At: PtrTo(c.b), Run: r.IntN(9), Jump: r.IntN(200) - 100, Runs: r.IntN(20)}
				switch {
				case k.Type.Group() > 1:
				case i == 0:
					q.Pack = PtrTo(packed)
				default:
					q.B, q.BStep, q.BNext = PtrTo(packed), k.NR*elem, steps*k.NR*elem
				}
				k.Run(&q, k.MR, k.NR)
			}
			if !sameValues(k.Type, got, want) {
				t.Fatalf("%s: %d tiles in a run differ from as many runs", k, tiles)
			}
		}
	}
}

// sameValues compares sums; zeros of either sign are equal.
func sameValues(t GemmType, a, b []byte) bool {
	if t.Integer() {
		return bytes.Equal(a, b)
	}
	lane := t.laneBytes()
	for at := 0; at < len(a); at += lane {
		x, y := lane8(a[at:], lane), lane8(b[at:], lane)
		if x != y && !(math.IsNaN(x) && math.IsNaN(y)) {
			return false
		}
	}
	return true
}

// lane8 reads a float of size bytes.
func lane8(b []byte, size int) float64 {
	if size == 4 {
		return float64(At[float32](PtrTo(b)))
	}
	return At[float64](PtrTo(b))
}

// TestTilesNeverReadC puts NaNs where beta = 0 must not look.
func TestTilesNeverReadC(t *testing.T) {
	for _, k := range gemmKernelsHere() {
		if k.Type.Integer() {
			continue
		}
		r := rand.New(rand.NewPCG(3, 4))
		c := newTileCase(r, k, k.MR, k.NR-1, 3, true)
		for i := range c.c {
			c.c[i] = 0xff
		}
		c.tile.Scale(k.Type, 1, 0, false, false)
		out := c.run(k)
		for i := range k.MR {
			row := out[i*c.rowC:][:(k.NR-1)*k.Type.SumBytes()]
			for at := 0; at < len(row); at += k.Type.laneBytes() {
				if math.IsNaN(lane8(row[at:], k.Type.laneBytes())) {
					t.Fatalf("%s: NaN in row %d", k, i)
				}
			}
		}
	}
}

// TestTilesRounding compares with the twin on random fractions: each fused
// multiply-add of the kernel is rounded once, the twin's at most twice.
func TestTilesRounding(t *testing.T) {
	const steps = 200
	for _, k := range gemmKernelsHere() {
		if k.Type.Integer() || k.Type == GemmBF16 {
			continue
		}
		r := rand.New(rand.NewPCG(5, 6))
		c := newTileCase(r, k, k.MR, k.NR, steps, true)
		lane := k.Type.laneBytes()
		for _, b := range [][]byte{c.a, c.b} {
			for at := 0; at+lane <= len(b); at += lane {
				if lane == 4 {
					Put(PtrTo(b[at:]), float32(r.Float64()-0.5))
				} else {
					Put(PtrTo(b[at:]), r.Float64()-0.5)
				}
			}
		}
		c.tile.Scale(k.Type, 1, 0, false, false)
		eps := map[int]float64{4: 0x1p-24, 8: 0x1p-53}[lane]
		bound := 4 * eps * steps * 0.25 * steps / 4
		got, want := c.run(k), c.run(genericGemm[k.Type])
		for i := range k.MR {
			for at := i * c.rowC; at < i*c.rowC+k.NR*k.Type.SumBytes(); at += lane {
				if x, y := lane8(got[at:], lane), lane8(want[at:], lane); math.Abs(x-y) > bound {
					t.Fatalf("%s: %v, twin %v", k, x, y)
				}
			}
		}
	}
}

func TestPackPanel(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	src := make([]byte, 1<<17)
	for i := range src {
		src[i] = byte(r.Uint32())
	}
	onEachLevel(t, func(t *testing.T) {
		for range 4000 {
			elem := []int{4, 8, 16}[r.IntN(3)]
			width := 1 + r.IntN(256/elem)
			lines, steps := r.IntN(width+1), r.IntN(40)
			pitch := width * elem
			lineStride, stepStride := elem*(1+r.IntN(50)), elem
			switch r.IntN(4) {
			case 0:
				lineStride, stepStride = elem, elem*(1+r.IntN(50))
			case 1:
				lineStride, stepStride = -elem*r.IntN(50), elem*r.IntN(50)
			}
			from := PtrTo(src).Add(1 << 16)
			const guard = 64
			got, want := make([]byte, steps*pitch+2*guard), make([]byte, steps*pitch+2*guard)
			PackPanel(PtrTo(got).Add(guard), pitch, from, lineStride, stepStride, lines, steps, elem)
			if steps > 0 {
				packPanelGo(PtrTo(want).Add(guard), pitch, from, lineStride, stepStride, lines, steps, elem)
			}
			if !bytes.Equal(got, want) {
				t.Fatalf("elem %d, pitch %d, %d lines %+d, %d steps %+d", elem, pitch, lines, lineStride, steps, stepStride)
			}
		}
	})
}

// TestPackRows packs whole panels row by row, as PackPanel does panel by panel.
func TestPackRows(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 8))
	src := make([]byte, 1<<15)
	for i := range src {
		src[i] = byte(r.Uint32())
	}
	onEachLevel(t, func(t *testing.T) {
		for range 500 {
			width, n, steps := 16*(1+r.IntN(12)), r.IntN(5), r.IntN(14)
			panel, stepStride := width*(steps+r.IntN(3)), n*width+r.IntN(50)
			got, want := make([]byte, n*panel+steps*width+64), make([]byte, n*panel+steps*width+64)
			PackRows(PtrTo(got), panel, PtrTo(src), stepStride, width, n, steps)
			for q := range n {
				PackPanel(PtrTo(want).Add(q*panel), width, PtrTo(src).Add(q*width), 4, stepStride, width/4, steps, 4)
			}
			if !bytes.Equal(got, want) {
				t.Fatalf("%d panels of %d bytes, %d rows %d apart", n, width, steps, stepStride)
			}
		}
	})
}

// TestPackLast packs the last lines of large allocations into wider panels: no address
// behind them is made, which the race detector's checks of pointers would see.
func TestPackLast(t *testing.T) {
	onEachLevel(t, func(t *testing.T) {
		for lines := 1; lines <= 48; lines++ {
			src, dst := make([]byte, 1<<16), make([]byte, 4*48)
			for i := range src {
				src[i] = byte(i)
			}
			PackPanel(PtrTo(dst), 4*48, PtrTo(src[1<<16-4*lines:]), 4, 4*lines, lines, 1, 4)
			if !bytes.Equal(dst[:4*lines], src[1<<16-4*lines:]) || slices.ContainsFunc(dst[4*lines:], func(b byte) bool { return b != 0 }) {
				t.Errorf("%d lines: %v", lines, dst)
			}
			PackGroups(PtrTo(dst), 4*48, PtrTo(src[1<<16-2*lines:]), 2*lines, lines, 1, Pairs16)
			for i := range 48 {
				want := uint32(0)
				if i < lines {
					want = uint32(At[uint16](PtrTo(src[1<<16-2*(lines-i):])))
				}
				if got := At[uint32](PtrTo(dst[4*i:])); got != want {
					t.Errorf("group %d of %d is %#x, not %#x", i, lines, got, want)
				}
			}
		}
	})
}

func TestPackGroups(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	src := make([]byte, 1<<16)
	for i := range src {
		src[i] = byte(r.Uint32())
	}
	onEachLevel(t, func(t *testing.T) {
		for range 2000 {
			f := GroupForm(r.IntN(int(numForms)))
			width := []int{1 + r.IntN(32), 16}[r.IntN(2)]
			lines, k := r.IntN(width+1), r.IntN(30)
			if r.IntN(2) == 0 {
				lines = width
			}
			stride := 2 * (32 + r.IntN(100))
			pitch, groups := 4*width, (k+f.group()-1)/f.group()
			got, want := make([]byte, groups*pitch+64), make([]byte, groups*pitch+64)
			PackGroups(PtrTo(got), pitch, PtrTo(src), stride, lines, k, f)
			packGroupsGo(PtrTo(want), pitch, PtrTo(src), stride, lines, 0, k, f)
			if !bytes.Equal(got, want) {
				t.Fatalf("form %d, pitch %d, %d lines, k %d, stride %d", f, pitch, lines, k, stride)
			}
		}
	})
}

func TestDotRows(t *testing.T) {
	onEachLevel(t, func(t *testing.T) {
		testDotRows[float32](t, 0x1p-24)
		testDotRows[float64](t, 0x1p-53)
	})
}

// testDotRows checks sums against the error bound, and that a row's bits do
// not depend on its neighbours.
func testDotRows[T float32 | float64](t *testing.T, eps float64) {
	r := rand.New(rand.NewPCG(11, 12))
	for _, n := range []int{0, 1, 7, 31, 32, 33, 100, 1000, dotChunk + 77} {
		const rows = 6
		stride := (n + 3) * sizeOf[T]()
		a, x := make([]T, rows*(n+3)), make([]T, n)
		for i := range a {
			a[i] = T(r.NormFloat64())
		}
		for i := range x {
			x[i] = T(r.NormFloat64())
		}
		var out [rows]T
		DotRows(out[:], vectorPtr(a), stride, x)
		for i := range out {
			row := a[i*(n+3):]
			var sum, size float64
			for j, v := range x {
				sum += float64(v) * float64(row[j])
				size += math.Abs(float64(v) * float64(row[j]))
			}
			if math.Abs(float64(out[i])-sum) > float64(n+4)*(eps+0x1p-53)*size {
				t.Fatalf("n %d: %v, not %v", n, out[i], sum)
			}
			var one [1]T
			DotRows(one[:], vectorPtr(row), stride, x)
			if one[0] != out[i] {
				t.Fatalf("n %d: row %d alone is %v, not %v", n, i, one[0], out[i])
			}
		}
	}
}

// onEachLevel runs f with every level of the machine forced.
func onEachLevel(t *testing.T, f func(t *testing.T)) {
	best := Best()
	defer func() {
		if err := Force(best); err != nil {
			t.Error(err)
		}
	}()
	for isa := Generic; isa <= best; isa++ {
		if err := Force(isa); err != nil {
			t.Fatal(err)
		}
		t.Run(isa.String(), f)
	}
}

func TestPeak(t *testing.T) {
	onEachLevel(t, func(t *testing.T) {
		for typ := range numGemmTypes {
			if rate := Peak(typ); !(rate > 1e6) {
				t.Errorf("%s: %v operations a second", typ, rate)
			}
		}
	})
}

func TestGemmChoice(t *testing.T) {
	for typ := range numGemmTypes {
		k := Gemm(typ, Generic)
		if (typ == GemmBF16 || typ == GemmVNNI) != (k == nil) {
			t.Errorf("generic %s: %v", typ, k)
		}
		if k != nil && k.String() != fmt.Sprintf("%s generic 4x4", typ) {
			t.Errorf("%s is called %s", typ, k)
		}
	}
}

func TestHalves(t *testing.T) {
	for h := range 1 << 16 {
		f := F16ToF32(uint16(h))
		exp, frac := h>>10&31, float64(h&0x3ff)
		want := math.Ldexp(frac, -24)
		switch {
		case exp == 31 && frac != 0:
			want = math.NaN()
		case exp == 31:
			want = math.Inf(1)
		case exp > 0:
			want = math.Ldexp(1024+frac, exp-25)
		}
		if h>>15 == 1 {
			want = -want
		}
		if float64(f) != want && !(math.IsNaN(want) && f != f) {
			t.Fatalf("%#x: %v, not %v", h, f, want)
		}
		if back := F32ToF16(f); f == f && back != uint16(h) {
			t.Fatalf("%#x comes back as %#x", h, back)
		}
		checkHalfway(t, uint16(h), f)
	}
}

// checkHalfway rounds the value between h and its successor, and its
// neighbours.
func checkHalfway(t *testing.T, h uint16, f float32) {
	t.Helper()
	if h&0x7fff >= 0x7bff { // the largest, infinity, NaN
		return
	}
	next := F16ToF32(h + 1)
	mid := f/2 + next/2
	even := h + h&1
	below, above := math.Nextafter32(mid, f), math.Nextafter32(mid, next)
	if F32ToF16(mid) != even || F32ToF16(below) != h || F32ToF16(above) != h+1 {
		t.Fatalf("around %v: %#x %#x %#x", mid, F32ToF16(below), F32ToF16(mid), F32ToF16(above))
	}
}

func BenchmarkTile(b *testing.B) {
	for _, k := range gemmKernelsHere() {
		for _, steps := range []int{32, 512} {
			b.Run(fmt.Sprintf("%s/%d", k, steps), func(b *testing.B) { benchmarkTile(b, k, steps) })
		}
	}
}

func benchmarkTile(b *testing.B, k *GemmKernel, steps int) {
	c := newTileCase(rand.New(rand.NewPCG(1, 2)), k, k.MR, k.NR, steps, true)
	t := c.tile
	t.C = PtrTo(c.c)
	if k.Type.Integer() {
		t.ScaleInt(1, 0)
	} else {
		t.Scale(k.Type, 1, 0, false, false)
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	best, calls := time.Duration(1<<62), 1+200000/(steps*k.MR)
	for b.Loop() {
		start := threadTime()
		for range calls {
			k.Run(&t, k.MR, k.NR)
		}
		best = min(best, threadTime()-start)
	}
	ops := 2 * float64(calls*steps*k.MR*k.NR*k.Type.Group())
	if k.Type.Complex() {
		ops *= 4
	}
	b.ReportMetric(ops/best.Seconds()/1e9, "GFLOP/s")
}

// threadTime is the CPU time of the calling thread: other load on the machine
// counts little.
func threadTime() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts); err != nil {
		panic(err)
	}
	return time.Duration(ts.Nano())
}

// TestHeight: tiles are never higher than MR, nor lower than a vector's columns
// and few rows allow.
func TestHeight(t *testing.T) {
	eachKernel := func(f func(k *GemmKernel)) {
		for isa := Generic; isa <= Best(); isa++ {
			for typ := range numGemmTypes {
				if k := Gemm(typ, isa); k != nil {
					f(k)
				}
			}
		}
	}
	eachKernel(func(k *GemmKernel) {
		for _, m := range []int{1, k.MR, 2 * k.MR, 2*k.MR + 1, 1000} {
			for n := 1; n <= k.NR; n++ {
				h := k.Height(m, n)
				if h < 1 || h > k.MR {
					t.Errorf("%s: tiles of %d rows", k, h)
				}
				if (m <= 2*k.MR || n <= k.lanes) && h != k.MR {
					t.Errorf("%s: %d x %d in tiles of %d rows, not %d", k, m, n, h, k.MR)
				}
			}
		}
	})
}
