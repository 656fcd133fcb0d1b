// Package vfs is the device as a directory. It translates file operations
// into calls of package device, and the device's state into text; it keeps no
// state of its own beyond what the FUSE protocol needs of a handle.
//
// # Files
//
// Generated files are made as a whole when they are opened, so that a read
// from any offset sees one consistent text, and are read with direct I/O, since
// their size is that of the text that was opened last and may be out of date, 0
// at first. Who reads them through the kernel's cache instead (sendfile, splice,
// mmap) may see the text of another who opened at the same moment. Files on which
// one may wait (run, wait, events) are streams: a blocked read does not hold up a
// write on the same handle, and sendfile is refused.
//
// run and the ctl files get a new inode at each look-up. The kernel
// serialises direct writes to one inode beyond its size, and these have size
// 0: otherwise the long command of one client would hold up all others, and
// not even a signal would end their wait.
//
// # Limits of FUSE that shape this package
//
//  1. The daemon never touches its own mount: it would wait for itself.
//  2. poll(2) and inotify(7) cannot work: waiting is a blocking read.
//  3. An interrupt says only that some signal is pending; see interrupt.go.
//  4. An inode that is open for passthrough must be opened so by everybody;
//     see passthrough.go.
//  5. FLUSH is not the end of a handle, and nobody hears RELEASE's error.
//
// # Locks
//
// Node and handle mutexes are leaves: no call into device is made under one,
// except by a handle's own mutex that serialises the writes to a control file.
package vfs
