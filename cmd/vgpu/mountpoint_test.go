package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestMountPointIsMadeAndRemoved(t *testing.T) {
	dir, state := filepath.Join(t.TempDir(), "a", "b"), t.TempDir()
	m := made(t, dir, state)
	if st, err := os.Stat(dir); err != nil || !st.IsDir() {
		t.Fatal(err)
	}
	if err := m.remove(); err != nil {
		t.Error(err)
	}
	gone(t, dir, filepath.Join(state, mountNote))
	file := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := makeMountPoint(file); err == nil {
		t.Error("a file was taken for a mount point")
	}
}

// made is what a daemon does with its mount point when it starts.
func made(t *testing.T, dir, state string) mountPoint {
	t.Helper()
	m, err := makeMountPoint(dir)
	if err == nil {
		err = m.remember(state, dir)
	}
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func gone(t *testing.T, paths ...string) {
	t.Helper()
	for _, p := range paths {
		if _, err := os.Lstat(p); !os.IsNotExist(err) {
			t.Errorf("%s is there: %v", p, err)
		}
	}
}

// What one daemon made and did not live to take away, the next one does; and
// nothing else.
func TestMountPointOfAnEarlierDaemon(t *testing.T) {
	top, state := t.TempDir(), t.TempDir()
	dir := filepath.Join(top, "m")
	made(t, dir, state) // and is killed
	m := made(t, dir, state)
	if err := m.remove(); err != nil {
		t.Error(err)
	}
	gone(t, dir, filepath.Join(state, mountNote))

	made(t, dir, state)
	if err := os.Rename(dir, filepath.Join(top, "other")); err != nil { // so that the number is not used again
		t.Fatal(err)
	}
	if err := os.Mkdir(dir, 0o755); err != nil { // somebody's own, under that name
		t.Fatal(err)
	}
	if err := made(t, dir, state).remove(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(dir); err != nil {
		t.Error("somebody else's directory was taken away:", err)
	}
	if err := made(t, dir, state).remove(); err != nil { // with no note
		t.Error(err)
	}
	if _, err := os.Stat(dir); err != nil {
		t.Error("a directory that was there was taken away:", err)
	}
}

// A device that is mounted elsewhere leaves nothing at the old place, unless
// there is something in it.
func TestMountPointElsewhere(t *testing.T) {
	top, state := t.TempDir(), t.TempDir()
	one, two := filepath.Join(top, "one"), filepath.Join(top, "two")
	made(t, one, state)
	made(t, two, state)
	gone(t, one)
	if err := os.WriteFile(filepath.Join(two, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := made(t, one, state).remove(); err != nil {
		t.Error(err)
	}
	gone(t, one, filepath.Join(state, mountNote))
	if _, err := os.Stat(filepath.Join(two, "file")); err != nil {
		t.Error(err)
	}
}

// A note that says nothing, as a crash can leave it, is no hindrance.
func TestMountNoteInPieces(t *testing.T) {
	state := t.TempDir()
	for _, text := range []string{"", "12", "12 34", "x 34 /m\n", "12 x /m\n", "12 34 /m"} {
		if err := os.WriteFile(filepath.Join(state, mountNote), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		dir := filepath.Join(t.TempDir(), "m")
		if err := made(t, dir, state).remove(); err != nil {
			t.Errorf("%q: %v", text, err)
		}
		gone(t, dir, filepath.Join(state, mountNote))
	}
}

// A directory that is made anew can get the number of the one that was removed.
func TestMountPointOfTheSameNumber(t *testing.T) {
	dir, state := filepath.Join(t.TempDir(), "m"), t.TempDir()
	m, err := makeMountPoint(dir)
	if err != nil {
		t.Fatal(err)
	}
	earlier := m
	for _, one := range []*mountPoint{&earlier, &m} {
		if err := one.remember(state, dir); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(dir); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.remove(); err != nil {
		t.Error(err)
	}
	gone(t, dir, filepath.Join(state, mountNote))
}
