package vfs

import (
	"context"
	"maps"
	"slices"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// entry is a name in a generated directory.
type entry struct {
	mode  uint32 // S_IFREG or S_IFDIR
	fresh bool   // a new inode at each look-up; see the package comment
	make  func() fs.InodeEmbedder
}

// dirNode is a directory whose entries are known by functions: a fixed table,
// and for the rest a look-up.
type dirNode struct {
	control
	path  string           // from the root, for inode numbers
	fixed map[string]entry // always there
	// more finds and lists the entries that come and go; both may be nil.
	more func(name string) (entry, bool)
	list func() []fuse.DirEntry
}

var (
	_ fs.NodeLookuper  = (*dirNode)(nil)
	_ fs.NodeReaddirer = (*dirNode)(nil)
	_ fs.NodeGetattrer = (*dirNode)(nil)
	_ fs.NodeSetattrer = (*dirNode)(nil)
	_ fs.NodeStatfser  = (*dirNode)(nil)
	_ fs.NodeCreater   = (*dirNode)(nil)
	_ fs.NodeMkdirer   = (*dirNode)(nil)
	_ fs.NodeMknoder   = (*dirNode)(nil)
	_ fs.NodeSymlinker = (*dirNode)(nil)
	_ fs.NodeLinker    = (*dirNode)(nil)
	_ fs.NodeRenamer   = (*dirNode)(nil)
	_ fs.NodeUnlinker  = (*dirNode)(nil)
	_ fs.NodeRmdirer   = (*dirNode)(nil)
)

// find is the entry of a name. The fixed ones go first, so that none can be
// hidden.
func (n *dirNode) find(name string) (entry, bool) {
	if e, ok := n.fixed[name]; ok {
		return e, true
	}
	if n.more == nil {
		return entry{}, false
	}
	return n.more(name)
}

// Lookup makes an entry's node, or gives the one that is there, unless each
// look-up is to have its own.
func (n *dirNode) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	e, ok := n.find(name)
	if !ok {
		return nil, syscall.ENOENT
	}
	id := fs.StableAttr{Mode: e.mode}
	if !e.fresh {
		id.Ino = inoOf(n.path + "/" + name)
		if child := n.GetChild(name); child != nil && child.StableAttr().Ino == id.Ino {
			return child, fill(ctx, child.Operations(), out)
		}
	}
	ops := e.make()
	return n.NewInode(ctx, ops, id), fill(ctx, ops, out)
}

// staticTime is how long the kernel may remember what does not change: then
// reading a file that is always there takes OPEN, a GETATTR for the time of
// access, and READs, no more.
const staticTime = time.Second

// fill gives a look-up's answer the attributes of the node, and their time.
func fill(ctx context.Context, ops fs.InodeEmbedder, out *fuse.EntryOut) syscall.Errno {
	var a fuse.AttrOut
	if g, ok := ops.(fs.NodeGetattrer); ok {
		if errno := g.Getattr(ctx, nil, &a); errno != 0 {
			return errno
		}
	}
	out.Attr = a.Attr
	out.SetAttrTimeout(a.Timeout())
	switch ops.(type) {
	case *textNode, *dirNode: // others may come and go
		out.SetEntryTimeout(a.Timeout())
	}
	return 0
}

// Readdir lists the fixed entries by name, and then those that come and go.
func (n *dirNode) Readdir(context.Context) (fs.DirStream, syscall.Errno) {
	var out []fuse.DirEntry
	for _, name := range slices.Sorted(maps.Keys(n.fixed)) {
		out = append(out, fuse.DirEntry{Name: name, Mode: n.fixed[name].mode, Ino: inoOf(n.path + "/" + name)})
	}
	if n.list != nil {
		out = append(out, n.list()...)
	}
	return fs.NewListDirStream(out), 0
}

// What a generated directory holds is not for clients to make or take away.
// Where a method is missing, go-fuse answers some of these with success.

func (n *dirNode) Create(context.Context, string, uint32, uint32, *fuse.EntryOut) (*fs.Inode, fs.FileHandle, uint32, syscall.Errno) {
	return nil, nil, 0, syscall.EPERM
}

func (n *dirNode) Mkdir(context.Context, string, uint32, *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	return nil, syscall.EPERM
}

func (n *dirNode) Mknod(context.Context, string, uint32, uint32, *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	return nil, syscall.EPERM
}

func (n *dirNode) Symlink(context.Context, string, string, *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	return nil, syscall.EPERM
}

func (n *dirNode) Link(context.Context, fs.InodeEmbedder, string, *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	return nil, syscall.EPERM
}

func (n *dirNode) Rename(context.Context, string, fs.InodeEmbedder, string, uint32) syscall.Errno {
	return syscall.EPERM
}

func (n *dirNode) Unlink(context.Context, string) syscall.Errno { return syscall.EPERM }

func (n *dirNode) Rmdir(context.Context, string) syscall.Errno { return syscall.EPERM }

func (n *dirNode) Statfs(_ context.Context, out *fuse.StatfsOut) syscall.Errno {
	return n.t.statfs(out)
}

// statfs is of the buffers, wherever in the tree df(1) asks.
func (t *tree) statfs(out *fuse.StatfsOut) syscall.Errno {
	st, err := t.dev.Files().Statfs()
	if err != nil {
		return errno(err)
	}
	out.Blocks, out.Bfree, out.Bavail = st.Blocks, st.Bfree, st.Bavail
	out.Files, out.Ffree = st.Files, st.Ffree
	out.Bsize, out.Frsize, out.NameLen = uint32(st.Bsize), uint32(st.Frsize), uint32(st.Namelen)
	return 0
}

// dir makes a directory of fixed entries that belongs to the daemon.
func (t *tree) dir(path string, fixed map[string]entry) entry {
	return entry{mode: syscall.S_IFDIR, make: func() fs.InodeEmbedder {
		return &dirNode{control: t.own(0o755), path: path, fixed: fixed}
	}}
}

// file makes a read-only generated file that belongs to the daemon.
func (t *tree) file(text func() ([]byte, error)) entry {
	return entry{mode: syscall.S_IFREG, make: func() fs.InodeEmbedder {
		return &textNode{control: t.own(0o444), text: text}
	}}
}
