package fft

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"sync"
	"syscall"
	"testing"

	"vgpu/kernels"
	"vgpu/kernels/kerneltest"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/pool"
	"vgpu/kernels/simd"
	"vgpu/kernels/stream"
)

// ledger is a blob in memory that keeps account of what is moved. What is read comes
// when it is waited for. (That transfers keep to the contract is for
// [kerneltest.Stream] to see, which takes longer.)
type ledger struct {
	data          []byte
	lo, hi        int        // bytes that may be moved
	mu            sync.Mutex // guards what follows
	reads, writes []int      // by byte: how many more times it is moved than the one before
	moved         int64
	longest       int // bytes of a call
	open          int // transfers that nobody has waited for
}

func newLedger(data []byte, lo, hi int) *ledger {
	return &ledger{data: data, lo: lo, hi: hi, reads: make([]int, len(data)+1), writes: make([]int, len(data)+1)}
}

// Read implements [kernels.Blob], as Write does.
func (l *ledger) Read(segs ...kernels.Segment) kernels.Transfer {
	return l.book(l.reads, segs, func(s kernels.Segment) { copy(s.Buf, l.data[s.Off:]) })
}

func (l *ledger) Write(segs ...kernels.Segment) kernels.Transfer {
	return l.book(l.writes, segs, func(s kernels.Segment) { copy(l.data[s.Off:], s.Buf) })
}

func (l *ledger) book(times []int, segs []kernels.Segment, move func(s kernels.Segment)) kernels.Transfer {
	l.mu.Lock()
	defer l.mu.Unlock()
	call := 0
	for _, s := range segs {
		if int(s.Off) < l.lo || int(s.Off)+len(s.Buf) > l.hi {
			panic("bytes beside an operand are moved")
		}
		times[s.Off]++
		times[int(s.Off)+len(s.Buf)]--
		call += len(s.Buf)
	}
	l.moved += int64(call)
	l.longest = max(l.longest, call)
	l.open++
	return &entry{l: l, segs: slices.Clone(segs), move: move}
}

// entry is a transfer of a ledger.
type entry struct {
	l    *ledger
	segs []kernels.Segment
	move func(s kernels.Segment)
	over bool
}

// Wait implements [kernels.Transfer].
func (e *entry) Wait(context.Context) error {
	e.l.mu.Lock()
	defer e.l.mu.Unlock()
	if e.over {
		return nil
	}
	for _, s := range e.segs {
		e.move(s)
	}
	e.over = true
	e.l.open--
	return nil
}

// times is how often the elements of an array were moved: the least and the most; and
// the most of the bytes between them.
func times(more []int, l ndarray.Layout) (least, most, between int) {
	elements := ndarray.New(ndarray.U8, len(more)-1)
	one := l
	one.DType, one.Shape, one.Strides = ndarray.U8, append(slices.Clone(l.Shape), l.DType.Size()), append(slices.Clone(l.Strides), 1)
	ones := ndarray.New(ndarray.U8, one.Shape...)
	for i := range ones.Data {
		ones.Data[i] = 1
	}
	if err := ndarray.Convert(ndarray.Array{Layout: one, Data: elements.Data}, ones); err != nil {
		panic(err)
	}
	least = 1 << 30
	n := 0
	for i, element := range elements.Data {
		if n += more[i]; element == 0 {
			between = max(between, n)
			continue
		}
		least, most = min(least, n), max(most, n)
	}
	return least, most, between
}

// allocated is memory of the Go heap, with an account.
type allocated struct {
	heap
	n int64
}

func (m *allocated) Alloc(n int) []byte {
	m.n += int64(n)
	return m.heap.Alloc(n)
}

// account is what a streamed run came to.
type account struct {
	plan            *kernels.Streamed
	src, dst, temps []*ledger
	in, out         []ndarray.Array
	mem, temp       int64
}

// moved is the bytes of all transfers, longest those of the longest.
func (a *account) moved() (moved int64, longest int) {
	for _, l := range slices.Concat(a.src, a.dst, a.temps) {
		moved, longest = moved+l.moved, max(longest, l.longest)
	}
	return moved, longest
}

// run runs the plan on two threads, on a disk that has the operands and the result,
// and demands no more memory and temporary space than it says.
func (a *account) run(t *testing.T, what string) {
	t.Helper()
	lent := &allocated{}
	x := &kernels.Exec{Ctx: t.Context(), Mem: lent, Temp: func(n int64) (kernels.Blob, error) {
		l := newLedger(bytes.Repeat([]byte{0xff}, int(n)), 0, int(n)) // NaNs
		a.temps, a.temp = append(a.temps, l), a.temp+n
		return l, nil
	}}
	on := func(all *[]*ledger, arrays []ndarray.Array) (out []kernels.Stored) {
		for _, o := range arrays {
			lo, hi := o.Extent()
			l := newLedger(o.Data, lo, hi)
			*all = append(*all, l)
			out = append(out, kernels.Stored{Blob: l, Layout: o.Layout})
		}
		return out
	}
	x.Src, x.Dst = on(&a.src, a.in), on(&a.dst, a.out)
	onPool(t, 2, 0, func(w *pool.Worker) error {
		x.W = w
		return a.plan.Run(x)
	})
	for _, l := range slices.Concat(a.src, a.dst, a.temps) {
		if l.open > 0 {
			t.Errorf("%s: %d transfers were not waited for", what, l.open)
		}
	}
	if a.mem = lent.n; a.mem > a.plan.Mem || a.temp > a.plan.Temp {
		t.Errorf("%s: the plan has %d bytes and %d of temporary space, the run took %d and %d", what, a.plan.Mem, a.plan.Temp, a.mem, a.temp)
	}
}

// accountOf runs a line outside memory, within mem bytes, and demands the bits of the
// line in core.
func accountOf(t *testing.T, line string, operands map[string]ndarray.Array, mem int64) *account {
	t.Helper()
	want, _, err := kerneltest.Run(t, Kernels(), line, operands)
	must(t, err)
	j, err := kerneltest.Prepare(t, Kernels(), line, operands)
	must(t, err)
	a := &account{in: j.In, out: j.Out}
	if a.plan, err = j.Plan.Stream(mem); err != nil || a.plan.Mem > mem {
		t.Fatalf("%s in %d bytes: %+v, %v", line, mem, a.plan, err)
	}
	a.run(t, line)
	for path, out := range j.Outputs {
		if !bytes.Equal(out.Data, want[path].Data) {
			t.Errorf("%s in %d bytes: %s has other bits than in core", line, mem, path)
		}
	}
	return a
}

// plannedIn makes a plan in some memory: the least, or more by a factor. The least is
// enough, and a byte less is refused with it, as nothing is.
func plannedIn(t *testing.T, what string, factor float64, plan func(mem int64) (*kernels.Streamed, error)) *kernels.Streamed {
	t.Helper()
	var low, again *stream.NoMemError
	if _, err := plan(0); !errors.As(err, &low) || !errors.Is(err, syscall.ENOMEM) || low.Have != 0 {
		t.Fatalf("%s without memory: %v", what, err)
	}
	if _, err := plan(low.Least - 1); !errors.As(err, &again) || again.Least != low.Least || again.Have != low.Least-1 {
		t.Fatalf("%s in a byte less than %d: %v", what, low.Least, err)
	}
	mem := max(low.Least, int64(factor*float64(low.Least)))
	s, err := plan(mem)
	if err != nil || s.Mem > mem || s.Mem <= 0 {
		t.Fatalf("%s in %d bytes: %+v, %v", what, mem, s, err)
	}
	return s
}

// TestStreamedAccounts: the passes, the bytes and the memory that a plan tells are
// those that the disk sees: every element of the result is written as often as there
// are passes over it, none beside it, and those of the operand are read once.
func TestStreamedAccounts(t *testing.T) {
	rng, n := newRand(123), 17150
	if simd.Active() == simd.AVX2 { // as below: of 17150 its tiles have short runs
		n = 17500
	}
	operands := map[string]ndarray.Array{
		"c": randomArray(rng, ndarray.C64, 40, 60), "r": randomArray(rng, ndarray.F32, 40, 66), "i": randomArray(rng, ndarray.I16, 30, 50), "p": randomArray(rng, ndarray.C64, 300, 23), "v": randomView(rng, randomArray(rng, ndarray.C64, 33, 48)),
		"l": randomArray(rng, ndarray.C64, n), "e": randomArray(rng, ndarray.F32, 2*n), "h": randomArray(rng, ndarray.C64, n+1), "w": randomArray(rng, ndarray.C64, n, 2), "z": randomArray(rng, ndarray.C64, 8195),
		"x": randomArray(rng, ndarray.F32, 1000), "k": randomArray(rng, ndarray.F32, 701), "y0": randomArray(rng, ndarray.C64, 80, 60),
	}
	for _, c := range []struct {
		line  string
		exact bool // the last tile of an axis is not told as a full one
	}{
		{"fft c y", true}, {"ifft c y axes=0", true}, {"fft c y axes=0,1", true}, {"rfft r y axes=0,1", true}, {"irfft c y axes=0,1 norm=ortho", true}, {"fft i y axes=0,1", true}, {"ifft p y axes=0,1", true}, {"fft v y axes=0,1", true}, {"fft c y0[::2] axes=0,1", true}, {"fft c y n=50,64 axes=0,1", true},
		{"fft l y", true}, {"rfft e y", true}, {"irfft h y", true}, {"ifft w y axes=0", false}, {"ifft z y", false},
		{"dct e y", false}, {"dst e y type=4", false}, {"dct r y axes=0,1", false}, {"conv x k y method=fft", false},
	} {
		least := leastOf(t, c.line, operands)
		for _, mem := range []int64{least, 2 * least} {
			a := accountOf(t, c.line, operands, mem)
			moved, longest := a.moved()
			if told := a.plan.Moved; float64(moved) > told || float64(moved) < 0.6*told || c.exact && float64(moved) != told {
				t.Errorf("%s in %d bytes: %d bytes were moved, the plan has %g", c.line, mem, moved, told)
			}
			if int64(longest) > mem {
				t.Errorf("%s in %d bytes: a transfer of %d", c.line, mem, longest)
			}
			if least, most, between := times(a.dst[0].writes, a.out[0].Layout); least != most || least < 1 || most > len(a.plan.Explain) || between > 0 {
				t.Errorf("%s in %d bytes: elements are written %d to %d times in %d passes, bytes between them %d times", c.line, mem, least, most, len(a.plan.Explain), between)
			}
			// The generic codelets' first tiles have short runs here, with which what lies between is read.
			if least, most, _ := times(a.src[0].reads, a.in[0].Layout); least < 1 || most != 1 && simd.Active() != simd.Generic || most > len(a.plan.Explain) {
				t.Errorf("%s in %d bytes: elements are read %d to %d times", c.line, mem, least, most)
			}
			if slices.ContainsFunc(a.src[0].writes, func(n int) bool { return n != 0 }) || (a.temp > 0) != (a.plan.Temp > 0) {
				t.Errorf("%s in %d bytes: the operand is written, or temporary space is not what was told", c.line, mem)
			}
			for i, e := range a.plan.Explain {
				if told := a.plan.Explain[0].Term == "pass1"; told && e.Term != "pass"+itoa(i+1) || !told && c.exact || e.Text == "" {
					t.Errorf("%s: pass %d is %+v", c.line, i+1, e)
				}
			}
		}
	}
}

// TestInPlaceTraffic: what lies between the columns of an array that is changed where
// it lies is not read, and not told.
func TestInPlaceTraffic(t *testing.T) {
	l := ndarray.NewLayout(ndarray.C64, 64, 100)
	r := &request{axes: []int{0}, shape: l.Shape, in: l.Shape, out: l.Shape, prec: ndarray.F32, scale: 1, threads: 1}
	s := &streamed{r: r, m: machineFor(r.prec), src: l, dst: l, order: r.axes, within: true, complex: ndarray.C64}
	p := s.newPass(s.order, 0, 1)
	s.passes = []*pass{p}
	if _, _, inPlace := s.tileAt(p, 0); !inPlace || p.tiles() != 100 {
		t.Fatalf("in place: %t, %d tiles", inPlace, p.tiles())
	}
	if got, want := s.traffic(true), float64(2*l.Bytes()); got != want {
		t.Errorf("%g bytes are moved, want %g", got, want)
	}
	s.within = false
	if got := s.traffic(true); got <= float64(2*l.Bytes()) {
		t.Errorf("from elsewhere %g bytes are moved: what lies between is read too", got)
	}
	if cost := s.traffic(false); cost <= s.traffic(true) {
		t.Errorf("%g bytes cost %g", s.traffic(true), cost)
	}
}
