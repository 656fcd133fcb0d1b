package alloc

import (
	"fmt"
	"runtime"
	"testing"
	"time"
	"unsafe"
)

// base is where a mapping begins.
func base(m *Mapping) *byte { return unsafe.SliceData(m.Data) }

func TestMappingIsKeptForTheNext(t *testing.T) {
	eachKind(t, func(t *testing.T, kind string) {
		s := openStore(t, kind, 64<<20)
		s.warm.longer = time.Hour
		put(t, s, "a", "hello")
		b, err := s.Get("a")
		ok(t, err)
		m, err := b.Map()
		ok(t, err)
		at := base(m)
		m.Close()
		b.Release()
		if b.Mapped() {
			t.Error("a warm mapping counts as a hold")
		}
		again, err := s.Get("a")
		ok(t, err)
		defer again.Release()
		if again != b {
			t.Fatal("a kept buffer was opened anew")
		}
		m, err = again.Map()
		ok(t, err)
		defer m.Close()
		if base(m) != at {
			t.Error("the mapping was made anew")
		}
	})
}

// What is kept is in nobody's way.
func TestWarmMappingGivesWay(t *testing.T) {
	eachKind(t, func(t *testing.T, kind string) {
		s := openStore(t, kind, 64<<20)
		for name, f := range map[string]func(b *Buffer) error{
			"shrink": func(b *Buffer) error { return b.Resize(1) },
			"punch":  func(b *Buffer) error { return b.Allocate(0, 4096, 3) },
			"unlink": func(b *Buffer) error { return s.Unlink(b.Path()) },
		} {
			put(t, s, name, "hello")
			b, err := s.Get(name)
			ok(t, err)
			m, err := b.Map()
			ok(t, err)
			m.Close()
			if err := f(b); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			b.Release()
		}
	})
}

func TestUnlinkedBufferIsNotKept(t *testing.T) {
	s := openStore(t, kinds()[0], 64<<20)
	put(t, s, "a", "x")
	b, err := s.Get("a")
	ok(t, err)
	ok(t, b.Resize(8<<20))
	m, err := b.Map()
	ok(t, err)
	ok(t, s.Unlink("a"))
	m.Close()
	b.Release()
	if u := s.Usage(); u.Used > 1<<20 {
		t.Errorf("%d bytes are held by a buffer without name", u.Used)
	}
}

func TestFewMappingsAreKept(t *testing.T) {
	s := openStore(t, kinds()[0], 64<<20)
	s.warm.longer = time.Hour
	for i := range 3 * warmMappings {
		name := fmt.Sprint(i)
		put(t, s, name, "x")
		b, err := s.Get(name)
		ok(t, err)
		m, err := b.Map()
		ok(t, err)
		m.Close()
		b.Release()
	}
	if n := len(s.warm.list); n != warmMappings {
		t.Errorf("%d are kept, want %d", n, warmMappings)
	}
	for i := range s.warm.list {
		s.warm.list[i].until = s.warm.list[i].until.Add(-2*warmTime - s.warm.longer)
	}
	s.warm.expire()
	if n := len(s.warm.list); n != 0 {
		t.Errorf("%d are kept past their time", n)
	}
}

// A store that is closed while a mapping cools waits for that.
func TestCloseWhileCooling(t *testing.T) {
	s := openStore(t, kinds()[0], 64<<20)
	put(t, s, "a", "hello")
	b, err := s.Get("a")
	ok(t, err)
	m, err := b.Map()
	ok(t, err)
	m.Close()
	b.Release()
	s.warm.mu.Lock() // expire has begun, and is at its look at the list
	s.warm.list[0].until = time.Time{}
	expired, closed := make(chan struct{}), make(chan error, 1)
	go func() {
		s.warm.expire()
		close(expired)
	}()
	for s.warm.cooling.TryLock() {
		s.warm.cooling.Unlock()
		runtime.Gosched()
	}
	left := -1
	go func() {
		err := s.Close(false)
		s.table.mu.Lock()
		left = len(s.table.held)
		s.table.mu.Unlock()
		closed <- err
	}()
	s.warm.mu.Unlock()
	ok(t, <-closed)
	if left != 0 {
		t.Errorf("%d buffers are held when Close returns", left)
	}
	<-expired
}
