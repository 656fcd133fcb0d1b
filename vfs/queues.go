package vfs

import (
	"context"
	"strconv"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"vgpu/device"
)

// sticky is the mode of directories in which each one's entries are his own.
const sticky = syscall.S_ISVTX | 0o777

// queuesNode is the directory queues: mkdir makes a queue, rmdir removes it.
type queuesNode struct{ dirNode }

var (
	_ fs.NodeMkdirer = (*queuesNode)(nil)
	_ fs.NodeRmdirer = (*queuesNode)(nil)
)

// queuesDir is the directory queues.
func (t *tree) queuesDir() entry {
	return entry{mode: syscall.S_IFDIR, make: func() fs.InodeEmbedder {
		return &queuesNode{dirNode{
			control: t.own(sticky), path: "/queues",
			more: func(name string) (entry, bool) { return t.queueDir(t.dev.Queue(name)) },
			list: t.listQueues,
		}}
	}}
}

// listQueues lists the queues that there are.
func (t *tree) listQueues() []fuse.DirEntry {
	var out []fuse.DirEntry
	for _, q := range t.dev.Queues() {
		out = append(out, fuse.DirEntry{Name: q.Name, Mode: syscall.S_IFDIR, Ino: inoOf(queuePath(q))})
	}
	return out
}

// Mkdir makes a queue of the caller's: EEXIST, or EINVAL for a bad name.
func (n *queuesNode) Mkdir(ctx context.Context, name string, mode uint32, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	if _, err := n.t.dev.MakeQueue(owner(ctx), name, mode); err != nil {
		return nil, errno(err)
	}
	return n.Lookup(ctx, name, out)
}

// Rmdir cancels what is left in a queue, waits for that, and removes it.
func (n *queuesNode) Rmdir(ctx context.Context, name string) syscall.Errno {
	ctx, stop := waiting(ctx)
	defer stop()
	return errno(n.t.dev.RemoveQueue(ctx, name))
}

// queuePath tells a queue from an earlier one of the same name.
func queuePath(q *device.Queue) string {
	_, _, created := q.Owner()
	return "/queues/" + q.Name + "@" + strconv.FormatInt(created.UnixNano(), 36)
}

// queueNode is the directory of a queue.
type queueNode struct {
	dirNode
	queue *device.Queue
}

var _ fs.NodeSetattrer = (*queueNode)(nil)

// queueDir is the directory of a queue; none of nil.
func (t *tree) queueDir(q *device.Queue) (entry, bool) {
	if q == nil {
		return entry{}, false
	}
	return entry{mode: syscall.S_IFDIR, make: func() fs.InodeEmbedder {
		return &queueNode{dirNode{control: control{t: t, attr: queueAttr(q, 0o777)}, path: queuePath(q), fixed: t.queueFiles(q)}, q}
	}}, true
}

// queueAttr is the attributes of a file of a queue: its owner's, with the
// directory's permissions as far as mask lets them.
func queueAttr(q *device.Queue, mask uint32) func() attr {
	return func() attr {
		c, mode, created := q.Owner()
		return attr{mode: mode & mask, uid: c.UID, gid: c.GID, time: created}
	}
}

// queueFiles are the files of a queue. They go on working for who has them open
// after the queue is gone, on what is left of it.
func (t *tree) queueFiles(q *device.Queue) map[string]entry {
	node := func(make func() fs.InodeEmbedder) entry { return entry{mode: syscall.S_IFREG, make: make} }
	readable := queueAttr(q, 0o444)
	waitable := func() attr { // not of size 0: sendfile(2) shall ask, and be told that it cannot
		a := readable()
		a.size = blockSize
		return a
	}
	files := map[string]entry{
		"ctl": {mode: syscall.S_IFREG, fresh: true, make: func() fs.InodeEmbedder {
			return &sessionNode{control: control{t: t, attr: queueAttr(q, 0o666)}, queue: q, sync: q.Name == device.RunQueue}
		}},
		"wait":   node(func() fs.InodeEmbedder { return &waitNode{control{t: t, attr: waitable}, q} }),
		"events": node(func() fs.InodeEmbedder { return &eventsNode{control{t: t, attr: waitable}, q} }),
		"log":    node(func() fs.InodeEmbedder { return &logNode{control{t: t, attr: readable}, q} }),
		"status": node(func() fs.InodeEmbedder {
			return &textNode{control: control{t: t, attr: readable}, text: func() ([]byte, error) { return queueText(q.Stats()), nil }}
		}),
		"jobs": t.jobsDir(q),
	}
	for _, a := range device.Attributes {
		files[string(a)] = node(func() fs.InodeEmbedder { return t.attribute(q, a) })
	}
	return files
}

// attribute is a file of one value that can be set.
func (t *tree) attribute(q *device.Queue, a device.Attribute) fs.InodeEmbedder {
	return &valueNode{
		textNode: textNode{
			control: control{t: t, attr: queueAttr(q, 0o644)},
			text:    func() ([]byte, error) { return valueText(q.Get(a)), nil },
		},
		set: func(_ device.Cred, lines []string) error { return q.Assign(a, lines) },
	}
}

// Setattr lets chmod and chown set who may use the queue; the kernel has
// checked that the caller may.
func (n *queueNode) Setattr(ctx context.Context, _ fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	uid, gid, mode := -1, -1, -1
	if v, ok := in.GetUID(); ok {
		uid = int(v)
	}
	if v, ok := in.GetGID(); ok {
		gid = int(v)
	}
	if v, ok := in.GetMode(); ok {
		mode = int(v)
	}
	n.queue.SetOwner(uid, gid, mode)
	return n.Getattr(ctx, nil, out)
}

// jobsNode is the directory of a queue's jobs: rmdir cancels one or forgets it.
type jobsNode struct {
	dirNode
	queue *device.Queue
}

var _ fs.NodeRmdirer = (*jobsNode)(nil)

func (t *tree) jobsDir(q *device.Queue) entry {
	return entry{mode: syscall.S_IFDIR, make: func() fs.InodeEmbedder {
		n := &jobsNode{queue: q}
		n.dirNode = dirNode{
			control: control{t: t, attr: func() attr {
				a := queueAttr(q, 0o777)()
				a.mode |= syscall.S_ISVTX
				return a
			}},
			path: queuePath(q) + "/jobs",
			more: func(name string) (entry, bool) { return t.jobDir(n.job(name)) },
			list: n.listJobs,
		}
		return n
	}}
}

// job is the job that a name means: a number in its one decimal form, of this
// queue; else nil.
func (n *jobsNode) job(name string) *device.Job {
	id, err := strconv.ParseUint(name, 10, 64)
	if err != nil || strconv.FormatUint(id, 10) != name {
		return nil
	}
	j := n.t.dev.Job(id)
	if j == nil || j.Queue() != n.queue {
		return nil
	}
	return j
}

// jobPath is a path for inode numbers: a job's number is its own over all
// queues.
func jobPath(j *device.Job) string { return "/jobs/" + strconv.FormatUint(j.ID, 10) }

// listJobs lists the jobs that are remembered.
func (n *jobsNode) listJobs() []fuse.DirEntry {
	var out []fuse.DirEntry
	for _, j := range n.queue.Jobs() {
		out = append(out, fuse.DirEntry{Name: strconv.FormatUint(j.ID, 10), Mode: syscall.S_IFDIR, Ino: inoOf(jobPath(j))})
	}
	return out
}

// Rmdir asks a job to end and does not wait; one that has ended is forgotten.
func (n *jobsNode) Rmdir(_ context.Context, name string) syscall.Errno {
	j := n.job(name)
	if j == nil {
		return syscall.ENOENT
	}
	j.Forget()
	return 0
}

// jobDir is what is known of a job, a file each.
func (t *tree) jobDir(j *device.Job) (entry, bool) {
	if j == nil {
		return entry{}, false
	}
	attrOf := func(mode uint32) func() attr {
		return func() attr {
			s := j.Snapshot()
			return attr{mode: mode, uid: s.UID, gid: s.GID, time: latest(s)}
		}
	}
	file := func(text func(s device.Snapshot) []byte) entry {
		return entry{mode: syscall.S_IFREG, make: func() fs.InodeEmbedder {
			return &textNode{control: control{t: t, attr: attrOf(0o444)}, text: func() ([]byte, error) { return text(j.Snapshot()), nil }}
		}}
	}
	return entry{mode: syscall.S_IFDIR, make: func() fs.InodeEmbedder {
		return &dirNode{control: control{t: t, attr: attrOf(0o555)}, path: jobPath(j), fixed: map[string]entry{
			"cmd":     file(func(s device.Snapshot) []byte { return []byte(s.Line + "\n") }),
			"status":  file(jobStatus),
			"stats":   file(jobStats),
			"explain": file(jobExplain),
			"answer":  file(jobAnswer),
			"error":   file(jobError),
		}}
	}}, true
}

// latest is the time of a job's last change of state, so that `ls -lt` is a history.
func latest(s device.Snapshot) time.Time {
	for _, t := range []time.Time{s.Finished, s.Started, s.Queued} {
		if !t.IsZero() {
			return t
		}
	}
	return time.Time{}
}
