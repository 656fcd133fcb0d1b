package alloc

import (
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"
)

// load takes account of what is there: files that no home names are dropped, space beyond the end of the others is given back.
func (t *spillTier) load(spots map[string]*spot) error {
	for _, d := range []struct {
		fd   int
		name string
	}{{t.data, dataDir}, {t.sums, sumsDir}} {
		list, err := t.readdir(d.fd, d.name)
		if err != nil {
			return err
		}
		for _, f := range list {
			e := entry{d.fd, f.Name, d.name + "/" + f.Name}
			if err := t.loadFile(e, spots[f.Name]); err != nil {
				return err
			}
		}
	}
	used, err := t.meter.used()
	if t.auto {
		t.limit += used
	} else if used > t.limit {
		err = fmt.Errorf("the buffers that are there hold %d bytes, and it may have %d: %w", used, t.limit, unix.ENOSPC)
	}
	return errors.Join(err, t.meter.bound(max(t.limit, used)))
}

// loadFile keeps a file, or drops it if no home names it.
func (t *spillTier) loadFile(e entry, p *spot) error {
	if p == nil {
		return t.unlink(e, 0)
	}
	st, err := t.stat(e)
	if err != nil {
		return err
	}
	if st.Blocks*512 > pages(st.Size) && e.dir == t.data {
		if err := t.trimTail(e, &st); err != nil {
			return err
		}
	}
	if e.dir == t.data {
		p.key, p.size, p.found = keyOf(&st), st.Size, true
		p.lent.Store(true)
		if p.packed() {
			p.saved = max(pages(st.Size)-st.Blocks*512, 0)
		}
	} else {
		p.sumsKey = keyOf(&st)
	}
	t.meter.settle(keyOf(&st), 0, st.Blocks*512)
	return nil
}

// discardFile removes a file of the tier that is nobody's. What cannot be removed is counted on, and tried again later.
func (t *spillTier) discardFile(e entry, k key) {
	t.trash.mu.Lock()
	t.trash.list = append(t.trash.list, litter{e, k})
	t.trash.mu.Unlock()
	if t.health.cause.Load() == nil {
		t.sweep(t.sys)
	}
}

// sweep removes what is nobody's, by calls of x.
func (t *spillTier) sweep(x sys) {
	t.trash.mu.Lock()
	defer t.trash.mu.Unlock()
	t.trash.list = slices.DeleteFunc(t.trash.list, func(l litter) bool {
		err := x.unlink(l.entry, 0)
		if err != nil && !errors.Is(err, unix.ENOENT) {
			t.logf("%s: a file that is nobody's is left: %v", t.path, err)
			return false
		}
		t.meter.forget(l.key)
		return true
	})
}
