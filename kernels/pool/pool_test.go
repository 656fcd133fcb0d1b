package pool

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
)

func TestForCoversOnce(t *testing.T) {
	p, err := New(Config{Threads: 3})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for _, n := range []int{0, 1, 7, 100} {
		hits := make([]atomic.Int32, n)
		err := p.Run(context.Background(), Options{}, func(w *Worker) error {
			return w.For(n, 3, func(w *Worker, lo, hi int) {
				for i := lo; i < hi; i++ {
					hits[i].Add(1)
				}
			})
		})
		if err != nil {
			t.Fatal(err)
		}
		for i := range hits {
			if hits[i].Load() != 1 {
				t.Errorf("n=%d: index %d visited %d times", n, i, hits[i].Load())
			}
		}
	}
}

func TestPanicComesOutOfRun(t *testing.T) {
	p, err := New(Config{Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	boom := errors.New("boom")
	err = p.Run(context.Background(), Options{}, func(w *Worker) error {
		g := w.Group()
		g.Go(func(w *Worker) { panic(boom) })
		return g.Wait()
	})
	var pe *PanicError
	if !errors.As(err, &pe) || !errors.Is(err, boom) {
		t.Fatalf("got %v", err)
	}
}
