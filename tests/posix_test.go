package tests

import (
	"os"
	"testing"

	"github.com/hanwen/go-fuse/v2/posixtest"
)

// posixExclusions are go-fuse's tests that do not apply to buffers/, and why.
var posixExclusions = map[string]string{
	"FcntlFlockLocksFile": "two descriptors of one process are to exclude each other, which POSIX locks do not; the locks are the kernel's own here",
}

// go-fuse's tests of a file system, on buffers/. The mount is another
// process's, so that they do not wait for themselves.
func TestPosix(t *testing.T) {
	inModes(t, func(t *testing.T, d *dev) {
		for name, f := range posixtest.All {
			if why := posixExclusions[name]; why != "" {
				t.Logf("%s is left out: %s", name, why)
				continue
			}
			t.Run(name, func(t *testing.T) {
				dir := d.path("buffers/" + name)
				must(t, os.Mkdir(dir, 0o755))
				f(t, dir)
				must(t, os.RemoveAll(dir))
			})
		}
	})
}
