package alloc

import "testing"

// All that a large arena had is there for the next, until a buffer needs it, somebody
// may write past us, or nobody has come for a while.
func TestArenaKept(t *testing.T) {
	s, inject := openFaulty(t, kinds()[0], 64<<20)
	const big = 40 << 20
	run := func() {
		t.Helper()
		a, err := s.NewArena(big)
		ok(t, err)
		a.Alloc(big)[0] = 1
		a.Close()
		checkArena(t, s)
	}
	cached := func() int64 { return s.Usage().Cached }
	run()
	calls := inject.memoryCalls()
	run()
	inject.disarm()
	if n := calls.Load(); n != 0 || cached() < big {
		t.Errorf("the second made %d calls; %d bytes are kept", n, cached())
	}
	s.mem.cool()
	if n := cached(); n > s.mem.keep {
		t.Errorf("after a while %d bytes are kept", n)
	}
	run()
	s.Writers(1)
	if n := cached(); n > s.mem.keep {
		t.Errorf("for writers past us %d bytes are kept", n)
	}
	if run(); cached() > s.mem.keep {
		t.Errorf("beside writers past us %d bytes are kept", cached())
	}
	s.Writers(-1)
	run()
	b, _, err := s.Create(me(), "b", 0o644, true)
	ok(t, err)
	ok(t, b.Resize(60<<20))
	b.Release()
	if n := cached(); n != 0 {
		t.Errorf("%d bytes are kept beside a buffer that needed them", n)
	}
	checkArena(t, s)
}

// Where files have little room left, no more is kept than before.
func TestArenaKeptOpen(t *testing.T) {
	s := openStore(t, kinds()[0], 64<<20)
	a, err := s.NewArena(61 << 20)
	ok(t, err)
	a.Alloc(61 << 20)[0] = 1
	a.Close()
	if u := s.Usage(); u.Cached > s.mem.keep {
		t.Errorf("%+v", u)
	}
}
