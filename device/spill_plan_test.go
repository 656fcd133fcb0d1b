package device

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"vgpu/alloc"
)

// attr reads an attribute, "" and the errno if there is none.
func (l *lab) attr(name, attr string) (string, error) {
	buf := make([]byte, 64)
	n, err := l.d.Files().Getxattr(name, attr, buf)
	return string(buf[:n]), err
}

// advise sets an attribute that must be taken.
func (l *lab) advise(name, attr, value string) {
	l.t.Helper()
	if err := l.d.Files().Setxattr(name, attr, []byte(value), 0); err != nil {
		l.t.Fatal(err)
	}
}

// While a job runs, the operands of those behind it are brought in, and its
// results are written.
func TestPrefetch(t *testing.T) {
	l := newSpillLab(t)
	for i := range 6 {
		l.write(fmt.Sprintf("b%d.npy", i), npy(noise(4*unit, uint64(i))...))
	}
	l.evict("b1.npy")
	l.slots(1)
	run := l.put("hold g")
	<-l.gate("g").started
	if err := l.d.moves.enter(context.Background()); err != nil { // else memory may be full of b0 when out1 is made, which then has to be brought in
		t.Fatal(err)
	}
	var jobs []*Job
	for i := range 2 {
		jobs = append(jobs, l.put(fmt.Sprintf("mix b%d.npy out%d.npy n=1000", i, i)))
	}
	l.d.moves.leave()
	if !poll(func() bool { return l.tier("b0.npy") == "ram" && l.tier("b1.npy") == "ram" }) {
		t.Errorf("b0 is in %s, b1 in %s", l.tier("b0.npy"), l.tier("b1.npy"))
	}
	l.gate("g").release()
	l.want(run, Done)
	for i, j := range jobs {
		l.want(j, Done)
		l.same(fmt.Sprintf("out%d.npy", i), npy(mixed(make([]byte, 1000), [][]byte{noise(4*unit, uint64(i))}, 0, false)...))
	}
	if s := l.d.Stats().Moves; s.Prefetched != 2 || s.PrefetchHits != 2 || s.Stalls != 0 {
		t.Errorf("%+v", s)
	}
}

// The plan says what moves next, for whom, and why it is this buffer.
func TestPlanText(t *testing.T) {
	l := newSpillLab(t)
	if text, err := l.d.PlanText(); err != nil || len(text) > 0 {
		t.Errorf("%q %v", text, err)
	}
	for i := range 3 {
		l.write(fmt.Sprintf("b%d.npy", i), npy(noise(4*unit, uint64(i))...))
	}
	l.write("away.npy", npy(noise(1*unit, 9)...))
	l.evict("away.npy")
	if err := l.d.moves.enter(context.Background()); err != nil { // so that nothing moves
		t.Fatal(err)
	}
	l.slots(1)
	run := l.put("hold g")
	<-l.gate("g").started
	first := l.put("mix away.npy out.npy n=1250000")
	second := l.put("tag 'x' b0.npy")
	l.advise("b2.npy", attrAdvice, "dontneed")
	text, err := l.d.PlanText()
	want := fmt.Sprintf("next.0 evict bytes=%d for=%d used=never advice=dontneed buffer=b2.npy\nnext.1 bring bytes=%d for=%d buffer=away.npy\n",
		pageUp(4*unit+128), first.ID, pageUp(unit+128), first.ID)
	if err != nil || string(text) != want {
		t.Errorf("%v:\n%s, want\n%s", err, text, want)
	}
	l.d.moves.leave()
	l.gate("g").release()
	for _, j := range []*Job{run, first, second} {
		l.want(j, Done)
	}
	trace, err := l.d.Trace()
	if err != nil || !bytes.Contains(trace, []byte(`"evict b2.npy"`)) || !bytes.Contains(trace, []byte(`"bring away.npy"`)) || !bytes.Contains(trace, []byte(`"tier":"spill0"`)) {
		t.Errorf("%v %s", err, trace)
	}
}

// What owners say of their buffers.
func TestHints(t *testing.T) {
	l := newSpillLab(t)
	for _, name := range []string{"pinned", "idle", "fresh"} {
		l.write(name+".npy", npy(noise(4*unit, 1)...))
	}
	l.advise("pinned.npy", attrPin, "")
	l.do("tag 'x' pinned.npy idle.npy") // fresh is now the least recently used
	l.advise("idle.npy", attrAdvice, "dontneed")
	l.do("mix big.npy n=1250000")
	for name, tier := range map[string]string{"pinned": "ram", "idle": "spill0", "fresh": "ram"} {
		if got := l.tier(name + ".npy"); got != tier {
			t.Errorf("%s is in %s", name, got)
		}
	}
	if heat, err := l.attr("idle.npy", attrHeat); err != nil || heat == "0.000" {
		t.Errorf("heat %s %v", heat, err)
	}
	if heat, err := l.attr("fresh.npy", attrHeat); err != nil || heat != "0.000" {
		t.Errorf("heat %s %v", heat, err)
	}
	l.do("mix pinned.npy pinned.npy n=100 salt=1") // a new inode, which stays pinned
	l.do("mix other.npy n=1250000")
	l.do("mix another.npy n=1250000")
	if got := l.tier("pinned.npy"); got != "ram" {
		t.Errorf("a pinned output is in %s", got)
	}
	l.advise("pinned.npy", attrPin, "0")
	if l.d.hints.get(l.ino("pinned.npy")).pin {
		t.Error("still pinned")
	}
	names, err := l.d.Files().Listxattr("pinned.npy")
	if err != nil || strings.Join(names, " ") != attrPin {
		t.Errorf("%q %v", names, err)
	}
	if err := l.d.Files().Removexattr("idle.npy", attrAdvice); err != nil || l.d.hints.get(l.ino("idle.npy")).advice != "" {
		t.Error(err)
	}
	l.advise("idle.npy", attrAdvice, "willneed")
	if !poll(func() bool { return l.tier("idle.npy") == "ram" }) {
		t.Error("a buffer that will be needed is not brought in")
	}
}

// What a client asks for while the mover looks at something else is not lost
// when that turns out to be nothing.
func TestWishWhileLooking(t *testing.T) {
	l := newSpillLab(t)
	for _, name := range []string{"a", "b", "c"} {
		l.write(name+".npy", npy(noise(4*unit, 1)...))
	}
	l.advise("a.npy", attrAdvice, "dontneed")
	l.do("mix big.npy n=1250000")
	if got := l.tier("a.npy"); got != "spill0" {
		t.Fatalf("a.npy is in %s", got)
	}
	m := l.d.moves
	if err := m.enter(t.Context()); err != nil { // the mover waits, and this is its look
		t.Fatal(err)
	}
	o, err := l.d.outlook()
	if err != nil {
		t.Fatal(err)
	}
	l.advise("a.npy", attrAdvice, "willneed")
	m.rest(o)
	o.close()
	m.leave()
	if !poll(func() bool { return l.tier("a.npy") == "ram" }) {
		t.Error("what was asked for meanwhile is not brought in")
	}
}

func TestAttributesRefused(t *testing.T) {
	for _, l := range []*lab{newSpillLab(t), newTierLab(t)} {
		l.write("a", []byte("text"))
		if err := l.d.Files().Mkdir(user, "dir", 0o755); err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct {
			name, attr, value string
			want              error
		}{
			{"a", attrPin, "2", syscall.EINVAL}, {"a", attrAdvice, "random", syscall.EINVAL}, {"a", attrAdvice, "", syscall.EINVAL},
			{"a", attrTier, "ram", syscall.EPERM}, {"a", attrHeat, "1", syscall.EPERM}, {"a", attrPrefix + "x", "1", syscall.EINVAL},
			{"a", "user.other", "1", nil}, {"a", attrPin, "1", nil}, {"dir", attrPin, "1", nil}, {"no", attrPin, "1", syscall.ENOENT},
		} {
			if err := l.d.Files().Setxattr(tt.name, tt.attr, []byte(tt.value), 0); !errors.Is(err, tt.want) {
				t.Errorf("%s %s=%q: %v, want %v", tt.name, tt.attr, tt.value, err, tt.want)
			}
		}
		for _, attr := range []string{attrTier, attrHeat} {
			if err := l.d.Files().Removexattr("a", attr); !errors.Is(err, syscall.EPERM) {
				t.Error(err)
			}
			if _, err := l.attr("dir", attr); !errors.Is(err, syscall.ENODATA) {
				t.Error(err)
			}
			if n, err := l.d.Files().Getxattr("a", attr, nil); err != nil || n == 0 {
				t.Error(n, err)
			}
			if _, err := l.d.Files().Getxattr("a", attr, make([]byte, 1)); !errors.Is(err, syscall.ERANGE) {
				t.Error(err)
			}
		}
		if got := l.tier("a"); got != "ram" {
			t.Error(got)
		}
	}
}

// Hints are found again by the next daemon.
func TestHintsSurvive(t *testing.T) {
	l := newSpillLab(t)
	if err := l.d.Files().Mkdir(user, "dir", 0o755); err != nil {
		t.Fatal(err)
	}
	l.write("dir/a", []byte("text"))
	l.advise("dir/a", attrPin, "1")
	l.advise("dir/a", attrAdvice, "sequential")
	l.close(true)
	l.reopen()
	if h := l.d.hints.get(l.ino("dir/a")); !h.pin || h.advice != AdviceSequential {
		t.Errorf("%+v", h)
	}
	for i := range uint64(2 * maxHeats) { // heat is kept of so many, pins of all
		l.d.hints.warm(1<<40 + i)
	}
	if n := len(l.d.hints.of); n > 2*maxHeats+1 {
		t.Errorf("%d hints", n)
	}
	if h := l.d.hints.get(l.ino("dir/a")); !h.pin {
		t.Errorf("%+v", h)
	}
}

// A client that writes more than memory holds has what nobody uses leave for
// it; what the queue will use stays, and the file itself goes to the disk.
func TestGrowthEvicts(t *testing.T) {
	l := newSpillLab(t)
	l.write("old.npy", npy(noise(4*unit, 1)...))
	l.write("used.npy", npy(noise(4*unit, 2)...))
	q := l.queue("later")
	l.set(q, AttrPaused, 1)
	l.on("later", "tag 'x' used.npy")
	big := noise(30*unit, 3)
	l.write("big", big)
	l.same("big", big)
	for name, tier := range map[string]string{"old.npy": "spill0", "used.npy": "ram", "big": "spill0"} {
		if got := l.tier(name); got != tier {
			t.Errorf("%s is in %s", name, got)
		}
	}
	l.within()
	l.set(q, AttrPaused, 0)
}

// Outputs that wait for their jobs leave without being written, and come back
// as what the jobs make of them.
func TestUnwrittenOutputs(t *testing.T) {
	l := newSpillLab(t)
	l.write("in.npy", npy(noise(4*unit, 1)...))
	l.slots(1)
	run := l.put("hold g")
	<-l.gate("g").started
	var jobs []*Job
	for i := range 8 {
		jobs = append(jobs, l.put(fmt.Sprintf("mix in.npy out%d.npy n=1000000 salt=%d", i, i)))
	}
	jobs = append(jobs, l.put("mix out0.npy out7.npy sum.npy n=1000000")) // typed by headers that are not there yet
	l.gate("g").release()
	l.want(run, Done)
	in := noise(4*unit, 1)
	outs := map[int][]byte{}
	for i, j := range jobs {
		l.want(j, Done)
		if i < 8 {
			outs[i] = mixed(make([]byte, 1000000), [][]byte{in}, byte(i), false)
			l.same(fmt.Sprintf("out%d.npy", i), npy(outs[i]...))
		}
	}
	l.same("sum.npy", npy(mixed(make([]byte, 1000000), [][]byte{outs[0], outs[7]}, 0, false)...))
	l.within()
}

// Where the disk is full too nothing is lost, and the refusal says so.
func TestTiersFull(t *testing.T) {
	l := newSpillLab(t, func(c *Config) { c.Store.Spill[0].Size = 10 * unit })
	want := map[string][]byte{}
	for i := range 4 {
		name := fmt.Sprintf("b%d.npy", i)
		want[name] = npy(noise(4*unit, uint64(i))...)
		l.write(name, want[name])
	}
	h, err := l.d.Files().Create(context.Background(), user, "more", syscall.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Release()
	for n := int64(0); err == nil && n < 32*unit; n += unit {
		_, err = h.WriteAt(context.Background(), make([]byte, unit), n)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("%v, want ENOSPC", err)
	}
	if err := h.Truncate(context.Background(), 0); err != nil {
		t.Fatal(err)
	}
	l.refused(syscall.ENOSPC, "mix out.npy n=2700000")
	for name, data := range want {
		l.same(name, data)
	}
	l.do("mix b0.npy b1.npy small.npy n=1000")
	l.same("small.npy", npy(mixed(make([]byte, 1000), [][]byte{body(want["b0.npy"]), body(want["b1.npy"])}, 0, false)...))
}

// A device without spill tiers moves nothing, and says so.
func TestNoTiers(t *testing.T) {
	eachLab(t, func(t *testing.T, l *lab) {
		if text, err := l.d.PlanText(); err != nil || text != nil {
			t.Errorf("%q %v", text, err)
		}
		if s := l.d.Stats(); s.Moves != (MoveStats{}) || len(s.Tiers) > 1 {
			t.Errorf("%+v", s)
		}
		l.d.moves.wake()
		if l.d.hints.get(1) != (hint{}) {
			t.Error("a hint")
		}
		if s := l.want(l.put("explain mix x.npy n=100"), Done); !strings.Contains(s.Answer, "\nmode memory\nmemory 228\n") {
			t.Error(s.Answer)
		}
	})
}

// Moves of buffers that clients take away meanwhile are decided anew.
func TestVictimsVanish(t *testing.T) {
	l := newSpillLab(t)
	for i := range 3 {
		l.write(fmt.Sprintf("b%d.npy", i), npy(noise(4*unit, uint64(i))...))
	}
	var vanished atomic.Bool
	fault := alloc.Faults(func(op, path string) error { // the first victim is unlinked when it is looked for
		if op == "open" && path == "b0.npy" && vanished.CompareAndSwap(false, true) {
			return syscall.ENOENT
		}
		return nil
	})
	l.fault.Store(&fault)
	l.do("mix out.npy n=1250000")
	l.fault.Store(nil)
	if !vanished.Load() || l.tier("b0.npy") != "ram" || l.tier("b1.npy") != "spill0" {
		t.Errorf("%t: b0 is in %s, b1 in %s", vanished.Load(), l.tier("b0.npy"), l.tier("b1.npy"))
	}
}
