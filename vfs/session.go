package vfs

import (
	"context"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"vgpu/device"
)

// stream are the flags of a file on which one may wait.
const stream = fuse.FOPEN_DIRECT_IO | fuse.FOPEN_STREAM | fuse.FOPEN_NONSEEKABLE

// sessionNode is run, or the ctl of a queue.
type sessionNode struct {
	control
	queue *device.Queue
	sync  bool
}

var (
	_ fs.NodeOpener    = (*sessionNode)(nil)
	_ fs.NodeGetattrer = (*sessionNode)(nil)
	_ fs.NodeSetattrer = (*sessionNode)(nil)
)

// Open starts a session. A handle that only reads gets the list of verbs, and
// can still wait: sync(1) opens its file so.
func (n *sessionNode) Open(ctx context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	s := n.queue.Open(cred(ctx), device.SessionOptions{
		Sync: n.sync, NonBlock: flags&syscall.O_NONBLOCK != 0, WriteOnly: flags&syscall.O_ACCMODE == syscall.O_WRONLY,
	})
	if flags&syscall.O_ACCMODE == syscall.O_RDONLY {
		verbs := n.t.verbList()
		n.show(len(verbs))
		return &verbsHandle{textHandle{verbs}, s}, fuse.FOPEN_DIRECT_IO, 0
	}
	return &sessionHandle{s}, stream, 0
}

// sessionHandle is a session that commands are written to, and whose answers
// can be read if it was opened for that.
type sessionHandle struct{ s *device.Session }

var (
	_ fs.FileReader  = (*sessionHandle)(nil)
	_ fs.FileWriter  = (*sessionHandle)(nil)
	_ fs.FileFlusher = (*sessionHandle)(nil)
	_ fs.FileFsyncer = (*sessionHandle)(nil)
)

// Read takes from the answers that are there; it does not wait for one.
func (h *sessionHandle) Read(_ context.Context, dest []byte, _ int64) (fuse.ReadResult, syscall.Errno) {
	return fuse.ReadResultData(dest[:h.s.Read(dest)]), 0
}

// Write takes commands: of run it returns when they have ended, of a ctl when
// they are accepted, either with the errno of the first that failed. It may
// wait long, and a signal ends it.
func (h *sessionHandle) Write(ctx context.Context, data []byte, _ int64) (uint32, syscall.Errno) {
	ctx, stop := waiting(ctx)
	defer stop()
	n, err := h.s.Write(ctx, data)
	return uint32(n), errno(err)
}

// Flush runs a line without a newline, and tells close(2) of jobs that failed.
// It can come before WRITE (a shell's redirection dups the handle).
func (h *sessionHandle) Flush(ctx context.Context) syscall.Errno {
	ctx, stop := waiting(ctx)
	defer stop()
	return errno(h.s.Flush(ctx))
}

// Fsync waits for all jobs accepted so far, and tells of failures not yet told:
// the errseq_t rule of DESIGN, section 1.
func (h *sessionHandle) Fsync(ctx context.Context, _ uint32) syscall.Errno {
	ctx, stop := waiting(ctx)
	defer stop()
	return errno(h.s.Sync(ctx))
}

// verbsHandle is a session that cannot be written to.
type verbsHandle struct {
	textHandle
	s *device.Session
}

var (
	_ fs.FileReader  = (*verbsHandle)(nil)
	_ fs.FileFsyncer = (*verbsHandle)(nil)
)

// Fsync is sessionHandle's.
func (h *verbsHandle) Fsync(ctx context.Context, _ uint32) syscall.Errno {
	ctx, stop := waiting(ctx)
	defer stop()
	return errno(h.s.Sync(ctx))
}

// errno is the errno of an error of package device, 0 for nil.
func errno(err error) syscall.Errno { return device.Errno(err) }

// waitNode is a queue's wait file.
type waitNode struct {
	control
	queue *device.Queue
}

var _ fs.NodeOpener = (*waitNode)(nil)

func (n *waitNode) Open(_ context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	return &waitHandle{n.queue.OpenWait(), flags&syscall.O_NONBLOCK != 0}, stream, 0
}

// waitHandle is an open wait file: see device.Wait.
type waitHandle struct {
	w        *device.Wait
	nonblock bool
}

// Read blocks until the jobs accepted before it have ended; EAGAIN if it may
// not block, EINTR at a signal, and in the end EIO if any failed.
func (h *waitHandle) Read(ctx context.Context, dest []byte, _ int64) (fuse.ReadResult, syscall.Errno) {
	ctx, stop := waiting(ctx)
	defer stop()
	n, err := h.w.Read(ctx, dest, h.nonblock)
	if err != nil {
		return nil, errno(err)
	}
	return fuse.ReadResultData(dest[:n]), 0
}

// eventsNode is a queue's events file.
type eventsNode struct {
	control
	queue *device.Queue
}

var _ fs.NodeOpener = (*eventsNode)(nil)

func (n *eventsNode) Open(_ context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	return &eventsHandle{n.queue.OpenEvents(), flags&syscall.O_NONBLOCK != 0}, stream, 0
}

// eventsHandle is an open events file, which holds a place in the queue's
// stream.
type eventsHandle struct {
	s        *device.Stream
	nonblock bool
}

var _ fs.FileReleaser = (*eventsHandle)(nil)

// Read blocks until a job has ended; EAGAIN if it may not.
func (h *eventsHandle) Read(ctx context.Context, dest []byte, _ int64) (fuse.ReadResult, syscall.Errno) {
	ctx, stop := waiting(ctx)
	defer stop()
	n, err := h.s.Read(ctx, dest, h.nonblock)
	if err != nil {
		return nil, errno(err)
	}
	return fuse.ReadResultData(dest[:n]), 0
}

// Release gives the place in the stream up.
func (h *eventsHandle) Release(context.Context) syscall.Errno {
	h.s.Close()
	return 0
}

// logNode is a queue's log: a growing file.
type logNode struct {
	control
	queue *device.Queue
}

var (
	_ fs.NodeOpener = (*logNode)(nil)
	_ fs.NodeReader = (*logNode)(nil)
	_ fs.NodeWriter = (*logNode)(nil)
)

// Getattr shows the true size, by which tail -f sees that the log has grown.
func (n *logNode) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	a := n.attr()
	a.size = uint64(n.queue.LogSize())
	a.fill(&out.Attr)
	return 0
}

// Open makes no handle: every read is of the log as it is then.
func (n *logNode) Open(context.Context, uint32) (fs.FileHandle, uint32, syscall.Errno) {
	return nil, fuse.FOPEN_DIRECT_IO, 0
}

func (n *logNode) Read(_ context.Context, _ fs.FileHandle, dest []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	return fuse.ReadResultData(dest[:n.queue.ReadLog(dest, off)]), 0
}

// What jobs have done is not for clients to write, root's neither.

func (n *logNode) Write(context.Context, fs.FileHandle, []byte, int64) (uint32, syscall.Errno) {
	return 0, syscall.EPERM
}

func (h *waitHandle) Write(context.Context, []byte, int64) (uint32, syscall.Errno) {
	return 0, syscall.EPERM
}

func (h *eventsHandle) Write(context.Context, []byte, int64) (uint32, syscall.Errno) {
	return 0, syscall.EPERM
}
