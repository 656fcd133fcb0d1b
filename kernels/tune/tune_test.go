package tune

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"vgpu/kernels/gemm"
	"vgpu/kernels/pool"
)

// entry is one that is good here.
func entry(t *testing.T, class string, threads int) *Entry {
	t.Helper()
	c, err := gemm.ParseClass(class)
	if err != nil {
		t.Fatal(err)
	}
	return &Entry{
		Schema: Schema,
		Key:    Key{Kernel: "gemm", Class: class, Threads: threads, Version: c.Version(), Machine: ThisMachine()},
		Value:  map[string]int{"mc": 96, "nc": 2048, "ways": 1, "small_work": -1},
	}
}

func text(t *testing.T, e *Entry) []byte {
	t.Helper()
	b, err := e.Text()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

const class = "f32.nn.512x512x512"

const name = "gemm.f32.nn.512x512x512.t2.json"

// reports collects what a DB says.
type reports struct {
	mu   sync.Mutex
	list []string
}

func (r *reports) add(name string, reason error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = append(r.list, fmt.Sprintf("%s: %v", name, reason))
}

func open(t *testing.T, cfg Config) (*DB, *reports) {
	t.Helper()
	r := &reports{}
	cfg.Report = r.add
	d, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return d, r
}

func TestParse(t *testing.T) {
	e := entry(t, class, 2)
	got, err := Parse(text(t, e))
	if err != nil || got.Key != e.Key || !mapsEqual(got.Value, e.Value) {
		t.Errorf("%+v came back as %+v, %v", e, got, err)
	}
	if n := e.Key.Name(); n != name {
		t.Errorf("it is called %s", n)
	}
}

func mapsEqual(a, b map[string]int) bool { return fmt.Sprint(a) == fmt.Sprint(b) }

func TestParseRefuses(t *testing.T) {
	for want, change := range map[string]func(*Entry){
		"schema 1":       func(e *Entry) { e.Schema = 1 },
		`kernel "sort"`:  func(e *Entry) { e.Key.Kernel = "sort" },
		"threads: 0":     func(e *Entry) { e.Key.Threads = 0 },
		"threads: 5000":  func(e *Entry) { e.Key.Threads = 5000 },
		"nothing is":     func(e *Entry) { e.Value = nil },
		"powers of two":  func(e *Entry) { e.Key.Class = "f32.nn.512x512x500" },
		"kc: no such":    func(e *Entry) { e.Value["kc"] = 256 },
		"ways: 3 is out": func(e *Entry) { e.Value["ways"] = 3 },
		"mc: -1 is out":  func(e *Entry) { e.Value["mc"] = -1 },
		"cannot have":    func(e *Entry) { e.Evidence.Median = -1 },
	} {
		e := entry(t, class, 2)
		change(e)
		if _, err := Parse(text(t, e)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	good := string(text(t, entry(t, class, 2)))
	for _, bad := range []string{"", "{", "[]", "null", `"x"`, good + "x", good + good, strings.Replace(good, `"class"`, `"klass"`, 1), strings.Replace(good, "96", "96.5", 1), strings.Replace(good, "96", "1e300", 1)} {
		if _, err := Parse([]byte(bad)); err == nil {
			t.Errorf("this is taken for an entry:\n%s", bad)
		}
	}
	e := entry(t, class, 2)
	e.Evidence.Spread = math.Inf(1)
	if e.check() == nil {
		t.Error("an infinite spread is taken")
	}
}

func TestUsable(t *testing.T) {
	for want, change := range map[string]func(*Key){
		"":        func(*Key) {},
		"vendor":  func(k *Key) { k.Machine.Vendor += "x" },
		"family":  func(k *Key) { k.Machine.Family++ },
		"model":   func(k *Key) { k.Machine.Model++ },
		"isa":     func(k *Key) { k.Machine.ISA = "sse" },
		"l1d":     func(k *Key) { k.Machine.L1D++ },
		"l2":      func(k *Key) { k.Machine.L2++ },
		"l3":      func(k *Key) { k.Machine.L3++ },
		"cpus":    func(k *Key) { k.Machine.CPUs++ },
		"cores":   func(k *Key) { k.Machine.Cores++ },
		"domains": func(k *Key) { k.Machine.Domains++ },
		"nodes":   func(k *Key) { k.Machine.Nodes++ },
		"version": func(k *Key) { k.Version += " v0" },
	} {
		e := entry(t, class, 2)
		change(&e.Key)
		err := e.Usable(ThisMachine())
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want+" is ") {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// Of another schema that is told, and nothing else: its parts may have other
// names.
func TestOtherSchema(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(`{"schema": 7, "clue": {"kernel": "gemm"}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	d, r := open(t, Config{Dir: dir})
	if v, _ := d.Tuned("gemm", class, 2); v != nil || !slices.Equal(r.list, []string{name + ": schema 7: this program reads schema 2"}) {
		t.Errorf("%v, and reports %q", v, r.list)
	}
	if _, _, ok := d.Read(name); !ok {
		t.Error("it is not kept")
	}
}

func TestTopology(t *testing.T) {
	for _, c := range []struct {
		t    pool.Topology
		want Topology
	}{
		{pool.Topology{}, Topology{}},
		{pool.Topology{CPUs: []pool.CPU{{ID: 0, Domain: -1}, {ID: 1, Core: 1, Domain: -1}}, Nodes: make([]pool.Node, 1)}, Topology{CPUs: 2, Cores: 2, Nodes: 1}},
		{pool.Topology{CPUs: []pool.CPU{{}, {ID: 1}, {ID: 2, Core: 2, Domain: 2}, {ID: 3, Core: 2, Domain: 2}}, Nodes: make([]pool.Node, 2)}, Topology{CPUs: 4, Cores: 2, Domains: 2, Nodes: 2}},
	} {
		if got := topologyOf(&c.t); got != c.want {
			t.Errorf("%+v: %+v, want %+v", c.t, got, c.want)
		}
	}
	if here := ThisMachine().Topology; here.CPUs < 1 || here.Cores < 1 || here.Cores > here.CPUs || here.Nodes < 1 {
		t.Errorf("this machine has %+v", here)
	}
}

func TestDB(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "tuning")
	d, r := open(t, Config{Dir: dir})
	if len(d.Names()) != 0 {
		t.Fatal("a new directory has entries")
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("it was made before there is anything in it")
	}
	e := entry(t, class, 2)
	if err := d.Put(e); err != nil {
		t.Fatal(err)
	}
	for range 2 { // as it is, and as the next process finds it
		v, source := d.Tuned("gemm", class, 2)
		if !mapsEqual(v, e.Value) || source != name {
			t.Errorf("tuned: %v from %s", v, source)
		}
		if v, _ := d.Tuned("gemm", class, 1); v != nil {
			t.Errorf("one thread is tuned as two: %v", v)
		}
		if got, unused, ok := d.Read(name); !ok || unused != nil || !bytes.Equal(got, text(t, e)) {
			t.Errorf("read %s, %v, %t", got, unused, ok)
		}
		d, r = open(t, Config{Dir: dir})
	}
	if len(r.list) > 0 {
		t.Errorf("reports: %q", r.list)
	}
	if err := d.Remove(name); err != nil {
		t.Fatal(err)
	}
	if err := d.Remove(name); !errors.Is(err, syscall.ENOENT) {
		t.Errorf("removed twice: %v", err)
	}
	if v, _ := d.Tuned("gemm", class, 2); v != nil {
		t.Errorf("still there: %v", v)
	}
	if _, _, ok := d.Read(name); ok {
		t.Error("still read")
	}
	if list, err := os.ReadDir(dir); err != nil || len(list) > 0 {
		t.Errorf("left: %v, %v", list, err)
	}
}

func TestDBInMemory(t *testing.T) {
	d, _ := open(t, Config{})
	if err := d.Put(entry(t, class, 2)); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(d.Names(), []string{name}) {
		t.Errorf("names %v", d.Names())
	}
	if err := d.Remove(name); err != nil {
		t.Fatal(err)
	}
}

func TestWriteRefuses(t *testing.T) {
	d, r := open(t, Config{Dir: t.TempDir()})
	good := text(t, entry(t, class, 2))
	for _, c := range []struct {
		name string
		text []byte
		want syscall.Errno
	}{
		{name, []byte("{}"), syscall.EINVAL},
		{"other.json", good, syscall.EINVAL},
		{"../" + name, good, syscall.EINVAL},
		{name, append(slices.Clone(good), make([]byte, maxEntry)...), syscall.EFBIG},
	} {
		if err := d.Write(c.name, c.text); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	foreign := entry(t, class, 2)
	foreign.Key.Machine.Model++
	if err := d.Write(name, text(t, foreign)); err != nil {
		t.Fatalf("an entry from elsewhere can be kept: %v", err)
	}
	if v, _ := d.Tuned("gemm", class, 2); v != nil {
		t.Error("an entry from elsewhere is used")
	}
	if len(r.list) != 1 || !strings.Contains(r.list[0], "model is") {
		t.Errorf("reports: %q", r.list)
	}
}

// Whatever lies in the directory, Open works and says what it leaves out.
func TestOpenReports(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, text []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(name, text(t, entry(t, class, 2)))
	write("broken.json", []byte("{"))
	write("gemm.f32.nn.512x512x512.t4.json", text(t, entry(t, class, 2)))
	write("long.json", make([]byte, maxEntry+1))
	write(".gemm.json-123", []byte("of a crash"))
	write("README", []byte("not ours"))
	if err := syscall.Mkfifo(filepath.Join(dir, "fifo.json"), 0o600); err != nil {
		t.Fatal(err)
	}
	d, r := open(t, Config{Dir: dir})
	if len(d.Names()) != 5 || len(r.list) != 4 {
		t.Errorf("names %q, reports %q", d.Names(), r.list)
	}
	for _, want := range []string{"broken.json: not a tuning entry", "t4.json: its key is that of", "long.json: longer than", "fifo.json: not a regular"} {
		if !slices.ContainsFunc(r.list, func(s string) bool { return strings.Contains(s, want) }) {
			t.Errorf("no report of %s in %q", want, r.list)
		}
	}
	if v, _ := d.Tuned("gemm", class, 2); v == nil {
		t.Error("the good entry is not used")
	}
	if _, err := Open(Config{Dir: filepath.Join(dir, "README")}); err == nil {
		t.Error("a file is a directory")
	}
}

// A new directory starts with the seed's entries, and goes its own way.
func TestSeed(t *testing.T) {
	seed, dir := t.TempDir(), filepath.Join(t.TempDir(), "tuning")
	s, _ := open(t, Config{Dir: seed})
	for _, n := range []int{1, 2} {
		if err := s.Put(entry(t, class, n)); err != nil {
			t.Fatal(err)
		}
	}
	d, _ := open(t, Config{Dir: dir, Seed: seed})
	if len(d.Names()) != 2 {
		t.Fatalf("names %v", d.Names())
	}
	if err := d.Remove(name); err != nil {
		t.Fatal(err)
	}
	if len(s.Names()) != 2 {
		t.Error("the seed has changed")
	}
	d, _ = open(t, Config{Dir: dir, Seed: seed})
	if !slices.Equal(d.Names(), []string{"gemm.f32.nn.512x512x512.t1.json"}) {
		t.Errorf("what was removed is back: %v", d.Names())
	}
}

func TestFull(t *testing.T) {
	d, _ := open(t, Config{})
	for i := range maxEntries {
		d.files[fmt.Sprint(i)] = &file{unused: errors.New("stuffing")}
	}
	if err := d.Put(entry(t, class, 2)); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("entry %d: %v", maxEntries+1, err)
	}
}

// A directory that cannot be written leaves memory as it was.
func TestUnwritable(t *testing.T) {
	blocked := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(blocked, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	d, _ := open(t, Config{})
	d.cfg.Dir = filepath.Join(blocked, "tuning")
	if err := d.Put(entry(t, class, 2)); err == nil {
		t.Error("stored below a file")
	}
	if len(d.Names()) != 0 {
		t.Errorf("names %v", d.Names())
	}
}

func TestConcurrent(t *testing.T) {
	d, _ := open(t, Config{Dir: t.TempDir()})
	var wg sync.WaitGroup
	for n := range 4 {
		wg.Go(func() {
			for range 20 {
				if err := d.Put(entry(t, class, n+1)); err != nil {
					t.Error(err)
				}
				d.Tuned("gemm", class, 1)
				d.Names()
			}
		})
	}
	wg.Wait()
	if len(d.Names()) != 4 {
		t.Errorf("names %v", d.Names())
	}
}

func FuzzParse(f *testing.F) {
	e := &Entry{Schema: Schema, Key: Key{Kernel: "gemm", Class: class, Threads: 2, Machine: ThisMachine()}, Value: map[string]int{"mc": 1}}
	b, err := e.Text()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte("{}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		e, err := Parse(text)
		if err != nil {
			return
		}
		again, err := e.Text()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Parse(again); err != nil {
			t.Errorf("%s\nbecame\n%s\n%v", text, again, err)
		}
	})
}
