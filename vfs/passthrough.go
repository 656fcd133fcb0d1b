package vfs

import (
	"context"
	"sync"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"vgpu/device"
)

// bridge keeps the account of backing files. go-fuse has one of its own, but
// counts the release of every handle of an inode against it, passthrough or
// not (v2.12.1, fs/bridge.go Release), so that closing a handle that was
// opened before the first passthrough one would withdraw the backing file
// while it is in use, and the next open would fail.
//
// A node that opens a buffer says so by [bridge.offer]; the bridge decides
// when the handle's number is known. The kernel's rule (fs/fuse/iomode.c): while
// an inode is open for passthrough every further open must be, with the same
// backing file.
type bridge struct {
	fuse.RawFileSystem
	server  *fuse.Server
	enabled bool

	mu      sync.Mutex // guards what follows
	offers  map[<-chan struct{}]offer
	nodes   map[uint64]*backing
	handles map[uint64]uint64 // by handle: its node
	refused error             // why the kernel took no backing file

	streams sync.Map // handles on which one may wait
}

// backing is a file that the kernel reads and writes for an inode, and how many
// handles do.
type backing struct {
	id   int32
	refs int
}

// offer is what a node knows of the handle that it is opening. Its buffer is
// pinned to where its bytes are, until the handle is released or turns out not to
// be a passthrough one.
type offer struct {
	h    *device.Handle
	fd   int
	want bool // passthrough is wanted; else only if the inode has it already
}

// newBridge goes around go-fuse's own bridge; what it does not define is
// inner's.
func newBridge(inner fuse.RawFileSystem, enabled bool) *bridge {
	return &bridge{
		RawFileSystem: inner, enabled: enabled,
		offers: map[<-chan struct{}]offer{}, nodes: map[uint64]*backing{}, handles: map[uint64]uint64{},
	}
}

// Init keeps the server, which registers backing files.
func (b *bridge) Init(s *fuse.Server) {
	b.server = s
	b.RawFileSystem.Init(s)
}

// offer is called by a node inside its Open or Create. The request is known
// by its cancel channel, which go-fuse makes for each.
func (b *bridge) offer(ctx context.Context, h *device.Handle, want bool) {
	c, ok := ctx.(*fuse.Context)
	if !ok || !b.isEnabled() {
		return
	}
	fd, err := h.Pin() // may wait for a move, so under no lock
	if err != nil {    // the daemon reads and writes for it, as far as it can
		h.Unpin()
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.offers[c.Cancel] = offer{h, fd, want}
}

// isEnabled tells whether passthrough is to be tried.
func (b *bridge) isEnabled() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.enabled
}

// Open opens, and then makes the handle a passthrough one if it was offered so.
func (b *bridge) Open(cancel <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	status := b.RawFileSystem.Open(cancel, in, out)
	b.settle(cancel, in.NodeId, out, status)
	if status.Ok() && out.OpenFlags&fuse.FOPEN_STREAM != 0 {
		b.streams.Store(out.Fh, nil)
	}
	return status
}

// Read refuses to fill the kernel's cache from a stream, which sendfile(2) and
// splice(2) want: others would read what it took, and only a fatal signal would
// end its wait. The kernel names the lock owner when it reads for read(2), and
// for read(2) alone. Who gets EINVAL from the others falls back to that.
func (b *bridge) Read(cancel <-chan struct{}, in *fuse.ReadIn, buf []byte) (fuse.ReadResult, fuse.Status) {
	if in.ReadFlags&fuse.READ_LOCKOWNER == 0 {
		if _, ok := b.streams.Load(in.Fh); ok {
			return nil, fuse.EINVAL
		}
	}
	return b.RawFileSystem.Read(cancel, in, buf)
}

// Create is Open for a new buffer.
func (b *bridge) Create(cancel <-chan struct{}, in *fuse.CreateIn, name string, out *fuse.CreateOut) fuse.Status {
	status := b.RawFileSystem.Create(cancel, in, name, out)
	b.settle(cancel, out.NodeId, &out.OpenOut, status)
	return status
}

// settle decides on the offer of a request, if one was made, before its answer
// goes out: the kernel cannot ask for the handle yet. An offer that comes to
// nothing gives its pin back, outside the lock, as that may wake movers.
func (b *bridge) settle(cancel <-chan struct{}, node uint64, out *fuse.OpenOut, status fuse.Status) {
	b.mu.Lock()
	o, ok := b.offers[cancel]
	delete(b.offers, cancel)
	taken := ok && status.Ok() && b.take(o, node, out)
	b.mu.Unlock()
	if ok && !taken {
		o.h.Unpin()
	}
}

// take makes a handle a passthrough one if it is to be. b.mu is held.
func (b *bridge) take(o offer, node uint64, out *fuse.OpenOut) bool {
	bk := b.nodes[node]
	if bk == nil && !o.want {
		return false
	}
	if bk == nil {
		id, errno := b.server.RegisterBackingFd(&fuse.BackingMap{Fd: int32(o.fd)})
		if errno != 0 {
			b.refused = errno
			return false
		}
		bk = &backing{id: id}
		b.nodes[node] = bk
	}
	bk.refs++
	b.handles[out.Fh] = node
	out.BackingID = bk.id
	out.OpenFlags |= fuse.FOPEN_PASSTHROUGH
	out.OpenFlags &^= fuse.FOPEN_KEEP_CACHE | fuse.FOPEN_DIRECT_IO | fuse.FOPEN_PARALLEL_DIRECT_WRITES
	return true
}

// Release withdraws the backing file with the last handle that used it.
func (b *bridge) Release(cancel <-chan struct{}, in *fuse.ReleaseIn) {
	b.forget(in.Fh) // before the number can be used again
	b.streams.Delete(in.Fh)
	b.RawFileSystem.Release(cancel, in)
}

// forget drops a handle's share of its backing file.
func (b *bridge) forget(fh uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	node, ok := b.handles[fh]
	if !ok {
		return
	}
	delete(b.handles, fh)
	bk := b.nodes[node]
	if bk.refs--; bk.refs > 0 {
		return
	}
	delete(b.nodes, node)
	if errno := b.server.UnregisterBackingFd(bk.id); errno != 0 {
		b.refused = errno
	}
}

// probePassthrough tries a backing file of the tier: it needs Linux 6.9 and
// CAP_SYS_ADMIN.
func (t *tree) probePassthrough() {
	if !t.opt.Passthrough || t.bridge.server.KernelSettings().Flags64()&fuse.CAP_PASSTHROUGH == 0 {
		t.bridge.disable()
		return
	}
	fd, err := unix.Open(t.dev.Files().Root(), unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err != nil {
		t.bridge.disable()
		return
	}
	defer unix.Close(fd)
	id, errno := t.bridge.server.RegisterBackingFd(&fuse.BackingMap{Fd: int32(fd)})
	if errno != 0 {
		t.bridge.disable()
		return
	}
	if errno := t.bridge.server.UnregisterBackingFd(id); errno == 0 {
		t.passthrough.Store(true)
	}
}

// disable keeps new handles from passthrough for good; `info` says so.
func (b *bridge) disable() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.enabled = false
}

var _ fs.NodeOpener = (*bufferNode)(nil)
