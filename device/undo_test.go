package device

import (
	"errors"
	"os"
	"testing"
)

// A device that is opened for nothing takes nothing away that it found, and
// leaves nothing that it made.
func TestUndo(t *testing.T) {
	l := newTierLab(t)
	undo := func() {
		t.Helper()
		if err := l.d.Undo(); err != nil {
			t.Fatal(err)
		}
	}
	l.do("mix x.npy")
	for range 2 {
		undo()
		l.reopen()
		if _, err := l.d.Files().Lstat("x.npy"); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.d.Files().Unlink("x.npy"); err != nil {
		t.Fatal(err)
	}
	tier := l.d.Files().Root()
	undo()
	if _, err := os.Stat(tier); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is left: %v", tier, err)
	}
	l.reopen()
}
