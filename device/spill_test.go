package device

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"syscall"
	"testing"

	"vgpu/kernels"
)

// A working set of four times the memory is computed on as if it fitted.
func TestSpilledOperands(t *testing.T) {
	l := newSpillLab(t)
	const n, size = 16, 3 * unit
	want := make([][]byte, n)
	for i := range n {
		want[i] = npy(noise(size, uint64(i))...)
		l.write(fmt.Sprintf("b%d.npy", i), want[i])
		l.within()
	}
	for i := range n {
		name := fmt.Sprintf("b%d.npy", i)
		l.same(name, want[i])
		l.do(fmt.Sprintf("mix %s b%d.npy out%d.npy n=%d salt=%d", name, (i+7)%n, i, size, i))
		l.within()
	}
	for i := range n {
		l.same(fmt.Sprintf("b%d.npy", i), want[i])
		ins := [][]byte{body(want[i]), body(want[(i+7)%n])}
		l.same(fmt.Sprintf("out%d.npy", i), npy(mixed(make([]byte, size), ins, byte(i), false)...))
	}
	s := l.d.Stats()
	if s.Moves.Evictions == 0 || s.Moves.Promotions == 0 || s.Moves.Stalls == 0 || s.Moves.Stalled == 0 || s.Tiers[0].BytesIn == 0 {
		t.Errorf("%+v", s.Moves)
	}
}

// What the queue will use next stays, though it was used longest ago.
func TestFarthestUseLeaves(t *testing.T) {
	l := newSpillLab(t)
	for _, name := range []string{"a", "b", "c"} {
		l.write(name+".npy", npy(noise(4*unit, 1)...))
	}
	q := l.queue("later")
	l.set(q, AttrPaused, 1)
	l.on("later", "tag 'x' a.npy")
	l.on("later", "tag 'y' b.npy")
	l.do("mix new.npy n=1250000")
	for name, tier := range map[string]string{"a": "ram", "b": "ram", "c": "spill0", "new": "ram"} {
		if got := l.tier(name + ".npy"); got != tier {
			t.Errorf("%s is in %s, not in %s", name, got, tier)
		}
	}
	l.do("mix newer.npy n=1250000") // new is used by nobody: it leaves before b, and b before a
	l.do("mix c.npy newest.npy n=250000")
	if a, b := l.tier("a.npy"), l.tier("b.npy"); a != "ram" {
		t.Errorf("a is in %s, b in %s", a, b)
	}
	l.set(q, AttrPaused, 0)
}

// Two jobs that each need more than a half of the memory, at once, again and
// again: none waits for what the other holds.
func TestTwoBigJobs(t *testing.T) {
	l := newSpillLab(t)
	for i := range 4 {
		l.write(fmt.Sprintf("b%d.npy", i), npy(noise(3*unit, uint64(i))...))
	}
	var jobs []*Job
	for i := range 16 {
		jobs = append(jobs, l.put(fmt.Sprintf("mix b%d.npy b%d.npy o%d.npy n=750000 salt=%d", i%4, (i+1)%4, i%8, i)))
	}
	for _, j := range jobs {
		l.want(j, Done)
	}
	for i := 8; i < 16; i++ {
		ins := [][]byte{noise(3*unit, uint64(i%4)), noise(3*unit, uint64((i+1)%4))}
		l.same(fmt.Sprintf("o%d.npy", i%8), npy(mixed(make([]byte, 750000), ins, byte(i), false)...))
	}
	l.within()
}

// What cannot fit is refused when it is written, with the figures; what does
// once others have left waits for that.
func TestCannotFit(t *testing.T) {
	l := newSpillLab(t)
	l.write("big.npy", npy(noise(20*unit, 1)...))
	l.refused(syscall.ENOMEM, "mix big.npy x.npy")
	e := l.lastError()
	if !strings.Contains(e.Msg, "cannot fit") || !strings.Contains(e.Msg, "cannot be streamed") || !strings.Contains(e.Msg, fmt.Sprint(20*unit+128+136)) {
		t.Errorf("%+v", e)
	}
	l.refused(syscall.ENOMEM, "stir big.npy x.npy maxmem=8K")
	if e := l.lastError(); !strings.Contains(e.Msg, "even streamed") || !strings.Contains(e.Msg, "16384 bytes would do") {
		t.Errorf("%+v", e)
	}
	hold := l.put("hold g scratch=1900000")
	select {
	case <-l.gate("g").started:
	case <-hold.done:
		t.Fatalf("%+v", hold.Snapshot().Error)
	}
	l.write("a.npy", npy(noise(5*unit, 2)...))
	j := l.put("mix a.npy x.npy n=1250000")
	if !poll(func() bool { return j.Snapshot().Reason == "memory" }) {
		t.Errorf("%+v", j.Snapshot())
	}
	l.gate("g").release()
	l.want(hold, Done)
	l.want(j, Done)
}

// However often a job tries until there is memory for it, it is one job that
// waited, and uses its buffers once.
func TestUseIsCountedOnce(t *testing.T) {
	l := newSpillLab(t)
	l.write("a.npy", npy(noise(5*unit, 1)...))
	hold := l.held("g", "scratch=1900000")
	j := l.put("mix a.npy x.npy n=1250000")
	for range 3 {
		before := l.d.Stats().Moves.Stalled
		l.d.memoryFreed()
		if !poll(func() bool { return l.d.Stats().Moves.Stalled > before && j.Snapshot().Reason == "memory" }) {
			t.Fatalf("%+v", j.Snapshot())
		}
	}
	l.gate("g").release()
	l.want(hold, Done)
	l.want(j, Done)
	s := l.d.Stats()
	if s.Moves.Stalls != 1 || s.Tiers[0].Hits != 1 || s.Tiers[0].Misses != 0 {
		t.Errorf("%+v %+v", s.Moves, s.Tiers[0])
	}
	if heat := l.d.hints.get(l.ino("a.npy")).heat; heat != 1 {
		t.Errorf("heat %g", heat)
	}
}

// What a job reads is found in memory or not; outputs that it makes are neither.
func TestHitsAndMisses(t *testing.T) {
	l := newSpillLab(t)
	l.write("big.npy", npy(noise(20*unit, 3)...))
	l.write("a.npy", npy(noise(unit, 1)...))
	l.write("b.npy", npy(noise(unit, 2)...))
	for _, tt := range []struct {
		line         string
		hits, misses uint64
	}{
		{"mix a.npy b.npy x.npy n=1000", 2, 0},
		{"mix a.npy a.npy x.npy n=1000", 1, 0}, // a buffer is one operand
		{"tag 'x' x.npy", 1, 0},                // changed in place
		{"stir big.npy y.npy", 0, 1},           // streamed from its tier
	} {
		before := l.d.Tiers()[0]
		l.do(tt.line)
		after := l.d.Tiers()[0]
		if h, m := after.Hits-before.Hits, after.Misses-before.Misses; h != tt.hits || m != tt.misses {
			t.Errorf("%s: %d hits and %d misses", tt.line, h, m)
		}
	}
	l.evict("a.npy")
	l.do("mix a.npy b.npy x.npy n=1000")
	l.do("mix a.npy b.npy x.npy n=1000")
	if u := l.d.Tiers()[0]; u.Hits != 4+3 || u.Misses != 1+1 {
		t.Errorf("%d hits and %d misses", u.Hits, u.Misses)
	}
}

// Buffers larger than memory are streamed: new outputs, updates in place, views,
// and inputs that overlap the output.
func TestStreamed(t *testing.T) {
	l := newSpillLab(t)
	const n = 20*unit + 12345
	a := noise(n, 1)
	l.write("a.npy", npy(a...))
	stir := func(in, old []byte, salt byte, more bool) []byte {
		out := make([]byte, len(in))
		for i := range in {
			out[i] = stirred(in[i], old[i], salt, more)
		}
		return out
	}
	turn := func(in []byte) []byte {
		out := make([]byte, len(in))
		for i := range in {
			out[len(in)-1-i] = in[i]
		}
		return out
	}
	l.do("stir a.npy b.npy salt=1")
	b := stir(a, a, 1, false)
	l.same("b.npy", npy(b...))
	l.do("stirmore a.npy b.npy salt=2") // reads what it overwrites
	b = stir(a, b, 2, true)
	l.same("b.npy", npy(b...))
	l.do("stir b.npy b.npy") // in place
	b = stir(b, b, 0, false)
	l.same("b.npy", npy(b...))
	l.do("turn b.npy b.npy") // which needs the old inode
	b = turn(b)
	l.same("b.npy", npy(b...))
	l.do("turn 'b.npy[1000:5000000]' 'b.npy[3000:5002000]'") // parts that overlap
	copy(b[3000:5002000], turn(b[1000:5000000]))
	l.same("b.npy", npy(b...))
	l.do("turn 'a.npy[::-1]' 'b.npy[:]'")
	l.same("b.npy", npy(a...))
	l.same("a.npy", npy(a...))
	if s := l.d.Stats().Moves; s.Streamed != 6 {
		t.Errorf("%+v", s)
	}
	l.within()
}

// Of buffers larger than memory the parts that a job uses are enough.
func TestWindows(t *testing.T) {
	l := newSpillLab(t)
	a, b := noise(20*unit, 1), noise(20*unit, 2)
	l.write("a.npy", npy(a...))
	l.write("b.npy", npy(b...))
	for i, lo := range []int{0, 1, 4095, 4096, 10*unit - 77, 20*unit - 5001} {
		l.do(fmt.Sprintf("mix 'a.npy[%d:%d]' 'b.npy[%d:%d]' salt=%d", lo, lo+5000, lo, lo+5000, i))
		copy(b[lo:], mixed(make([]byte, 5000), [][]byte{a[lo : lo+5000]}, byte(i), false))
		l.do(fmt.Sprintf("update 'a.npy[%d:%d]' 'b.npy[%d:%d:3]' salt=%d", lo, lo+9, lo+1, lo+1000, i))
		old := make([]byte, 333)
		for k := range old {
			old[k] = b[lo+1+3*k]
		}
		for k, v := range mixed(old, [][]byte{a[lo : lo+9]}, byte(i), true) {
			b[lo+1+3*k] = v
		}
	}
	l.same("b.npy", npy(b...))
	l.do("flip 'b.npy[100:1100]' 'b.npy[600:1600]'")
	for i, v := range append([]byte(nil), b[100:1100]...) {
		b[1599-i] = v
	}
	l.same("b.npy", npy(b...))
	if l.tier("a.npy") != "spill0" {
		t.Error("a buffer larger than memory was brought in")
	}
}

// A buffer that a client holds on its tier stays there, and jobs use it all the
// same, by way of a copy.
func TestPinnedToItsTier(t *testing.T) {
	l := newSpillLab(t)
	a, b := noise(3*unit, 1), noise(3*unit, 2)
	l.write("a.npy", npy(a...))
	l.write("b.npy", npy(b...))
	l.evict("a.npy")
	l.evict("b.npy")
	for _, name := range []string{"a.npy", "b.npy"} {
		h, err := l.d.Files().Open(context.Background(), name, syscall.O_RDWR)
		if err != nil {
			t.Fatal(err)
		}
		defer h.Release()
		if fd, err := h.Pin(); fd < 0 || err != nil {
			t.Fatal(fd, err)
		}
	}
	l.do("mix a.npy b.npy n=786432 salt=4")
	want := mixed(make([]byte, 3*unit), [][]byte{a}, 4, false)
	l.same("b.npy", npy(want...))
	l.do("update a.npy b.npy salt=5")
	want = mixed(want, [][]byte{a}, 5, true)
	l.same("b.npy", npy(want...))
	l.same("a.npy", npy(a...))
	if l.tier("a.npy") != "spill0" || l.tier("b.npy") != "spill0" {
		t.Error("a buffer has moved under its client")
	}
}

// A job for which clients leave too little memory streams instead.
func TestStreamsInstead(t *testing.T) {
	l := newSpillLab(t)
	a := noise(5*unit, 1)
	l.write("a.npy", npy(a...))
	l.write("pinned.npy", npy(noise(7*unit, 2)...))
	h, err := l.d.Files().Open(context.Background(), "pinned.npy", syscall.O_RDONLY)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Pin(); err != nil {
		t.Fatal(err)
	}
	j := l.put("stir a.npy out.npy salt=3")
	if s := l.want(j, Done); s.Explain[0].Term != "mode" || s.Explain[0].Text != "streamed" {
		t.Errorf("%+v", s.Explain)
	}
	for i := range a {
		a[i] = a[i]*3 + 3
	}
	l.same("out.npy", npy(a...))
	if s := l.want(l.put("mix a.npy no.npy n=1300000"), Failed); s.Errno != syscall.ENOMEM {
		t.Errorf("%+v", s.Error)
	}
	h.Release()
	l.do("mix a.npy no.npy n=1300000")
}

// explain says how a command would use memory.
func TestExplainModes(t *testing.T) {
	l := newSpillLab(t)
	l.write("a.npy", npy(noise(5*unit, 1)...))
	l.write("big.npy", npy(noise(20*unit, 2)...))
	l.evict("a.npy")
	if err := l.d.Measure(context.Background()); err != nil {
		t.Fatal(err)
	}
	p, _ := l.d.Peaks()
	if p.DiskRead <= 0 || p.DiskWrite <= 0 {
		t.Errorf("%+v", p)
	}
	long, _ := l.d.estimate(kernels.Cost{}, &kernels.Streamed{Moved: 1e9}, 0)
	if short, ok := l.d.estimate(kernels.Cost{}, &kernels.Streamed{Moved: 1e6, Apart: 999e6}, 0); !ok || short != long {
		t.Errorf("%g s for short runs, %g s for as much in long ones", short, long)
	}
	work := kernels.Cost{Work: 1e6 * float64(l.d.pool.Threads())}
	beside, _ := l.d.estimate(work, &kernels.Streamed{Moved: 1e9}, 0)
	before, _ := l.d.estimate(work, &kernels.Streamed{Moved: 2e9, Alone: 1e9}, 0)
	if beside != 1e6 || before != beside+long {
		t.Errorf("%g s with work beside transfers, %g s with %g s of transfers before it", beside, before, long)
	}
	for line, want := range map[string][]string{
		"explain stir a.npy x.npy":                    {"mode memory", "memory 2621696", "brought 1310848", "path stir", "seconds "},
		"explain stir 'big.npy[:100]' x.npy":          {"mode windows", "brought 100", "path stir"},
		"explain stir big.npy x.npy":                  {"mode streamed", "memory ", "moved 10485760", "piece ", "path stir", "seconds "},
		"explain stir big.npy x.npy maxmem=256K":      {"mode streamed", "memory 65536", "piece 32768"},
		"explain stir a.npy x.npy maxmem=1M salt=100": {"mode streamed", "memory 262144"},
	} {
		s := l.want(l.put(line), Done)
		for _, w := range want {
			if !strings.Contains("\n"+s.Answer, "\n"+w) {
				t.Errorf("%s: no %q in\n%s", line, w, s.Answer)
			}
		}
	}
}

// Many clients with more than the memory, all at once.
func TestSpillConcurrent(t *testing.T) {
	l := newSpillLab(t)
	const clients, size = 6, unit + 777
	var wg sync.WaitGroup
	for c := range clients {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(c), 1))
			q := l.queue(fmt.Sprintf("q%d", c))
			model := map[string][]byte{}
			for i := range 6 {
				name := fmt.Sprintf("c%d-%d.npy", c, i)
				model[name] = noise(size, uint64(10*c+i))
				l.write(name, npy(model[name]...))
			}
			for i := range 25 {
				in, out := fmt.Sprintf("c%d-%d.npy", c, rng.IntN(6)), fmt.Sprintf("c%d-%d.npy", c, rng.IntN(6))
				verb := []string{"mix %s %s n=%d salt=%d", "stir %s %s salt=%[4]d"}[rng.IntN(2)]
				s := q.Open(user, SessionOptions{Sync: true})
				if _, err := s.Write(context.Background(), fmt.Appendf(nil, verb+"\n", in, out, size, i)); err != nil {
					t.Errorf("client %d: %v", c, err)
					return
				}
				if strings.HasPrefix(verb, "mix") {
					model[out] = mixed(make([]byte, size), [][]byte{model[in]}, byte(i), false)
				} else {
					next := make([]byte, size)
					for k, v := range model[in] {
						next[k] = v*3 + byte(i)
					}
					model[out] = next
				}
			}
			for name, want := range model {
				l.same(name, npy(want...))
			}
		})
	}
	wg.Wait()
	l.within()
}

// A job is cancelled while its operands move, and nothing of it is kept.
func TestCancelWhileStaging(t *testing.T) {
	l := newSpillLab(t)
	l.write("a.npy", npy(noise(5*unit, 1)...))
	l.evict("a.npy")
	if err := l.d.moves.enter(context.Background()); err != nil { // somebody moves something large
		t.Fatal(err)
	}
	j := l.put("mix a.npy out.npy n=100")
	if !poll(func() bool { return strings.Contains(j.Snapshot().Reason, "turn") }) {
		t.Errorf("%+v", j.Snapshot())
	}
	j.Cancel("not wanted")
	l.want(j, Cancelled)
	l.d.moves.leave()
	big := l.put("stir a.npy b.npy maxmem=256K")
	l.want(big, Done)
	if m, ok := l.d.store.MarkOf("out.npy"); !ok || !m.Bad() {
		t.Error("the output passes for good")
	}
	_, err := l.d.Files().Open(context.Background(), "out.npy", syscall.O_RDONLY)
	if !errors.Is(err, syscall.EIO) {
		t.Error(err)
	}
}
