package vfs

import (
	"context"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"vgpu/device"
)

// direct are the flags of a buffer that is read and written through the
// daemon. It is never cached: a kernel may change it at any time.
const direct = fuse.FOPEN_DIRECT_IO | fuse.FOPEN_PARALLEL_DIRECT_WRITES

// bufferHandle is an open buffer.
type bufferHandle struct{ h *device.Handle }

var (
	_ fs.NodeOpener    = (*bufferNode)(nil)
	_ fs.FileReader    = (*bufferHandle)(nil)
	_ fs.FileWriter    = (*bufferHandle)(nil)
	_ fs.FileAllocater = (*bufferHandle)(nil)
	_ fs.FileLseeker   = (*bufferHandle)(nil)
	_ fs.FileFlusher   = (*bufferHandle)(nil)
	_ fs.FileFsyncer   = (*bufferHandle)(nil)
	_ fs.FileReleaser  = (*bufferHandle)(nil)
)

// Open waits for the buffer's turn; see device.Files.Open. A handle that only
// writes and will make the buffer grow goes through the daemon, which accounts
// for its growth; any other gets the backing file, which is that of a spill tier
// if the buffer is there: nothing is pulled back for it.
func (n *bufferNode) Open(ctx context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	wctx, stop := waiting(ctx)
	defer stop()
	h, err := n.open(wctx, int(flags))
	if err != nil {
		return nil, 0, n.moved(ctx, errno(err))
	}
	if h.Buffer().Ino() != n.StableAttr().Ino { // replaced since it was looked at
		h.Release()
		return nil, 0, n.moved(ctx, syscall.ESTALE)
	}
	n.t.stale.Delete(pidOf(ctx))
	grows := flags&unix.O_ACCMODE == unix.O_WRONLY && flags&(unix.O_TRUNC|unix.O_APPEND) != 0
	n.t.bridge.offer(ctx, h, !grows)
	return &bufferHandle{h}, direct, 0
}

// open opens what the node's name means, if that is the node's inode still. One that
// has lost its name while open can be opened again, by way of /proc/self/fd.
func (n *bufferNode) open(ctx context.Context, flags int) (*device.Handle, error) {
	e := n.current()
	switch b := n.unnamed(e); {
	case b != nil:
		return n.files().OpenBuffer(ctx, b, flags)
	case e != 0:
		return nil, e
	}
	return n.files().Open(ctx, n.rel(), flags)
}

// moved is what open answers when the name has come to mean another inode
// since the kernel looked it up. At ESTALE the kernel looks it up anew, once,
// without the client's noticing (path_openat); where a second try meets the same,
// the name is being made and removed all the time, and ENOENT is as true as
// anything.
func (n *bufferNode) moved(ctx context.Context, e syscall.Errno) syscall.Errno {
	pid := pidOf(ctx)
	last, again := n.t.stale.LoadAndDelete(pid)
	switch {
	case e != syscall.ESTALE:
		return e
	case again && last == n.rel():
		return syscall.ENOENT
	}
	n.t.stale.Store(pid, n.rel())
	return syscall.ESTALE
}

// Create makes a buffer that belongs to the caller.
func (n *bufferNode) Create(ctx context.Context, name string, flags, mode uint32, out *fuse.EntryOut) (*fs.Inode, fs.FileHandle, uint32, syscall.Errno) {
	wctx, stop := waiting(ctx)
	defer stop()
	h, err := n.files().Create(wctx, owner(ctx), n.child(name), int(flags), mode&bufferModes)
	if err != nil {
		return nil, nil, 0, errno(err)
	}
	st, err := h.Buffer().Stat()
	if err != nil {
		h.Release()
		return nil, nil, 0, errno(err)
	}
	fillStat(&st, &out.Attr)
	n.t.bridge.offer(ctx, h, flags&unix.O_ACCMODE == unix.O_RDWR)
	node := &bufferNode{t: n.t, top: n.root()}
	return n.NewInode(ctx, node, fs.StableAttr{Mode: st.Mode & unix.S_IFMT, Ino: st.Ino}), &bufferHandle{h}, direct, 0
}

func (h *bufferHandle) Read(_ context.Context, dest []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	n, err := h.h.ReadAt(dest, off)
	if err != nil {
		return nil, errno(err)
	}
	return fuse.ReadResultData(dest[:n]), 0
}

func (h *bufferHandle) Write(ctx context.Context, data []byte, off int64) (uint32, syscall.Errno) {
	ctx, stop := waiting(ctx)
	defer stop()
	n, err := h.h.WriteAt(ctx, data, off)
	if n > 0 {
		return uint32(n), 0
	}
	return 0, errno(err)
}

func (h *bufferHandle) Allocate(ctx context.Context, off, size uint64, mode uint32) syscall.Errno {
	ctx, stop := waiting(ctx)
	defer stop()
	return errno(h.h.Allocate(ctx, int64(off), int64(size), mode))
}

// Lseek finds data and holes, for `cp --sparse` and the like.
func (h *bufferHandle) Lseek(_ context.Context, off uint64, whence uint32) (uint64, syscall.Errno) {
	n, err := h.h.Buffer().Seek(int64(off), int(whence))
	return uint64(n), errno(err)
}

// Flush has nothing to write; a close mostly follows.
func (h *bufferHandle) Flush(context.Context) syscall.Errno {
	h.h.Flush()
	return 0
}

func (h *bufferHandle) Fsync(context.Context, uint32) syscall.Errno {
	return errno(h.h.Buffer().Sync())
}

func (h *bufferHandle) Release(context.Context) syscall.Errno {
	h.h.Release()
	return 0
}

var _ fs.NodeCopyFileRanger = (*bufferNode)(nil)

// maxCopy bounds what one copy_file_range does, so that it can be interrupted.
const maxCopy = 64 << 20

// CopyFileRange copies between buffers without bringing the bytes to the client.
func (n *bufferNode) CopyFileRange(ctx context.Context, in fs.FileHandle, offIn uint64, _ *fs.Inode, out fs.FileHandle, offOut uint64, size, _ uint64) (uint32, syscall.Errno) {
	from, ok1 := in.(*bufferHandle)
	to, ok2 := out.(*bufferHandle)
	if !ok1 || !ok2 {
		return 0, syscall.EXDEV
	}
	ctx, stop := waiting(ctx)
	defer stop()
	done, err := from.h.CopyTo(ctx, to.h, int64(offIn), int64(offOut), int64(min(size, maxCopy)))
	if done > 0 {
		return uint32(done), 0
	}
	return 0, errno(err)
}
