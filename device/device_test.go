package device

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"vgpu/alloc"
	"vgpu/kernels/pool"
)

func TestOpenFails(t *testing.T) {
	l := newLab(t)
	if _, err := Open(Config{}); err == nil {
		t.Error("no registry")
	}
	if _, err := Open(Config{Registry: l.cfg.Registry, Store: alloc.Config{Plain: "/no/such/dir"}}); !errors.Is(err, syscall.ENOENT) {
		t.Error(err)
	}
	if _, err := Open(Config{Registry: l.cfg.Registry, Store: alloc.Config{Plain: t.TempDir()}, Pool: pool.Config{CPUs: []int{1 << 19}}}); err == nil {
		t.Error("a CPU that does not exist")
	}
}

func TestStopDrains(t *testing.T) {
	l := newLab(t)
	j := l.put("gate g x.npy")
	k := l.put("mix x.npy y.npy")
	<-l.gate("g").started
	stopped := make(chan error, 1)
	d := l.d
	go func() { stopped <- d.Stop(context.Background()) }()
	if !poll(func() bool { return d.Stats().State == "stopping" }) {
		t.Fatal("it does not stop")
	}
	l.refused(syscall.EBUSY, "mute")
	if _, err := d.MakeQueue(user, "q", 0o755); !errors.Is(err, syscall.ESHUTDOWN) {
		t.Error(err)
	}
	if err := d.Control(user, []string{"resume"}); !errors.Is(err, syscall.ESHUTDOWN) {
		t.Error(err)
	}
	l.gate("g").release()
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	l.want(j, Done)
	l.want(k, Done)
	if n := len(readAll(t, d.Queue(MainQueue).OpenEvents())); n != 0 {
		t.Errorf("%d events after the end", n)
	}
}

func TestStopCancels(t *testing.T) {
	l := newLab(t)
	running, queued := l.put("gate g x.npy"), l.put("mix x.npy y.npy")
	l.set(l.queue("paused"), AttrPaused, 1)
	paused := l.on("paused", "mute")
	<-l.gate("g").started
	w := l.d.Queue(MainQueue).OpenWait()
	told := make(chan error, 1)
	go func() {
		_, err := w.Read(context.Background(), make([]byte, 1000), false)
		told <- err
	}()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := l.d.Stop(ctx); err != nil {
		t.Error(err)
	}
	for _, j := range []*Job{running, queued, paused} {
		if s := l.want(j, Cancelled); s.Error.Msg != "the device is stopping" {
			t.Errorf("%+v", s.Error)
		}
	}
	if err := <-told; err != nil {
		t.Error(err)
	}
}

// The store is not closed under a job that has ended and lets go of its buffers.
func TestStopWaitsForReleases(t *testing.T) {
	l := newLab(t)
	l.do("mix x.npy")
	d := l.d
	d.mu.Lock()
	d.releasing++
	d.mu.Unlock()
	stopped := make(chan error, 1)
	go func() { stopped <- d.Stop(context.Background()) }()
	if !poll(func() bool { return d.Stats().State == "stopping" }) {
		t.Fatal("it does not stop")
	}
	runtime.Gosched()
	select {
	case err := <-stopped:
		t.Errorf("stopped meanwhile: %v", err)
	default:
	}
	d.released()
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

// A line that is being accepted while the device stops is part of what Stop
// waits for.
func TestStopWhileAccepting(t *testing.T) {
	l := newLab(t)
	l.write("w.npy", npy(1, 2, 3, 4, 5, 6, 7, 8))
	accepted, stopped := make(chan error, 1), make(chan error, 1)
	d := l.d
	go func() {
		_, err := d.Queue(MainQueue).Open(user, SessionOptions{}).Write(context.Background(), []byte("slowplan p w.npy y.npy\n"))
		accepted <- err
	}()
	<-l.gate("p").started
	go func() { stopped <- d.Stop(context.Background()) }()
	if !poll(func() bool { return d.Stats().State == "stopping" }) {
		t.Fatal("it does not stop")
	}
	l.gate("p").release()
	if err := <-accepted; err != nil {
		t.Error(err)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	l.want(d.Queue(MainQueue).Jobs()[0], Done)
}

// After a crash every buffer is there, but what unfinished jobs were to write
// is bad and told.
func TestRecovery(t *testing.T) {
	l := newTierLab(t)
	l.do("mix good.npy salt=1")
	l.do("mix old.npy salt=2")
	l.do("mix fixed.npy salt=3")
	good := l.data("good.npy")
	l.put("gate g new.npy")
	l.put("gate g old.npy")
	last := l.put("mix new.npy derived.npy")
	<-l.gate("g").started
	// A daemon that is killed leaves the tier as it is, marks and all.
	crashed := snapshotMarks(t, l, "new.npy", "old.npy", "derived.npy")
	l.gate("g").release()
	l.idle()
	for name, m := range crashed {
		b, err := l.d.store.Get(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := b.SetMark(m); err != nil {
			t.Fatal(err)
		}
		b.Release()
	}
	l.close(true)
	l.reopen()
	list, n := l.d.Errors()
	if n != 3 {
		t.Errorf("%+v", list)
	}
	for _, e := range list {
		if m := crashed[strings.SplitN(e.Msg, ":", 2)[0]]; m.Job != e.Job || m.Cmd != e.Line || e.Errno != syscall.EIO || e.Hint == "" {
			t.Errorf("%+v", e)
		}
	}
	if !bytes.Equal(l.data("good.npy"), good) {
		t.Error("a buffer has changed")
	}
	l.do("mix good.npy fixed.npy")
	for name := range crashed {
		l.refused(syscall.EIO, "mix "+name+" x.npy")
	}
	if j := l.put("mix old.npy"); j.ID <= last.ID {
		t.Errorf("job number %d is used again", j.ID)
	}
	l.do("mix old.npy x.npy")
}

func snapshotMarks(t *testing.T, l *lab, names ...string) map[string]alloc.Mark {
	t.Helper()
	out := map[string]alloc.Mark{}
	for _, n := range names {
		m, ok := l.d.store.MarkOf(n)
		if !ok || m.State != alloc.Pending {
			t.Fatalf("%s: %+v", n, m)
		}
		out[n] = m
	}
	return out
}

// open waits for a buffer's turn among the jobs.
func TestFilesOrder(t *testing.T) {
	l := newTierLab(t)
	l.do("mix x.npy")
	f, ctx := l.d.Files(), context.Background()
	interrupted, cancel := context.WithCancel(ctx)
	cancel()
	reader := l.put("hold g x.npy")
	r, err := f.Open(ctx, "x.npy", unix.O_RDONLY) // readers pass one another
	if err != nil {
		t.Fatal(err)
	}
	r.Release()
	for flags, want := range map[int]error{unix.O_WRONLY | unix.O_NONBLOCK: unix.EAGAIN, unix.O_RDONLY | unix.O_TRUNC | unix.O_NONBLOCK: unix.EAGAIN, unix.O_RDWR: unix.EINTR} {
		if _, err := f.Open(interrupted, "x.npy", flags); !errors.Is(err, want) {
			t.Errorf("%x: %v", flags, err)
		}
	}
	writer := l.put("mix x.npy salt=7")
	w2 := l.put("mix x.npy salt=8")
	if _, err := f.Open(interrupted, "x.npy", unix.O_RDONLY); !errors.Is(err, unix.EINTR) {
		t.Error(err)
	}
	if err := f.Truncate(interrupted, "x.npy", 3); !errors.Is(err, unix.EINTR) {
		t.Error(err)
	}
	if _, err := f.Create(interrupted, user, "x.npy", unix.O_WRONLY, 0o644); !errors.Is(err, unix.EINTR) {
		t.Error(err)
	}
	if _, err := f.Create(ctx, user, "x.npy", unix.O_WRONLY|unix.O_EXCL, 0o644); !errors.Is(err, unix.EEXIST) {
		t.Error(err)
	}
	if _, err := f.Open(ctx, "nosuch", unix.O_RDONLY); !errors.Is(err, unix.ENOENT) {
		t.Error(err)
	}
	if err := f.Truncate(ctx, "nosuch", 0); !errors.Is(err, unix.ENOENT) {
		t.Error(err)
	}
	opened := make(chan []byte, 1)
	go func() {
		h, err := f.Open(ctx, "x.npy", unix.O_RDONLY)
		if errors.Is(err, unix.EIO) { // the last writer was cancelled
			opened <- nil
			return
		}
		if err != nil {
			t.Error(err)
			opened <- nil
			return
		}
		defer h.Release()
		buf := make([]byte, 1000)
		n, err := h.ReadAt(buf, 0)
		if err != nil {
			t.Error(err)
		}
		opened <- body(buf[:n])
	}()
	w2.Cancel("in the queue") // the opener still waits for the writer before it
	l.gate("g").release()
	for _, j := range []*Job{reader, writer} {
		l.want(j, Done)
	}
	<-opened // good or not, depending on when it came; it has not hung
}

func TestHandle(t *testing.T) {
	l := newTierLab(t)
	f, ctx := l.d.Files(), context.Background()
	h, err := f.Create(ctx, user, "x", unix.O_RDWR|unix.O_APPEND, 0o640)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if n, err := h.WriteAt(context.Background(), []byte("abc"), 99); n != 3 || err != nil {
			t.Error(n, err)
		}
	}
	buf := make([]byte, 10)
	if n, err := h.ReadAt(buf, 1); string(buf[:n]) != "bcabc" || err != nil {
		t.Errorf("%q %v", buf[:n], err)
	}
	if n, err := h.ReadAt(buf, 6); n != 0 || err != nil {
		t.Error(n, err)
	}
	if err := h.Truncate(ctx, 4); err != nil {
		t.Error(err)
	}
	if n, err := h.Buffer().Size(); n != 4 || err != nil {
		t.Error(n, err)
	}
	dst, err := f.Create(ctx, user, "y", unix.O_RDWR, 0o640)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := h.CopyTo(context.Background(), dst, 1, 2, 100); n != 3 || err != nil {
		t.Error(n, err)
	}
	if n, err := dst.ReadAt(buf, 0); string(buf[:n]) != "\x00\x00bca" || err != nil {
		t.Errorf("%q %v", buf[:n], err)
	}
	fault := alloc.Faults(func(op, path string) error {
		if strings.Contains(op, "write") || strings.Contains(op, "fallocate") || strings.Contains(op, "copy") {
			return unix.EIO
		}
		return nil
	})
	l.fault.Store(&fault)
	if _, err := h.WriteAt(context.Background(), []byte("x"), 0); !errors.Is(err, unix.EIO) {
		t.Error(err)
	}
	if n, err := h.CopyTo(context.Background(), dst, 0, 0, 4); n != 0 || !errors.Is(err, unix.EIO) {
		t.Error(n, err)
	}
	l.fault.Store(nil)
	if err := h.Truncate(ctx, -1); !errors.Is(err, unix.EINVAL) {
		t.Error(err)
	}
	h.Release()
	h.Release()
	dst.Release()
	if _, err := io.ReadFull(bytes.NewReader(l.data("x")), buf[:4]); err != nil || string(buf[:4]) != "abca" {
		t.Errorf("%q", buf[:4])
	}
}

func TestTrace(t *testing.T) {
	l := newLab(t)
	l.do("tag a")
	l.want(l.put("fail"), Failed)
	hold := l.put("hold g")
	never := l.put("mute")
	never.Cancel("")
	<-never.done
	l.gate("g").release()
	l.want(hold, Done)
	text, err := l.d.Trace()
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		TraceEvents []struct {
			Name, Ph, ID string
			TS, Dur      float64
			PID, TID     int
			Args         map[string]any
		}
	}
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	begins, ends, counters, slices := map[string]int{}, map[string]int{}, map[string]int{}, 0
	for _, e := range got.TraceEvents {
		switch e.Ph {
		case "b":
			begins[e.ID]++
		case "e":
			ends[e.ID]++
		case "X":
			slices++
			if e.Dur < 0 || e.PID != traceWorkers {
				t.Errorf("%+v", e)
			}
		case "C":
			counters[e.Name]++
		case "M":
		default:
			t.Errorf("%+v", e)
		}
	}
	if begins["1"] != 2 || ends["1"] != 2 || begins["2"] != 2 || begins["3"] != 2 || begins["4"] < 1 || slices == 0 {
		t.Errorf("%v %v %d", begins, ends, slices)
	}
	if counters["worker 0 tasks"] < 2 || counters["worker 0 tasks"] != counters["worker 0 idle"] {
		t.Errorf("counters: %v", counters)
	}
	l.d.mu.Lock()
	for i := range 3 * traceJobs {
		l.d.traceJob(&Job{ID: uint64(i), queue: l.d.queues[MainQueue]})
	}
	n := len(l.d.trace)
	l.d.mu.Unlock()
	if n > 2*traceJobs {
		t.Errorf("%d jobs are traced", n)
	}
}

func TestInfo(t *testing.T) {
	l := newLab(t)
	keys := func() map[string]any {
		out := map[string]any{}
		for _, f := range l.d.Info() {
			if _, twice := out[f.Key]; twice || f.Key == "" {
				t.Errorf("%+v", f)
			}
			out[f.Key] = f.Value
		}
		return out
	}
	before := keys()
	if before["name"] != "lab" || before["version"] != "test" || before["abi"] != ABI || before["threads"] != 4 || before["kernel"] == "" || before["peak_bytes"] != nil || before["memory"] != int64(64<<20) {
		t.Errorf("%v", before)
	}
	if err := l.d.Measure(context.Background()); err != nil {
		t.Fatal(err)
	}
	after := keys()
	for _, k := range []string{"peak_flops_f32", "peak_flops_f64", "peak_bytes"} {
		if v, ok := after[k].(float64); !ok || v <= 0 {
			t.Errorf("%s %v", k, after[k])
		}
	}
	if l.d.Name() != "lab" || l.d.Version() != "test" || l.d.Pool().Threads() != 4 || l.d.Registry().Lookup("tag") == nil {
		t.Error("accessors")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := l.d.Measure(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
