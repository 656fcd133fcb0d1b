package main

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"vgpu/kernels/pool"
	"vgpu/tools/peers/internal/race"
)

// clock is a contender whose samples take what a test says.
type clock struct {
	each   float64
	cannot bool
	reps   []int
	fail   error
}

func (c *clock) setup(context.Context, string) (bool, error) { return !c.cannot, c.fail }

func (c *clock) Sample(_ context.Context, reps int) (float64, error) {
	c.reps = append(c.reps, reps)
	return c.each * float64(reps), nil
}

func TestRace(t *testing.T) {
	fast, slow, none := &clock{each: 0.001}, &clock{each: 0.5}, &clock{cannot: true}
	times, err := medians(t.Context(), []contender{fast, none, slow}, "it", race.Policy{Sample: 100 * time.Millisecond, MinRounds: 3, MaxRounds: 4, Total: time.Hour})
	if rounds := len(slow.reps) - 2; err != nil || rounds != 4 { // the first two were to find out how long it takes
		t.Fatalf("%v after %d rounds", err, rounds)
	}
	if math.Abs(times[0]-0.001) > 1e-9 || times[1] != 0 || times[2] != 0.5 {
		t.Errorf("medians %v", times)
	}
	if last := fast.reps[len(fast.reps)-1]; float64(last)*fast.each < 0.1 {
		t.Errorf("a sample of %d repetitions is too short", last)
	}
	if slow.reps[len(slow.reps)-1] != 1 || len(none.reps) != 0 {
		t.Errorf("repetitions %v and %v", slow.reps, none.reps)
	}
	if _, err := medians(t.Context(), []contender{&clock{fail: errors.ErrUnsupported}}, "it", race.Policy{}); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("a set-up that fails: %v", err)
	}
}

// Every figure of the issue is a point, and each once.
func TestPoints(t *testing.T) {
	seen := map[string]point{}
	for _, p := range gemmPoints() {
		if _, dup := seen[p.String()]; dup {
			t.Errorf("%s twice", p)
		}
		seen[p.String()] = p
		if _, _, m, n, k, err := shapeOf(strings.NewReplacer("x", " ").Replace(strings.TrimSuffix(p.String(), " t1"))); p.threads == 1 && (err != nil || m != p.m || n != p.n || k != p.k) {
			t.Errorf("%s is not read: %v", p, err)
		}
	}
	for _, want := range []string{"f32 4096x4096x4096 t2", "f64 512x512x512 t1", "f32 64x64x64 t1", "f64 4096x64x4096 t1", "c128 1024x1024x1024 t1", "bf16 2048x2048x2048 t2", "u8 4096x4096x4096 t1"} {
		if _, ok := seen[want]; !ok {
			t.Errorf("%s is not measured", want)
		}
	}
	all, err := (&gemmOptions{}).points()
	if err != nil {
		t.Fatal(err)
	}
	quick, err := (&gemmOptions{quick: true, match: "^f32"}).points()
	if err != nil || len(quick) == 0 || len(quick) >= len(all) {
		t.Errorf("%d of %d points, %v", len(quick), len(all), err)
	}
	for _, bad := range []string{"(", "^f16"} {
		if _, err := (&gemmOptions{match: bad}).points(); err == nil {
			t.Errorf("%q chooses points", bad)
		}
	}
}

func TestJudge(t *testing.T) {
	pt := point{dtype: "f32", m: 1000, n: 1000, k: 1000, threads: 1, share: 0.9, ratio: 1}
	names := []string{"vgpu", "openblas", "blis"}
	for _, c := range []struct {
		what  string
		times [][]float64
		met   bool
	}{
		{"first", [][]float64{{0.02}, {0.025}, nil}, true},
		{"second", [][]float64{{0.02}, {0.025}, {0.0199}}, false},
		{"below the share", [][]float64{{0.025}, {0.03}, {0.03}}, false},
		{"alone", [][]float64{{0.02}, nil, nil}, true},
	} {
		r := judge(pt, names, c.times, 110, 112)
		if r.Met != c.met || math.Abs(r.Gflops-2/c.times[0][0]) > 1e-9 {
			t.Errorf("%s: %+v", c.what, r)
		}
	}
	if f := (point{dtype: "c64", m: 2, n: 3, k: 4}).flops(); f != 8*24 {
		t.Errorf("a complex product of 24 terms has %g operations", f)
	}
	var b strings.Builder
	r := judge(pt, names, [][]float64{{0.02, 0.021, 0.019}, {0.025, 0.0275, 0.0225}, nil}, 110, 112)
	if err := printRows(&b, []row{r}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"f32 1000x1000x1000 t1", "100.0", "80.0", "112.0  110.0", "90.9%", "1.250", "±0.063", "90% 1.00x", "yes", "1 of 1 aims met; 1.250 of OpenBLAS"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
	b.Reset()
	if err := printRows(&b, []row{judge(point{dtype: "c64", threads: 1}, names, [][]float64{{1}, {1}, nil}, 1, 1)}); err != nil || strings.Contains(b.String(), "mean") {
		t.Errorf("a mean of no squares: %v\n%s", err, b.String())
	}
}

func TestNumpyJudge(t *testing.T) {
	w := work{name: "cast f32", aim: 0.8, ofCopy: true}
	if r := w.judge(1e9, 0.1, 0.2, 12e9); !r.Met || r.Ratio != 2 || math.Abs(r.Copy-10.0/12) > 1e-9 {
		t.Errorf("%+v", r)
	}
	if r := w.judge(1e9, 0.2, 0.2, 12e9); r.Met {
		t.Errorf("half of the copy's rate is enough: %+v", r)
	}
	var b strings.Builder
	if err := printNumpy(&b, []numpyRow{w.judge(1e9, 0.1, 0.2, 12e9)}); err != nil || !strings.Contains(b.String(), "80% of copy") {
		t.Errorf("%v\n%s", err, b.String())
	}
}

// Our lines are understood, and compute.
func TestOurs(t *testing.T) {
	p, err := pool.New(pool.Config{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for _, what := range []string{"f32 9 8 7", "c128 9 8 7", "bf16 9 8 7", "u8 9 8 7", "i8 9 8 7"} {
		o := &ours{pool: p, threads: 1}
		ok, err := o.setup(t.Context(), what)
		if err != nil || !ok {
			t.Fatalf("%s: %t, %v", what, ok, err)
		}
		if s, err := o.Sample(t.Context(), 5); err != nil || s < 0 {
			t.Errorf("%s: %g s, %v", what, s, err)
		}
		if err := o.close(); err != nil {
			t.Error(err)
		}
	}
	if ok, err := (&ours{}).setup(t.Context(), "bool 1 1 1"); ok || err != nil {
		t.Errorf("bool: %t, %v", ok, err)
	}
	for _, bad := range []string{"", "f33 1 1 1"} {
		if _, err := (&ours{}).setup(t.Context(), bad); err == nil {
			t.Errorf("%q is set up", bad)
		}
	}
	l := &line{pool: p, text: "sum x:f32:1000"}
	if err := l.bind(); err != nil {
		t.Fatal(err)
	}
	if ok, err := l.setup(t.Context(), ""); !ok || err != nil {
		t.Fatal(err)
	}
	if _, err := l.Sample(t.Context(), 2); err != nil {
		t.Error(err)
	}
	if err := l.mem.free(); err != nil {
		t.Error(err)
	}
	names := map[string]bool{}
	for _, w := range works() {
		l := &line{text: w.line}
		if err := l.bind(); err != nil {
			t.Errorf("%s: %v", w.line, err)
		}
		if names[w.name] {
			t.Errorf("%s twice", w.name)
		}
		names[w.name] = true
	}
}

// The multiply-add loop is timed as products are, with every type's instructions.
func TestCeiling(t *testing.T) {
	p, err := pool.New(pool.Config{Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for _, typ := range []string{"f32", "c128", "bf16", "i8"} {
		c := &ceiling{pool: p, threads: 2, typ: peakType(typ)}
		times, err := medians(t.Context(), []contender{c}, typ, race.Policy{Sample: time.Millisecond, MinRounds: 1, MaxRounds: 1, Total: time.Second})
		if err != nil || !(times[0] > 0) || !(c.ops > 0) || !(c.best > 0) {
			t.Errorf("%s: %v, %v: %g operations, %g a second at best", typ, times, err, c.ops, c.best)
		}
	}
	stopped, stop := context.WithCancel(t.Context())
	stop()
	if _, err := (&ceiling{pool: p, threads: 2}).Sample(stopped, 1); err == nil {
		t.Error("a sample after an interrupt")
	}
}

// Both sides of a work compute.
func TestNumpyWorks(t *testing.T) {
	match := regexp.MustCompile("^(sum (f32|f64) in L2|any u8 in L2|max i8 in L2)$")
	rows, err := measureNumpy(t.Context(), "/usr/bin/python3", match, race.Policy{Sample: time.Microsecond, MinRounds: 1, MaxRounds: 1, Total: time.Second})
	if err != nil || len(rows) != 4 {
		t.Fatalf("%v, %v", rows, err)
	}
	for _, r := range rows {
		if r.Ours <= 0 || r.Numpy <= 0 || r.Rate <= 0 || r.Copy <= 0 {
			t.Errorf("%+v", r)
		}
	}
	if _, err := measureNumpy(t.Context(), "/nonexistent/python3", match, race.Policy{}); err == nil || !strings.Contains(err.Error(), "python3-numpy") {
		t.Errorf("no interpreter: %v", err)
	}
}

// A process that speaks the protocol is set up, sampled and ended.
func TestProcess(t *testing.T) {
	script := `while read -r verb arg; do case $verb in setup) echo "${arg%% *}";; sample) echo "0.$arg";; esac; done`
	p, err := start(t.Context(), 1, "sh", "-c", script)
	if err != nil {
		t.Fatal(err)
	}
	for what, want := range map[string]bool{"ok then": true, "no": false} {
		if ok, err := p.setup(t.Context(), what); ok != want || err != nil {
			t.Errorf("setup %s: %t, %v", what, ok, err)
		}
	}
	if s, err := p.Sample(t.Context(), 25); s != 0.25 || err != nil {
		t.Errorf("%g s, %v", s, err)
	}
	if err := p.close(); err != nil {
		t.Error(err)
	}
	if _, err := p.Sample(t.Context(), 1); err == nil {
		t.Error("a process that has ended answers")
	}
}

func TestSaveJSON(t *testing.T) {
	file := filepath.Join(t.TempDir(), "peers.json")
	if err := errors.Join(saveJSON("", nil), saveJSON(file, []row{{Point: "p"}})); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	var got struct{ Rows []row }
	if err = errors.Join(err, json.Unmarshal(text, &got)); err != nil || len(got.Rows) != 1 || got.Rows[0].Point != "p" {
		t.Errorf("%s: %v", text, err)
	}
}

func TestDispatch(t *testing.T) {
	if err := dispatch(t.Context(), []string{"nothing"}); err == nil || !strings.Contains(err.Error(), "[all gemm numpy pool fft]") {
		t.Errorf("an unknown comparison: %v", err)
	}
	if err := dispatch(t.Context(), []string{"-match", "nothing"}); err == nil {
		t.Error("no point, no error")
	}
	if err := dispatch(t.Context(), []string{"gemm", "-isa", "mmx"}); err == nil {
		t.Error("mmx is an instruction set")
	}
}

func TestAllRunsEachWhateverFails(t *testing.T) {
	var ran []string
	list := []comparison{
		{"one", func(_ context.Context, args []string) error {
			ran = append(ran, "one"+strings.Join(args, ""))
			return errors.New("no peer")
		}, []string{"-few"}},
		{"two", func(_ context.Context, args []string) error {
			ran = append(ran, "two"+strings.Join(args, ""))
			return nil
		}, nil},
	}
	err := runAll(t.Context(), list, []string{"-quick"})
	if want := []string{"one-few", "two"}; !slices.Equal(ran, want) || err == nil || err.Error() != "one: no peer" {
		t.Errorf("ran %v, want %v; %v", ran, want, err)
	}
	ran = nil
	if err := runAll(t.Context(), list[1:], nil); err != nil || !slices.Equal(ran, []string{"two"}) {
		t.Errorf("ran %v: %v", ran, err)
	}
	if err := runAll(t.Context(), list, []string{"-slow"}); err == nil {
		t.Error("there is a flag -slow")
	}
	stopped, stop := context.WithCancel(t.Context())
	stop()
	ran = nil
	if err := runAll(stopped, list, nil); err == nil || len(ran) != 1 {
		t.Errorf("after an interrupt ran %v: %v", ran, err)
	}
}
