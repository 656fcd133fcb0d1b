package main

import (
	"errors"
	"fmt"
	"io"
	"log"
	"math"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// readyFD is the environment variable that gives a background daemon the pipe
// on which it says that it is mounted.
const readyFD = "VGPU_READY_FD"

// daemonize starts this command line again in a session of its own, and returns
// once the device is mounted, or has failed to be: what it printed until then
// is passed on.
//
// A fork would not do: Go's threads do not survive one. The pipe is the
// handshake: the child writes readyLine and its warnings, or ends, at which the
// parent reads the end of the file; the child's standard error is then the
// reason.
func daemonize() error {
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	cmd := exec.Command(exe, os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Env = append(os.Environ(), readyFD+"=3")
	cmd.ExtraFiles = []*os.File{w}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	errs, err := startLog()
	if err != nil {
		return err
	}
	defer errs.Close()
	cmd.Stderr = errs
	if err := cmd.Start(); err != nil {
		w.Close()
		return fmt.Errorf("start in the background: %w", err)
	}
	w.Close()
	if told, err := io.ReadAll(r); err == nil && len(told) > 0 {
		for line := range strings.Lines(strings.TrimPrefix(string(told), readyLine)) {
			fmt.Fprint(os.Stderr, "vgpu: ", line)
		}
		return cmd.Process.Release()
	}
	return startFailure(cmd, errs)
}

// startLog is what the background process writes its log to until it is mounted:
// a file without a name, or one in memory where there is no room for temporary
// files. A start that fails leaves nothing behind.
func startLog() (*os.File, error) {
	if f, err := os.CreateTemp("", "vgpu-start-*.log"); err == nil {
		return f, os.Remove(f.Name())
	}
	fd, err := unix.MemfdCreate("vgpu-start", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("a log of the start: %w", err)
	}
	return os.NewFile(uintptr(fd), "vgpu-start"), nil
}

// startFailure passes on why the background process ended before it mounted,
// with its exit status.
func startFailure(cmd *exec.Cmd, errs *os.File) error {
	err := cmd.Wait()
	text, readErr := io.ReadAll(io.NewSectionReader(errs, 0, math.MaxInt64))
	if readErr != nil {
		return readErr
	}
	msg := strings.TrimPrefix(strings.TrimSpace(string(text)), "vgpu: ")
	status := exitFailed
	if e, ok := err.(*exec.ExitError); ok && e.ExitCode() > 0 {
		status = e.ExitCode()
	}
	return &exitError{status, fmt.Errorf("%s", msg)}
}

// readyLine is what the background process says first once it has mounted.
const readyLine = "ready\n"

// tellParent says that the device is mounted, and what the user should know, if
// somebody waits to hear it, and leaves the directory that the command was
// given in, which could otherwise not be unmounted. From then on the log is at
// path. It runs once, when the mount serves.
func tellParent(warnings []string, out *daemonLog, path string) {
	for _, w := range warnings {
		log.Print(w)
	}
	fd, err := strconv.Atoi(os.Getenv(readyFD))
	if err != nil {
		return
	}
	f := os.NewFile(uintptr(fd), "ready")
	defer f.Close()
	if err := os.Chdir("/"); err != nil {
		log.Printf("the daemon stays in its working directory: %v", err)
	}
	if err := out.move(path, logLimit, int(os.Stderr.Fd()), startText()); err != nil {
		warnings = append(warnings, fmt.Sprintf("what the daemon logs is lost: %v", errors.Join(err, silence())))
	}
	text := readyLine
	for _, w := range warnings {
		text += w + "\n"
	}
	if _, err := f.WriteString(text); err != nil {
		log.Printf("the starting process was not told: %v", err)
	}
}

// startText is what this process has logged to the file that startLog made of
// its standard error; nothing if that is another's.
func startText() []byte {
	text, err := io.ReadAll(io.NewSectionReader(os.Stderr, 0, math.MaxInt64))
	if err != nil {
		return nil
	}
	return text
}

// silence lets standard error go nowhere: nobody could read the file that
// startLog made, which would grow.
func silence() error {
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	return errors.Join(unix.Dup3(int(null.Fd()), int(os.Stderr.Fd()), 0), null.Close())
}
