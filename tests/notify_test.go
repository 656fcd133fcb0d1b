package tests

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// What a unit of Type=notify with a watchdog hears: READY once the device is
// mounted, WATCHDOG again and again, STOPPING when it is told to end.
func TestSystemdIsTold(t *testing.T) {
	top, err := os.MkdirTemp("", testPrefix+"notify-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(top)
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(top, "notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	dir := filepath.Join(top, "vgpu0")
	cmd := exec.Command(binary, "mount", "--mem", "64M", "--state", filepath.Join(top, "state"), dir)
	cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+filepath.Join(top, "notify"), "WATCHDOG_USEC=200000")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	hear := func(want string) {
		t.Helper()
		if err := conn.SetReadDeadline(time.Now().Add(30 * time.Second)); err != nil {
			t.Fatal(err)
		}
		for buf := make([]byte, 4096); ; {
			n, err := conn.Read(buf)
			if err != nil {
				t.Fatalf("waiting for %s: %v", want, err)
			}
			if strings.Contains(string(buf[:n]), want) {
				return
			}
		}
	}
	hear("READY=1")
	if len(mounts(dir)) != 1 {
		t.Error("READY came before the mount")
	}
	hear("WATCHDOG=1")
	hear("WATCHDOG=1")
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	hear("STOPPING=1")
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}
