package fft

import (
	"math/big"
	"slices"
	"testing"

	"vgpu/kernels"
	"vgpu/kernels/kerneltest"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/pool"
	"vgpu/kernels/simd"
	"vgpu/kernels/stream"
)

// TestPairTiles: the tiles of a real line have every number once, and every pair in one
// tile, at places that mirror each other.
func TestPairTiles(t *testing.T) {
	rng := newRand(111)
	for range 300 {
		h := 1 + rng.IntN(60)
		l := &realStream{h: h, pairs: 2 * (1 + rng.IntN(12))}
		seen := make([]int, h+1)
		done := 0
		for i := range l.tiles() {
			pairs, end, parts := l.tile(i)
			done += pairs
			place := map[int]int{}
			for _, p := range parts {
				for k := p.lo; k < p.hi; k++ {
					seen[k]++
					place[k] = p.at + k - p.lo
				}
			}
			for k, at := range place {
				if other, ok := place[h-k]; !ok || at+other != end {
					t.Fatalf("h=%d, tiles of %d pairs, tile %d: %d lies at %d, its pair at %d of %d", h, l.pairs, i, k, at, other, end)
				}
			}
		}
		if slices.Min(seen) != 1 || slices.Max(seen) != 1 || done != h/2 {
			t.Fatalf("h=%d, tiles of %d pairs: numbers are %v, %d pairs", h, l.pairs, seen, done)
		}
	}
}

// TestBlocksOfTiles: the last tile of columns has a whole block for the one that is
// not, which overlaps it, and tiles are as large as that allows.
func TestBlocksOfTiles(t *testing.T) {
	for _, w := range []int{4, 8, 16} {
		l := &lineStream{streamed: &streamed{m: machine{w: w}}}
		for n := w; n < 12*w; n++ {
			all := tilesOf(n, w)
			for most := 1; most <= all+1; most++ {
				b := l.atMost(most, n)
				if b > most || b > all {
					t.Fatalf("n=%d: %d blocks of %d at most %d", n, b, all, most)
				}
				if b == 0 {
					continue
				}
				if last := n - (tilesOf(all, b)-1)*b*w; last < w {
					t.Fatalf("n=%d: tiles of %d blocks leave %d columns", n, b, last)
				}
			}
			if b := l.least(n); l.atMost(b, n) != b || l.atMost(all, n) != all {
				t.Fatalf("n=%d: the least tile has %d blocks, the largest %d of %d", n, b, l.atMost(all, n), all)
			}
		}
	}
}

// TestBoxes: the boxes of a pass have every element of what is cut once, and all of the
// axes that are not.
func TestBoxes(t *testing.T) {
	rng := newRand(112)
	for range 200 {
		rank := 1 + rng.IntN(4)
		p := &pass{}
		for a := range rank {
			n := 1 + rng.IntN(7)
			e := 1 + rng.IntN(n)
			if rng.IntN(3) == 0 {
				p.axes, e = append(p.axes, a), n
			}
			p.out, p.extents = append(p.out, n), append(p.extents, e)
		}
		p.in = slices.Clone(p.out)
		whole := ndarray.New(ndarray.F32, p.out...)
		for i := range p.tiles() {
			lo, hi := p.box(i)
			tile := ndarray.Array{Layout: part(whole.Layout, lo, hi, p, p.out), Data: whole.Data}
			for a := range rank {
				if tile.Shape[a] > p.extents[a] || tile.Shape[a] < 1 {
					t.Fatalf("%v in tiles of %v: tile %d is %v", p.out, p.extents, i, tile.Shape)
				}
			}
			one := ndarray.New(ndarray.F32, tile.Shape...)
			must(t, ndarray.Convert(one, tile))
			for k := range reals[float32](one) {
				reals[float32](one)[k]++
			}
			must(t, ndarray.Convert(tile, one))
		}
		for i, v := range reals[float32](whole) {
			if v != 1 {
				t.Fatalf("%v in tiles of %v: element %d is in %g", p.out, p.extents, i, v)
			}
		}
	}
}

// TestSquareMod: squares of indices of lines that 64 bits do not hold.
func TestSquareMod(t *testing.T) {
	rng := newRand(113)
	for range 2000 {
		n := 1 + int(rng.Int64()>>rng.IntN(60))
		j := int(rng.Int64N(int64(n)))
		b := new(big.Int).Mul(big.NewInt(int64(j)), big.NewInt(int64(j)))
		if want := b.Mod(b, big.NewInt(int64(n))).Int64(); int64(squareMod(j, n)) != want {
			t.Fatalf("%d² mod %d is %d, want %d", j, n, squareMod(j, n), want)
		}
	}
}

// TestChirpElements: the chirp that is made where it is needed is the table that a plan
// has in core.
func TestChirpElements(t *testing.T) {
	t.Run("f32", testChirpElements[float32])
	t.Run("f64", testChirpElements[float64])
}

func testChirpElements[T simd.Float](t *testing.T) {
	for _, n := range []int{83, 166, 1021, 1024, 4001} {
		plan, err := newBluestein(nil, simd.FFT[T](), n)
		must(t, err)
		c := &chirpStream[T]{n: n, m: padLength(2*n - 1), roots: newRoots(2 * n)}
		want := make([]T, 2*n)
		plan.chirp.part(want, 0)
		for j := range n {
			if re, im := c.at(j); re != want[2*j] || im != want[2*j+1] {
				t.Fatalf("n=%d: element %d is (%g, %g), in core (%g, %g)", n, j, re, im, want[2*j], want[2*j+1])
			}
		}
	}
}

// TestLender: phases get parts of one blob that do not overlap, and what is written to
// one is read from it.
func TestLender(t *testing.T) {
	d := kerneltest.NewDisk(t)
	sizes := []int{1, 63, 64, 65, 70000, 5}
	total := 0
	for _, n := range sizes {
		total += stream.Padded(n)
	}
	l := lender{blob: d.Blob(make([]byte, total), 0, total)}
	var blobs []kernels.Blob
	for i, n := range sizes {
		b, err := l.lend(int64(n))
		must(t, err)
		blobs = append(blobs, b)
		data := slices.Repeat([]byte{byte(i + 1)}, n)
		must(t, b.Write(kernels.Segment{Off: 0, Buf: data}).Wait(t.Context()))
	}
	for i, n := range sizes {
		got := make([]byte, n)
		must(t, blobs[i].Read(kernels.Segment{Off: 0, Buf: got}).Wait(t.Context()))
		if slices.Min(got) != byte(i+1) || slices.Max(got) != byte(i+1) {
			t.Errorf("part %d of %d bytes was written over", i, n)
		}
	}
	d.Quiet()
}

// TestEnds: views of the ends of a chain: parts, backwards, and both.
func TestEnds(t *testing.T) {
	x := ndarray.New(ndarray.F32, 10)
	for i := range 10 {
		reals[float32](x)[i] = float32(i)
	}
	c := newChain(1<<20, x.Layout, x.Layout)
	for _, v := range []struct {
		end  end
		want []float32
	}{
		{source.part(2, 5), []float32{2, 3, 4}}, {result.backwards().part(0, 3), []float32{9, 8, 7}}, {source.part(6, 10).backwards(), []float32{9, 8, 7, 6}},
		{source.backwards().backwards().part(0, 2), []float32{0, 1}}, {source.part(3, 3).backwards(), nil},
	} {
		got := ndarray.New(ndarray.F32, len(v.want))
		must(t, ndarray.Convert(got, ndarray.Array{Layout: c.layout(v.end), Data: x.Data}))
		if !slices.Equal(reals[float32](got), v.want) {
			t.Errorf("%v, want %v", reals[float32](got), v.want)
		}
	}
}

// TestLinesOfArrays: lines along any axis are those of the array, each once, and an axis
// becomes the last as numpy.moveaxis has it.
func TestLinesOfArrays(t *testing.T) {
	rng := newRand(114)
	a := randomView(rng, randomArray(rng, ndarray.F64, 3, 4, 5))
	for ax, n := range a.Shape {
		turned := ndarray.Array{Layout: lastAxis(a.Layout, ax), Data: a.Data}
		if turned.Shape[2] != n {
			t.Fatalf("axis %d is not the last of %v", ax, turned.Shape)
		}
		all := ndarray.New(ndarray.F64, turned.Shape...)
		must(t, ndarray.Convert(all, turned))
		for i := range a.Len() / n {
			line := ndarray.New(ndarray.F64, n)
			must(t, ndarray.Convert(line, ndarray.Array{Layout: lineOf(a.Layout, ax, i), Data: a.Data}))
			if !slices.Equal(reals[float64](line), reals[float64](all)[i*n:(i+1)*n]) {
				t.Errorf("axis %d: line %d is another", ax, i)
			}
		}
	}
	if got := moved([]int{7, 8, 9}, 1); !slices.Equal(got, []int{7, 9, 8}) {
		t.Errorf("moved: %v", got)
	}
}

// TestFill: what an array lacks is zero, and the rest is converted.
func TestFill(t *testing.T) {
	onPool(t, 2, 2, func(w *pool.Worker) error {
		rng := newRand(115)
		src := randomArray(rng, ndarray.I16, 3, 4)
		dst := randomView(rng, randomArray(rng, ndarray.F64, 5, 6))
		if err := fill(w, dst, src); err != nil {
			return err
		}
		got, want := ndarray.New(ndarray.F64, 5, 6), ndarray.New(ndarray.F64, 5, 6)
		must(t, ndarray.Convert(got, dst))
		must(t, ndarray.Convert(want.Range(0, 0, 3).Range(1, 0, 4), src))
		if !slices.Equal(reals[float64](got), reals[float64](want)) {
			t.Error("the part that is there, or the rest, is wrong")
		}
		return nil
	})
}

// TestLaneTiles: a tile of a lane has the elements that its reach says, and no others.
func TestLaneTiles(t *testing.T) {
	l := in(source).by(2, -1, 3)
	if l.length(1) != 4 || l.length(5) != 12 || out(result).length(7) != 7 || !out(result).store {
		t.Errorf("lengths %d, %d", l.length(1), l.length(5))
	}
	x := laneTile[float32]{first: 4, x: []float32{40, 41, 50, 51}}
	if x.has(3) || !x.has(4) || !x.has(7) || x.has(8) || *x.at(5) != 41 {
		t.Error("a tile of reals has other elements")
	}
	if p := x.point(5); *p != [2]float32{50, 51} {
		t.Errorf("point 5 is %v", *p)
	}
}
