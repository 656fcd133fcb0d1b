package vfs

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"sync"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"vgpu/device"
)

// tuningNode is the directory tuning: the tuner's findings, an entry a file.
// What is written is taken as soon as it is a whole entry; rm removes one.
type tuningNode struct{ dirNode }

var (
	_ fs.NodeCreater  = (*tuningNode)(nil)
	_ fs.NodeUnlinker = (*tuningNode)(nil)
)

// tuningDir is the directory tuning.
func (t *tree) tuningDir() entry {
	return entry{mode: syscall.S_IFDIR, make: func() fs.InodeEmbedder {
		return &tuningNode{dirNode{
			control: t.own(t.shared(0o755)), path: "/tuning",
			more: t.tuningFile,
			list: func() []fuse.DirEntry {
				var out []fuse.DirEntry
				for _, name := range t.dev.TuningNames() {
					out = append(out, fuse.DirEntry{Name: name, Mode: syscall.S_IFREG, Ino: inoOf("/tuning/" + name)})
				}
				return out
			},
		}}
	}}
}

// tuningFile is the entry of a name, if the tuner has it.
func (t *tree) tuningFile(name string) (entry, bool) {
	if _, err := t.dev.ReadTuning(name); err != nil {
		return entry{}, false
	}
	return entry{mode: syscall.S_IFREG, make: func() fs.InodeEmbedder { return t.tuningEntry(name) }}, true
}

// tuningEntry is the node of an entry, which need not exist yet.
func (t *tree) tuningEntry(name string) *tuningFileNode {
	return &tuningFileNode{control: t.own(t.shared(0o644)), name: name}
}

// shared adds the permission to write for the group of --group, as ctl has it.
func (t *tree) shared(mode uint32) uint32 {
	if t.opt.Group >= 0 {
		mode |= 0o020
	}
	return mode
}

// Create gives a handle to write a new entry to; the entry is there once it
// has been written.
func (n *tuningNode) Create(ctx context.Context, name string, _, _ uint32, out *fuse.EntryOut) (*fs.Inode, fs.FileHandle, uint32, syscall.Errno) {
	if !strings.HasSuffix(name, ".json") || strings.HasPrefix(name, ".") {
		return nil, nil, 0, syscall.EPERM
	}
	node := n.t.tuningEntry(name)
	node.attr().fill(&out.Attr)
	inode := n.NewInode(ctx, node, fs.StableAttr{Mode: syscall.S_IFREG, Ino: inoOf(n.path + "/" + name)})
	return inode, &tuningHandle{node: node}, fuse.FOPEN_DIRECT_IO, 0
}

// Unlink removes an entry: ENOENT if there is none of that name.
func (n *tuningNode) Unlink(_ context.Context, name string) syscall.Errno {
	return errno(n.t.dev.RemoveTuning(name))
}

// tuningFileNode is an entry.
type tuningFileNode struct {
	control
	name string
}

var _ fs.NodeOpener = (*tuningFileNode)(nil)

// Open reads the entry. O_TRUNC takes nothing away: an entry is replaced when a
// new one is whole.
func (n *tuningFileNode) Open(_ context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	text, err := n.t.dev.ReadTuning(n.name)
	if err != nil {
		return nil, 0, device.Errno(err)
	}
	h := &tuningHandle{node: n, textHandle: textHandle{text: text}}
	if flags&syscall.O_APPEND != 0 {
		return nil, 0, syscall.EPERM // an entry is replaced as a whole
	}
	return h, fuse.FOPEN_DIRECT_IO, 0
}

// tuningHandle reads the entry as it was at open, and collects a new one.
type tuningHandle struct {
	textHandle
	node *tuningFileNode

	mu      sync.Mutex // guards what follows, and serialises the handle's writes
	fresh   []byte     // what was written
	pending bool       // it is not an entry yet
}

var (
	_ fs.FileReader  = (*tuningHandle)(nil)
	_ fs.FileWriter  = (*tuningHandle)(nil)
	_ fs.FileFlusher = (*tuningHandle)(nil)
)

// maxTuningText bounds what is collected; entries are much shorter.
const maxTuningText = 64 << 10

// Write takes the text in order. The write that completes an entry fails if it
// is refused; so does one that can no longer lead to an entry.
func (h *tuningHandle) Write(_ context.Context, data []byte, off int64) (uint32, syscall.Errno) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if off != int64(len(h.fresh)) {
		return 0, syscall.EINVAL
	}
	if len(h.fresh)+len(data) > maxTuningText {
		return 0, syscall.EFBIG
	}
	h.fresh, h.pending = append(h.fresh, data...), true
	if partialJSON(h.fresh) {
		return uint32(len(data)), 0
	}
	return uint32(len(data)), h.take()
}

// partialJSON tells whether more text could make b a JSON value.
func partialJSON(b []byte) bool {
	var v json.RawMessage
	err := json.NewDecoder(strings.NewReader(string(b))).Decode(&v)
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// take hands the text to the device. mu is held.
func (h *tuningHandle) take() syscall.Errno {
	h.pending = false
	return errno(h.node.t.dev.WriteTuning(h.node.name, h.fresh))
}

// Flush refuses a text that ended half way.
func (h *tuningHandle) Flush(context.Context) syscall.Errno {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.pending {
		return 0
	}
	return h.take()
}
