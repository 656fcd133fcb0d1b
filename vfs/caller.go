package vfs

import (
	"bufio"
	"context"
	"os"
	"strconv"
	"strings"

	"github.com/hanwen/go-fuse/v2/fuse"

	"vgpu/device"
)

// owner is who a request comes from, without supplementary groups: enough to
// own what it makes.
func owner(ctx context.Context) device.Cred {
	c, ok := fuse.FromContext(ctx)
	if !ok {
		return device.Cred{UID: nobody, GID: nobody}
	}
	return device.Cred{UID: c.Uid, GID: c.Gid}
}

// pidOf is the thread that a request comes from, in the daemon's PID namespace;
// 0 if unknown, or if it has no number there.
func pidOf(ctx context.Context) uint32 {
	c, ok := fuse.FromContext(ctx)
	if !ok {
		return 0
	}
	return c.Pid
}

// nobody is the id that owns nothing.
const nobody = 65534

// cred is who a request comes from, with the supplementary groups, which FUSE
// does not tell and /proc does. A client that has gone has none.
func cred(ctx context.Context) device.Cred {
	c := owner(ctx)
	if caller, ok := fuse.FromContext(ctx); ok && c.UID != 0 {
		c.Groups = groupsOf(caller.Pid)
	}
	return c
}

// groupsOf reads the supplementary groups of a thread; none if it cannot be
// told, which never gives more rights.
func groupsOf(pid uint32) []uint32 {
	f, err := os.Open("/proc/" + strconv.Itoa(int(pid)) + "/status")
	if err != nil {
		return nil
	}
	defer f.Close()
	for sc := bufio.NewScanner(f); sc.Scan(); {
		if list, ok := strings.CutPrefix(sc.Text(), "Groups:"); ok {
			return parseIDs(list)
		}
	}
	return nil
}

// parseIDs reads numbers between blanks.
func parseIDs(list string) []uint32 {
	var out []uint32
	for _, w := range strings.Fields(list) {
		if id, err := strconv.ParseUint(w, 10, 32); err == nil {
			out = append(out, uint32(id))
		}
	}
	return out
}
