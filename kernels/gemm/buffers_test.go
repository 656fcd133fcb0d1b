package gemm

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"testing"

	"vgpu/kernels"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/pool"
)

// lent counts the bytes that it lends.
type lent struct{ used int }

func (h *lent) Alloc(n int) []byte { h.used += n; return make([]byte, n) }

// A plan has room for the workers of its line, and no more is asked for where
// more of them run it; the bits are the same.
func TestMoreWorkersThanPlanned(t *testing.T) {
	const m, n, k = 150, 130, 1100
	at := func(workers, threads int) ([]byte, int64, int) {
		r := rand.New(rand.NewPCG(3, 4)) // the same numbers each time
		q := &Problem{A: integers(r, ndarray.F32, m, k), B: integers(r, ndarray.F32, k, n), C: ndarray.New(ndarray.F32, m, n), Alpha: 1.0 / 3, workers: workers}
		q.Params = Params{MC: 16, NC: 48, SmallWork: -1}
		if !q.Init() {
			t.Fatal("no kernel")
		}
		p, err := pool.New(pool.Config{Threads: threads})
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		h := &lent{}
		if err := p.Run(t.Context(), pool.Options{}, func(w *pool.Worker) error { return q.Run(w, h) }); err != nil {
			t.Fatal(err)
		}
		return q.C.Data, q.Scratch(false), h.used
	}
	want, one, used := at(1, 1)
	if int64(used) > one {
		t.Errorf("%d bytes of %d", used, one)
	}
	for _, c := range []struct{ workers, threads int }{{1, 4}, {2, 4}, {4, 2}, {0, 3}} {
		got, bound, used := at(c.workers, c.threads)
		if !bytes.Equal(got, want) {
			t.Errorf("%d of %d workers: other bits", c.workers, c.threads)
		}
		if int64(used) > bound || c.workers > 0 && bound != int64(c.workers)*one {
			t.Errorf("%d of %d workers: %d bytes taken, %d planned; one takes %d", c.workers, c.threads, used, bound, one)
		}
	}
}

// A scratch that is waited for in a job that ends comes back, whoever had it.
func TestTakeCancelled(t *testing.T) {
	p, err := pool.New(pool.Config{Threads: 3})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	var mem kernels.Memory = &lent{}
	for range 50 {
		b := (&sizes{panel: 64, panels: 1}).buffers(mem, 1)
		ctx, cancel := context.WithCancel(t.Context())
		err := p.Run(ctx, pool.Options{}, func(w *pool.Worker) error {
			return w.For(100, 1, func(w *pool.Worker, lo, _ int) {
				s := b.take(w)
				if s == nil {
					if w.Err() == nil {
						t.Error("no scratch, and no reason")
					}
					return
				}
				if lo == 7 {
					cancel()
				}
				b.give(s)
			})
		})
		cancel()
		if err != nil && !errors.Is(err, context.Canceled) || len(b.free) != 1 {
			t.Fatalf("%v; %d scratches are back", err, len(b.free))
		}
	}
}
