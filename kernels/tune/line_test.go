package tune

import (
	"strings"
	"testing"
	"time"

	"vgpu/kernels/fft"
	"vgpu/kernels/ndarray"
)

// TestLines: each class is there once, is read back, and has a sample's memory.
func TestLines(t *testing.T) {
	seen := map[string]bool{}
	for _, l := range Lines(false, 4) {
		name := l.Class.String()
		c, err := fft.ParseClass(name)
		if err != nil || c != l.Class || seen[name] {
			t.Errorf("%s: %v %v, seen %v", name, c, err, seen[name])
		}
		seen[name] = true
		if n := l.Class.Reals(); n < 4*l.Class.Points*l.Class.Batch {
			t.Errorf("%s: %d reals", name, n)
		}
		if list := l.candidates(); len(list) != 5 || list[0] != (fft.Params{}).Fill(4) {
			t.Errorf("%s: candidates %v", name, list)
		}
	}
	for _, l := range Lines(true, 4) {
		if !seen[l.Class.String()] {
			t.Errorf("%s is in the quick search alone", l.Class)
		}
	}
	if Lines(false, 1) != nil {
		t.Error("one thread has something to tune")
	}
}

// TestSearchLines: what is found is used, and its evidence is whole.
func TestSearchLines(t *testing.T) {
	d, r := open(t, Config{Dir: t.TempDir()})
	lines := []Line{{fft.Class{DType: ndarray.C64, Axes: 1, Points: 1 << 17, Batch: 1}, 2}, {fft.Class{DType: ndarray.C128, Axes: 2, Points: 1 << 14, Batch: 4}, 2}}
	var found []*Entry
	err := Search(t.Context(), newPool(t, 2), d, Options{Budget: 2 * time.Second, Lines: lines, Memory: lend, Seed: 3, Progress: func(p Progress) {
		if p.Total != 2 {
			t.Errorf("%d points", p.Total)
		}
		if p.Entry != nil {
			found = append(found, p.Entry)
		}
	}})
	if err != nil || len(r.list) > 0 {
		t.Fatalf("%v; reports %q", err, r.list)
	}
	for _, e := range found {
		if ev := e.Evidence; ev.Median <= 0 || ev.Samples < minRounds || ev.Gflops <= 0 || ev.Default <= 0 || ev.Candidates != 4 || ev.Seed != 3 {
			t.Errorf("evidence %+v", ev)
		}
		if v, source := d.Tuned("fft", e.Key.Class, 2); v == nil || source != e.Key.Name() || !strings.HasPrefix(source, "fft.c") {
			t.Errorf("%s is not found", e.Key.Name())
		}
	}
}

// TestLineEntries: entries of transforms are judged as those of products are.
func TestLineEntries(t *testing.T) {
	class := fft.Class{DType: ndarray.C64, Axes: 1, Points: 1 << 20, Batch: 1}
	good := func() *Entry {
		return &Entry{Schema: Schema, Key: Key{Kernel: "fft", Class: class.String(), Threads: 2, Version: class.Version(), Machine: ThisMachine()},
			Value: map[string]int{"ways": 1, "piece": 1 << 16}}
	}
	if err := good().check(); err != nil {
		t.Error(err)
	}
	if err := good().Usable(ThisMachine()); err != nil {
		t.Error(err)
	}
	for what, spoil := range map[string]func(e *Entry){
		"kernel": func(e *Entry) { e.Key.Kernel = "dct" }, "class": func(e *Entry) { e.Key.Class = "c64.d1.1000x1" },
		"out of range": func(e *Entry) { e.Value["ways"] = 3 }, "piece": func(e *Entry) { e.Value["piece"] = 1000 },
		"no such": func(e *Entry) { e.Value["mc"] = 1 },
	} {
		e := good()
		if spoil(e); e.check() == nil || !strings.Contains(e.check().Error(), what) {
			t.Errorf("%s: %v", what, e.check())
		}
	}
	e := good()
	if e.Key.Version = "fft v0"; e.Usable(ThisMachine()) == nil {
		t.Error("an entry of other code is used")
	}
}
