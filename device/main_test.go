package device

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"vgpu/alloc"
	"vgpu/kernels"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/pool"
)

// TestMain fails the run if a goroutine, a mount or a file is left over.
func TestMain(m *testing.M) {
	before := runtime.NumGoroutine()
	code := m.Run()
	if !poll(func() bool { return runtime.NumGoroutine() <= before }) {
		buf := make([]byte, 1<<20)
		fmt.Fprintf(os.Stderr, "%d goroutines before, %d after:\n%s\n", before, runtime.NumGoroutine(), buf[:runtime.Stack(buf, true)])
		code = 1
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil || strings.Contains(string(mounts), "vgpu-"+testName()) {
		fmt.Fprintln(os.Stderr, "a mount is left over", err)
		code = 1
	}
	os.Exit(code)
}

// testName begins the names of this process's devices.
func testName() string { return fmt.Sprintf("devtest%d-", os.Getpid()) }

var labCount atomic.Int64

// patience is how long anything may take that is sure to come.
const patience = 20 * time.Second

// poll tries until f holds.
func poll(f func() bool) bool {
	for end := time.Now().Add(patience); !f(); runtime.Gosched() {
		if time.Now().After(end) {
			return false
		}
	}
	return true
}

// user is an ordinary client.
var user = Cred{UID: 1000, GID: 1000}

// gate holds kernels back until a test lets them go on.
type gate struct {
	started chan struct{} // closed when a kernel has come to it
	open    chan struct{}
	once    sync.Once
	opened  sync.Once
}

func (g *gate) pass(ctx context.Context) error {
	g.once.Do(func() { close(g.started) })
	select {
	case <-g.open:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (g *gate) release() { g.opened.Do(func() { close(g.open) }) }

// lab is a device with kernels of the tests' own.
type lab struct {
	t     testing.TB
	d     *Device
	cfg   Config
	fault atomic.Pointer[alloc.Faults]

	mu    sync.Mutex
	gates map[string]*gate
	order []string // tags, as their jobs ran
}

func (l *lab) gate(name string) *gate {
	l.mu.Lock()
	defer l.mu.Unlock()
	g := l.gates[name]
	if g == nil {
		g = &gate{started: make(chan struct{}), open: make(chan struct{})}
		l.gates[name] = g
	}
	return g
}

// tags are what the jobs of `tag` have left, in the order they ran.
func (l *lab) tags() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.order, " ")
}

// newLab opens a device on plain files.
func newLab(t testing.TB, change ...func(*Config)) *lab {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o777); err != nil { // for user
		t.Fatal(err)
	}
	return openLab(t, append([]func(*Config){func(c *Config) { c.Store = alloc.Config{Plain: dir, Mem: 64 << 20} }}, change...)...)
}

// newTierLab opens one with a tmpfs of its own.
func newTierLab(t testing.TB, change ...func(*Config)) *lab {
	name := fmt.Sprintf("%s%d", testName(), labCount.Add(1))
	return openLab(t, append([]func(*Config){func(c *Config) {
		c.Store = alloc.Config{Dir: filepath.Join(t.TempDir(), "state"), Name: name, Mem: 64 << 20, Logf: t.Logf}
	}}, change...)...)
}

// eachLab runs a test on plain files and on a tier.
func eachLab(t *testing.T, f func(t *testing.T, l *lab), change ...func(*Config)) {
	t.Run("plain", func(t *testing.T) { f(t, newLab(t, change...)) })
	t.Run("tier", func(t *testing.T) { f(t, newTierLab(t, change...)) })
}

func openLab(t testing.TB, change ...func(*Config)) *lab {
	t.Helper()
	l := &lab{t: t, gates: map[string]*gate{}}
	l.cfg = Config{Name: "lab", Version: "test", Registry: kernels.NewRegistry(l.kernels()), Pool: pool.Config{Threads: 4}}
	for _, f := range change {
		f(&l.cfg)
	}
	l.cfg.Store.Faults = func(op, path string) error {
		if f := l.fault.Load(); f != nil {
			return (*f)(op, path)
		}
		return nil
	}
	l.reopen()
	t.Cleanup(func() {
		for _, g := range l.gates {
			g.release()
		}
		if l.d != nil {
			l.close(false)
		}
	})
	return l
}

func (l *lab) reopen() {
	l.t.Helper()
	d, err := Open(l.cfg)
	if err != nil {
		l.t.Fatal(err)
	}
	l.d = d
}

func (l *lab) close(keep bool) {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := l.d.Close(ctx, keep); err != nil {
		l.t.Error(err)
	}
	l.d = nil
}

// try writes lines to a queue and returns the jobs they became.
func (l *lab) try(queue string, lines ...string) ([]*Job, error) {
	q := l.d.Queue(queue)
	before := l.lastID()
	_, err := q.Open(user, SessionOptions{NonBlock: true}).Write(context.Background(), []byte(strings.Join(lines, "\n")+"\n"))
	var out []*Job
	for _, j := range q.Jobs() {
		if j.ID > before {
			out = append(out, j)
		}
	}
	return out, err
}

func (l *lab) lastID() uint64 {
	l.d.mu.Lock()
	defer l.d.mu.Unlock()
	return l.d.lastID
}

// on writes a line to a queue that must be accepted.
func (l *lab) on(queue, line string) *Job {
	l.t.Helper()
	jobs, err := l.try(queue, line)
	if err != nil || len(jobs) != 1 {
		l.t.Fatalf("%s: %d jobs, %v", line, len(jobs), err)
	}
	return jobs[0]
}

// put writes a line to the queue main.
func (l *lab) put(line string) *Job {
	l.t.Helper()
	return l.on(MainQueue, line)
}

// do runs a line that must end done.
func (l *lab) do(line string) {
	l.t.Helper()
	l.want(l.put(line), Done)
}

// want waits for a job's end and checks how it ended.
func (l *lab) want(j *Job, s State) Snapshot {
	l.t.Helper()
	select {
	case <-j.done:
	case <-time.After(patience):
		l.t.Fatalf("%s did not end: %+v", j.Line, j.Snapshot())
	}
	snap := j.Snapshot()
	if snap.State != s {
		l.t.Errorf("%s ended %v (%v), want %v", j.Line, snap.State, snap.Error, s)
	}
	return snap
}

// refused checks that lines are not accepted, and that nothing changes.
func (l *lab) refused(want syscall.Errno, lines ...string) {
	l.t.Helper()
	before, tree := l.d.Stats().Accepted, l.tree()
	_, err := l.try(MainQueue, lines...)
	if !errors.Is(err, want) {
		l.t.Errorf("%q: %v, want %v", lines, err, want)
	}
	if now := l.tree(); l.d.Stats().Accepted != before || now != tree {
		l.t.Errorf("%q: was refused, but changed\n%sto\n%s", lines, tree, now)
	}
}

// tree describes all buffers: names, bytes and marks.
func (l *lab) tree() string {
	var b strings.Builder
	err := filepath.WalkDir(l.d.store.Root(), func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		rel, _ := filepath.Rel(l.d.store.Root(), path)
		m, _ := l.d.store.MarkOf(rel)
		fmt.Fprintf(&b, "%s %d %x %v\n", rel, l.ino(rel), sha256.Sum256(data), m)
		return err
	})
	if err != nil {
		l.t.Error(err)
	}
	return b.String()
}

// data is a buffer's bytes.
func (l *lab) data(name string) []byte {
	l.t.Helper()
	data, err := os.ReadFile(filepath.Join(l.d.store.Root(), name))
	if err != nil {
		l.t.Fatal(err)
	}
	return data
}

// write makes a buffer as a client does.
func (l *lab) write(name string, data []byte) {
	l.t.Helper()
	h, err := l.d.Files().Create(context.Background(), user, name, syscall.O_WRONLY|syscall.O_TRUNC, 0o644)
	if err != nil {
		l.t.Fatal(err)
	}
	defer h.Release()
	for n := 0; n < len(data) && err == nil; { // as it comes through the mount: at most so much at a time, and what was not taken again
		var put int
		put, err = h.WriteAt(context.Background(), data[n:min(len(data), n+1<<20)], int64(n))
		n += put
	}
	if err != nil {
		l.t.Fatal(err)
	}
}

// queue makes a queue.
func (l *lab) queue(name string) *Queue {
	l.t.Helper()
	q, err := l.d.MakeQueue(user, name, 0o755)
	if err != nil {
		l.t.Fatal(err)
	}
	return q
}

func (l *lab) set(q *Queue, a Attribute, v int) {
	l.t.Helper()
	if err := q.Set(a, v); err != nil {
		l.t.Fatal(err)
	}
}

// slots makes the device run so many jobs at once.
func (l *lab) slots(n int) {
	l.d.mu.Lock()
	defer l.d.mu.Unlock()
	l.d.slots = n
}

// lastError is the newest entry of the error list.
func (l *lab) lastError() ErrorEntry {
	l.t.Helper()
	list, _ := l.d.Errors()
	if len(list) == 0 {
		l.t.Fatal("no errors are listed")
	}
	return list[len(list)-1]
}

// caret is the part of the line that an entry points at.
func (e ErrorEntry) caret() string {
	if !e.Caret {
		return ""
	}
	return e.Line[e.Span.Start:e.Span.End]
}

// kernels are those of the tests. Arrays are u8.
func (l *lab) kernels() []*kernels.Kernel {
	salt := kernels.OptionSpec{Name: "salt", Kind: kernels.KindInt, Default: "0"}
	size := kernels.OptionSpec{Name: "n", Kind: kernels.KindInt, Default: "8"}
	errno := kernels.OptionSpec{Name: "errno", Kind: kernels.KindInt, Default: "5"}
	scratch := kernels.OptionSpec{Name: "scratch", Kind: kernels.KindInt, Default: "0"}
	return append(streaming(), []*kernels.Kernel{
		{Name: "tag", Literals: 1, MaxInputs: -1, Outputs: kernels.OutputNone, Plan: l.answering(func(c *kernels.Call) string {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.order = append(l.order, c.Literals[0].Text)
			return c.Literals[0].Text
		})},
		{Name: "mute", Outputs: kernels.OutputNone, Plan: l.answering(func(*kernels.Call) string { return "" })},
		{Name: "hold", Literals: 1, MaxInputs: -1, Outputs: kernels.OutputNone, Options: []kernels.OptionSpec{scratch}, Plan: l.planHold},
		{Name: "gate", Literals: 1, MaxInputs: -1, Outputs: kernels.OutputRequired, Options: []kernels.OptionSpec{salt, size}, Plan: l.planMix},
		{Name: "mix", MaxInputs: -1, Outputs: kernels.OutputRequired, Options: []kernels.OptionSpec{salt, size}, Plan: l.planMix},
		{Name: "update", MaxInputs: -1, Outputs: kernels.OutputRequired, Options: []kernels.OptionSpec{salt}, Plan: l.planMix},
		{Name: "fail", Outputs: kernels.OutputOptional, Options: []kernels.OptionSpec{errno}, Plan: l.planFail},
		{Name: "panics", Literals: 1, Outputs: kernels.OutputNone, Plan: l.planPanic},
		{Name: "slowplan", Literals: 1, MinInputs: 1, MaxInputs: 1, Outputs: kernels.OutputRequired, Plan: l.planSlow},
		{Name: "flip", MinInputs: 1, MaxInputs: 1, Outputs: kernels.OutputRequired, Plan: planFlip},
	}...)
}

func (l *lab) answering(f func(*kernels.Call) string) func(*kernels.Call) (*kernels.Plan, error) {
	return func(c *kernels.Call) (*kernels.Plan, error) {
		return &kernels.Plan{Run: func(x *kernels.Exec) error { x.Answer(f(c)); return nil }}, nil
	}
}

// planHold waits at a gate, holding scratch.
func (l *lab) planHold(c *kernels.Call) (*kernels.Plan, error) {
	n := c.Int("scratch")
	g := l.gate(c.Literals[0].Text)
	return &kernels.Plan{Cost: kernels.Cost{Scratch: int64(n), Flops: 7e9, Bytes: 9}, Run: func(x *kernels.Exec) error {
		if buf := x.Mem.Alloc(n); len(buf) != n {
			return fmt.Errorf("%d bytes of scratch, not %d", len(buf), n)
		}
		return g.pass(x.Ctx)
	}}, nil
}

// planMix makes an output from its inputs, or with update from its old bytes
// too; gate waits first.
func (l *lab) planMix(c *kernels.Call) (*kernels.Plan, error) {
	update := c.Kernel.Name == "update"
	for i := range c.In {
		if d := c.In[i].Layout.DType; d != ndarray.U8 {
			return nil, c.In[i].Errorf("%s is not u8", d)
		}
	}
	out := kernels.OutSpec{DType: ndarray.U8, Reads: update}
	if update {
		out.Shape = c.Out[0].WantShape(c.Out[0].Layout.Shape)
	} else {
		out.Shape = c.Out[0].WantShape([]int{c.Int("n")})
	}
	salt := byte(c.Int("salt"))
	return &kernels.Plan{Out: []kernels.OutSpec{out}, Cost: kernels.Cost{Flops: 8, Bytes: 16}, Run: func(x *kernels.Exec) error {
		if len(c.Literals) > 0 {
			if err := l.gate(c.Literals[0].Text).pass(x.Ctx); err != nil {
				return err
			}
		}
		runtime.Gosched()
		ins := make([][]byte, len(x.In))
		for i := range x.In {
			ins[i] = elems(x.In[i])
		}
		dst := x.Out[0]
		old := elems(dst)
		for i, v := range mixed(old, ins, salt, update) {
			dst.Data[dst.Offset+i*dst.Strides[0]] = v
		}
		return nil
	}}, nil
}

// elems copies a one-dimensional u8 array.
func elems(a ndarray.Array) []byte {
	out := make([]byte, a.Shape[0])
	for i := range out {
		out[i] = a.Data[a.Offset+i*a.Strides[0]]
	}
	return out
}

// mixed is what mix and update compute.
func mixed(old []byte, ins [][]byte, salt byte, update bool) []byte {
	out := slices.Clone(old)
	for i := range out {
		v := salt + byte(i)
		if update {
			v += old[i] * 5
		}
		for k, in := range ins {
			if len(in) > 0 {
				v += in[i%len(in)] * byte(2*k+3)
			}
		}
		out[i] = v
	}
	return out
}

// planFail writes half of its output and fails.
func (l *lab) planFail(c *kernels.Call) (*kernels.Plan, error) {
	p := &kernels.Plan{Run: func(x *kernels.Exec) error {
		for i := range x.Out {
			copy(x.Out[i].Data[x.Out[i].Offset:], "half")
		}
		return fmt.Errorf("failed as asked to: %w", syscall.Errno(c.Int("errno")))
	}}
	for i := range c.Out {
		p.Out = append(p.Out, kernels.OutSpec{DType: ndarray.U8, Shape: c.Out[i].WantShape([]int{8})})
	}
	return p, nil
}

// planPanic panics: in the plan, in the run, in a task, or for want of memory.
func (l *lab) planPanic(c *kernels.Call) (*kernels.Plan, error) {
	where := c.Literals[0].Text
	if where == "plan" {
		panic("no plan")
	}
	return &kernels.Plan{Run: func(x *kernels.Exec) error {
		switch where {
		case "task":
			return x.W.For(8, 1, func(_ *pool.Worker, lo, _ int) {
				if lo == 3 {
					panic("in a task")
				}
			})
		case "memory":
			x.Mem.Alloc(32 << 20)
		}
		panic("in the run")
	}}, nil
}

// planSlow takes its time to plan.
func (l *lab) planSlow(c *kernels.Call) (*kernels.Plan, error) {
	if err := l.gate(c.Literals[0].Text).pass(context.Background()); err != nil {
		return nil, err
	}
	return &kernels.Plan{Out: []kernels.OutSpec{{DType: ndarray.U8, Shape: []int{8}}}, Run: func(x *kernels.Exec) error {
		copy(x.Out[0].Data[x.Out[0].Offset:], elems(x.In[0]))
		return nil
	}}, nil
}

// planFlip copies u8s in reverse, element by element: it needs a copy of an
// input that overlaps its output.
func planFlip(c *kernels.Call) (*kernels.Plan, error) {
	out := kernels.OutSpec{DType: ndarray.U8, Shape: c.Out[0].WantShape(c.In[0].Layout.Shape)}
	return &kernels.Plan{Out: []kernels.OutSpec{out}, Run: func(x *kernels.Exec) error {
		in, dst := x.In[0], x.Out[0]
		n := in.Shape[0]
		for i := range n {
			dst.Data[dst.Offset+i*dst.Strides[0]] = in.Data[in.Offset+(n-1-i)*in.Strides[0]]
		}
		return nil
	}}, nil
}

// npy is a u8 array as a file.
func npy(data ...byte) []byte {
	return append(ndarray.AppendNPY(nil, ndarray.U8, []int{len(data)}), data...)
}

// body is a file without its NPY header.
func body(file []byte) []byte {
	if !strings.HasPrefix(string(file), "\x93NUMPY") {
		return file
	}
	return file[10+int(binary.LittleEndian.Uint16(file[8:])):]
}

// outputOf is an output operand that names a file with these bytes.
func outputOf(file []byte) *kernels.Output {
	layout, err := ndarray.ParseNPY(file)
	if err != nil {
		panic(err)
	}
	return &kernels.Output{Ref: kernels.Ref{Path: "x.npy"}, Layout: layout, Exists: true}
}
