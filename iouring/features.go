package iouring

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// Features is what the machine's io_uring can do.
type Features struct {
	// Usable tells whether Open uses io_uring, and Reason why it does not.
	Usable bool
	Reason string
	// Setup, Ring and Ops name the flags that io_uring_setup(2) takes, the
	// features it tells of, and the opcodes of this package that exist. Used
	// are the setup flags that rings have.
	Setup, Used, Ring, Ops []string
}

// String is one line: "yes", or "no" and the reason.
func (f Features) String() string {
	if f.Usable {
		return "yes"
	}
	return "no: " + f.Reason
}

// Fields are keys and values, for `info`: io_uring, and of one that is usable
// the flags, features and opcodes.
func (f Features) Fields() [][2]string {
	out := [][2]string{{"io_uring", f.String()}}
	for _, l := range []struct {
		key  string
		list []string
	}{{"setup", f.Setup}, {"used", f.Used}, {"features", f.Ring}, {"ops", f.Ops}} {
		if len(l.list) > 0 {
			out = append(out, [2]string{"io_uring_" + l.key, strings.Join(l.list, " ")})
		}
	}
	return out
}

// Probe asks the kernel, once for the process: it makes a ring and one for each
// flag, which takes about a millisecond, and closes them.
func Probe() Features { return probed() }

var probed = sync.OnceValue(func() Features { return probeWith(&realKernel) })

// probeWith is Probe of a kernel, which may be a test's.
func probeWith(sys *kernel) (f Features) {
	ignore := func([]completion) {}
	u, err := newUring(&Options{Window: 1, sys: sys}, ignore, func() {})
	if err != nil {
		f.Reason = err.Error()
		return f
	}
	f.Usable = true
	p, errno := probeOps(sys, u.fd)
	for _, n := range needed {
		if errno == 0 && p.ops[n.code].flags&probeSupported != 0 {
			f.Ops = append(f.Ops, n.name)
		}
	}
	if err := u.close(); err != nil {
		f.Reason = err.Error()
	}
	f.probeSetup(sys)
	return f
}

// probeSetup makes a ring with each flag.
func (f *Features) probeSetup(sys *kernel) {
	for _, s := range setups {
		p := params{flags: s.flags, cqEntries: 2}
		fd, errno := sys.setup(1, &p)
		if errno != 0 {
			continue
		}
		f.Setup = append(f.Setup, s.name)
		if s.flags&^(setupCQSize|setupClamp|setupSubmitAll) == 0 {
			f.Used = append(f.Used, s.name)
		}
		f.Ring = nil
		for i := range 32 {
			switch has := p.features&(1<<i) != 0; {
			case has && i < len(featNames):
				f.Ring = append(f.Ring, featNames[i])
			case has:
				f.Ring = append(f.Ring, fmt.Sprintf("bit_%d", i))
			}
		}
		if err := unix.Close(fd); err != nil {
			f.Reason = err.Error()
		}
	}
}

// setupError says why there is no io_uring, and what helps. The errno stays in
// the chain of errors.
func setupError(errno unix.Errno) error {
	switch errno {
	case unix.ENOSYS:
		return fmt.Errorf("this kernel has no io_uring, or a seccomp filter hides it: %w", errno)
	case unix.EPERM:
		return fmt.Errorf("%s: %w", forbidden(disabledFile), errno)
	case unix.ENOMEM:
		return fmt.Errorf("io_uring may not lock the memory it needs; raise the limit (ulimit -l, or LimitMEMLOCK= of the service): %w", errno)
	}
	return fmt.Errorf("io_uring_setup: %w", errno)
}

// disabledFile is the sysctl that forbids io_uring, since Linux 6.6.
const disabledFile = "/proc/sys/kernel/io_uring_disabled"

// forbidden says who forbids io_uring; file is the sysctl's.
func forbidden(file string) string {
	data, err := os.ReadFile(file)
	switch v := strings.TrimSpace(string(data)); {
	case err != nil && !errors.Is(err, os.ErrNotExist):
		return fmt.Sprintf("io_uring is forbidden, and why cannot be read: %v", err)
	case v == "1":
		return "io_uring is for CAP_SYS_ADMIN and the group kernel.io_uring_group alone (sysctl kernel.io_uring_disabled=1)"
	case v == "2":
		return "io_uring is switched off (sysctl kernel.io_uring_disabled=2; 0 allows it)"
	}
	return "a seccomp filter forbids io_uring (containers have one: allow io_uring_setup, io_uring_enter, io_uring_register)"
}
