package fft

import (
	"errors"
	"slices"
	"testing"

	"vgpu/kernels"
	"vgpu/kernels/kerneltest"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/stream"
)

// TestPassTiles: the tiles of passes planned for any memory are within it, cover the
// array once, are no larger than the one that memory is taken for, and have the axes of
// the pass whole.
func TestPassTiles(t *testing.T) {
	shapes := [][]int{{12, 10, 7}, {30, 9}, {5, 1, 64}, {17}, {3, 4, 5, 6}}
	plans := 0
	for _, shape := range shapes {
		for _, kind := range []struct{ inv, real bool }{{false, false}, {true, false}, {false, true}, {true, true}} {
			axes := []int{len(shape) - 1, 0}[:min(2, len(shape))]
			s := someRequest(kind.inv, kind.real, ndarray.F32, 1, shape, axes...)
			in, out := s.dtypes()
			s.src, s.dst = ndarray.NewLayout(in, s.r.in...), ndarray.NewLayout(out, s.r.out...)
			for mem := int64(1 << 11); mem < 1<<17; mem += mem / 5 {
				q := *s
				var low *stream.NoMemError
				if err := q.plan(mem); errors.As(err, &low) {
					if low.Least <= mem || low.Have != mem {
						t.Errorf("%v in %d bytes: %v", shape, mem, err)
					}
					continue
				}
				plans++
				checkTiles(t, &q, mem)
			}
		}
	}
	if plans < 200 {
		t.Errorf("%d plans", plans)
	}
}

func checkTiles(t *testing.T, s *streamed, mem int64) {
	t.Helper()
	var done []int
	most := int64(0)
	for _, p := range s.passes {
		done, most = append(done, p.axes...), max(most, p.mem)
		if need := s.passMem(p); need != p.mem || need > mem {
			t.Fatalf("%v in %d bytes: a pass of tiles of %v is said to take %d, and takes %d", p.out, mem, p.extents, p.mem, need)
		}
		_, full := p.tile()
		elements := 0
		for i := range p.tiles() {
			lo, hi := p.box(i)
			size := 1
			for a := range lo {
				n := hi[a] - lo[a]
				if whole := slices.Contains(p.axes, a); n < 1 || n > full[a] || whole && n != p.out[a] {
					t.Fatalf("%v in %d bytes: tile %d is %v to %v, of %v at the most", p.out, mem, i, lo, hi, full)
				}
				size *= n
			}
			elements += size
		}
		if elements != product(p.out) {
			t.Fatalf("%v in %d bytes: tiles have %d elements", p.out, mem, elements)
		}
	}
	if !slices.Equal(done, s.order) || most != s.mem {
		t.Fatalf("axes %v are done, want %v; %d bytes are told, and %d taken", done, s.order, s.mem, most)
	}
	if first, last := s.passes[0], s.passes[len(s.passes)-1]; !first.first || !last.last || !last.final {
		t.Fatal("the first pass, or the last, is not")
	}
}

// TestManyTiles: of a pass of many tiles some are looked at; what that gives for all is
// what all have.
func TestManyTiles(t *testing.T) {
	l := ndarray.NewLayout(ndarray.C64, 1000, 16)
	s := someRequest(false, false, ndarray.F32, 1, l.Shape, 1)
	s.src, s.dst = l, l
	p := s.newPass(s.order, 0, 1)
	s.passes = []*pass{p}
	read, readCost, n := 0.0, 0.0, 0
	for i := range p.tiles() {
		src, dst, _ := s.tileAt(p, i)
		a, costA := stream.SourceTraffic(src)
		b, costB := stream.SinkTraffic(dst)
		read, readCost, n = read+a+b, readCost+costA+costB+stream.StepCost, n+1
	}
	if n != 1000 || s.traffic(true) != read || s.traffic(true) != float64(2*l.Bytes()) || s.traffic(false) != readCost {
		t.Errorf("%d tiles move %g bytes at the cost of %g, and are said to move %g for %g", n, read, readCost, s.traffic(true), s.traffic(false))
	}
}

// TestTileLayout: what there is of a tile, where an array is smaller.
func TestTileLayout(t *testing.T) {
	l := ndarray.NewLayout(ndarray.F32, 4, 6)
	for _, c := range [][2][]int{{{2, 3}, {2, 3}}, {{9, 3}, {4, 3}}, {{4, 6}, {4, 6}}, {{5, 7}, {4, 6}}, {{0, 7}, {0, 6}}} {
		if got := tileLayout(l, c[0]); !slices.Equal(got.Shape, c[1]) || got.Offset != 0 {
			t.Errorf("%v of %v is %v", c[0], l.Shape, got.Shape)
		}
	}
	p := &pass{axes: []int{1}, in: []int{4, 6}, out: []int{4, 6}}
	if got := part(l, []int{1, 0}, []int{3, 1}, p, []int{4, 9}); !slices.Equal(got.Shape, []int{2, 6}) || got.Offset != l.Strides[0] {
		t.Errorf("rows 1 and 2 are %v from byte %d on", got.Shape, got.Offset)
	}
}

// TestStreamedNothing: what has no elements takes no memory, moves nothing, and needs
// no temporary space.
func TestStreamedNothing(t *testing.T) {
	for _, line := range []string{"fft x y axes=1", "irfft x y axes=1", "rfft r y axes=1", "dct r y axes=1"} {
		operands := map[string]ndarray.Array{"x": ndarray.New(ndarray.C64, 0, 5), "r": ndarray.New(ndarray.F32, 0, 5)}
		j, err := kerneltest.Prepare(t, Kernels(), line, operands)
		must(t, err)
		plan, err := j.Plan.Stream(1 << 20)
		must(t, err)
		a := &account{plan: plan, in: j.In, out: j.Out}
		a.run(t, line)
		if moved, _ := a.moved(); moved != 0 || len(a.temps) != 0 || plan.Moved != 0 {
			t.Errorf("%s: %d bytes were moved, %g told, in %d arrays of temporary space", line, moved, plan.Moved, len(a.temps))
		}
	}
}

// TestStreamedScale: each norm is applied once, whatever axis comes last and however
// many passes there are, real or not.
func TestStreamedScale(t *testing.T) {
	rng := newRand(152)
	operands := map[string]ndarray.Array{"c": randomArray(rng, ndarray.C128, 24, 31), "r": randomArray(rng, ndarray.F64, 24, 31)}
	for _, verb := range []string{"fft c y", "ifft c y", "irfft c y", "rfft r y"} {
		for _, axes := range []string{"0,1", "1,0", "0", "1"} {
			for _, norm := range []string{"ortho", "forward", "backward"} {
				line := verb + " axes=" + axes + " norm=" + norm
				least := leastOf(t, line, operands)
				for _, mem := range []int64{least, 2 * least} {
					accountOf(t, line, operands, mem)
				}
			}
		}
	}
}

// TestLeastOfAll: whatever a plan goes by, it is made in the least memory that it
// tells, and refused in a byte less with the same figure; and in any more memory it is
// made, within it.
func TestLeastOfAll(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		for _, d := range []ndarray.DType{ndarray.F32, ndarray.F64} {
			for what, plan := range plansOf(d) {
				for _, factor := range []float64{1, 3} {
					if s := plannedIn(t, what, factor, plan); s.Moved <= 0 || len(s.Explain) == 0 {
						t.Errorf("%s: %+v", what, s)
					}
				}
			}
		}
	})
}

// plansOf are plans of all sorts, of arrays that need not exist.
func plansOf(d ndarray.DType) map[string]func(mem int64) (*kernels.Streamed, error) {
	out := map[string]func(mem int64) (*kernels.Streamed, error){}
	add := func(what string, s *streamed) {
		in, to := s.dtypes()
		src, dst := ndarray.NewLayout(in, s.r.in...), ndarray.NewLayout(to, s.r.out...)
		out[d.String()+" "+what] = func(mem int64) (*kernels.Streamed, error) { return s.r.stream(src, dst, mem) }
	}
	add("axes that fit", someRequest(false, false, d, 1, []int{500, 60}, 0, 1))
	add("a real array", someRequest(false, true, d, 1, []int{90, 70, 8}, 0, 1, 2))
	add("and back", someRequest(true, true, d, 1, []int{90, 70, 8}, 0, 1, 2))
	add("a line", someRequest(false, false, d, 1, []int{1 << 22}, 0))
	add("lines apart", someRequest(true, false, d, 1, []int{1 << 20, 3}, 0))
	add("a real line", someRequest(false, true, d, 1, []int{1 << 22}, 0))
	add("an odd line", someRequest(false, true, d, 1, []int{3 * 3 * 3 * 5 * 7 * 11 * 13}, 0))
	add("an odd line back", someRequest(true, true, d, 1, []int{3 * 3 * 3 * 5 * 7 * 11 * 13}, 0))
	add("a prime", someRequest(false, false, d, 1, []int{1000003}, 0))
	add("a long axis of three", someRequest(false, false, d, 1, []int{3, 1 << 20, 2}, 0, 1, 2))
	for kind := 1; kind <= 4; kind++ {
		r := &trigRequest{kind: kind, axes: []int{0}, shape: []int{300001}, scale: []float64{1}, prec: d, unit: 1, threads: 2}
		l := ndarray.NewLayout(d, 300001)
		out[d.String()+" a cosine transform, "+itoa(kind)] = func(mem int64) (*kernels.Streamed, error) { return r.stream(l, l, mem) }
	}
	return out
}
