package fft

import (
	"bytes"
	"slices"
	"sync"
	"testing"

	"vgpu/kernels"
	"vgpu/kernels/kerneltest"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/pool"
)

// ledger is a blob that keeps account of what is moved, byte by byte.
type ledger struct {
	kernels.Blob
	mu            sync.Mutex // guards what follows
	reads, writes []int
	moved         int64
	longest       int // bytes of a call
}

// ledgerOn is n bytes of a disk, with an account.
func ledgerOn(d *kerneltest.Disk, data []byte, lo, hi int) *ledger {
	return &ledger{Blob: d.Blob(data, lo, hi), reads: make([]int, len(data)), writes: make([]int, len(data))}
}

// Read implements [kernels.Blob], as Write does.
func (l *ledger) Read(segs ...kernels.Segment) kernels.Transfer {
	l.book(l.reads, segs)
	return l.Blob.Read(segs...)
}

func (l *ledger) Write(segs ...kernels.Segment) kernels.Transfer {
	l.book(l.writes, segs)
	return l.Blob.Write(segs...)
}

func (l *ledger) book(times []int, segs []kernels.Segment) {
	l.mu.Lock()
	defer l.mu.Unlock()
	call := 0
	for _, s := range segs {
		for i := range s.Buf {
			times[int(s.Off)+i]++
		}
		call += len(s.Buf)
	}
	l.moved += int64(call)
	l.longest = max(l.longest, call)
}

// times is how often the elements of an array were moved: the least and the most; and
// the most of the bytes between them.
func times(count []int, l ndarray.Layout) (least, most, between int) {
	elements := ndarray.New(ndarray.U8, len(count))
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
	for i, n := range count {
		if elements.Data[i] == 0 {
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

// accountOf runs a line outside memory, within mem bytes, and demands the bits of the
// line in core, and no more memory and temporary space than the plan says.
func accountOf(t *testing.T, line string, operands map[string]ndarray.Array, mem int64) *account {
	t.Helper()
	want, _, err := kerneltest.Run(t, Kernels(), line, operands)
	must(t, err)
	j, err := kerneltest.Prepare(t, Kernels(), line, operands)
	must(t, err)
	a := &account{in: j.In, out: j.Out}
	if a.plan, err = j.Plan.Stream(mem); err != nil {
		t.Fatalf("%s in %d bytes: %v", line, mem, err)
	}
	d, lent := kerneltest.NewDisk(t), &allocated{}
	x := &kernels.Exec{Ctx: t.Context(), Mem: lent, Temp: func(n int64) (kernels.Blob, error) {
		l := ledgerOn(d, bytes.Repeat([]byte{0xff}, int(n)), 0, int(n)) // NaNs
		a.temps, a.temp = append(a.temps, l), a.temp+n
		return l, nil
	}}
	on := func(all *[]*ledger, arrays []ndarray.Array) (out []kernels.Stored) {
		for _, o := range arrays {
			lo, hi := o.Extent()
			l := ledgerOn(d, o.Data, lo, hi)
			*all = append(*all, l)
			out = append(out, kernels.Stored{Blob: l, Layout: o.Layout})
		}
		return out
	}
	x.Src, x.Dst = on(&a.src, j.In), on(&a.dst, j.Out)
	onPool(t, 2, 0, func(w *pool.Worker) error {
		x.W = w
		return a.plan.Run(x)
	})
	d.Quiet()
	a.mem = lent.n
	if a.mem > a.plan.Mem || a.plan.Mem > mem || a.temp > a.plan.Temp {
		t.Errorf("%s in %d bytes: the plan has %d and %d of temporary space, the run took %d and %d", line, mem, a.plan.Mem, a.plan.Temp, a.mem, a.temp)
	}
	for path, out := range j.Outputs {
		if !bytes.Equal(out.Data, want[path].Data) {
			t.Errorf("%s in %d bytes: %s has other bits than in core", line, mem, path)
		}
	}
	return a
}
