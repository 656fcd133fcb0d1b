package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/gdamore/tcell/v2"
	"github.com/rivo/tview"
)

// deviceFiles are what top reads of a device.
var deviceFiles = map[string]string{
	"info": "name still\nabi 1\n",
	"stat": "state running\nuptime 3725\nbuffers 7\nerrors 2\nmemory.used 1048576\nmemory.size 1073741824\nmemory.scratch 0\nmemory.peak 2097152\n" +
		"jobs.running 1\njobs.waiting 4\njobs.done 11\njobs.failed 3\njobs.cancelled 0\njobs.timedout 0\nworker.0.busy 1\nworker.1.busy 2\nflops 0\n",
	"queues/main/status":         "state running\nrunning 1\nwaiting 4\ndone 11\nfailed 3\npriority 0\nweight 1\nseconds 2.5\n",
	"queues/main/jobs/9/status":  "id 9\nqueue main\nstate done\nseconds 0.25\ngflops 12.5\n",
	"queues/main/jobs/9/cmd":     "sum [red]a.npy s.npy\n",
	"queues/main/jobs/10/status": "id 10\nqueue main\nstate running\nseconds 0\ngflops 0\n",
	"queues/main/jobs/10/cmd":    "gemm a.npy b.npy c.npy\n",
}

// stillDevice is a directory that looks like a device.
func stillDevice(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range deviceFiles {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// simulated is top on a screen in memory.
type simulated struct {
	t      *testing.T
	screen tcell.SimulationScreen
	drawn  chan string // what the screen shows, as it is drawn
	ended  chan error
}

func simulate(t *testing.T, dir string, columns, rows int) *simulated {
	t.Helper()
	s := &simulated{t: t, screen: tcell.NewSimulationScreen("UTF-8"), drawn: make(chan string), ended: make(chan error, 1)}
	if err := s.screen.Init(); err != nil {
		t.Fatal(err)
	}
	app := tview.NewApplication().SetScreen(s.screen)
	app.SetAfterDrawFunc(func(screen tcell.Screen) {
		screen.Show()
		select {
		case s.drawn <- s.cells():
		case <-t.Context().Done():
		}
	})
	first, err := lookAt(dir)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		s.ended <- watchOn(t.Context(), app, dir, 20*time.Millisecond, first)
		close(s.drawn)
	}()
	<-s.drawn // tview has set it up
	s.resize(columns, rows)
	return s
}

// resize is the user's, and waits until it is drawn that large.
func (s *simulated) resize(columns, rows int) {
	s.t.Helper()
	s.screen.SetSize(columns, rows)
	s.until(fmt.Sprintf("%d columns and %d rows", columns, rows), func(text string) bool {
		lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
		return len(lines) == rows && utf8.RuneCountInString(lines[0]) == columns
	})
}

// cells are the screen's, a line for each row.
func (s *simulated) cells() string {
	cells, columns, _ := s.screen.GetContents()
	var b strings.Builder
	for i, c := range cells {
		b.WriteString(string(c.Runes))
		if i%columns == columns-1 {
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// shows waits until the screen shows all of these.
func (s *simulated) shows(all ...string) {
	s.t.Helper()
	s.until(fmt.Sprintf("%q", all), func(text string) bool {
		return !slices.ContainsFunc(all, func(want string) bool { return !strings.Contains(text, want) })
	})
}

// until looks at each drawing until one is as it should be.
func (s *simulated) until(what string, f func(text string) bool) {
	s.t.Helper()
	var text string
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); {
		var more bool
		if text, more = <-s.drawn; !more {
			s.t.Fatalf("it ended: %v", <-s.ended)
		}
		if f(text) {
			return
		}
	}
	s.t.Fatalf("it never shows %s:\n%s", what, text)
}

// quits presses a key and waits for the end.
func (s *simulated) quits(key tcell.Key, r rune) {
	s.t.Helper()
	s.screen.InjectKey(key, r, tcell.ModNone)
	for range s.drawn { // what is still to be drawn
	}
	if err := <-s.ended; err != nil {
		s.t.Error(err)
	}
}

// The screen shows the state, the queues and the jobs, follows what changes and
// the terminal's size, and ends with q.
func TestTopScreen(t *testing.T) {
	dir := stillDevice(t)
	s := simulate(t, dir, 120, 30)
	s.shows("running, up 1h2m5s   workers 2", "memory 1.0 MiB of 1.0 GiB in buffers", "jobs 1 running, 4 waiting, 11 done, 3 failed",
		"NAME   STATE     RUNNING", "main   running   1 ", "gemm a.npy b.npy c.npy", "12.500", "sum [red]a.npy s.npy")
	text := strings.Replace(deviceFiles["stat"], "jobs.done 11", "jobs.done 4711", 1)
	next := filepath.Join(dir, "next")
	if err := os.WriteFile(next, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, filepath.Join(dir, "stat")); err != nil {
		t.Fatal(err)
	}
	s.shows("4711 done")
	s.resize(200, 50)
	s.shows("4711 done", "main   running   1 ")
	s.quits(tcell.KeyRune, 'q')
}

// A small terminal shows what it has room for, in order.
func TestTopSmallScreen(t *testing.T) {
	for _, size := range [][2]int{{30, 10}, {10, 3}, {1, 1}} {
		s := simulate(t, stillDevice(t), size[0], size[1])
		switch size[0] {
		case 30:
			s.shows("running, up 1h2m5s", "main", "ID")
		case 10:
			s.shows("running")
		default:
			s.shows("r")
		}
		s.quits(tcell.KeyEscape, 0)
	}
}

// A device that goes away ends it with the reason.
func TestTopDeviceGoes(t *testing.T) {
	dir := stillDevice(t)
	s := simulate(t, dir, 80, 24)
	s.shows("running")
	if err := os.Remove(filepath.Join(dir, "stat")); err != nil {
		t.Fatal(err)
	}
	for range s.drawn {
	}
	if err := <-s.ended; !os.IsNotExist(err) {
		t.Errorf("it ended with %v", err)
	}
}
