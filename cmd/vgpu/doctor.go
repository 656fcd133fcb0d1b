package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"vgpu/device"
	"vgpu/kernels/simd"
	"vgpu/vfs"
)

// doctorCommand tries what a device needs. It leaves nothing behind.
func doctorCommand() *cobra.Command {
	return &cobra.Command{
		Use: "doctor", Short: "look into what this machine has and lacks for a device", Args: exactArgs(0, "no operands"),
		Long: "Tries what a device needs, one thing after the other, and says of each whether it is there and what to do if\n" +
			"it is not. The exit status is 69 if a device cannot work here.",
		RunE: func(c *cobra.Command, _ []string) error { return examine(c.Context(), c.OutOrStdout()) },
	}
}

// finding is the outcome of a check.
type finding struct {
	level  string // ok, note (works, with less), bad
	detail string
	remedy string
}

// ok is a finding that asks for nothing.
func ok(format string, args ...any) finding { return finding{"ok", fmt.Sprintf(format, args...), ""} }

// examine runs the checks, each by itself: a later one is made whatever an
// earlier one found, as its finding may be the plainer one.
func examine(ctx context.Context, w io.Writer) error {
	bad := 0
	for _, check := range []struct {
		name string
		f    func(context.Context) finding
	}{
		{"kernel", checkKernel}, {"fuse", checkFuse}, {"privilege", checkPrivilege}, {"instructions", checkISA}, {"threads", checkThreads},
		{"memory", checkMemory}, {"compute", checkCompute}, {"mount", checkMount}, {"dead mounts", checkDead},
	} {
		f := check.f(ctx)
		if f.level == "bad" {
			bad++
		}
		if _, err := fmt.Fprintf(w, "%-4s  %-12s  %s\n", f.level, check.name, f.detail); err != nil {
			return err
		}
		if f.remedy != "" {
			if _, err := fmt.Fprintf(w, "%22s%s\n", "-> ", f.remedy); err != nil {
				return err
			}
		}
	}
	if bad > 0 {
		return &exitError{exitLacks, fmt.Errorf("%d checks failed", bad)}
	}
	return nil
}

// checkKernel compares the release with what is needed (5.10) and what is best
// (6.9, passthrough).
func checkKernel(context.Context) finding {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return finding{"bad", err.Error(), ""}
	}
	rel := unix.ByteSliceToString(u.Release[:])
	var major, minor int
	if _, err := fmt.Sscanf(rel, "%d.%d", &major, &minor); err != nil {
		return finding{"note", "Linux " + rel, "a release whose number cannot be read"}
	}
	switch v := major*1000 + minor; {
	case v < 5010:
		return finding{"bad", "Linux " + rel, "5.10 or later is needed"}
	case v < 6009:
		return finding{"note", "Linux " + rel, "from 6.9 on buffers are read, written and mapped without the daemon"}
	}
	return ok("Linux %s", rel)
}

// checkFuse opens /dev/fuse, as mounting does.
func checkFuse(context.Context) finding {
	f, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return finding{"bad", "there is no /dev/fuse", "modprobe fuse; in a container: --device /dev/fuse"}
	case err != nil:
		return finding{"bad", err.Error(), "the user needs read and write permission on /dev/fuse; vgpu run works without"}
	}
	f.Close()
	return ok("/dev/fuse opens")
}

// checkPrivilege looks for the helper by which ordinary users mount.
func checkPrivilege(context.Context) finding {
	if os.Getuid() == 0 {
		return ok("root")
	}
	path, err := exec.LookPath("fusermount3")
	if err != nil {
		return finding{"bad", "not root, and no fusermount3", "apt-get install fuse3, or mount as root; vgpu run works without"}
	}
	return finding{"note", "not root: mounts by " + path, "as root buffers bypass the daemon, and memory is a tmpfs of its own"}
}

// checkISA tells the instruction set that kernels will use.
func checkISA(context.Context) finding {
	opt := simd.Optional()
	if simd.Best() == simd.Generic {
		return finding{"note", runtime.GOARCH + ", no vector assembly: pure Go", "AVX2 with FMA, or AVX-512, is several times faster"}
	}
	return ok("%s (bf16 %t, vnni %t)", simd.Best(), opt.BF16, opt.VNNI)
}

// checkThreads starts the pool that a device would have, and passes on what the
// kernel refused it.
func checkThreads(context.Context) finding {
	dev, err := openPlain(&runOptions{dir: os.TempDir()})
	if err != nil {
		return finding{"bad", err.Error(), ""}
	}
	detail := fmt.Sprintf("%d of %d CPUs", dev.Pool().Threads(), runtime.NumCPU())
	warnings := dev.Pool().Warnings()
	if err := dev.Close(cancelled(), true); err != nil {
		return finding{"bad", err.Error(), ""}
	}
	if len(warnings) > 0 {
		return finding{"note", detail + ": " + errors.Join(warnings...).Error(), "the threads work, at the ordinary priority"}
	}
	return ok("%s", detail)
}

// checkMemory looks at where an ordinary user's buffers would be; root mounts a
// tmpfs of its own.
func checkMemory(context.Context) finding {
	var st unix.Statfs_t
	if err := unix.Statfs("/dev/shm", &st); err != nil {
		return finding{"note", "/dev/shm: " + err.Error(), "an ordinary user's buffers live there"}
	}
	if st.Type != unix.TMPFS_MAGIC {
		return finding{"note", "/dev/shm is no tmpfs", "an ordinary user's buffers live there, and would be on a disk"}
	}
	return ok("/dev/shm has %d bytes free", st.Bavail*uint64(st.Bsize))
}

// checkCompute multiplies two matrices and looks at the result.
func checkCompute(ctx context.Context) finding {
	dir, err := scratchDir()
	if err != nil {
		return finding{"bad", err.Error(), ""}
	}
	defer os.RemoveAll(dir)
	var out strings.Builder
	err = runLines(ctx, &out, &runOptions{dir: dir}, []string{
		"fill a.npy:f32:64x64 value=2", "fill b.npy:f32:64x64 value=3", "gemm a.npy b.npy c.npy", "sum c.npy",
	})
	if err != nil {
		return finding{"bad", err.Error(), ""}
	}
	if got := strings.TrimSpace(out.String()); got != "1572864.0" && got != "1572864" {
		return finding{"bad", "a product of matrices sums to " + got + ", not 1572864", "do not trust this machine; --isa generic may tell more"}
	}
	return ok("a 64x64 product is right")
}

// checkMount mounts a device for a moment, by this very binary, and reads from
// it.
func checkMount(context.Context) finding {
	stop, dir, err := temporaryDevice()
	if err != nil {
		return finding{"bad", err.Error(), "the checks above say why; vgpu run works without a mount"}
	}
	info, err := readFields(filepath.Join(dir, "info"))
	if err := errors.Join(err, stop()); err != nil {
		return finding{"bad", err.Error(), ""}
	}
	return mountFinding(info)
}

// mountFinding is what the info of a device that mounted tells.
func mountFinding(info []device.Field) finding {
	for _, f := range info {
		if f.Key == "passthrough" && f.Value == true {
			return ok("a device mounts, buffers bypass the daemon")
		}
	}
	return finding{"note", "a device mounts; passthrough no", "it needs Linux 6.9 and root; without it there is no shared mmap of buffers"}
}

// checkDead looks for mounts whose daemon was killed.
func checkDead(context.Context) finding {
	list, err := vfs.Mounts()
	if err != nil {
		return finding{"note", err.Error(), ""}
	}
	var dead []string
	for _, dir := range list {
		var st unix.Stat_t
		if errors.Is(unix.Stat(dir, &st), syscall.ENOTCONN) {
			dead = append(dead, dir)
		}
	}
	if len(dead) > 0 {
		return finding{"note", "dead: " + strings.Join(dead, " "), "vgpu umount " + dead[0] + ", or mount over it"}
	}
	if len(list) == 1 {
		return ok("none; 1 device mounted")
	}
	return ok("none; %d devices mounted", len(list))
}
