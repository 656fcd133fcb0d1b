package vfs

import (
	"context"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"vgpu/device"
)

// bufferNode is a file, a directory or a symlink below buffers/. Its inode
// number is the tier's. What it is called is go-fuse's tree to know.
//
// A name may come to mean another inode behind the kernel's back: a job puts
// its output there by a rename in the tier. So every method that goes by name
// and means the inode compares numbers first (current), and answers ESTALE if
// they differ, at which the kernel looks the name up anew, or goes on with the
// buffer that somebody has open (held).
type bufferNode struct {
	fs.Inode
	t *tree
	// top is the directory buffers itself, from which paths count.
	top *fs.Inode
}

var (
	_ fs.NodeLookuper      = (*bufferNode)(nil)
	_ fs.NodeReaddirer     = (*bufferNode)(nil)
	_ fs.NodeGetattrer     = (*bufferNode)(nil)
	_ fs.NodeSetattrer     = (*bufferNode)(nil)
	_ fs.NodeCreater       = (*bufferNode)(nil)
	_ fs.NodeMkdirer       = (*bufferNode)(nil)
	_ fs.NodeMknoder       = (*bufferNode)(nil)
	_ fs.NodeRmdirer       = (*bufferNode)(nil)
	_ fs.NodeUnlinker      = (*bufferNode)(nil)
	_ fs.NodeRenamer       = (*bufferNode)(nil)
	_ fs.NodeLinker        = (*bufferNode)(nil)
	_ fs.NodeSymlinker     = (*bufferNode)(nil)
	_ fs.NodeReadlinker    = (*bufferNode)(nil)
	_ fs.NodeStatfser      = (*bufferNode)(nil)
	_ fs.NodeFsyncer       = (*bufferNode)(nil)
	_ fs.NodeGetxattrer    = (*bufferNode)(nil)
	_ fs.NodeSetxattrer    = (*bufferNode)(nil)
	_ fs.NodeListxattrer   = (*bufferNode)(nil)
	_ fs.NodeRemovexattrer = (*bufferNode)(nil)
)

// buffersDir is the directory buffers.
func (t *tree) buffersDir() entry {
	return entry{mode: syscall.S_IFDIR, make: func() fs.InodeEmbedder { return &bufferNode{t: t} }}
}

// files is what all calls go to.
func (n *bufferNode) files() device.Files { return n.t.dev.Files() }

// root is the directory buffers itself.
func (n *bufferNode) root() *fs.Inode {
	if n.top == nil {
		return n.EmbeddedInode()
	}
	return n.top
}

// rel is the node's path below buffers/, "" for buffers itself. Of a node that
// has lost its name it is a path that does not exist.
func (n *bufferNode) rel() string { return n.Path(n.root()) }

// child is the path of a name in this directory.
func (n *bufferNode) child(name string) string {
	if dir := n.rel(); dir != "" {
		return dir + "/" + name
	}
	return name
}

// adopt makes the node of what stands under a name, or finds the one that
// go-fuse has by the inode's number: of hard links there is one node.
func (n *bufferNode) adopt(ctx context.Context, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	st, err := n.files().Lstat(n.child(name))
	if err != nil {
		return nil, errno(err)
	}
	fillStat(&st, &out.Attr)
	node := &bufferNode{t: n.t, top: n.root()}
	return n.NewInode(ctx, node, fs.StableAttr{Mode: st.Mode & unix.S_IFMT, Ino: st.Ino}), 0
}

// fillStat shows a tier's stat. st_blocks is what is resident.
func fillStat(st *unix.Stat_t, out *fuse.Attr) {
	out.Ino, out.Mode, out.Nlink = st.Ino, st.Mode, uint32(st.Nlink)
	out.Size, out.Blocks, out.Blksize = uint64(st.Size), uint64(st.Blocks), blockSize
	out.Uid, out.Gid = st.Uid, st.Gid
	a, m, c := time.Unix(st.Atim.Unix()), time.Unix(st.Mtim.Unix()), time.Unix(st.Ctim.Unix())
	out.SetTimes(&a, &m, &c)
}

// Lookup never waits: what a job is about to write exists from its acceptance
// on.
func (n *bufferNode) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	return n.adopt(ctx, name, out)
}

// Readdir lists the directory as it is at this moment.
func (n *bufferNode) Readdir(context.Context) (fs.DirStream, syscall.Errno) {
	list, err := n.files().ReadDir(n.rel())
	if err != nil {
		return nil, errno(err)
	}
	out := make([]fuse.DirEntry, len(list))
	for i, e := range list {
		out[i] = fuse.DirEntry{Name: e.Name, Mode: e.Mode, Ino: e.Ino}
	}
	return fs.NewListDirStream(out), 0
}

// stat finds the attributes of the inode that this node is: by name, and if
// that now means another inode (a job put its output there, or it was
// unlinked), by an open handle.
func (n *bufferNode) stat() (st unix.Stat_t, err error) {
	st, err = n.files().Lstat(n.rel())
	if n.top == nil || err == nil && st.Ino == n.StableAttr().Ino {
		return st, err
	}
	if b := n.held(); b != nil {
		defer b.Release()
		return b.Stat()
	}
	return st, unix.ENOENT
}

// current fails if the node's name now means another inode: ENOENT if there is
// none, or one of another kind, ESTALE if the number differs. What was compared
// may change at once; the tier's own calls are atomic, so the worst is that a
// request finds what it would have found a moment later.
func (n *bufferNode) current() syscall.Errno {
	st, err := n.files().Lstat(n.rel())
	switch {
	case err != nil:
		return errno(err)
	case n.top != nil && st.Mode&unix.S_IFMT != n.StableAttr().Mode:
		return syscall.ENOENT
	case n.top != nil && st.Ino != n.StableAttr().Ino:
		return syscall.ESTALE
	}
	return 0
}

// Getattr never waits. A handle makes no difference: attributes are the
// inode's.
func (n *bufferNode) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	st, err := n.stat()
	if err != nil {
		return errno(err)
	}
	fillStat(&st, &out.Attr)
	out.Ino = 0 // go-fuse fills in the number that it knows the node by
	return 0
}

// Setattr changes what chmod, chown, utimensat and truncate change.
func (n *bufferNode) Setattr(ctx context.Context, fh fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	if size, ok := in.GetSize(); ok {
		if e := n.truncate(ctx, fh, int64(size)); e != 0 {
			return e
		}
	}
	if in.Valid&(fuse.FATTR_MODE|fuse.FATTR_UID|fuse.FATTR_GID|fuse.FATTR_ATIME|fuse.FATTR_MTIME) != 0 {
		if e := n.setMeta(in); e != 0 {
			return e
		}
	}
	return n.Getattr(ctx, fh, out)
}

// truncate waits its turn in the order, as a job may have the file mapped.
func (n *bufferNode) truncate(ctx context.Context, fh fs.FileHandle, size int64) syscall.Errno {
	ctx, stop := waiting(ctx)
	defer stop()
	if h, ok := fh.(*bufferHandle); ok {
		return errno(h.h.Truncate(ctx, size))
	}
	if e := n.current(); e != 0 {
		return e
	}
	return errno(n.files().Truncate(ctx, n.rel(), size))
}

// Mkdir makes a directory of the caller's. The kernel has applied the umask.
func (n *bufferNode) Mkdir(ctx context.Context, name string, mode uint32, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	if err := n.files().Mkdir(owner(ctx), n.child(name), mode); err != nil {
		return nil, errno(err)
	}
	return n.adopt(ctx, name, out)
}

// Mknod makes an empty buffer, as mknod(2) does of a regular file. There are no
// devices, pipes and sockets: EPERM, says mknod(2).
func (n *bufferNode) Mknod(ctx context.Context, name string, mode, _ uint32, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	if mode&unix.S_IFMT != unix.S_IFREG {
		return nil, syscall.EPERM
	}
	h, err := n.files().Create(ctx, owner(ctx), n.child(name), unix.O_WRONLY|unix.O_EXCL, mode&bufferModes)
	if err != nil {
		return nil, errno(err)
	}
	defer h.Release()
	return n.adopt(ctx, name, out)
}

func (n *bufferNode) Symlink(ctx context.Context, target, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	if err := n.files().Symlink(owner(ctx), target, n.child(name)); err != nil {
		return nil, errno(err)
	}
	return n.adopt(ctx, name, out)
}

// Link gives a buffer a second name; EXDEV for a file of another part of the
// tree.
func (n *bufferNode) Link(ctx context.Context, target fs.InodeEmbedder, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	from, ok := target.(*bufferNode)
	if !ok {
		return nil, syscall.EXDEV
	}
	if e := from.current(); e != 0 {
		return nil, e
	}
	if err := n.files().Link(from.rel(), n.child(name)); err != nil {
		return nil, errno(err)
	}
	return n.adopt(ctx, name, out)
}

func (n *bufferNode) Readlink(context.Context) ([]byte, syscall.Errno) {
	target, err := n.files().Readlink(n.rel())
	return []byte(target), errno(err)
}

// Unlink takes a name away, at once: jobs that were accepted hold the buffer.
func (n *bufferNode) Unlink(_ context.Context, name string) syscall.Errno {
	return errno(n.files().Unlink(n.child(name)))
}

func (n *bufferNode) Rmdir(_ context.Context, name string) syscall.Errno {
	return errno(n.files().Rmdir(n.child(name)))
}

// Rename implements renameat2(2), with its flags.
func (n *bufferNode) Rename(_ context.Context, name string, to fs.InodeEmbedder, newName string, flags uint32) syscall.Errno {
	dir, ok := to.(*bufferNode)
	if !ok {
		return syscall.EXDEV
	}
	return errno(n.files().Rename(n.child(name), dir.child(newName), uint(flags)))
}

func (n *bufferNode) Statfs(_ context.Context, out *fuse.StatfsOut) syscall.Errno {
	return n.t.statfs(out)
}

// Fsync of a directory: a RAM tier has nothing to sync.
func (n *bufferNode) Fsync(_ context.Context, f fs.FileHandle, _ uint32) syscall.Errno {
	if h, ok := f.(*bufferHandle); ok {
		return errno(h.h.Buffer().Sync())
	}
	return 0
}
