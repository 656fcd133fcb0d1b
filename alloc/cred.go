package alloc

import (
	"slices"

	"golang.org/x/sys/unix"
)

// Cred is who asks: the caller's user, group and supplementary groups. UID 0
// may do everything.
type Cred struct {
	UID, GID uint32
	Groups   []uint32
}

// Permission bits that May is asked for, as in access(2).
const (
	MayExec  = 1
	MayWrite = 2
	MayRead  = 4
)

// May reports whether the mode bits of st grant c all of want (4 read, 2 write,
// 1 execute or search). As in POSIX one class alone decides: the owner's bits
// for the owner, the group's for a member, else the others'.
func (c Cred) May(st *unix.Stat_t, want uint32) bool {
	mode := st.Mode & 7
	switch {
	case c.UID == 0:
		return true
	case c.UID == st.Uid:
		mode = st.Mode >> 6 & 7
	case c.in(st.Gid):
		mode = st.Mode >> 3 & 7
	}
	return mode&want == want
}

// in reports whether c is a member of the group.
func (c Cred) in(gid uint32) bool { return c.GID == gid || slices.Contains(c.Groups, gid) }
