package tune

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
)

// maxEntry and maxEntries bound what a directory may hold.
const (
	maxEntry   = 16 << 10
	maxEntries = 4096
)

// Config says where a DB lives.
type Config struct {
	// Dir holds the entries; "" keeps them in memory. It is made when the first
	// is stored.
	Dir string
	// Seed is a directory whose entries a new Dir starts with; "" is none.
	Seed string
	// Report is told of each entry that is not used, and why. It may be nil.
	Report func(name string, reason error)
}

// DB is a set of entries. It is a [kernels.Tuner]; its methods are safe for
// concurrent use.
type DB struct {
	cfg     Config
	machine Machine

	mu    sync.RWMutex
	files map[string]*file // by file name
}

// file is an entry and its text. It is not changed once it is in DB.files.
type file struct {
	text   []byte
	entry  *Entry // nil if the text is none
	unused error  // why it is not used
}

// Open reads a directory. One that is missing is empty; an entry that cannot
// be used is reported, and does no harm. The error is the directory's.
func Open(cfg Config) (*DB, error) {
	d := &DB{cfg: cfg, machine: ThisMachine(), files: map[string]*file{}}
	dir := cfg.Dir
	if _, err := os.Stat(dir); dir == "" || errors.Is(err, fs.ErrNotExist) {
		dir = cfg.Seed
	}
	if dir == "" {
		return d, nil
	}
	list, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("tuning: %w", err)
	}
	for _, e := range list {
		if name := e.Name(); entryName(name) && len(d.files) < maxEntries {
			d.load(name, filepath.Join(dir, name))
		}
	}
	return d, nil
}

// entryName tells a stored entry from a temporary file.
func entryName(name string) bool {
	return strings.HasSuffix(name, suffix) && !strings.HasPrefix(name, ".")
}

// load takes in one file.
func (d *DB) load(name, path string) {
	f := &file{}
	if text, err := readSmall(path); err != nil {
		f.unused = err
	} else {
		f = d.judge(name, text)
	}
	d.files[name] = f
	d.report(name, f.unused)
}

// readSmall reads a regular file of at most maxEntry bytes. O_NONBLOCK keeps a
// FIFO that somebody put there from holding up a mount.
func readSmall(path string) ([]byte, error) {
	r, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	if st, err := r.Stat(); err != nil || !st.Mode().IsRegular() {
		return nil, errors.Join(err, errors.New("not a regular file"))
	}
	text, err := io.ReadAll(io.LimitReader(r, maxEntry+1))
	if err == nil && len(text) > maxEntry {
		err = fmt.Errorf("longer than %d bytes", maxEntry)
	}
	return text, err
}

// judge decides whether a text is used.
func (d *DB) judge(name string, text []byte) *file {
	e, err := Parse(text)
	switch {
	case err != nil:
		return &file{text: text, unused: err}
	case e.Key.Name() != name:
		return &file{text: text, unused: fmt.Errorf("its key is that of %s", e.Key.Name())}
	}
	return &file{text: text, entry: e, unused: e.Usable(d.machine)}
}

// report passes on why an entry is not used. No lock is held: the receiver may
// call the DB.
func (d *DB) report(name string, reason error) {
	if reason != nil && d.cfg.Report != nil {
		d.cfg.Report(name, reason)
	}
}

// Tuned implements kernels.Tuner. The map is the entry's own, and must not be
// changed.
func (d *DB) Tuned(kernel, class string, threads int) (map[string]int, string) {
	name := id(kernel, class, threads) + suffix
	d.mu.RLock()
	defer d.mu.RUnlock()
	f := d.files[name]
	if f == nil || f.unused != nil {
		return nil, ""
	}
	return f.entry.Value, name
}

// Names lists the entries, used or not, in order.
func (d *DB) Names() []string {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return slices.Sorted(maps.Keys(d.files))
}

// Read is the text of an entry, and why it is not used if it is not; ok is
// false if there is no such entry.
func (d *DB) Read(name string) (text []byte, unused error, ok bool) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	f := d.files[name]
	if f == nil {
		return nil, nil, false
	}
	return f.text, f.unused, true
}

// Write stores a text under a name, in place of what was there. What is no
// entry, or not the one that the name says, is refused with EINVAL. An entry
// for another machine is stored, reported, and not used.
func (d *DB) Write(name string, text []byte) error {
	if len(text) > maxEntry {
		return fmt.Errorf("%s: an entry has at most %d bytes: %w", name, maxEntry, syscall.EFBIG)
	}
	f := d.judge(name, slices.Clone(text))
	if f.entry == nil {
		return fmt.Errorf("%s: %w: %w", name, f.unused, syscall.EINVAL)
	}
	if err := d.put(name, f); err != nil {
		return err
	}
	d.report(name, f.unused)
	return nil
}

// Put stores a finding.
func (d *DB) Put(e *Entry) error {
	text, err := e.Text()
	if err != nil {
		return err
	}
	return d.Write(e.Key.Name(), text)
}

func (d *DB) put(name string, f *file) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.files) >= maxEntries && d.files[name] == nil {
		return fmt.Errorf("tuning: there are %d entries already: %w", maxEntries, syscall.ENOSPC)
	}
	if err := d.settle(); err != nil {
		return err
	}
	if err := d.store(name, f.text); err != nil {
		return err
	}
	d.files[name] = f
	return nil
}

// settle makes the directory, with the entries that it was seeded with, so that
// it is complete once there is one of its own. mu is held.
func (d *DB) settle() error {
	if d.cfg.Dir == "" {
		return nil
	}
	if _, err := os.Stat(d.cfg.Dir); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(d.cfg.Dir, 0o755); err != nil {
		return err
	}
	for name, f := range d.files {
		if err := d.store(name, f.text); err != nil {
			return err
		}
	}
	return nil
}

// store writes a file as a whole: who reads meanwhile, and a crash, find
// the old text or the new.
func (d *DB) store(name string, text []byte) error {
	if d.cfg.Dir == "" {
		return nil
	}
	tmp, err := os.CreateTemp(d.cfg.Dir, "."+name+"-")
	if err != nil {
		return err
	}
	_, err = tmp.Write(text)
	err = errors.Join(err, tmp.Chmod(0o644), tmp.Sync(), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), filepath.Join(d.cfg.Dir, name))
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp.Name()))
	}
	return nil
}

// Remove deletes an entry; ENOENT if there is none.
func (d *DB) Remove(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.files[name] == nil {
		return fmt.Errorf("%s: %w", name, syscall.ENOENT)
	}
	if err := d.settle(); err != nil {
		return err
	}
	if d.cfg.Dir != "" {
		if err := os.Remove(filepath.Join(d.cfg.Dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	delete(d.files, name)
	return nil
}
