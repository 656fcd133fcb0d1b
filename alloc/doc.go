// Package alloc keeps the buffers of a device: where their bytes live, who holds them, and within which memory.
//
// # Model
//
// A tier is a directory, and a buffer is a file in it. The tree of a tier, with the owners and modes that files have, is the only
// record of the buffers; nothing else has to be kept in step with it. Beside the tree (buffers/) a tier has marks/, one file for
// each buffer whose bytes are not to be trusted, and tmp/, for what is being made and has no name in the tree yet.
// The RAM tier is a tmpfs of the daemon's own, or where mounting is not permitted a folder under /dev/shm.
//
// A Buffer is an inode that somebody holds. It outlives its names. A Mapping is a hold on its bytes, an Arena is scratch memory of a job.
//
// # Memory
//
// Config.Mem bounds buffers and scratch together. On a tmpfs of our own the kernel keeps the bound, whoever writes: what is reserved
// for scratch is taken off the size of the tmpfs by a remount. Every page of a buffer is allocated before it is mapped, and a
// mapped buffer does not shrink, so that no access to a mapping can end in SIGBUS.
//
// # Crashes
//
// A process that is killed, at any point, leaves a state that Open accepts with no buffer lost and none half made:
//
//   - Every change of a name is one rename, link or unlink, which the kernel does whole or not at all. What is made new is made in tmp/,
//     gets its owner, mode and mark there, and is renamed into the tree. A file in tmp/ is nobody's, and dropped at Open.
//   - The mark of an output is on the tier before its name is (CreateMarked, ReplaceMarked), or before its bytes change (SetMark),
//     and is taken off after they are whole (ClearMark). A mark names an inode, not a path: renames need not touch it.
//     It is written under a temporary name, and renamed or exchanged into place. A mark whose inode is gone is dropped at Open;
//     in life an inode is kept open until its mark is off, so that no new file can inherit it.
//   - A mark that says "pending" at Open is one of a job that was killed: it becomes "bad", and the buffer is listed.
//   - Growth allocates beyond the end of the file and then sets the size. Killed in between it leaves space beyond the end, which Open
//     gives back.
//   - The tmpfs stays mounted, and is taken over; a mount is one system call. The lock is the kernel's and ends with the process.
//
// Tiers of this package do not survive the machine's restart, so nothing is synced.
//
// # Locks
//
// In this order; none is held while OnFree's function is called:
//
//	Store.ns       names: read to look one up, written to change one
//	Buffer.mu      size, pages and mappings of one buffer
//	table.mu       who is held, and by what name
//	warm.mu        mappings kept for a while
//	marks.mu       marks in memory and their files
//	budget.mu      reservations and idle scratch
//	countMeter.mu  the count of a folder that others share
package alloc
