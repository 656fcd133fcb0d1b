package tests

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// A generated file is formed when it is opened: whatever offsets it is read
// from, and whatever happens meanwhile, a handle sees one text.
func TestOneSnapshotAHandle(t *testing.T) {
	d := mount(t)
	d.run("fill a.npy:u8:100 value=1")
	for _, name := range []string{"stat", "metrics", "errors", "trace", "queues/main/status", "queues/run/jobs/1/status", "run", "ctl", "README", "kernels/map"} {
		f, err := os.Open(d.path(name))
		if err != nil {
			t.Fatal(err)
		}
		whole := make([]byte, 1<<20)
		n, err := f.ReadAt(whole, 0)
		if n == len(whole) || err == nil {
			t.Fatalf("%s: %d bytes, %v", name, n, err)
		}
		whole = whole[:n]
		d.try("bogus")
		d.run("sum a.npy")
		for _, size := range []int{1, 7, 64, 4096} {
			var got []byte
			p := make([]byte, size)
			for off := 0; off < min(n, 40*size); {
				k, err := f.ReadAt(p, int64(off))
				if k == 0 {
					t.Fatalf("%s at %d: %v", name, off, err)
				}
				got = append(got, p[:k]...)
				off += k
			}
			if !bytes.Equal(got, whole[:len(got)]) {
				t.Errorf("%s in pieces of %d is another text", name, size)
			}
		}
		if k, _ := f.ReadAt(make([]byte, 10), int64(n)); k != 0 {
			t.Errorf("%s: %d bytes past the end", name, k)
		}
		if st, err := f.Stat(); err != nil || st.Size() != int64(n) || !st.Mode().IsRegular() {
			t.Errorf("%s: %v, %v", name, st, err)
		}
		if err := f.Close(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The log has its true size, and grows at its end.
func TestLogGrows(t *testing.T) {
	d := mount(t)
	path := d.path("queues/main/log")
	before := d.read("queues/main/log")
	for range 3 {
		d.queue("nop", `fill "with \"quotes\" and ü.npy:u8:1"`)
		if _, err := slurp(d.path("queues/main/wait")); err != nil {
			t.Fatal(err)
		}
		st, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		text := d.read("queues/main/log")
		if !strings.HasPrefix(text, before) || st.Size() != int64(len(text)) || len(text) == len(before) {
			t.Errorf("size %d, %d bytes, before %d", st.Size(), len(text), len(before))
		}
		before = text
	}
	for line := range strings.Lines(before) {
		var r struct {
			ID            uint64
			Queue, State  string
			Cmd           string
			Queued        float64
			Started       float64
			Finished      float64
			Seconds       float64
			Flops, Gflops *float64
		}
		if err := json.Unmarshal([]byte(line), &r); err != nil || r.ID == 0 || r.Queue != "main" || r.State != "done" || r.Cmd == "" ||
			r.Started < r.Queued || r.Finished < r.Started || r.Flops == nil || r.Gflops == nil {
			t.Errorf("%v: %s", err, line)
		}
	}
}

// The log is bounded, and what is dropped is whole lines from its front.
func TestLogIsBounded(t *testing.T) {
	d := mount(t)
	line := "nop # " + strings.Repeat("x", 60000)
	for range 40 {
		d.queue(line)
	}
	if _, err := slurp(d.path("queues/main/wait")); err != nil {
		t.Fatal(err)
	}
	text := d.read("queues/main/log")
	if len(text) > 1<<20 || len(text) < 1<<18 {
		t.Errorf("%d bytes", len(text))
	}
	for l := range strings.Lines(text) {
		if !json.Valid([]byte(l)) {
			t.Fatalf("a line that is cut: %.80s", l)
		}
	}
}

// events gives what ends from now on, to each reader, and ends with its queue.
func TestEvents(t *testing.T) {
	d := mount(t)
	if err := os.Mkdir(d.path("queues/e"), 0o755); err != nil {
		t.Fatal(err)
	}
	events := d.path("queues/e/events")
	if err := d.write("queues/e/ctl", "nop # before\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := slurp(d.path("queues/e/wait")); err != nil {
		t.Fatal(err)
	}
	fds := handles(t, os.O_RDONLY|syscall.O_NONBLOCK, events, events)
	if _, err := drain(fds[0]); err != syscall.EAGAIN {
		t.Errorf("nothing has ended: %v", err)
	}
	d.set("e", "paused", "1") // or else close might tell of the failure
	if err := d.write("queues/e/ctl", "nop # one\nfault # two\n"); err != nil {
		t.Fatal(err)
	}
	d.release("e")
	if _, err := slurp(d.path("queues/e/wait")); err != syscall.EIO {
		t.Fatal(err)
	}
	for _, fd := range fds {
		text, err := drain(fd)
		if err != syscall.EAGAIN || strings.Count(text, "\n") != 2 || !strings.Contains(text, "one") || !strings.Contains(text, `"state":"failed"`) {
			t.Errorf("%v: %s", err, text)
		}
	}
	w := d.reading("queues/e/events")
	d.removeQueue("e")
	if status := w.wait(); status != 0 {
		t.Errorf("the stream of a removed queue: %d %s", status, w.out.String())
	}
	if text, err := drain(fds[0]); err != nil || text != "" {
		t.Errorf("%v: %q", err, text)
	}
}

// Job directories are kept up to a number, the newest.
func TestJobsAreBounded(t *testing.T) {
	d := mount(t)
	for range 4 {
		d.queue(strings.Split(strings.TrimSpace(strings.Repeat("nop\n", 600)), "\n")...)
	}
	if _, err := slurp(d.path("queues/main/wait")); err != nil {
		t.Fatal(err)
	}
	list, err := os.ReadDir(d.path("queues/main/jobs"))
	if err != nil || len(list) < 1000 || len(list) > 1200 {
		t.Errorf("%d jobs are kept, %v", len(list), err)
	}
}

// The list of errors holds the last hundred.
func TestErrorsAreBounded(t *testing.T) {
	d := mount(t)
	for range 120 {
		wantErrno(t, "bogus", d.try("bogus"), syscall.EINVAL)
	}
	if n := strings.Count(d.read("errors"), "unknown verb bogus"); n != 100 {
		t.Errorf("%d errors are listed", n)
	}
	if !strings.Contains(d.read("stat"), "\nerrors 120\n") {
		t.Errorf("stat does not count them all:\n%s", d.read("stat"))
	}
	if err := store(d.path("errors"), "", os.O_TRUNC); err != nil {
		t.Fatal(err)
	}
	if text := d.read("errors"); text != "" {
		t.Errorf("%q", text)
	}
}

// The trace is what Perfetto and chrome://tracing read.
func TestTraceEvents(t *testing.T) {
	d := mount(t)
	d.run("random a.npy:f32:256x256", "gemm a.npy a.npy c.npy")
	wantErrno(t, "fault", d.try("fault"), syscall.EIO)
	var trace struct {
		TraceEvents []struct {
			Name, Ph string
			TS, Dur  *float64
			PID, TID *int
		}
	}
	if err := json.Unmarshal([]byte(d.read("trace")), &trace); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, e := range trace.TraceEvents {
		if e.Ph == "" || e.TS == nil || *e.TS < 0 || e.PID == nil || e.TID == nil || e.Ph == "X" && e.Dur == nil {
			t.Errorf("%+v", e)
		}
		seen[e.Ph+" "+e.Name] = true
	}
	for _, want := range []string{"b gemm a.npy a.npy c.npy", "e gemm a.npy a.npy c.npy", "X gemm a.npy a.npy c.npy", "b waiting", "b fault"} {
		if !seen[want] {
			t.Errorf("there is no %q among %v", want, seen)
		}
	}
}

// Every worker has a lane in the trace, and counters that never fall, between
// nothing at the start and what stat has, with what it had run after each slice.
func TestTraceCounters(t *testing.T) {
	d := mount(t)
	d.run("random a.npy:f32:512x512", "gemm a.npy a.npy c.npy", "sum c.npy s.npy")
	ran := d.field("stat", "worker.0.tasks")
	var trace struct{ TraceEvents []counterEvent }
	if err := json.Unmarshal([]byte(d.read("trace")), &trace); err != nil {
		t.Fatal(err)
	}
	slices.SortStableFunc(trace.TraceEvents, func(a, b counterEvent) int { return cmp.Compare(a.TS, b.TS) })
	lanes, first, last := 0, map[string]float64{}, map[string]float64{}
	for _, e := range trace.TraceEvents {
		if e.Ph == "M" && e.Name == "thread_name" {
			lanes++
		}
		if e.Ph != "C" {
			continue
		}
		for key, value := range e.Args {
			key = e.Name + " " + key
			v, ok := value.(float64)
			if _, known := first[key]; !known {
				first[key] = v
			}
			if !ok || v < last[key] || first[key] != 0 {
				t.Errorf("%s: %v after %v", key, value, last[key])
			}
			last[key] = v
		}
	}
	workers := 0
	for d.field("stat", fmt.Sprintf("worker.%d.tasks", workers)) != "" {
		workers++
	}
	if lanes != workers+1 || len(last) != 3*workers || workers == 0 {
		t.Errorf("%d lanes, %d counters, %d workers", lanes, len(last), workers)
	}
	if want, err := strconv.ParseFloat(ran, 64); err != nil || last["worker 0 tasks run"] < want || last["worker 0 idle ms"] <= 0 {
		t.Errorf("the trace ends with %v, stat had %s tasks, %v", last, ran, err)
	}
	checkSlices(t, trace.TraceEvents)
}

// checkSlices looks for a count of tasks, which is not 0, with every slice of a
// worker, and one at the end.
func checkSlices(t *testing.T, events []counterEvent) {
	t.Helper()
	ended, told := map[string]int{}, map[string]int{} // by the counter's name
	for _, e := range events {
		if e.Ph == "X" && e.Cat == "worker" && e.TID >= 0 { // below it is the caller's thread, which has none
			ended[fmt.Sprintf("worker %d tasks", e.TID)]++
		}
		if ran, ok := e.Args["run"].(float64); ok && ran > 0 {
			told[e.Name]++
		}
	}
	for name, n := range ended {
		if told[name] != n+1 {
			t.Errorf("%s: %d slices, and %d counts above 0", name, n, told[name])
		}
	}
}

// counterEvent is what TestTraceCounters reads of an event.
type counterEvent struct {
	Name, Cat, Ph string
	TS            float64
	TID           int
	Args          map[string]any
}

// kernels/NAME is what `vgpu man` shows, for every kernel.
func TestKernelManuals(t *testing.T) {
	d := mount(t)
	list, err := os.ReadDir(d.path("kernels"))
	if err != nil || len(list) < 40 {
		t.Fatalf("%d kernels, %v", len(list), err)
	}
	for _, e := range list {
		text := d.read(filepath.Join("kernels", e.Name()))
		for _, section := range []string{"NAME\n", "SYNOPSIS\n", "DESCRIPTION\n", "TYPES\n", "COST\n"} {
			if !strings.Contains(text, section) {
				t.Errorf("%s has no %s", e.Name(), section)
			}
		}
	}
}
