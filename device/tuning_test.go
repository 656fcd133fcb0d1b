package device

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"vgpu/alloc"
	"vgpu/kernels/catalog"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/pool"
	"vgpu/kernels/tune"
)

// openTuned is a device of plain files with a tuning directory.
func openTuned(t *testing.T, dir string) *Device {
	t.Helper()
	d, err := Open(Config{
		Name: "test", Registry: catalog.Registry().WithCommon(CommonOptions...), Pool: pool.Config{Threads: 2},
		Store: alloc.Config{Plain: t.TempDir()}, Tuning: dir,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if err := d.Close(ctx, true); err != nil {
			t.Error(err)
		}
	})
	return d
}

var tunePoint = []tune.Point{{DType: ndarray.F32, M: 64, N: 64, K: 64, Threads: 2}}

// tunedEntry searches one point and returns the entry's name.
func tunedEntry(t *testing.T, d *Device) string {
	t.Helper()
	for budget := time.Second; len(d.TuningNames()) == 0; budget *= 2 {
		if err := d.Tune(t.Context(), tune.Options{Budget: budget, Points: tunePoint}); err != nil {
			t.Fatal(err)
		}
	}
	return d.TuningNames()[0]
}

// gemm64 runs a product of the point's class and returns its job.
func gemm64(t *testing.T, d *Device, options string) Snapshot {
	t.Helper()
	s := d.Queue(RunQueue).Open(Cred{}, SessionOptions{Sync: true})
	for _, line := range []string{"random a:f32:60x60 seed=1", "gemm a:f32:60x60 a:f32:60x60 c " + options} {
		if _, err := s.Write(t.Context(), []byte(line+"\n")); err != nil {
			t.Fatal(err)
		}
	}
	jobs := d.Queue(RunQueue).Jobs()
	return jobs[len(jobs)-1].Snapshot()
}

// source is where a job's parameters came from.
func source(s Snapshot) string {
	for _, e := range s.Explain {
		if e.Term == "tuning" {
			return e.Text
		}
	}
	return ""
}

func TestTuningIsUsed(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tuning")
	d := openTuned(t, dir)
	if s := gemm64(t, d, ""); source(s) != "default" || s.Threads != 2 {
		t.Errorf("untuned: %q, %d threads", source(s), s.Threads)
	}
	name := tunedEntry(t, d)
	text, err := d.ReadTuning(name)
	if err != nil {
		t.Fatal(err)
	}
	if onDisk, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(onDisk) != string(text) {
		t.Errorf("on disk: %q, %v", onDisk, err)
	}
	one := strings.Replace(string(text), `"ways": 2`, `"ways": 1`, 1)
	if err := d.WriteTuning(name, []byte(one)); err != nil {
		t.Fatal(err)
	}
	if s := gemm64(t, d, ""); source(s) != name || s.Threads != 1 {
		t.Errorf("tuned to one thread: %q, %d threads", source(s), s.Threads)
	}
	if s := gemm64(t, d, "threads=1"); source(s) != "default" {
		t.Errorf("an entry for two threads is used for one: %q", source(s))
	}
	if err := d.RemoveTuning(name); err != nil {
		t.Fatal(err)
	}
	if s := gemm64(t, d, ""); source(s) != "default" {
		t.Errorf("after its removal: %q", source(s))
	}
}

func TestTuningErrors(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "bad.json"), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	d := openTuned(t, dir)
	list, _ := d.Errors()
	if len(list) != 1 || !strings.Contains(list[0].Msg, "tuning/bad.json is not used: schema 0") || list[0].Hint == "" {
		t.Errorf("errors %+v", list)
	}
	if err := d.WriteTuning("x.json", []byte("{")); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("half an entry: %v", err)
	}
	if list, _ := d.Errors(); len(list) != 2 || list[1].Errno != syscall.EINVAL {
		t.Errorf("errors %+v", list)
	}
	if _, err := d.ReadTuning("x.json"); !errors.Is(err, syscall.ENOENT) {
		t.Errorf("what is not there: %v", err)
	}
	if _, err := Open(Config{Registry: d.Registry(), Store: alloc.Config{Plain: t.TempDir()}, Tuning: filepath.Join(dir, "bad.json")}); err == nil {
		t.Error("a file is a directory")
	}
}

func TestCtlTune(t *testing.T) {
	d := openTuned(t, t.TempDir())
	ctl := func(line string) error { return d.Control(Cred{}, []string{line}) }
	for _, bad := range []string{"tune slow", "tune quick quick", "tune quick=1"} {
		if err := ctl(bad); !errors.Is(err, syscall.EINVAL) {
			t.Errorf("%s: %v", bad, err)
		}
	}
	if err := ctl("tune stop"); err != nil {
		t.Errorf("nothing to stop: %v", err)
	}
	for _, how := range []string{"tune", "tune quick"} {
		if err := ctl(how); err != nil {
			t.Fatal(err)
		}
		if s := d.Tuning(); !s.Running {
			t.Errorf("%s: %+v", how, s)
		}
		if err := ctl(how); !errors.Is(err, syscall.EBUSY) {
			t.Errorf("a second search: %v", err)
		}
		if err := d.Tune(t.Context(), tune.Options{}); !errors.Is(err, syscall.EBUSY) {
			t.Errorf("a second search: %v", err)
		}
		if err := ctl("tune stop"); err != nil {
			t.Fatal(err)
		}
		if s := d.Tuning(); s.Running {
			t.Errorf("after stop: %+v", s)
		}
	}
	if err := ctl("tune quick"); err != nil {
		t.Fatal(err)
	} // and Close, in the clean-up, ends it
}

func TestTuneAfterClose(t *testing.T) {
	d := openTuned(t, "")
	d.tuning.stop(true)
	if err := d.Tune(t.Context(), tune.Options{}); !errors.Is(err, syscall.ESHUTDOWN) {
		t.Errorf("on a device that stops: %v", err)
	}
}

// The search takes a quarter of the memory at the most, and only while no job runs.
func TestTuneIsModest(t *testing.T) {
	d := openTuned(t, "")
	free := d.store.Usage().Free
	if _, _, err := d.lendQuarter(free); !errors.Is(err, syscall.ENOMEM) {
		t.Errorf("all memory: %v", err)
	}
	_, close, err := d.lendQuarter(1 << 20)
	if err != nil {
		t.Fatal(err)
	}
	close()
	before, busy := d.activity()
	if busy {
		t.Error("busy with nothing")
	}
	gemm64(t, d, "")
	if after, _ := d.activity(); after == before {
		t.Error("a job left no trace")
	}
}

func TestFewer(t *testing.T) {
	for _, c := range [][3]int{{0, 0, 0}, {0, 3, 3}, {2, 0, 2}, {2, 3, 2}, {3, 2, 2}} {
		if got := fewer(c[0], c[1]); got != c[2] {
			t.Errorf("fewer(%d, %d) = %d", c[0], c[1], got)
		}
	}
}
