package alloc

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// probeEvery is how often a tier that is out of use is probed.
const probeEvery = 5 * time.Second

// TierEvent says that a spill tier went out of use, or came back.
type TierEvent struct {
	Tier, Path string
	Err        error // why it is out of use, an *OfflineError; nil: it is in use again
	Buffers    int64 // whose bytes are there
}

// nurse is the goroutine that probes tiers that are suspect or out of use, and
// tells of it.
type nurse struct {
	s    *Store
	kick chan struct{}
	quit chan struct{}
	work sync.WaitGroup
	end  sync.Once
	tell atomic.Pointer[func(TierEvent)]
}

// newNurse starts the goroutine, which stop ends.
func (s *Store) newNurse() *nurse {
	n := &nurse{s: s, kick: make(chan struct{}, 1), quit: make(chan struct{})}
	n.work.Go(n.run)
	return n
}

// stop ends it, after a last look at the tiers. No lock of the store's may be
// held, for which it may have to wait.
func (n *nurse) stop() {
	n.end.Do(func() {
		close(n.quit)
		n.work.Wait()
		for _, t := range n.s.spills {
			n.visit(t, false)
		}
	})
}

// blame takes note that a transfer from or to the tier at a path has failed.
func (n *nurse) blame(path string, err error) {
	for _, t := range n.s.spills {
		if t.path == path {
			t.blame(err)
		}
	}
}

// wake has it look at the tiers. A nil one, as before the store is open, is harmless.
func (n *nurse) wake() {
	if n == nil {
		return
	}
	select {
	case n.kick <- struct{}{}:
	default:
	}
}

func (n *nurse) run() {
	every := time.NewTicker(probeEvery)
	defer every.Stop()
	for {
		due := false
		select {
		case <-n.kick:
		case <-every.C:
			due = true
		case <-n.quit:
			return
		}
		for _, t := range n.s.spills {
			n.visit(t, due)
		}
	}
}

// visit probes a tier if it is suspect, or out of use and its time has come,
// and tells what has changed.
func (n *nurse) visit(t *spillTier, due bool) {
	h := &t.health
	if h.suspect.Load() || due && h.cause.Load() != nil {
		t.check()
	}
	n.s.recount(t)
	cause := h.cause.Load()
	if (cause != nil) == h.told {
		return
	}
	h.told = cause != nil
	e := TierEvent{Tier: t.name(), Path: t.path, Buffers: t.buffers.Load()}
	if cause != nil {
		e.Err = cause
		t.logf("spill tier %v", cause)
		if !n.s.closed.Load() {
			n.s.letGo(t)
		}
	} else {
		t.logf("spill tier %s (%s) is in use again", e.Tier, e.Path)
		n.s.freed()
	}
	if f := n.tell.Load(); f != nil {
		(*f)(e)
	}
}

// OnTier sets what is called, under no lock of the store's, when a spill tier
// goes out of use or comes back.
func (s *Store) OnTier(f func(TierEvent)) {
	if s.io != nil {
		s.io.nurse.tell.Store(&f)
		s.io.nurse.wake()
	}
}

// ProbeTiers probes all spill tiers now, and tells why those that are out of
// use are. Otherwise that is done every few seconds.
func (s *Store) ProbeTiers() (err error) {
	s.moving.RLock()
	defer s.moving.RUnlock()
	if s.closed.Load() {
		return nil
	}
	for _, t := range s.spills {
		t.check()
		s.recount(t)
		if c := t.health.cause.Load(); c != nil {
			err = errors.Join(err, c)
		}
	}
	return err
}

// recount asks for the space of the files on a tier, if a disk that failed did not tell.
func (s *Store) recount(t *spillTier) {
	if t.health.cause.Load() != nil || !t.health.unsure.Swap(false) {
		return
	}
	s.table.mu.Lock()
	spots := slices.Collect(maps.Values(s.table.spots))
	s.table.mu.Unlock()
	for _, p := range spots {
		if p.t != t || p.name == "" {
			continue
		}
		t.meter.recount(p.key, func() (int64, bool) {
			st, err := t.quiet().stat(p.entry())
			if blames(err) && !errors.Is(err, unix.ENOENT) {
				t.health.unsure.Store(true) // it is asked again
			}
			return st.Blocks * 512, err == nil && keyOf(&st) == p.key
		})
	}
}

// someTier has f put something on the first of the tiers that takes it: not one
// that is full, nor one that is out of use or proves to be. If there is none
// the error is an ENOSPC that says why.
func someTier(tiers []*spillTier, op, path string, f func(*spillTier) error) error {
	err := fail(op, path, unix.ENOSPC)
	for _, t := range tiers {
		if err = t.ready(); err == nil {
			err = f(t)
		}
		if err != nil && !errors.Is(err, unix.ENOSPC) {
			if errors.Is(err, unix.ENOENT) { // its folder may have been removed
				t.health.suspect.Store(true)
			}
			if off := t.ready(); off != nil {
				err = off
			} else if errors.Is(err, unix.EDQUOT) { // the disk's, not ours
				err = fmt.Errorf("%s: the quota there is used up: %w", t.path, unix.ENOSPC)
			}
		}
		if !errors.Is(err, unix.ENOSPC) {
			return err
		}
	}
	return err
}
