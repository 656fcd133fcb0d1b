package vfs

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"vgpu/device"
)

// FSType is the type that mount(8) and /proc/mounts show.
const FSType = "fuse.vgpu"

// SourcePrefix begins the source that mount(8) and /proc/mounts show, before the
// device's name. A bare name would be a relative path for umount(8), which
// could take it for something in its working directory and unmount us.
const SourcePrefix = "vgpu:"

// Options say how the tree is mounted. Timeouts are not among them: the kernel
// caches no names and attributes of what may change, and no contents at all.
type Options struct {
	Source      string // what mount(8) shows as the source; "": SourcePrefix and the name
	AllowOther  bool   // let other users in; root's mounts always should
	Group       int    // group of run, ctl and the root directory; -1: none
	Mode        uint32
	Passthrough bool // hand backing files to the kernel where it takes them
	Debug       bool // log every request
	ReadOnly    bool
	NoExec      bool
	Logger      *log.Logger
	Log         string   // the file that info names as the log; "": none
	MountFlags  []string // further options for the kernel, as mount(8) has them
}

// Mount is a mounted device.
type Mount struct {
	server *fuse.Server
	tree   *tree
	dir    string
}

// tree is what all nodes share. It is fixed once mounted, but for what is
// atomic or has a lock of its own.
type tree struct {
	dev         *device.Device
	opt         Options
	uid, gid    uint32
	passthrough atomic.Bool // found to work by the probe
	panics      atomic.Int64
	bridge      *bridge
	stale       sync.Map // by thread: the path for which it was last answered ESTALE
}

// maxInflight bounds the memory that requests take: a write is up to 1 MiB, and
// any number of clients may write at once.
const maxInflight = 256 << 20

// New mounts the device at dir, which must exist, and returns once it is in
// use. A dead mount of an earlier daemon is taken away first; a live one of
// whatever kind is mounted over. The device stays the caller's, who closes it
// after Unmount.
func New(dev *device.Device, dir string, opt Options) (*Mount, error) {
	if err := clearDead(dir); err != nil {
		return nil, err
	}
	dir, err := filepath.EvalSymlinks(dir) // fusermount does not follow them
	if err != nil {
		return nil, fmt.Errorf("mount: %w", err)
	}
	t := &tree{dev: dev, opt: opt, uid: uint32(os.Getuid()), gid: uint32(os.Getgid())}
	if opt.Group >= 0 {
		t.gid = uint32(opt.Group)
	}
	if opt.Source == "" {
		t.opt.Source = SourcePrefix + dev.Name()
	}
	zero := time.Duration(0)
	o := &fs.Options{
		EntryTimeout: &zero, AttrTimeout: &zero, NegativeTimeout: &zero, NullPermissions: true,
		RootStableAttr: &fs.StableAttr{Ino: 1}, Logger: opt.Logger, MountOptions: t.mountOptions(),
	}
	t.bridge = newBridge(fs.NewNodeFS(newRoot(t), o), opt.Passthrough)
	server, err := fuse.NewServer(t.bridge, dir, &o.MountOptions)
	if err != nil {
		return nil, fmt.Errorf("mount %s: %s", dir, strings.TrimSpace(err.Error())) // go-fuse ends some with a newline
	}
	go server.Serve()
	if err := server.WaitMount(); err != nil {
		return nil, fmt.Errorf("mount %s: %w", dir, err)
	}
	t.probePassthrough()
	return &Mount{server: server, tree: t, dir: dir}, nil
}

// extraCaps are asked of the kernel beside go-fuse's own. O_TRUNC comes with
// OPEN, so that a buffer is opened and emptied in one turn of the order. And
// set-user-ID bits are ours to clear when a file is written: without that the
// kernel asks for security.capability before every write, passthrough or not
// (25 us each). Buffers never have such bits; see bufferModes.
const extraCaps = fuse.CAP_ATOMIC_O_TRUNC | fuse.CAP_HANDLE_KILLPRIV_V2

// mountOptions are go-fuse's. The kernel checks permissions itself
// (default_permissions); root mounts without fusermount. A write of 1 MiB is
// the most that kernels take by default. All answers are bytes in memory, so
// nothing can be spliced: go-fuse would make a pipe ready for each answer before
// it sees that, and log that it cannot for those of 1 MiB, which with their header
// are more than fs.pipe-max-size lets a pipe hold.
func (t *tree) mountOptions() fuse.MountOptions {
	flags := append([]string{"default_permissions"}, t.opt.MountFlags...)
	if t.opt.ReadOnly {
		flags = append(flags, "ro")
	}
	if t.opt.NoExec {
		flags = append(flags, "noexec")
	}
	return fuse.MountOptions{
		AllowOther: t.opt.AllowOther, Options: flags, FsName: t.opt.Source, Name: strings.TrimPrefix(FSType, "fuse."),
		MaxWrite: 1 << 20, MaxInflightRequestBytes: maxInflight, DirectMount: os.Getuid() == 0, Debug: t.opt.Debug, Logger: t.opt.Logger,
		ExtraCapabilities: extraCaps, PanicHandler: t.panicked, MaxBackground: 64,
		DirectMountFlags: t.directFlags(), DisableSplice: true,
	}
}

// directFlags are those of mount(2). To fusermount they are options, and it sets
// nosuid and nodev by itself.
func (t *tree) directFlags() uintptr {
	flags := uintptr(unix.MS_NOSUID | unix.MS_NODEV)
	if t.opt.ReadOnly {
		flags |= unix.MS_RDONLY
	}
	if t.opt.NoExec {
		flags |= unix.MS_NOEXEC
	}
	return flags
}

// panicked is told of a panic in a handler: the client gets EIO.
func (t *tree) panicked(v any) fuse.Status {
	t.panics.Add(1)
	if t.opt.Logger != nil {
		t.opt.Logger.Printf("panic in a file operation: %v", v)
	}
	return fuse.EIO
}

// Wait returns when the device has been unmounted.
func (m *Mount) Wait() { m.server.Wait() }

// Passthrough tells whether buffers are read and written without the daemon.
func (m *Mount) Passthrough() bool { return m.tree.passthrough.Load() }

// Unmount takes the mount away: at once if nobody uses it; if somebody still
// does when ctx ends, it is detached from the tree, and the connection is
// broken for those who hold files in it. It may be called more than once, and
// after umount(8): nil if there is nothing left to take away.
func (m *Mount) Unmount(ctx context.Context) error {
	for {
		if m.server.Unmount() == nil {
			return nil
		}
		if _, err := connectionOf(m.dir); errors.Is(err, syscall.EINVAL) {
			return nil // umount(8) was first
		}
		select {
		case <-ctx.Done():
			return m.detach()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// detach is the lazy unmount, after which the connection is aborted.
func (m *Mount) detach() error {
	conn, connErr := connectionOf(m.dir)
	if err := Detach(m.dir); err != nil {
		if _, gone := connectionOf(m.dir); errors.Is(gone, ErrNotMounted) {
			return nil // umount(8) was first
		}
		return err
	}
	if connErr != nil {
		return connErr
	}
	err := os.WriteFile("/sys/fs/fuse/connections/"+conn+"/abort", []byte("1"), 0)
	if noControl(err) {
		return nil // the connection ends with this process
	}
	return err
}

// noControl tells whether an error says that connections cannot be controlled
// here: without fusectl, by an ordinary user, in a container.
func noControl(err error) bool {
	return errors.Is(err, os.ErrNotExist) || errors.Is(err, os.ErrPermission) || errors.Is(err, syscall.EROFS)
}
