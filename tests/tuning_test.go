package tests

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// tuneInto runs `vgpu tune --quick` until it has found something, and stops it
// as Ctrl-C does.
func tuneInto(t *testing.T, state string) (entries []string) {
	t.Helper()
	cmd := exec.Command(binary, "tune", "--quick", "--json", "--state", state)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var first json.RawMessage
	if err := json.NewDecoder(out).Decode(&first); err != nil {
		t.Errorf("the first finding: %v", err)
	}
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Error(err)
	}
	err = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 130 || !strings.Contains(stderr.String(), "interrupted") {
		t.Errorf("status %d, %v: %s", code, err, stderr.String())
	}
	entries, err = filepath.Glob(filepath.Join(state, "tuning", "*.json"))
	if err != nil || len(entries) == 0 {
		t.Fatalf("nothing is kept: %v, %v", entries, err)
	}
	return entries
}

// Findings are files: read, replaced, refused, removed, and kept over a restart.
func TestTuningFiles(t *testing.T) {
	cache := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", cache)
	found := tuneInto(t, filepath.Join(cache, "vgpu"))
	name := "tuning/" + filepath.Base(found[0])
	d := mount(t)
	text := d.read(name)
	if onDisk, err := os.ReadFile(found[0]); err != nil || text != string(onDisk) {
		t.Errorf("a new device does not start with the user's findings: %q, %v", text, err)
	}
	class := strings.Split(name, ".")
	shape := strings.Split(class[3], "x")
	explain := "explain gemm a:" + class[1] + ":" + shape[0] + "x" + shape[2] + " b:" + class[1] + ":" + shape[2] + "x" + shape[1] + " c"
	d.run("random a:"+class[1]+":"+shape[0]+"x"+shape[2], "random b:"+class[1]+":"+shape[2]+"x"+shape[1])
	uses := func() bool { return strings.Contains(d.ask(explain), "tuning "+filepath.Base(name)+"\n") }
	if !uses() {
		t.Errorf("it is not used:\n%s", d.ask(explain))
	}
	product := strings.TrimPrefix(explain, "explain ")
	d.run(product)
	before := d.read("buffers/c")

	edited := strings.Replace(text, `"mc": `, `"mc": 1`, 1)
	for _, shell := range shells {
		if out, err := d.sh(shell, "cat > "+name+" <<'E'\n"+edited+"E\n"); err != nil {
			t.Errorf("%s: %v\n%s", shell, err, out)
		}
	}
	if d.read(name) != edited {
		t.Errorf("after it was replaced:\n%s", d.read(name))
	}
	if d.run(product); d.read("buffers/c") != before {
		t.Error("another block size, other bits")
	}
	if out, err := d.sh("sh", "cp "+name+" buffers/saved && rm "+name+" && ls tuning"); err != nil || strings.Contains(out, filepath.Base(name)) {
		t.Errorf("removed: %v\n%s", err, out)
	}
	if uses() {
		t.Error("it is used after rm")
	}
	if out, err := d.sh("sh", "cp buffers/saved "+name); err != nil || !uses() {
		t.Errorf("copied back: %v\n%s%s", err, out, d.read("errors"))
	}
	d.stop()
	d.start()
	if d.read(name) != edited {
		t.Error("it is gone after a restart")
	}
}

func TestTuningRefusals(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	d := mount(t)
	foreign := `{"schema":2,"key":{"kernel":"gemm","class":"f32.nn.64x64x64","threads":1,"version":"x",` +
		`"machine":{"vendor":"Z80","family":1,"model":1,"isa":"none","l1d":0,"l2":0,"l3":0}},"value":{"mc":64}}`
	good := "gemm.f32.nn.64x64x64.t1.json"
	for _, c := range []struct {
		what, name, text string
		want             syscall.Errno
	}{
		{"not JSON", good, "mc=5\n", syscall.EINVAL},
		{"no entry", good, "{}\n", syscall.EINVAL},
		{"the name of another", "other.json", foreign, syscall.EINVAL},
		{"out of range", good, strings.Replace(foreign, "64}}", "-3}}", 1), syscall.EINVAL},
		{"what changes bits", good, strings.Replace(foreign, `"mc"`, `"kc"`, 1), syscall.EINVAL},
		{"no JSON file", "notes.txt", "x", syscall.EPERM},
		{"endless", good, "[" + strings.Repeat(" ", 100<<10), syscall.EFBIG},
	} {
		err := os.WriteFile(d.path("tuning/"+c.name), []byte(c.text), 0o644)
		wantErrno(t, c.what, err, c.want)
	}
	if text := d.read("errors"); !strings.Contains(text, "kc: no such value") || !strings.Contains(text, "tuning/"+good) {
		t.Errorf("errors:\n%s", text)
	}
	if err := os.WriteFile(d.path("tuning/"+good), []byte(foreign[:60]), 0o644); err == nil {
		t.Error("half an entry was taken")
	}
	if list, err := os.ReadDir(d.path("tuning")); err != nil || len(list) > 0 {
		t.Errorf("entries: %v, %v", list, err)
	}
	if err := os.WriteFile(d.path("tuning/"+good), []byte(foreign), 0o644); err != nil {
		t.Fatalf("an entry of another machine: %v", err)
	}
	if text := d.read("errors"); !strings.Contains(text, "is not used: measured elsewhere: vendor is Z80") {
		t.Errorf("errors:\n%s", text)
	}
	if f, err := os.OpenFile(d.path("tuning/"+good), os.O_WRONLY|os.O_APPEND, 0); err == nil {
		f.Close()
		t.Error("opened to append")
	}
}

// A search on a mounted device shows in stat, gives way to jobs, and stops.
func TestTuneVerb(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	d := mount(t)
	if err := d.write("ctl", "tune quick\n"); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(d.read("stat"), "tuning.running yes\n") {
		t.Errorf("stat:\n%s", d.read("stat"))
	}
	wantErrno(t, "a second search", d.write("ctl", "tune\n"), syscall.EBUSY)
	d.run("random x:f32:1000x1000", "gemm x:f32:1000x1000 x:f32:1000x1000 y")
	d.eventually("something is found", func() bool { list, err := os.ReadDir(d.path("tuning")); return err == nil && len(list) > 0 })
	if err := d.write("ctl", "tune stop\n"); err != nil {
		t.Fatal(err)
	}
	if text := d.read("stat"); !strings.Contains(text, "tuning.running no\n") || strings.Contains(text, "tuning.entries 0\n") {
		t.Errorf("stat:\n%s", text)
	}
	if runtime.NumCPU() > 1 { // and a search that runs when the device is stopped is no harm
		if err := d.write("ctl", "tune\n"); err != nil {
			t.Fatal(err)
		}
	}
	start := time.Now()
	d.stop()
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("stopping took %v", took)
	}
}
