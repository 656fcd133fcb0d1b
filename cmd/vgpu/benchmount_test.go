package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vgpu/kernels/ndarray"
)

// benchMountArgs runs `vgpu bench mount` and returns its error.
func benchMountArgs(args ...string) (string, error) {
	var out bytes.Buffer
	root := rootCommand()
	root.SetOut(&out)
	root.SetErr(&out)
	root.SetArgs(append([]string{"bench", "mount"}, args...))
	err := root.ExecuteContext(context.Background())
	return out.String(), err
}

func TestBenchMountRefuses(t *testing.T) {
	for _, args := range [][]string{
		{"--dtype", "i8"}, {"--dtype", "f31"}, {"--size", "0"}, {"--size", "100000"}, {"--reps", "0"}, {"--threads", "-1"}, {"more"},
	} {
		_, err := benchMountArgs(args...)
		var e *exitError
		if !errors.As(err, &e) || e.status != exitUsage {
			t.Errorf("%q: %v", args, err)
		}
	}
	dir := t.TempDir()
	if _, err := benchMountArgs("--device", dir, "--size", "8"); err == nil || !strings.Contains(err.Error(), "is not a vgpu device") {
		t.Error(err)
	}
}

// fakeDevice is a directory that holds what a device answered: run is a file that takes anything.
func fakeDevice(t *testing.T, o *benchMountOptions, log string) string {
	t.Helper()
	dir := t.TempDir()
	for _, sub := range []string{"buffers", "queues/run"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	files := map[string][]byte{
		"info": []byte("abi 1\n"), "run": nil, "queues/run/log": []byte(log), "buffers/" + o.a: make([]byte, o.matrixBytes), "buffers/" + o.b: make([]byte, o.matrixBytes),
		"buffers/" + o.c: make([]byte, o.matrixBytes),
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func newBenchMount(t *testing.T, o *benchMountOptions) {
	t.Helper()
	if _, err := o.problem(); err != nil {
		t.Fatal(err)
	}
}

func TestBenchMountTakesTurns(t *testing.T) {
	o := &benchMountOptions{size: 40, dtype: "f64", threads: 1, reps: 3}
	newBenchMount(t, o)
	other := `{"cmd":"nop","seconds":7}`
	ours, err := json.Marshal(map[string]any{"cmd": o.line(), "seconds": 0.25})
	if err != nil {
		t.Fatal(err)
	}
	o.dir = fakeDevice(t, o, other+"\n"+string(ours)+"\n"+other+"\n")
	dir := o.dir
	r, err := benchMount(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if r.Reps != 3 || r.Threads != 1 || r.Job != (spread{0.25, 0.25, 0.25}) || r.Line.Min <= 0 || r.InProcess.Min <= 0 || r.JobRatio <= 0 || r.LineRatio <= 0 {
		t.Errorf("%+v", r)
	}
	var b bytes.Buffer
	if err := r.print(&b); err != nil || strings.Count(b.String(), "\n") != 5 || !strings.Contains(b.String(), "at most 1.02") {
		t.Errorf("%v: %s", err, b.String())
	}
	if list, err := os.ReadDir(filepath.Join(dir, "buffers")); err != nil || len(list) > 0 {
		t.Errorf("%v is left over, %v", list, err)
	}
}

func TestBenchMountSeesFaults(t *testing.T) {
	for _, x := range []struct {
		log, says string
		harm      func(o *benchMountOptions) error
	}{
		{"{}\n", "does not tell", func(*benchMountOptions) error { return nil }},
		{"what\n", "log of queue run", func(*benchMountOptions) error { return nil }},
		{"", "no such file", func(o *benchMountOptions) error { return os.Remove(filepath.Join(o.dir, "queues/run/log")) }},
		{"", "no such file", func(o *benchMountOptions) error { return os.RemoveAll(filepath.Join(o.dir, "run")) }},
		{"", "EOF", func(o *benchMountOptions) error { return os.Truncate(filepath.Join(o.dir, "buffers", o.a), 5) }},
		{"", "no such file", func(o *benchMountOptions) error { return os.Remove(filepath.Join(o.dir, "buffers", o.b)) }},
	} {
		o := &benchMountOptions{size: 8, dtype: "f32", reps: 1}
		newBenchMount(t, o)
		if x.log == "" {
			x.log = `{"cmd":"` + o.line() + `","seconds":1}`
		}
		o.dir = fakeDevice(t, o, x.log)
		if err := x.harm(o); err != nil {
			t.Fatal(err)
		}
		_, err := benchMount(t.Context(), o)
		if err == nil || !strings.Contains(err.Error(), x.says) {
			t.Errorf("%s: %v", x.says, err)
		}
	}
}

// A device that computes something else is found out.
func TestBenchMountComparesBits(t *testing.T) {
	o := &benchMountOptions{size: 8, dtype: "c64", reps: 1}
	newBenchMount(t, o)
	o.dir = fakeDevice(t, o, `{"cmd":"`+o.line()+`","seconds":1}`)
	wrong := bytes.Repeat([]byte{1}, o.matrixBytes)
	if err := os.WriteFile(filepath.Join(o.dir, "buffers", o.c), wrong, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := benchMount(t.Context(), o); err == nil || !strings.Contains(err.Error(), "other bits") {
		t.Error(err)
	}
}

func TestNearProductAligns(t *testing.T) {
	o := &benchMountOptions{size: 1024, dtype: "f32", reps: 1, threads: 1}
	q, err := o.problem()
	if err != nil {
		t.Fatal(err)
	}
	p, err := newNearProduct(q, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range []ndarray.Array{q.A, q.B, q.C} {
		if len(a.Data) != o.matrixBytes || cap(a.Data) != o.matrixBytes {
			t.Errorf("%d of %d bytes", len(a.Data), cap(a.Data))
		}
	}
	q.A.Data[0], q.B.Data[0] = 1, 1
	if _, err := p.run(t.Context()); err != nil {
		t.Error(err)
	}
	if err := p.close(); err != nil {
		t.Error(err)
	}
}
