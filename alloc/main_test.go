package alloc

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestMain fails the run if a mount, a folder under /dev/shm, a descriptor, a mapping of a buffer or a goroutine is left over.
func TestMain(m *testing.M) {
	if job := os.Getenv(crashEnv); job != "" {
		crashChild(job) // does not return
	}
	var fs unix.Statfs_t // a spill tier is on a disk, and /tmp need not be
	if err := unix.Statfs(os.TempDir(), &fs); err == nil && fs.Type == unix.TMPFS_MAGIC {
		os.Setenv("TMPDIR", "/var/tmp")
	}
	before, goroutines := descriptors(), runtime.NumGoroutine()
	code := m.Run()
	if !comesAbout(func() bool { return runtime.NumGoroutine() <= goroutines }) {
		buf := make([]byte, 1<<20)
		fmt.Fprintf(os.Stderr, "goroutines before: %d, after: %d\n%s\n", goroutines, runtime.NumGoroutine(), buf[:runtime.Stack(buf, true)])
		code = 1
	}
	if left := leftovers(); len(left) > 0 {
		fmt.Fprintln(os.Stderr, "left over:", left)
		code = 1
	}
	if after := descriptors(); len(after) > len(before) {
		fmt.Fprintf(os.Stderr, "descriptors before: %q\nafter: %q\n", before, after)
		code = 1
	}
	os.Exit(code)
}

func descriptors() (open []string) {
	list, _ := os.ReadDir("/proc/self/fd")
	for _, d := range list {
		to, err := os.Readlink("/proc/self/fd/" + d.Name())
		ours := !strings.HasPrefix(to, "/proc/") && !strings.Contains(to, "anon_inode") || strings.Contains(to, "[io_uring]")
		if err == nil && ours {
			open = append(open, to)
		}
	}
	return open
}

// comesAbout polls: what has been told to end need not have done so yet.
func comesAbout(f func() bool) bool {
	for end := time.Now().Add(20 * time.Second); !f(); runtime.Gosched() {
		if time.Now().After(end) {
			return false
		}
	}
	return true
}

func leftovers() (left []string) {
	maps, _ := os.ReadFile("/proc/self/maps")
	for line := range strings.Lines(string(maps)) {
		if strings.Contains(line, testName()) || strings.Contains(line, "/ram/") || strings.Contains(line, "anon_inode:[io_uring]") {
			left = append(left, line)
		}
	}
	mounts, _ := os.ReadFile("/proc/self/mountinfo")
	for line := range strings.Lines(string(mounts)) {
		if strings.Contains(line, " - tmpfs vgpu-"+testName()) {
			left = append(left, line)
		}
	}
	for _, begin := range []string{"vgpu-", ".gone-vgpu-"} {
		shm, _ := filepath.Glob("/dev/shm/" + begin + "*-" + testName() + "*")
		left = append(left, shm...)
	}
	return left
}

// testName begins the device names of this process's tests.
func testName() string { return fmt.Sprintf("test%d-", os.Getpid()) }

var storeCount atomic.Int64

// The kinds of store: a tmpfs of our own, a folder under /dev/shm, plain files.
const (
	onTmpfs = "tmpfs"
	onShm   = "shm"
	onPlain = "plain"
)

func kinds() []string {
	if os.Geteuid() == 0 {
		return []string{onTmpfs, onShm, onPlain}
	}
	return []string{onShm, onPlain}
}

func eachKind(t *testing.T, f func(t *testing.T, kind string)) {
	for _, kind := range kinds() {
		t.Run(kind, func(t *testing.T) { f(t, kind) })
	}
}

// injector is a Faults hook that tests arm.
type injector struct {
	noMount bool // the mount is refused, as without the privilege
	hook    atomic.Pointer[Faults]
}

func (i *injector) fault(op, path string) error {
	if i.noMount && op == "mount" {
		return unix.EPERM
	}
	if h := i.hook.Load(); h != nil {
		return (*h)(op, path)
	}
	return nil
}

func (i *injector) arm(h Faults) { i.hook.Store(&h) }
func (i *injector) disarm()      { i.hook.Store(nil) }

func config(t *testing.T, kind string, mem int64) (Config, *injector) {
	i := &injector{noMount: kind == onShm}
	cfg := Config{Dir: filepath.Join(t.TempDir(), "state"), Mem: mem, Logf: t.Logf, Faults: i.fault,
		Name: fmt.Sprintf("%s%d", testName(), storeCount.Add(1))}
	if kind == onPlain {
		cfg.Plain = t.TempDir()
	}
	return cfg, i
}

func openStore(t *testing.T, kind string, mem int64) *Store {
	s, _ := openFaulty(t, kind, mem)
	return s
}

func openFaulty(t *testing.T, kind string, mem int64) (*Store, *injector) {
	t.Helper()
	cfg, i := config(t, kind, mem)
	s := mustOpen(t, cfg)
	t.Cleanup(func() {
		i.disarm()
		if !s.closed.Load() {
			checkStore(t, s)
			ok(t, s.Close(false))
		}
	})
	return s, i
}

func mustOpen(t *testing.T, cfg Config) *Store {
	t.Helper()
	s, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func want(t *testing.T, err error, errno unix.Errno) {
	t.Helper()
	if errno == 0 && err == nil {
		return
	}
	if errno == 0 || !errors.Is(err, errno) {
		t.Fatalf("error %v, want %v", err, errno)
	}
}

// me is who may own files: anybody when we are root.
func me() Cred {
	if os.Geteuid() == 0 {
		return Cred{UID: 1000, GID: 1001, Groups: []uint32{1002}}
	}
	return Cred{UID: uint32(os.Geteuid()), GID: uint32(os.Getegid())}
}

// published gives rel an empty file, in the place of what stands there, as a job's output does.
func published(s *Store, rel string) (*Buffer, error) {
	p, err := s.Prepare(rel, 0)
	if err != nil {
		return nil, err
	}
	if err := p.Publish(me(), rel, 0o644); err != nil {
		return nil, errors.Join(err, p.Discard(rel))
	}
	return p.Buffer, nil
}

func put(t *testing.T, s *Store, rel, text string) {
	t.Helper()
	b, _, err := s.Create(me(), rel, 0o644, false)
	ok(t, err)
	defer b.Release()
	ok(t, b.Resize(0))
	_, err = b.WriteAt([]byte(text), 0)
	ok(t, err)
}

func text(t *testing.T, s *Store, rel string) string {
	t.Helper()
	b, err := s.Get(rel)
	ok(t, err)
	defer b.Release()
	return content(t, b)
}

func content(t *testing.T, b *Buffer) string {
	t.Helper()
	n, err := b.Size()
	ok(t, err)
	p := make([]byte, n)
	_, err = b.ReadAt(p, 0)
	ok(t, err)
	return string(p)
}

// checkStore compares what a store thinks with what is there. Nothing else may use the store meanwhile.
func checkStore(t *testing.T, s *Store) {
	t.Helper()
	if s.ram.plain {
		return
	}
	s.warm.cooling.Lock() // nor does the timer of warm mappings
	defer s.warm.cooling.Unlock()
	files, blocks, inodes := int64(0), int64(0), map[uint64]bool{}
	root, err := s.ram.openPath(s.Root())
	ok(t, err)
	defer s.ram.drop(root, "")
	ok(t, s.ram.walk(root, "", func(e entry, st *unix.Stat_t) error {
		if st.Mode&unix.S_IFMT == unix.S_IFREG && !inodes[st.Ino] {
			inodes[st.Ino] = true
			files, blocks = files+1, blocks+st.Blocks*512
		}
		return nil
	}))
	u := s.Usage()
	if u.Buffers != files {
		t.Errorf("%d buffers are counted, %d are there", u.Buffers, files)
	}
	if u.Free > 0 && u.Used+u.Scratch+u.Staging+u.Spare+u.Free != u.Mem || u.Used+u.Scratch+u.Staging > u.Mem || u.Free < 0 || u.Peak < u.Used+u.Scratch+u.Staging {
		t.Errorf("usage %+v", u)
	}
	checkMarks(t, s, inodes)
	checkSpills(t, s, inodes)
	if _, counted := s.mem.meter.(*countMeter); counted && len(s.table.held) == 0 && u.Used != blocks+s.marks.files*markSize {
		t.Errorf("%d bytes are counted, the files hold %d and the marks %d", u.Used, blocks, s.marks.files*markSize)
	}
}

func checkMarks(t *testing.T, s *Store, inodes map[uint64]bool) {
	t.Helper()
	list, err := os.ReadDir(filepath.Join(s.ram.path, marksDir))
	ok(t, err)
	if len(list) != len(s.marks.of)+len(s.marks.stale) {
		t.Errorf("%d marks in memory, on the tier %v", len(s.marks.of), list)
	}
	for ino := range s.marks.of {
		if !inodes[ino] && len(s.table.held) == 0 {
			t.Errorf("mark of inode %d, which is gone", ino)
		}
	}
	temps, err := os.ReadDir(filepath.Join(s.ram.path, tmpDir))
	ok(t, err)
	if len(temps) != len(s.marks.spares)+len(s.pool.list) && len(s.table.held) == 0 {
		t.Errorf("temporaries are left: %v", temps)
	}
}
