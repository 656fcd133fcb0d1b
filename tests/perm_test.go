package tests

import (
	"errors"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// Users of the tests. They need no account.
var (
	alice = &syscall.Credential{Uid: 61001, Gid: 61001}
	bob   = &syscall.Credential{Uid: 61002, Gid: 61002}
	carol = &syscall.Credential{Uid: 61003, Gid: 61003, Groups: []uint32{61001}} // in alice's group
)

// as runs a script as a user in the mount and returns its output and status.
func (d *dev) as(who *syscall.Credential, script string) (string, int) {
	d.t.Helper()
	c := d.clientAs(who, "bash", "-c", script) // dash says "I/O error" whatever the errno
	status := c.wait()
	return c.out.String(), status
}

// may runs a script that must succeed.
func (d *dev) may(who *syscall.Credential, script string) {
	d.t.Helper()
	if out, status := d.as(who, script); status != 0 {
		d.t.Errorf("%d may not: %s: %s\n%s", who.Uid, script, out, d.read("errors"))
	}
}

// mayNot runs one that must fail with a message.
func (d *dev) mayNot(who *syscall.Credential, script, message string) {
	d.t.Helper()
	if out, status := d.as(who, script); status == 0 || !strings.Contains(out, message) {
		d.t.Errorf("%d: %s: status %d, %q, want %q", who.Uid, script, status, out, message)
	}
}

const (
	eacces = "Permission denied"
	eperm  = "Operation not permitted"
)

// owner checks who owns a file and its mode.
func (d *dev) owner(rel string, uid, gid uint32, mode os.FileMode) {
	d.t.Helper()
	st, err := os.Lstat(d.path(rel))
	if err != nil {
		d.t.Error(err)
		return
	}
	s := st.Sys().(*syscall.Stat_t)
	if s.Uid != uid || s.Gid != gid || st.Mode()&(os.ModePerm|os.ModeSticky|os.ModeSetgid) != mode {
		d.t.Errorf("%s: owner %d:%d mode %v, want %d:%d %v", rel, s.Uid, s.Gid, st.Mode(), uid, gid, mode)
	}
}

// What a user makes, with files or with commands, is the user's, as on any
// file system; not yours is EACCES for commands as for files.
func TestPermOwners(t *testing.T) {
	needRoot(t, "acting as another user")
	inModes(t, func(t *testing.T, d *dev) {
		d.owner("buffers", 0, 0, os.ModeSticky|0o777)
		d.owner("queues", 0, 0, os.ModeSticky|0o777)
		d.may(alice, "umask 027; echo hi > buffers/file; mkdir buffers/dir; mkdir queues/a; ln -s file buffers/link")
		d.may(alice, "echo 'fill buffer.npy shape=4 value=1' > run; echo 'fill dir/inner.npy shape=4 value=1' > run")
		d.owner("buffers/file", 61001, 61001, 0o640)
		d.owner("buffers/dir", 61001, 61001, 0o750)
		d.owner("queues/a", 61001, 61001, 0o750)
		d.owner("buffers/buffer.npy", 61001, 61001, 0o644)
		d.owner("buffers/dir/inner.npy", 61001, 61001, 0o644)
		// Reading by mode bits, owner, group and others.
		d.mayNot(bob, "cat buffers/file", eacces)
		d.may(carol, "cat buffers/file")
		d.mayNot(bob, "cat buffers/dir/inner.npy", eacces)
		d.may(bob, "echo 'sum buffer.npy' > run")
		for _, cmd := range []string{"sum dir/inner.npy", "fill buffer.npy shape=4 value=2", "fill dir/x.npy shape=1 value=0", "sum file:u8:3"} {
			d.mayNot(bob, "echo '"+cmd+"' > run", eacces)
		}
		d.may(carol, "echo 'sum dir/inner.npy' > run; echo 'sum file:u8:3' > run")
		d.mayNot(carol, "echo x > buffers/file", eacces)
		if text := d.read("errors"); !strings.Contains(text, "not yours") {
			t.Errorf("the errors do not say why:\n%s", text)
		}
		// The directory is sticky: one's entries are one's own.
		d.may(alice, "chmod 666 buffers/file")
		d.may(bob, "echo mine too > buffers/file")
		d.mayNot(bob, "rm -f buffers/file", eperm)
		d.mayNot(bob, "mv buffers/file buffers/f2", eperm)
		d.mayNot(bob, "rmdir buffers/dir", eperm)
		d.mayNot(bob, "chmod 777 buffers/file", eperm)
		d.mayNot(alice, "chown 61002 buffers/file", eperm)
		d.may(carol, "true")
		// An output that is overwritten stays its owner's.
		d.may(alice, "chmod 606 buffers/buffer.npy")
		d.may(bob, "echo 'fill buffer.npy shape=9 value=2' > run")
		d.owner("buffers/buffer.npy", 61001, 61001, 0o606)
		// A setgid directory passes its group on.
		d.may(alice, "mkdir buffers/shared; chmod 2777 buffers/shared")
		d.may(bob, "echo x > buffers/shared/f; mkdir buffers/shared/d; echo 'fill shared/b.npy shape=1 value=1' > run")
		d.owner("buffers/shared/f", 61002, 61001, 0o644)
		d.owner("buffers/shared/d", 61002, 61001, os.ModeSetgid|0o755)
		d.owner("buffers/shared/b.npy", 61002, 61001, 0o644)
		must(t, os.RemoveAll(d.path("buffers/shared")))
	})
}

// Queues and jobs belong to who made them.
func TestPermJobs(t *testing.T) {
	needRoot(t, "acting as another user")
	d := mount(t)
	d.may(alice, "umask 022; mkdir queues/a; echo 1 > queues/a/paused; echo nop > queues/a/ctl")
	d.mayNot(bob, "echo nop > queues/a/ctl", eacces)
	d.mayNot(bob, "echo 0 > queues/a/paused", eacces)
	d.mayNot(bob, "rmdir queues/a", eperm)
	d.may(bob, "cat queues/a/status queues/a/jobs/*/status")
	d.mayNot(bob, "rmdir queues/a/jobs/*", eacces)
	d.may(alice, "chmod 770 queues/a")
	d.mayNot(bob, "cat queues/a/status", eacces)
	d.may(carol, "echo nop > queues/a/ctl; cat queues/a/status")
	d.may(alice, "rmdir queues/a/jobs/* && cat queues/a/wait; rmdir queues/a")
	// The queues of all: a job there is its writer's to cancel, and root's.
	d.queue("spin seconds=600")
	job := strings.TrimSpace(output(t, "ls", d.path("queues/main/jobs")))
	job = job[strings.LastIndex(job, "\n")+1:]
	d.mayNot(bob, "rmdir queues/main/jobs/"+job, eperm)
	d.may(bob, "echo nop > queues/main/ctl")
	d.mayNot(alice, "rmdir queues/main/jobs/*", eperm)
	d.mayNot(alice, "rmdir queues/main", "")
	d.mayNot(alice, "echo 1 > queues/main/paused", eacces)
	// ctl is root's.
	d.mayNot(alice, "echo reset > ctl", eacces)
	d.mayNot(alice, "> errors", eacces)
	d.cancelAll("main")
}

// --group and --mode narrow who may enter, and open ctl to a group.
func TestPermGroupAndMode(t *testing.T) {
	needRoot(t, "acting as another user")
	d := mount(t, "--group", "61001", "--mode", "0750")
	if c := startAs(t, bob, "/", "cat", d.path("info")); c.wait() == 0 || !strings.Contains(c.out.String(), eacces) {
		t.Errorf("another may enter: %s", c.out.String())
	}
	d.may(alice, "cat info; echo nop > run; echo 'queue x' > ctl")
	d.may(carol, "cat info; echo 'queue y' > ctl")
	d.owner("ctl", 0, 61001, 0o664)
	d.owner("buffers", 0, 61001, os.ModeSticky|0o777)
	st, err := os.Stat(d.dir)
	must(t, err)
	if st.Mode().Perm() != 0o750 {
		t.Errorf("%v", st.Mode())
	}
	for _, bad := range [][]string{{"--group", "no-such-group"}, {"--mode", "9"}, {"--mode", "7777"}} {
		out, err := exec.Command(binary, append(append([]string{"mount"}, bad...), filepath.Join(t.TempDir(), "m"))...).CombinedOutput()
		if exitCode(err) != 64 {
			t.Errorf("%v: %v %s", bad, err, out)
		}
	}
}

// The daemon's own memory is not a way around the modes.
func TestPermState(t *testing.T) {
	needRoot(t, "acting as another user")
	d := mount(t)
	d.may(alice, "umask 077; echo secret > buffers/secret")
	path := d.field("info", "memory_path")
	if path == "" {
		t.Fatal("no memory_path")
	}
	for _, who := range []*syscall.Credential{bob, carol} {
		d.mayNot(who, "cat "+path+"/secret", eacces)
		d.mayNot(who, "echo x > "+path+"/../marks/x", "")
	}
}

// A mount by an ordinary user, through fusermount3: no passthrough, memory
// under /dev/shm, and nobody else may enter.
func TestPermOrdinaryUser(t *testing.T) {
	needRoot(t, "acting as another user")
	nobody, err := user.Lookup("nobody")
	must(t, err)
	uid, err := strconv.Atoi(nobody.Uid)
	must(t, err)
	openFuse(t)
	top, err := os.MkdirTemp("", "vgpu-tests-user-")
	must(t, err)
	t.Cleanup(func() {
		if err := os.RemoveAll(top); err != nil {
			t.Error(err)
		}
	})
	must(t, os.Chown(top, uid, uid), os.Mkdir(filepath.Join(top, "vgpu0"), 0o755), os.Chown(filepath.Join(top, "vgpu0"), uid, uid))
	who := &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}
	d := &dev{t: t, dir: filepath.Join(top, "vgpu0"), state: filepath.Join(top, "state")}
	daemon := startAs(t, who, top, binary, "mount", "--mem", "64M", "--state", d.state, d.dir)
	t.Cleanup(func() {
		daemon.cmd.Process.Signal(syscall.SIGKILL) // if it is still there
		<-daemon.end
		for _, m := range mounts(top) {
			t.Errorf("left over: %s", m)
			syscall.Unmount(m, syscall.MNT_DETACH)
		}
	})
	asUser := func(script string) (string, int) {
		c := startAs(t, who, top, "sh", "-c", script)
		status := c.wait()
		return c.out.String(), status
	}
	if !d.within(limitOfStart, func() bool { _, status := asUser("cat vgpu0/info"); return status == 0 }) {
		t.Fatalf("it does not mount: %s", daemon.out.String())
	}
	script := `set -e; cd vgpu0; grep -q '^passthrough no$' info; grep '^memory_path /dev/shm/' info >&2
echo 'arange x.npy start=0 stop=100' > run; cp buffers/x.npy buffers/y.npy; cmp buffers/x.npy buffers/y.npy
echo 'map "z = x + y" x=x.npy y=y.npy z=z.npy' > queues/main/ctl; cat queues/main/wait buffers/z.npy > /dev/null; rm buffers/z.npy`
	if out, status := asUser(script); status != 0 {
		t.Errorf("status %d: %s\n%s", status, out, daemon.out.String())
	}
	if _, err := os.Stat(d.path("info")); !errors.Is(err, syscall.EACCES) {
		t.Errorf("root may enter another's mount: %v", err)
	}
	must(t, daemon.cmd.Process.Signal(syscall.SIGTERM))
	if status := daemon.wait(); status != 0 {
		t.Errorf("status %d: %s", status, daemon.out.String())
	}
	if left, err := filepath.Glob("/dev/shm/vgpu-" + nobody.Uid + "-vgpu0*"); err != nil || len(left) > 0 {
		t.Errorf("left under /dev/shm: %v %v", left, err)
	}
}

// limitOfStart is how long a daemon may take to mount.
const limitOfStart = 30e9

// openFuse lets ordinary users open /dev/fuse for as long as the test runs, as
// Debian does by default.
func openFuse(t *testing.T) {
	st, err := os.Stat("/dev/fuse")
	must(t, err)
	if st.Mode().Perm()&0o006 == 0o006 {
		return
	}
	must(t, os.Chmod("/dev/fuse", 0o666))
	t.Cleanup(func() {
		if err := os.Chmod("/dev/fuse", st.Mode().Perm()); err != nil {
			t.Error(err)
		}
	})
}

// startAs starts a process as a user in a directory of its own.
func startAs(t *testing.T, who *syscall.Credential, dir string, argv ...string) *client {
	t.Helper()
	c := &client{t: t, cmd: exec.Command(argv[0], argv[1:]...), end: make(chan struct{})}
	c.cmd.Dir = dir
	c.cmd.Env = append(os.Environ(), "LC_ALL=C", "HOME="+dir)
	c.cmd.Stdout, c.cmd.Stderr = &c.out, &c.out
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: who, Setpgid: true}
	must(t, c.cmd.Start())
	go func() { c.cmd.Wait(); close(c.end) }()
	return c
}
