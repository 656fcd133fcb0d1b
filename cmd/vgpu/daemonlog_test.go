package main

import (
	"bytes"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// newLog gives a log that is moved to path, and the descriptor that goes there too.
func newLog(t *testing.T, path string, limit int64, soFar string) (l *daemonLog, also *os.File) {
	t.Helper()
	also, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	l = new(daemonLog)
	if err := l.move(path, limit, int(also.Fd()), []byte(soFar)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		l.file.Close()
		also.Close()
	})
	return l, also
}

func readLog(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// What is logged is kept in order, each message whole, up to the limit in two files.
func TestDaemonLogIsBounded(t *testing.T) {
	const limit = 1000
	path := filepath.Join(t.TempDir(), "log")
	l, _ := newLog(t, path, limit, "the start\n")
	if got := readLog(t, path); got != "the start\n" {
		t.Errorf("%q", got)
	}
	var all bytes.Buffer
	for i := range 1000 {
		line := fmt.Sprintf("%d%s\n", i, strings.Repeat(".", i%97))
		all.WriteString(line)
		if n, err := l.Write([]byte(line)); err != nil || n != len(line) {
			t.Fatal(n, err)
		}
		if now := readLog(t, path); len(now) > limit {
			t.Fatalf("%d bytes after %d messages", len(now), i)
		}
	}
	before, now := readLog(t, path+".1"), readLog(t, path)
	if !strings.HasSuffix(all.String(), "\n"+before+now) || len(before) < limit-100 {
		t.Errorf("%q\n%q", before, now)
	}
	if st, err := os.Stat(path); err != nil || st.Mode() != 0o600 {
		t.Error(st.Mode(), err)
	}
	long := strings.Repeat("x", 2*limit) + "\n"
	if _, err := l.Write([]byte(long)); err != nil {
		t.Fatal(err)
	}
	if got := readLog(t, path); got != long {
		t.Errorf("a message longer than the limit is in a file with others: %d bytes", len(got))
	}
}

// The next daemon goes on where the last one ended; and the other descriptor
// follows from file to file.
func TestDaemonLogGoesOn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(path, []byte("yesterday\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	l, also := newLog(t, path, 40, "")
	for _, text := range []string{"a crash\n", strings.Repeat("y", 30) + "\n"} {
		if _, err := unix.Write(int(also.Fd()), []byte(text)); err != nil { // as the runtime does
			t.Fatal(err)
		}
		if got := readLog(t, path); !strings.HasSuffix(got, text) {
			t.Errorf("%q", got)
		}
		if _, err := l.Write([]byte(strings.Repeat("z", 35) + "\n")); err != nil {
			t.Fatal(err)
		}
	}
	if got := readLog(t, path+".1"); !strings.HasPrefix(got, strings.Repeat("z", 35)) {
		t.Errorf("%q", got)
	}
}

// Where no new file can be begun the log says so, and stays bounded.
func TestDaemonLogThatCannotTurn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	if err := os.MkdirAll(path+".1/full", 0o700); err != nil {
		t.Fatal(err)
	}
	l, _ := newLog(t, path, 500, "")
	for i := range 100 {
		if _, err := fmt.Fprintf(l, "message %d\n", i); err != nil {
			t.Fatal(err)
		}
	}
	got := readLog(t, path)
	if len(got) > 500+200 || !strings.HasSuffix(got, "message 98\nmessage 99\n") || !strings.Contains(got, "is lost: rename") {
		t.Errorf("%q", got)
	}
}

// Only a file may be the log, not what somebody has put in its place.
func TestDaemonLogRefuses(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "log")
	target := filepath.Join(dir, "other")
	for what, put := range map[string]func() error{
		"a symlink":   func() error { return os.Symlink(target, path) },
		"a pipe":      func() error { return unix.Mkfifo(path, 0o600) },
		"a directory": func() error { return os.Mkdir(path, 0o700) },
		"nothing, in a directory that is not there": func() error { path = filepath.Join(dir, "none", "log"); return nil },
	} {
		path = filepath.Join(dir, "log")
		if err := put(); err != nil {
			t.Fatal(err)
		}
		l := new(daemonLog)
		if err := l.move(path, 100, -1, []byte("x")); err == nil || l.file != nil {
			t.Errorf("%s was taken for the log: %v", what, err)
		}
		if _, err := os.Lstat(target); err == nil {
			t.Errorf("%s: a file was made elsewhere", what)
		}
		os.Remove(path)
	}
}

// Messages of many goroutines stay whole.
func TestDaemonLogShared(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l, _ := newLog(t, path, 1<<20, "")
	logger := log.New(l, "fuse: ", log.Lmsgprefix)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 200 {
				logger.Printf("%d", i)
			}
		})
	}
	wg.Wait()
	text := readLog(t, path)
	for i := range 8 {
		if n := strings.Count(text, fmt.Sprintf("fuse: %d\n", i)); n != 200 {
			t.Errorf("%d messages of %d", n, i)
		}
	}
}
