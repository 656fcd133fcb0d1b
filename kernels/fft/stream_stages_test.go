package fft

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"vgpu/kernels"
	"vgpu/kernels/kerneltest"
	"vgpu/kernels/ndarray"
)

// someRequest is a transform of an array over some axes.
func someRequest(inv, real bool, prec ndarray.DType, scale float64, shape []int, axes ...int) *streamed {
	r := &request{inv: inv, real: real, axes: axes, shape: shape, in: shape, out: shape, prec: prec, scale: scale, threads: 2}
	if real {
		half := slices.Clone(shape)
		last := axes[len(axes)-1]
		half[last] = shape[last]/2 + 1
		if r.out = half; inv {
			r.in, r.out = half, shape
		}
	}
	return &streamed{r: r, m: machineFor(prec), order: r.order(), complex: complexOf(prec)}
}

// TestStages: whatever an array is done in, axes together or one by one, the stages in
// turn have the bits of core. Only the last scales, and only one has the real axis.
func TestStages(t *testing.T) {
	rng := newRand(151)
	shape := []int{6, 5, 8}
	for _, c := range []struct {
		verb      string
		inv, real bool
		axes      []int
	}{
		{"fft", false, false, []int{0, 1, 2}}, {"ifft", true, false, []int{2, 0}}, {"rfft", false, true, []int{0, 1, 2}}, {"rfft", false, true, []int{2, 1, 0}}, {"irfft", true, true, []int{0, 1, 2}}, {"irfft", true, true, []int{1, 2}}, {"irfft", true, true, []int{2, 0}}, {"fft", false, false, []int{1}},
	} {
		for cuts := range 1 << (len(c.axes) - 1) {
			s := someRequest(c.inv, c.real, ndarray.F64, normScale("ortho", float64(product(picked(shape, c.axes))), c.inv), shape, c.axes...)
			inType, outType := s.dtypes()
			x := randomArray(rng, inType, s.r.in...)
			line := fmt.Sprintf("%s x y norm=ortho axes=%s", c.verb, commas(c.axes))
			want, _, err := kerneltest.Run(t, Kernels(), line, map[string]ndarray.Array{"x": x})
			must(t, err)
			got := ndarray.New(outType, s.r.out...)
			a := &account{plan: stagedPlan(t, s, cuts, x.Layout, got.Layout), in: []ndarray.Array{x}, out: []ndarray.Array{got}}
			a.run(t, line)
			if !bytes.Equal(got.Data, want["y"].Data) {
				t.Errorf("%s in stages %b has other bits than in core", line, cuts)
			}
		}
	}
}

// stagedPlan is a plan of stages that end where cuts has a bit, and with the last axis.
func stagedPlan(t *testing.T, s *streamed, cuts int, src, dst ndarray.Layout) *kernels.Streamed {
	t.Helper()
	c, from, reals, scales := newChain(1<<20, dst, src), source, 0, 0
	for at := 0; at < len(s.order); {
		end := at + 1
		for end < len(s.order) && cuts>>(end-1)&1 == 0 {
			end++
		}
		to, final := result, end == len(s.order)
		stage := s.stage(s.order[at:end], final)
		if !final {
			_, d := stage.dtypes()
			to = c.temp(d, stage.r.out...)
		}
		if stage.r.scale != 1 {
			scales++
		}
		if q := stage.r; q.real {
			reals++
		} else if !slices.Equal(q.in, q.shape) || !slices.Equal(q.out, q.shape) {
			t.Errorf("a stage without the real axis goes from %v to %v, by lengths of %v", q.in, q.out, q.shape)
		}
		stage.src, stage.dst = c.layout(from), c.layout(to)
		plan, err := stage.whole(c.mem)
		c.add(plan, err, to, from)
		from, at = to, end
	}
	if s.r.real != (reals == 1) || scales != 1 {
		t.Errorf("%d stages have the real axis, %d scale", reals, scales)
	}
	plan, err := c.streamed()
	must(t, err)
	return plan
}

// picked are the elements of a list at some places, and commas a list as a line has it.
func picked(list, at []int) (out []int) {
	for _, i := range at {
		out = append(out, list[i])
	}
	return out
}

func commas(list []int) (out string) {
	for i, n := range list {
		if i > 0 {
			out += ","
		}
		out += itoa(n)
	}
	return out
}

// TestFitting: as many axes in a row as fit each by itself, and no more.
func TestFitting(t *testing.T) {
	s := someRequest(false, false, ndarray.F32, 1, []int{40, 9, 300, 3}, 0, 1, 2, 3)
	s.src, s.dst = ndarray.NewLayout(s.complex, s.r.in...), ndarray.NewLayout(s.complex, s.r.out...)
	for at := range s.order {
		if need := s.newPass(s.order, at, 1).mem; s.fitting(at, need-1) != 0 || s.fitting(at, need) == 0 {
			t.Errorf("axis %d takes %d bytes", s.order[at], need)
		}
	}
	counts := map[int]bool{}
	for mem := int64(1 << 10); mem < 1<<22; mem += mem / 8 {
		for at := range s.order {
			n := s.fitting(at, mem)
			for i := range n {
				if need := s.newPass(s.order, at+i, 1).mem; need > mem {
					t.Errorf("axis %d takes %d bytes, and is said to fit into %d", s.order[at+i], need, mem)
				}
			}
			if next := at + n; next < len(s.order) && s.newPass(s.order, next, 1).mem <= mem {
				t.Errorf("axis %d fits into %d bytes, and is not taken", s.order[next], mem)
			}
			counts[n] = true
		}
	}
	for n := range len(s.order) + 1 {
		if !counts[n] {
			t.Errorf("no memory has %d axes fit", n)
		}
	}
}
