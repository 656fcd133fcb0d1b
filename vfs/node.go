package vfs

import (
	"context"
	"hash/fnv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"vgpu/device"
)

// blockSize is what st_blksize says.
const blockSize = 4096

// attr is what stat shows of a file that is not a buffer.
type attr struct {
	mode     uint32 // permission bits
	uid, gid uint32
	size     uint64
	time     time.Time
}

// fill sets all but the inode's number. The zero time is now.
func (a attr) fill(out *fuse.Attr) {
	out.Mode = a.mode
	out.Uid, out.Gid = a.uid, a.gid
	out.Size = a.size
	out.Blocks = (a.size + 511) / 512 // fewer would make cp(1) look for holes
	out.Nlink = 1
	out.Blksize = blockSize
	t := a.time
	if t.IsZero() {
		t = time.Now()
	}
	out.SetTimes(&t, &t, &t)
}

// inoOf is a stable inode number of a generated file: 62 bits of a hash, of
// which two of a few thousand files have the same with a probability of 10^-12.
// Bit 62 keeps it apart from the tiers' numbers, which count up.
func inoOf(path string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(path)) // never fails
	return h.Sum64()>>2 | 1<<62
}

// control is the part that the device's generated files share: attributes
// from a function, and changes of size and times taken without effect, since
// `>` and `touch` make them.
type control struct {
	fs.Inode
	t      *tree
	attr   func() attr
	static bool         // attr never changes
	length atomic.Int64 // of the text that was made last, which the size shows
}

var _ fs.NodeSetxattrer = (*control)(nil)

// show is told the length of a text that is being opened, and has the kernel
// know it as the file's size when the open returns. read(2) does not ask for the
// size, but sendfile(2) and splice(2) read nothing at or beyond it, without an
// error: busybox's cat and cp, Python's shutil. fstat(2) tells it as well, as
// rsync and tar expect. An attempt that fails leaves them what they had.
func (n *control) show(length int) {
	switch was := n.length.Swap(int64(length)); {
	case was > int64(length):
		n.NotifyContent(-1, 0) // the attributes alone are asked for anew
	case was < int64(length):
		// A byte in the kernel's cache moves the end of the file. What is cached is dropped as the open returns.
		n.WriteCache(int64(length)-1, []byte{'\n'})
	}
}

// fill is attr's, with the size that is to be shown.
func (n *control) fill(out *fuse.Attr) {
	a := n.attr()
	a.size = max(a.size, uint64(n.length.Load()))
	a.fill(out)
}

func (n *control) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	n.fill(&out.Attr)
	if n.static {
		out.SetTimeout(staticTime)
	}
	return 0
}

// Setattr takes sizes and times without effect, and refuses the rest: EPERM.
func (n *control) Setattr(_ context.Context, _ fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	if in.Valid&(fuse.FATTR_MODE|fuse.FATTR_UID|fuse.FATTR_GID) != 0 {
		return syscall.EPERM
	}
	n.fill(&out.Attr)
	return 0
}

// Setxattr refuses: generated files have no attributes.
func (n *control) Setxattr(context.Context, string, []byte, uint32) syscall.Errno {
	return syscall.ENOTSUP
}

// own is a file that belongs to the daemon.
func (t *tree) own(mode uint32) control {
	a := attr{mode: mode, uid: t.uid, gid: t.gid, time: time.Now()}
	return control{t: t, attr: func() attr { return a }, static: true}
}

// textNode is a file whose text is made when it is opened.
type textNode struct {
	control
	text  func() ([]byte, error)
	clear func() // what O_TRUNC does; may be nil
}

var (
	_ fs.NodeOpener    = (*textNode)(nil)
	_ fs.NodeGetattrer = (*textNode)(nil)
	_ fs.NodeSetattrer = (*textNode)(nil)
)

// Open makes the text. The handle has it to the end, whatever changes.
func (n *textNode) Open(_ context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	if flags&syscall.O_TRUNC != 0 && n.clear != nil {
		n.clear()
	}
	text, err := n.text()
	if err != nil {
		return nil, 0, device.Errno(err)
	}
	n.show(len(text))
	return &textHandle{text: text}, fuse.FOPEN_DIRECT_IO | fuse.FOPEN_NOFLUSH, 0
}

// textHandle is the text as it was at open.
type textHandle struct{ text []byte }

// Read gives a part of the text; nothing at or beyond its end.
func (h *textHandle) Read(_ context.Context, dest []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	if off >= int64(len(h.text)) {
		return fuse.ReadResultData(nil), 0
	}
	return fuse.ReadResultData(dest[:copy(dest, h.text[off:])]), 0
}

// Write refuses what got past the mode bits, which root does: EPERM.
func (h *textHandle) Write(context.Context, []byte, int64) (uint32, syscall.Errno) {
	return 0, syscall.EPERM
}

// valueNode is a text file that takes lines, each a new value or a verb.
type valueNode struct {
	textNode
	set func(c device.Cred, lines []string) error // all of a write, or none
}

var _ fs.NodeOpener = (*valueNode)(nil)

// Open takes note of who opens: what is written counts as his, whoever writes.
func (n *valueNode) Open(ctx context.Context, _ uint32) (fs.FileHandle, uint32, syscall.Errno) {
	text, err := n.text()
	if err != nil {
		return nil, 0, device.Errno(err)
	}
	n.show(len(text))
	return &valueHandle{textHandle: textHandle{text}, node: n, cred: cred(ctx)}, fuse.FOPEN_DIRECT_IO, 0
}

// valueHandle reads the value as it was at open, and takes lines as they are
// completed, over any number of writes.
type valueHandle struct {
	textHandle
	node *valueNode
	cred device.Cred

	mu    sync.Mutex // guards lines, and serialises the handle's writes
	lines device.LineBuffer
}

var (
	_ fs.FileReader  = (*valueHandle)(nil)
	_ fs.FileWriter  = (*valueHandle)(nil)
	_ fs.FileFlusher = (*valueHandle)(nil)
)

// Write hands the lines that data completes to set, all or none; offsets are
// not looked at, so that `>` and `>>` are the same.
func (h *valueHandle) Write(_ context.Context, data []byte, _ int64) (uint32, syscall.Errno) {
	h.mu.Lock()
	defer h.mu.Unlock()
	lines, err := h.lines.Add(data)
	if err != nil {
		return 0, device.Errno(err)
	}
	if len(lines) == 0 {
		return uint32(len(data)), 0
	}
	if err := h.node.set(h.cred, lines); err != nil {
		h.lines = device.LineBuffer{} // what data left of a line must not count at the flush
		return 0, device.Errno(err)
	}
	return uint32(len(data)), 0
}

// Flush takes a line that has no newline yet, as printf leaves it. close(2)
// hears of an error.
func (h *valueHandle) Flush(context.Context) syscall.Errno {
	h.mu.Lock()
	defer h.mu.Unlock()
	if l := h.lines.Tail(); l != "" {
		return device.Errno(h.node.set(h.cred, []string{l}))
	}
	return 0
}

// Fsync has nothing to do: a value is set when its write has returned.
func (h *valueHandle) Fsync(context.Context, uint32) syscall.Errno { return 0 }
