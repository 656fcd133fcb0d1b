package main

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"vgpu/kernels/pool"
	"vgpu/tools/peers/internal/race"
)

// brief is for tests, which ask whether sides can be timed.
var brief = race.Policy{Sample: time.Microsecond, MinRounds: 2, MaxRounds: 2}

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

// TestSideBySide times one small point of each kind against all others.
func TestSideBySide(t *testing.T) {
	p, err := pool.New(pool.Config{Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for _, threads := range []int{1, 2} {
		b := bench{pool: p, threads: threads, match: regexp.MustCompile(`^2\^8$`), against: regexp.MustCompile(""), policy: brief, huge: threads == 2, wisdom: t.TempDir()}
		stop, err := b.meet()
		defer stop()
		if err != nil {
			t.Fatal(err)
		}
		if err := table[float32](&b, "f32"); err != nil {
			t.Fatal(err)
		}
		if err := table[float64](&b, "f64"); err != nil {
			t.Fatal(err)
		}
		want := map[string]int{"FFTW": 2, "scipy": 2, "gonum": 2 - threads}
		for _, r := range b.rivals {
			if mean := race.Geomean(r.ratios); len(r.ratios) != want[r.name()] || math.IsNaN(mean) || math.IsInf(mean, 0) {
				t.Errorf("%s, %d threads: ratios %v", r.name(), threads, r.ratios)
			}
		}
		for _, name := range []string{"fftw", "fftwf"} {
			if _, err := os.Stat(filepath.Join(b.wisdom, name)); err != nil {
				t.Errorf("no plans are kept: %v", err)
			}
		}
		for _, q := range []point{{"", true, 1, []int{64}}, {"", true, 3, []int{9}}, {"", false, 3, []int{4, 8}}} {
			if err := b.invite("f64", q); err != nil {
				t.Fatal(err)
			}
			times, err := b.turns(&side{p, func(*pool.Worker) error { return nil }})
			if err != nil {
				t.Fatal(err)
			}
			for i, r := range b.rivals {
				least := race.LowerQuartile(times[i+1])
				if one := threads == 1 && len(q.dims) == 1; r.able != (one || r.name() != "gonum") || r.able && !(least > 0 && least < 60) {
					t.Errorf("%s, %d threads, %v: able %v, %v s", r.name(), threads, q, r.able, least)
				}
			}
		}
	}
	for _, q := range []point{{"", true, 1, []int{64}}, {"", false, 3, []int{4, 8}}} {
		o, _, err := prepare[float64](p, q, true)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(o.run(nil), o.free()); err != nil {
			t.Error(err)
		}
	}
}

// Without scipy its column is empty, and the others are there.
func TestWithoutScipy(t *testing.T) {
	s, err := startScipy("/bin/false")
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	r := rival{library: s}
	if _, ok, err := r.plan("f64", points()[0], 1); ok || err != nil {
		t.Errorf("no interpreter plans: %v, %v", ok, err)
	}
	if got := r.judge(points()[0], []float64{1}, nil); strings.Trim(got, " -") != "" || len(r.ratios) != 0 {
		t.Errorf("columns %q", got)
	}
}
