package main

import (
	"math"
	"regexp"
	"testing"

	"vgpu/kernels/pool"
)

func TestFlops(t *testing.T) {
	p := point{"", false, 10, []int{4, 8}}
	if got, want := p.flops(), 5*32*math.Log2(32)*10.0; got != want {
		t.Errorf("%v flops, want %v", got, want)
	}
	p.real = true
	if got, want := p.flops(), 2.5*32*math.Log2(32)*10.0; got != want {
		t.Errorf("%v flops, want %v", got, want)
	}
}

// TestSideBySide times one small point of each kind against FFTW.
func TestSideBySide(t *testing.T) {
	peer, err := startPeer()
	if err != nil {
		t.Fatal(err)
	}
	defer peer.close()
	p, err := pool.New(pool.Config{Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for _, threads := range []int{1, 2} {
		b := bench{peer: peer, pool: p, threads: threads, rounds: 1, match: regexp.MustCompile(`^2\^8$`)}
		if err := table[float32](&b, "f32"); err != nil {
			t.Fatal(err)
		}
		if err := table[float64](&b, "f64"); err != nil {
			t.Fatal(err)
		}
		if b.count != 2 || math.IsNaN(b.logs) || math.IsInf(b.logs, 0) {
			t.Errorf("%d ratios, log sum %v", b.count, b.logs)
		}
	}
	for _, q := range []point{{"", true, 1, []int{64}}, {"", false, 3, []int{4, 8}}} {
		run, _, err := prepare[float64](q)
		if err != nil {
			t.Fatal(err)
		}
		if err := run(nil); err != nil {
			t.Error(err)
		}
		if s, err := peer.plan("f64", q, 1); err != nil || s <= 0 {
			t.Errorf("plan of %v: %v %v", q, s, err)
		}
		if s, err := peer.time(); err != nil || s <= 0 {
			t.Errorf("time of %v: %v %v", q, s, err)
		}
	}
}
