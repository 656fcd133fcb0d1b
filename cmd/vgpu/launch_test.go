package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// jobFolder is a job's folder with a status.
func jobFolder(t *testing.T, status string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "status"), []byte(status), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// A job that ends before it is seen running is not waited for without end.
func TestUntilRunning(t *testing.T) {
	if err := untilRunning(t.Context(), jobFolder(t, "id 1\nstate running\n")); err != nil {
		t.Error(err)
	}
	for _, state := range []string{"done", "failed", "cancelled"} {
		if err := untilRunning(t.Context(), jobFolder(t, "id 1\nstate "+state+"\n")); err == nil || !strings.Contains(err.Error(), state) {
			t.Errorf("%s: %v", state, err)
		}
	}
	if err := untilRunning(t.Context(), t.TempDir()); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := untilRunning(ctx, jobFolder(t, "id 1\nstate queued\n")); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, err := repeat(ctx, 10, func() error { return nil }); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
