package fft

import (
	"bytes"
	"context"
	"errors"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"vgpu/kernels"
	"vgpu/kernels/kerneltest"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/pool"
)

var errBroken = errors.New("the disk is broken")

// faultyRun is a streamed run of a line with the least memory, on a disk that fails.
type faultyRun struct {
	t        *testing.T
	line     string
	operands map[string]ndarray.Array
	mem      int64
	temps    int // arrays in temporary space so far
	out      []byte
}

// storedOn is an array on a disk.
func storedOn(d *kerneltest.Disk, a ndarray.Array) kernels.Stored {
	lo, hi := a.Extent()
	return kernels.Stored{Blob: d.Blob(a.Data, lo, hi), Layout: a.Layout}
}

// run plans anew and runs on two threads. noTemp is the number, from 1, of the array
// for which there is no temporary space; arm sets the disk up. It tells the error and
// the transfers that were started.
func (r *faultyRun) run(noTemp int, arm func(d *kerneltest.Disk, cancel context.CancelFunc)) (started int, err error) {
	r.t.Helper()
	ctx, cancel := context.WithCancel(r.t.Context())
	defer cancel()
	j, err := kerneltest.Prepare(r.t, Kernels(), r.line, r.operands)
	must(r.t, err)
	plan, err := j.Plan.Stream(r.mem)
	must(r.t, err)
	d := kerneltest.NewDisk(r.t)
	r.temps = 0
	x := &kernels.Exec{Ctx: ctx, Mem: heap{}, Temp: func(n int64) (kernels.Blob, error) {
		if r.temps++; r.temps == noTemp {
			return nil, syscall.ENOSPC
		}
		return d.Blob(make([]byte, n), 0, int(n)), nil
	}}
	for _, a := range j.In {
		x.Src = append(x.Src, storedOn(d, a))
	}
	for _, a := range j.Out {
		x.Dst = append(x.Dst, storedOn(d, a))
	}
	arm(d, cancel)
	p, err := pool.New(pool.Config{Threads: 2})
	must(r.t, err)
	defer p.Close()
	err = p.Run(ctx, pool.Options{}, func(w *pool.Worker) error {
		x.W = w
		return plan.Run(x)
	})
	d.Quiet()
	r.out = j.Out[0].Data
	return d.Started(), err
}

// feeders is how many goroutines feed transfers. One that has been waited for may
// still be on its way out: they are given the processor until they have left.
func feeders() (n int) {
	buf := make([]byte, 1<<20)
	for range 1000 {
		if n = strings.Count(string(buf[:runtime.Stack(buf, true)]), "stream.feed"); n == 0 {
			break
		}
		runtime.Gosched()
	}
	return n
}

// TestStreamedFaults: whichever transfer fails, and wherever it is cancelled, the run
// ends with that error, and nothing of it is under way any more. So it does without
// temporary space, if it cannot do without.
func TestStreamedFaults(t *testing.T) {
	rng := newRand(98)
	operands := map[string]ndarray.Array{
		"c": randomArray(rng, ndarray.C64, 24, 30), "r": randomArray(rng, ndarray.F32, 20, 31), "x": randomArray(rng, ndarray.F32, 700), "h": randomArray(rng, ndarray.F32, 501), "k": randomArray(rng, ndarray.F32, 9),
		"z": randomArray(rng, ndarray.C64, 1<<15-81), "o": randomArray(rng, ndarray.F32, 1<<15-79), "s": randomArray(rng, ndarray.F64, 3000),
	}
	for _, line := range []string{
		"fft c y axes=0,1", "irfft c y axes=0,1 norm=ortho", "rfft r y axes=1,0", "dct r y axes=0,1", "dst x y type=1", "conv x k y method=direct", "conv x k y method=overlap", "conv x h y method=fft", "psd s y nperseg=64", "stft s y nperseg=50",
		"fftshift c y", "ifft z y", "rfft o y",
	} {
		testFaults(t, line, operands)
	}
	if n := feeders(); n > 0 {
		t.Errorf("%d goroutines feed transfers after the runs", n)
	}
}

func testFaults(t *testing.T, line string, operands map[string]ndarray.Array) {
	least := leastOf(t, line, operands)
	r := &faultyRun{t: t, line: line, operands: operands, mem: least}
	n, err := r.run(0, func(*kerneltest.Disk, context.CancelFunc) {})
	for ; n > 40; n, err = r.run(0, func(*kerneltest.Disk, context.CancelFunc) {}) { // in longer pieces
		r.mem *= 2
	}
	if err != nil || n == 0 {
		t.Fatalf("%s: %d transfers, %v", line, n, err)
	}
	temps := r.temps
	for at := 1; at <= n && !t.Failed(); at++ {
		started, err := r.run(0, func(d *kerneltest.Disk, _ context.CancelFunc) { d.FailAt, d.Fault = at, errBroken })
		if !errors.Is(err, errBroken) || started < at {
			t.Errorf("%s: transfer %d of %d failed, and after %d it ended with %v", line, at, n, started, err)
		}
		_, err = r.run(0, func(d *kerneltest.Disk, cancel context.CancelFunc) {
			d.OnStart = func(i int) {
				if i == at {
					cancel()
				}
			}
		})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: cancelled at transfer %d of %d it ended with %v", line, at, n, err)
		}
	}
	testWithoutTemp(t, r, temps)
}

// testWithoutTemp refuses each array in temporary space. Whoever has it for panels only does without.
func testWithoutTemp(t *testing.T, r *faultyRun, temps int) {
	panels := r.line == "fft c y axes=0,1" || r.line == "irfft c y axes=0,1 norm=ortho" || r.line == "dct r y axes=0,1"
	want, _, err := kerneltest.Run(t, Kernels(), r.line, r.operands)
	must(t, err)
	for at := 1; at <= temps; at++ {
		_, err := r.run(at, func(*kerneltest.Disk, context.CancelFunc) {})
		switch {
		case panels && (err != nil || !bytes.Equal(r.out, want["y"].Data)):
			t.Errorf("%s: without temporary space it ended with %v, or other bits", r.line, err)
		case !panels && !errors.Is(err, syscall.ENOSPC):
			t.Errorf("%s: without temporary space %d of %d it ended with %v", r.line, at, temps, err)
		}
	}
}
