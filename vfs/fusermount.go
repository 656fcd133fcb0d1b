package vfs

import (
	"fmt"
	"os/exec"
	"strings"
)

// fusermount runs the set-uid helper that ordinary users unmount with.
func fusermount(args ...string) error {
	path, err := exec.LookPath("fusermount3")
	if err != nil {
		path = "/usr/bin/fusermount3" // mount units start without a PATH
	}
	out, err := exec.Command(path, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", path, strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}
