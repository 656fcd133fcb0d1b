package iouring

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

func TestABI(t *testing.T) {
	for i, s := range sizes {
		if s.got != s.want {
			t.Errorf("size %d is %d, not %d", i, s.got, s.want)
		}
	}
	if MaxWindow > slotMask+1 {
		t.Error("slots do not hold the window")
	}
}

// TestForbidden runs children under seccomp.
func TestForbidden(t *testing.T) {
	for errno, want := range map[unix.Errno]string{unix.EPERM: forbidden(disabledFile), unix.ENOSYS: "has no io_uring", unix.ENOMEM: "ulimit -l", unix.EMFILE: "io_uring_setup"} {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d", childEnv, int(errno)))
		out, err := cmd.CombinedOutput()
		text := string(out)
		if err != nil {
			t.Errorf("%v: %v\n%s", errno, err, text)
		}
		for _, line := range []string{"uring: iouring: ", "auto: threads: ", "probe: no: "} {
			_, rest, ok := strings.Cut(text, line)
			if first, _, _ := strings.Cut(rest, "\n"); !ok || !strings.Contains(first, want) {
				t.Errorf("%v: %q says %q, not %q", errno, line, first, want)
			}
		}
		if !strings.Contains(text, "do: <nil>, close: <nil>") {
			t.Errorf("%v:\n%s", errno, text)
		}
	}
}

func TestForbiddenBySysctl(t *testing.T) {
	file := filepath.Join(t.TempDir(), "v")
	for v, want := range map[string]string{"0\n": "seccomp", "1\n": "io_uring_group", "2\n": "switched off"} {
		if err := os.WriteFile(file, []byte(v), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := forbidden(file); !strings.Contains(got, want) {
			t.Errorf("%q: %s", v, got)
		}
	}
	if got := forbidden(t.TempDir()); !strings.Contains(got, "cannot be read") {
		t.Error(got)
	}
}

// TestOldKernels has kernels that lack this or that.
func TestOldKernels(t *testing.T) {
	needUring(t)
	noSubmitAll, old, noProbe := realKernel, realKernel, refusing(registerProbe, unix.EINVAL)
	noSubmitAll.setup = func(n uint32, p *params) (int, unix.Errno) {
		if p.flags&^(setupCQSize|setupClamp) != 0 {
			return -1, unix.EINVAL
		}
		return realKernel.setup(n, p)
	}
	old.setup = func(n uint32, p *params) (int, unix.Errno) {
		fd, errno := realKernel.setup(n, p)
		p.features = featSingleMmap
		return fd, errno
	}
	r := open(t, Options{Backend: Uring, sys: &noSubmitAll})
	do(t, r, &Op{}, &Op{})
	if f := probeWith(&noSubmitAll); !f.Usable || !slices.Equal(f.Setup, []string{"cqsize", "clamp"}) || len(f.Ops) != len(needed) {
		t.Errorf("%+v", f)
	}
	for want, k := range map[string]*kernel{"too old": &old, "lacks [fallocate]": crippled(opFallocate), "does not tell": noProbe} {
		r := open(t, Options{sys: k})
		kind, reason := r.Backend()
		if kind != Threads || !strings.Contains(reason, want) {
			t.Errorf("%s: %s: %s", want, kind, reason)
		}
	}
}

func TestProbe(t *testing.T) {
	needUring(t)
	f := Probe()
	if !f.Usable || f.String() != "yes" || len(f.Ops) != len(needed) || !slices.Contains(f.Ring, "nodrop") || !slices.Contains(f.Used, "cqsize") {
		t.Errorf("%+v", f)
	}
	if s := fmt.Sprint(f.Fields()); !strings.HasPrefix(s, "[[io_uring yes] [io_uring_setup cqsize clamp") {
		t.Error(s)
	}
}

func TestOptions(t *testing.T) {
	needUring(t)
	for _, o := range []Options{{Window: -1}, {Window: MaxWindow + 1}, {Backend: "dma"}} {
		_, err := Open(o)
		wantErr(t, fmt.Sprint(o.Window, o.Backend), err, unix.EINVAL)
	}
	r := open(t, Options{Window: MaxWindow})
	if kind, reason := r.Backend(); kind != Uring || reason != "" || r.opt.Window != MaxWindow {
		t.Error(kind, reason)
	}
	var ops []*Op
	for range MaxWindow {
		ops = append(ops, &Op{Link: true})
	}
	do(t, r, ops...)
	if s := Read.String() + " " + numCodes.String(); s != "read code 5" {
		t.Error(s)
	}
}

// TestRegistrationRefused goes on without.
func TestRegistrationRefused(t *testing.T) {
	needUring(t)
	mem := pages(t, 4096)
	for _, x := range []struct {
		op   uint32
		with unix.Errno
		do   func(r *Ring) error
	}{
		{registerBuffers, unix.ENOMEM, func(r *Ring) error { return r.RegisterBuffers([][]byte{mem}) }},
		{registerFiles, unix.EMFILE, func(r *Ring) error { return r.RegisterFiles([]int{0}) }},
	} {
		r := open(t, Options{Backend: Uring, sys: refusing(x.op, x.with)})
		wantErr(t, "refused", x.do(r), x.with)
		do(t, r, &Op{Code: Read, FD: file(t, 0, 100), Buf: mem[:100]})
	}
	for op, f := range map[uint32]func(r *Ring) error{unregisterBuffers: func(r *Ring) error { return r.RegisterBuffers([][]byte{mem}) }, unregisterFiles: func(r *Ring) error { return r.RegisterFiles([]int{0}) }} {
		r, err := Open(Options{Backend: Uring, sys: refusing(op, unix.EIO)})
		if err != nil || f(r) != nil {
			t.Fatal(err)
		}
		wantErr(t, "again", f(r), unix.EIO)
		if err := f(r); err != nil && op == unregisterBuffers {
			wantErr(t, "the kernel still has them", err, unix.EBUSY)
		}
		if err := r.Close(); err != nil {
			wantErr(t, "close", err, unix.EIO)
		}
	}
}

// TestEnter has a kernel that takes entries one by one, stops within chains,
// and is interrupted, busy and short of memory.
func TestEnter(t *testing.T) {
	for most := range uint32(5) {
		var calls atomic.Int64
		k := realKernel
		k.enter = func(fd int, submit, wait, flags uint32) (int, unix.Errno) {
			switch n := calls.Add(1); {
			case n%5 == 1:
				return -1, unix.EINTR
			case n%5 == 2 && submit > 0:
				return -1, unix.EAGAIN
			case n%5 == 3:
				return -1, unix.EBUSY
			case submit > 1:
				submit = min(submit, most+1)
			}
			return realKernel.enter(fd, submit, wait, flags)
		}
		r := open(t, Options{Backend: Uring, Window: 16, sys: &k})
		fd := file(t, 0, 0)
		for round := range 3 {
			var ops []*Op
			want := make([]byte, 12)
			for i := range want {
				want[i] = byte(i + round)
				ops = append(ops, &Op{Code: Write, FD: fd, Off: int64(i), Buf: []byte{7}, Link: true}, &Op{Code: Write, FD: fd, Off: int64(i), Buf: want[i : i+1], Link: i%3 != 2})
			}
			do(t, r, ops...)
			got := make([]byte, 12)
			do(t, r, &Op{Code: Read, FD: fd, Buf: got})
			if !bytes.Equal(got, want) {
				t.Errorf("at most %d: %v, not %v", most+1, got, want)
			}
		}
	}
}

// TestEnterFails has a kernel that takes no entries any more.
func TestEnterFails(t *testing.T) {
	for _, errno := range []unix.Errno{unix.EFAULT, 0} {
		var broken atomic.Bool
		k := realKernel
		k.enter = func(fd int, submit, wait, flags uint32) (int, unix.Errno) {
			if broken.Load() && submit > 0 {
				return 0, errno
			}
			return realKernel.enter(fd, submit, wait, flags)
		}
		r := open(t, Options{Backend: Uring, sys: &k})
		broken.Store(true)
		want := errno
		if want == 0 {
			want = unix.EAGAIN
		}
		if errno != 0 {
			a, b, c := &Op{Link: true}, &Op{}, &Op{}
			wantErr(t, "an op", r.Do(ctx, a, b, c), want)
			if a.Err != want || b.Err != unix.ECANCELED || c.Err != want {
				t.Error(a.Err, b.Err, c.Err)
			}
		} else {
			u := r.b.(*uring)
			u.sqMu.Lock()
			u.push(true).userData = cancelData
			var got taken
			if u.flush(&got); len(got.list) != 0 || len(u.chains) != 0 {
				t.Errorf("%d results, %d entries are left", len(got.list), len(u.chains))
			}
			u.sqMu.Unlock()
		}
		broken.Store(false)
		do(t, r, &Op{}, &Op{})
	}
}
