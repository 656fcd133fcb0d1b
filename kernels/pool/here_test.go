package pool

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
)

// TestHere runs jobs on the caller while every worker is held up: they need
// none, see one worker, run their forks, and end as jobs do.
func TestHere(t *testing.T) {
	p := newPool(t, Config{Threads: 2})
	release := make(chan struct{})
	held := make(chan error, 1)
	var begun atomic.Int32
	go func() {
		held <- p.Run(context.Background(), Options{}, func(w *Worker) error {
			return w.For(2, 1, func(*Worker, int, int) {
				begun.Add(1)
				<-release
			})
		})
	}()
	for begun.Load() < 2 {
		runtime.Gosched()
	}
	sum := 0
	err := p.Run(context.Background(), Options{Here: true, Threads: 2, Tag: 77}, func(w *Worker) error {
		g := w.Group()
		g.Go(func(x *Worker) { sum += x.Threads() + x.ID() })
		if err := g.Wait(); err != nil {
			return err
		}
		return w.For(100, 7, func(_ *Worker, lo, hi int) { sum += hi - lo })
	})
	if err != nil || sum != 101 {
		t.Errorf("%d, %v", sum, err)
	}
	own := errors.New("own")
	if err := p.Run(context.Background(), Options{Here: true}, func(*Worker) error { return own }); err != own {
		t.Errorf("a job's own error: %v", err)
	}
	var pe *PanicError
	err = p.Run(context.Background(), Options{Here: true}, func(w *Worker) error {
		return w.For(8, 1, func(_ *Worker, lo, _ int) {
			if lo == 5 {
				panic("at five")
			}
		})
	})
	if !errors.As(err, &pe) || pe.Value != "at five" {
		t.Errorf("a panic: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	err = p.Run(ctx, Options{Here: true}, func(w *Worker) error {
		return w.For(10, 1, func(_ *Worker, lo, _ int) {
			if cancel(); lo > 0 {
				t.Error("a piece ran after the cancelling")
			}
		})
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	close(release)
	if err := <-held; err != nil {
		t.Error(err)
	}
	var tags []uint64
	for _, e := range p.Trace() {
		if e.Worker == CallerID && e.Root {
			tags = append(tags, e.Tag)
		}
	}
	if !slices.Equal(tags, []uint64{77, 0, 0, 0}) {
		t.Errorf("the trace has %d of four jobs: %v", len(tags), tags)
	}
}

// TestHereClosed waits for jobs on their callers to end, and takes no more.
func TestHereClosed(t *testing.T) {
	p, err := New(Config{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	inside, release, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- p.Run(context.Background(), Options{Here: true}, func(*Worker) error {
			close(inside)
			<-release
			return nil
		})
	}()
	<-inside
	closed := make(chan struct{})
	go func() {
		p.Close()
		close(closed)
	}()
	for !p.closed.Load() {
		runtime.Gosched()
	}
	if err := p.Run(context.Background(), Options{Here: true}, func(*Worker) error { return nil }); err != ErrClosed {
		t.Errorf("after Close: %v", err)
	}
	select {
	case <-closed:
		t.Error("Close does not wait for a job on its caller")
	default:
	}
	close(release)
	if err := <-ended; err != nil {
		t.Error(err)
	}
	<-closed
}
