// Package alloc keeps the buffers of a device: where their bytes live, who
// holds them, and within which memory.
//
// # Model
//
// A tier is a directory, and a buffer is a file in it. The tree of the RAM
// tier, with the owners and modes that files have, is the only record of the
// buffers; nothing else has to be kept in step with it. Beside the tree
// (buffers/) the tier has marks/, one file for each buffer whose bytes are not
// to be trusted, and tmp/, for what is being made and has no name in the tree
// yet. The RAM tier is a tmpfs of the daemon's own, or where mounting is not
// permitted a folder under /dev/shm.
//
// A Buffer is an inode that somebody holds. It outlives its names. A Mapping is
// a hold on its bytes, an Arena is scratch memory of a job.
//
// # Spilling
//
// Spill tiers are directories on disks (Config.Spill). Names never leave the
// RAM tier: what moves is the bytes. Of a buffer that has spilled the tree
// keeps a stub, an inode with all that it had but the pages; its bytes are
// DIR/<device>/data/<file> on the spill tier, their checksums sums/<file>.
// homes/<inode> in the RAM tier, a symlink, names the tier and the file. It
// alone decides: while it is there the spill file is the buffer, else the
// stub's pages are.
//
//	spill:    copy to tmp/, rename to data/, write sums/, symlink homes/<inode> [now it has moved], free the stub's pages
//	promote:  give the stub its size, copy and verify, unlink homes/<inode> [now it has moved], remove data/ and sums/
//	migrate:  copy to another tier, rename a new symlink over homes/<inode> [now it has moved], remove the old files
//
// A buffer moves only while nobody has it mapped or holds it to its place
// (Hold), clients that have mapped and closed it included (alone.go); large ones
// go from a mapping to the disk, and back (straight.go). All else works wherever the bytes are: reads, writes, growth, and
// streamed transfers (Read and Write), of which any number may be under way.
// st_blocks tells what is resident; size and times are the spill file's. A
// buffer that a client makes grow beyond the memory spills itself, after
// OnShort could make no room.
//
// A chunk of 64 KiB has a CRC-32C. It is verified when the buffer is promoted,
// whenever a whole chunk is streamed, and the first time that a part of one is
// read; what is wrong is a *ChecksumError (EIO) that names buffer and offset.
// What is written in place makes the sums of its chunks unknown or, if whole
// chunks are streamed or a client writes through the store, new ones. The file
// of the sums is removed before the first such write, and made again when the
// last hold ends: after a crash in between, the bytes go unverified, never
// wrongly accused.
//
// Transfers go past the page cache (O_DIRECT), several at a time, through
// package iouring and a few blocks of staging memory that are part of
// Config.Mem. Where a file system has no O_DIRECT, or the kernel no io_uring,
// they work without; Tiers says so.
//
// # Compression
//
// A tier can compress what moves there whole (SpillConfig.Compress): chunks of
// 256 KiB, shuffled, each at its place in a file with holes, whose name ends in
// .z. The sizes and checksums of the chunks are in the file of the checksums,
// without which such a file cannot be read. It is written once; who would write
// it, or wants its descriptor, has it expanded first: another file, and a
// rename of the symlink. Codecs are part of the staging memory. Who holds a
// codec waits for no other, nor for a staging block.
//
// # Memory
//
// Config.Mem bounds buffers, scratch and staging together. On a tmpfs of our
// own the kernel keeps the bound, whoever writes: what is reserved for scratch
// is taken off the size of the tmpfs by a remount. Every page of a buffer is
// allocated before it is mapped, and a mapped buffer does not shrink, so that
// no access to a mapping can end in SIGBUS. Where buffers can spill the memory
// is full as a rule; they leave a spare then, so that marks and directories
// find room.
//
// The file of a large buffer that is gone is kept for a while, under a name in
// tmp/, and becomes the next output of about its size that will be written
// whole (PrepareWhole): pages that are new have to be zeroed first. It counts
// as free, and goes when the memory is needed. What it holds is never seen: the
// buffer is stale, and its mark says so, until its job has ended done; else it
// is wiped, if the job was killed at Open.
//
// A spill tier counts the blocks of its files, and reserves space before it is
// used. A quota (Config.Quota) bounds the sizes of each user's buffers,
// wherever they are.
//
// # Crashes
//
// A process that is killed, at any point, leaves a state that Open accepts with
// no buffer lost and none half made:
//
//   - Every change of a name is one rename, link or unlink, which the kernel does whole or not at all. What is made new is made in tmp/,
//     gets its owner, mode and mark there, and is renamed into the tree. A file in tmp/ is nobody's, and dropped at Open.
//   - The mark of an output is on the tier before its name is (Prepare, SetMark, Publish), or before its bytes change (SetMark),
//     and is taken off after they are whole (ClearMark). A mark names an inode, not a path: renames need not touch it.
//     It is written under a temporary name, and renamed or exchanged into place. A mark whose inode is gone is dropped at Open;
//     in life an inode is kept open until its mark and its home are off, so that no new file can inherit them.
//   - A mark that says "pending" at Open is one of a job that was killed: it becomes "bad", and the buffer is listed.
//   - Growth allocates beyond the end of the file and then sets the size. Killed in between it leaves space beyond the end, which Open
//     gives back.
//   - A spill file that no home names is nobody's, and dropped at Open. A stub that has a home and pages was being moved: the pages
//     are given back. A home whose tier is not there (another disk, or a start without it) stays: reading that buffer is EIO, and works
//     again once the tier is back.
//   - The tmpfs stays mounted, and is taken over; a mount is one system call. The lock is the kernel's and ends with the process.
//
// # Disks that fail
//
// A spill tier whose disk fails is taken out of use (health.go): what would go
// there goes elsewhere or is ENOSPC (*OfflineError), and what is there is read
// for as long as that works, else a *LostError (EIO). OnTier tells of it. A
// goroutine of the store probes it until it works, also when it has been
// mounted anew; ProbeTiers does so at once.
//
// # Restarts of the machine
//
// The RAM tier goes with the machine's restart, and with it every name. Spill
// tiers know whose they are (owner, a symlink): one whose RAM tier is gone is
// emptied at Open, one whose RAM tier is still there belongs to another device
// (EBUSY).
//
// With Config.Persist a clean Close saves: it copies what is resident to the
// spill tiers, makes all of it durable (syncfs), and then puts the tree in
// place (DIR/<device>/tree on each of them: names, owners, modes, times,
// attributes, links, marks, and where the bytes are), by one rename. Open on a
// new RAM tier builds the tree from it; nothing is read but that, as all buffers
// are spilled ones. Then it removes the file everywhere, for good, before
// anything can change. So there is such a file exactly while it is true, and
// nothing stale is ever passed off as good: a tier that was left out of a start
// has one still, and is refused later (EEXIST), since those that it was saved
// with belong to another RAM tier by then. A tier whose path has another
// directory, because its disk is not mounted, is refused before anything is
// dropped (ENODEV). The price is that a power cut, or the kernel's crash, while the device
// runs loses the buffers: the next start finds no tree, drops what is on the
// tiers, and says so. A daemon that is killed loses nothing, since the RAM tier
// outlives it: Open prefers that to the tree. Building can be killed and begins
// anew.
//
// A tier that is out of use at Close, or goes out of use in it, is done without:
// what is resident goes to the others, and what is on it moves there, if it can
// be read still and there is room. What is left is named by an *UnsavedError,
// and the RAM tier is kept, as if Close had been told to. The tree has it as
// doubtful: a restart of the machine takes such a file only with all its
// checksums, and if nobody had written in it, else it is EIO.
//
// # Locks
//
// In this order; none is held while OnFree's and OnShort's functions are called:
//
//	warm.cooling   held by the timer that drops mappings, until they are gone
//	Store.moving   read by what moves a buffer; written to close
//	Store.ns       names: read to look one up, written to change one
//	marks.mu       marks in memory and their files
//	Buffer.mu      size, pages, mappings and place of one buffer: written while it moves, read while transfers are under way;
//	               two are written in the order of their inodes, and read, by transfers, in any: those end by themselves
//	stale.mu       what could not be removed
//	pool.mu        files kept for outputs
//	table.mu       who is held, by what name, and what has spilled
//	Buffer.hm      the one step of a move, and the opening of a spill file
//	health.mu      the probe of a spill tier
//	trash.mu       files of it that could not be removed
//	sums.mu        checksums of one spill file
//	rot.mu         its chunks that were found wrong
//	codecs.mu      codecs that are free
//	quotas.mu      what users have
//	warm.mu        mappings kept for a while
//	budget.mu      reservations and idle scratch
//	countMeter.mu  the count of a folder that others share, or of a spill tier
package alloc
