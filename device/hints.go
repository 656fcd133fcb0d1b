package device

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"vgpu/alloc"
)

// The attributes of a buffer that mean something to the device. The first two
// are the client's to set, and stay with the buffer; the others are only read, and not
// listed, so that copying a file with its attributes does not fail on them.
const (
	attrPrefix = "user.vgpu."
	attrPin    = attrPrefix + "pin"    // it does not leave memory; the value is empty or 1, and 0 is as if it were not there
	attrAdvice = attrPrefix + "advice" // see Advice
	attrTier   = attrPrefix + "tier"   // where its bytes are: ram, spill0...
	attrHeat   = attrPrefix + "heat"   // how much it is used: a use counts 1, and half as much every minute
)

// hintTable is what is known of buffers beyond their bytes: what their owners said,
// and how warm they are. It is kept by inode number, which a tmpfs does not use again.
// A device without spill tiers has none: nil.
type hintTable struct {
	store *alloc.Store

	mu    sync.Mutex // a leaf
	of    map[uint64]hint
	limit int // of entries, before those that are cold are dropped
}

type hint struct {
	pin    bool
	advice Advice
	heat   float64 // at the time of last use
	last   time.Time
}

// halfLife is the time in which heat is halved.
const halfLife = time.Minute

// maxHeats is how many buffers' heat is kept.
const maxHeats = 1 << 14

// heatAt is the heat, halved for each halfLife since it was last added to.
func (h *hint) heatAt(now time.Time) float64 {
	return h.heat * math.Exp2(-now.Sub(h.last).Seconds()/halfLife.Seconds())
}

// openHints reads the attributes of all buffers that are there; nil if the
// store does not spill.
func openHints(s *alloc.Store) (*hintTable, error) {
	if !s.Spills() {
		return nil, nil
	}
	t := &hintTable{store: s, of: map[uint64]hint{}, limit: maxHeats}
	return t, t.load("")
}

// load reads the attributes below a directory.
func (t *hintTable) load(dir string) error {
	list, err := t.store.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range list {
		rel := strings.TrimPrefix(dir+"/"+e.Name, "/")
		switch e.Mode & unix.S_IFMT {
		case unix.S_IFDIR:
			err = t.load(rel)
		case unix.S_IFREG:
			t.reload(e.Ino, rel)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// reload reads the attributes of a buffer anew.
func (t *hintTable) reload(ino uint64, rel string) {
	pin, advice := t.read(rel, attrPin), t.read(rel, attrAdvice)
	t.mu.Lock()
	defer t.mu.Unlock()
	h := t.of[ino]
	h.pin = pin != nil && string(pin) != "0"
	h.advice = Advice(advice)
	t.set(ino, h)
}

// read gives the value of an attribute, nil if there is none.
func (t *hintTable) read(rel, name string) []byte {
	buf := make([]byte, 64)
	n, err := t.store.Getxattr(rel, name, buf)
	if err != nil { // it has none, or what it has is no value of ours
		return nil
	}
	return buf[:n]
}

// set stores a hint that says something. mu is held.
func (t *hintTable) set(ino uint64, h hint) {
	if !h.pin && h.advice == "" && h.last.IsZero() {
		delete(t.of, ino)
		return
	}
	t.of[ino] = h
}

// inherit reads the attributes of an output that has taken the place of
// another file, which passes them on.
func (t *hintTable) inherit(ino uint64, rel string) {
	if t == nil {
		return
	}
	t.mu.Lock()
	empty := len(t.of) == 0
	t.mu.Unlock()
	if !empty {
		t.reload(ino, rel)
	}
}

// get gives what is known of a buffer.
func (t *hintTable) get(ino uint64) hint {
	if t == nil {
		return hint{}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.of[ino]
}

// warm counts a use.
func (t *hintTable) warm(ino uint64) {
	if t == nil {
		return
	}
	now := time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	h := t.of[ino]
	h.heat, h.last = 1+h.heatAt(now), now
	t.of[ino] = h
	if len(t.of) > t.limit {
		t.cool(now)
	}
}

// cool forgets the heat of a half of the buffers at least, the coldest, so that
// it is not called again soon. mu is held.
func (t *hintTable) cool(now time.Time) {
	heats := make([]float64, 0, len(t.of))
	for _, h := range t.of {
		heats = append(heats, h.heatAt(now))
	}
	slices.Sort(heats)
	bound := heats[len(heats)/2]
	for ino, h := range t.of {
		if h.heatAt(now) <= bound {
			h.heat, h.last = 0, time.Time{}
			t.set(ino, h)
		}
	}
	t.limit = len(t.of) + maxHeats
}

// Getxattr reads an attribute as getxattr(2) does; those of the device itself
// are made.
func (f Files) Getxattr(rel, name string, p []byte) (int, error) {
	if name != attrTier && name != attrHeat {
		return f.Store.Getxattr(rel, name, p)
	}
	b, err := f.Store.Get(rel)
	if err != nil { // a directory or a link
		return 0, fmt.Errorf("%s: %w", name, syscall.ENODATA)
	}
	defer b.Release()
	text := b.Tier()
	if name == attrHeat {
		h := f.d.hints.get(b.Ino())
		text = fmt.Sprintf("%.3f", h.heatAt(time.Now()))
	}
	if len(p) == 0 {
		return len(text), nil
	}
	if len(p) < len(text) {
		return 0, syscall.ERANGE
	}
	return copy(p, text), nil
}

// Setxattr sets an attribute as setxattr(2) does. EINVAL for a value that an
// attribute of the device cannot have, EPERM for one that is only read.
func (f Files) Setxattr(rel, name string, value []byte, flags int) error {
	if err := checkAttr(name, string(value)); err != nil {
		return err
	}
	if err := f.Store.Setxattr(rel, name, value, flags); err != nil {
		return err
	}
	return f.attrChanged(rel, name)
}

// checkAttr refuses what an attribute cannot be set to: EINVAL, EPERM for those
// that are only read. Names outside our prefix are the user's own.
func checkAttr(name, value string) error {
	var err error
	switch name {
	case attrPin:
		if value != "" && value != "0" && value != "1" {
			err = fmt.Errorf("%s takes 0 or 1, not %q: %w", name, value, syscall.EINVAL)
		}
	case attrAdvice:
		if _, err = parseAdvice(value); value == "" {
			err = fmt.Errorf("%s takes sequential, willneed or dontneed: %w", name, syscall.EINVAL)
		}
	case attrTier, attrHeat:
		err = fmt.Errorf("%s is only read: %w", name, syscall.EPERM)
	default:
		if strings.HasPrefix(name, attrPrefix) {
			err = fmt.Errorf("there is no attribute %s: %w", name, syscall.EINVAL)
		}
	}
	return err
}

// Removexattr removes an attribute.
func (f Files) Removexattr(rel, name string) error {
	if name == attrTier || name == attrHeat {
		return fmt.Errorf("%s is only read: %w", name, syscall.EPERM)
	}
	if err := f.Store.Removexattr(rel, name); err != nil {
		return err
	}
	return f.attrChanged(rel, name)
}

// attrChanged lets the planner know what an owner said.
func (f Files) attrChanged(rel, name string) error {
	t := f.d.hints
	if t == nil || !strings.HasPrefix(name, attrPrefix) {
		return nil
	}
	b, err := f.Store.Get(rel)
	switch {
	case errors.Is(err, syscall.EISDIR), errors.Is(err, syscall.ELOOP):
		return nil
	case err != nil:
		return err
	}
	t.reload(b.Ino(), rel)
	if name == attrAdvice && t.get(b.Ino()).advice == AdviceWillNeed {
		f.d.moves.want(b)
		return nil
	}
	b.Release()
	f.d.moves.wake()
	return nil
}
