package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"vgpu/iouring"
)

// diskOptions are those of `vgpu bench disk`.
type diskOptions struct {
	backend string
	size    sizeFlag
	samples int
	seconds float64
	shapes  []string
	json    bool
}

// diskCommand times a disk through the code that spills to it, package iouring.
func diskCommand() *cobra.Command {
	o := diskOptions{size: 1 << 30}
	c := &cobra.Command{
		Use: "disk DIR", Short: "time the disk under a directory, as a place to spill to", Args: exactArgs(1, "a directory"),
		Long: "Times reads and writes of a file in DIR, past the page cache (O_DIRECT): 1 MiB in sequence with 1, 8 and 32 in flight, and\n" +
			"4 KiB at random places with 1 and 32. The file is removed at the end. A device is as slow as this when its buffers spill there.",
		Example: "  vgpu bench disk /var/tmp\n  vgpu bench disk /mnt/nvme --json --size 4G\n  vgpu bench disk . --backend threads --shape read-1m-qd8",
		RunE: func(c *cobra.Command, args []string) error {
			r, err := benchDisk(c.Context(), &o, args[0])
			if err != nil {
				return err
			}
			if o.json {
				return json.NewEncoder(c.OutOrStdout()).Encode(r)
			}
			return r.print(c.OutOrStdout())
		},
	}
	f := c.Flags()
	f.StringVar(&o.backend, "backend", "", "uring or threads (default: io_uring where the kernel allows it)")
	values(c, "backend", "uring", "threads")
	f.Var(&o.size, "size", "size of the file (default 1G)")
	f.IntVar(&o.samples, "samples", 5, "samples of each shape, of which the median counts")
	f.Float64Var(&o.seconds, "seconds", 0.5, "length of a sample")
	f.StringArrayVar(&o.shapes, "shape", nil, "time this shape alone, such as "+diskShapes[1].Name+" (may be repeated)")
	values(c, "shape", shapeNames()...)
	f.BoolVar(&o.json, "json", false, "one line of JSON, in bytes and operations a second")
	return c
}

// diskShape is a way to use a disk, and what came of it.
type diskShape struct {
	Name   string  `json:"name"`
	Op     string  `json:"op"`
	Block  int     `json:"block"`
	Depth  int     `json:"depth"`
	Random bool    `json:"random"`
	Rate   spread  `json:"bytes_per_second"`
	IOPS   float64 `json:"iops"` // at the median

	code    iouring.Code
	samples []float64
}

// The largest block and depth: memory for the transfers is their product.
const (
	diskBlock = 1 << 20
	diskDepth = 32 // the most in flight
)

// diskShapes are those of spilling (1 MiB, several in flight), and of the worst
// that views make of it (4 KiB at random places). Names are an interface.
var diskShapes = []diskShape{
	{Name: "write-1m-qd1", code: iouring.Write, Block: diskBlock, Depth: 1},
	{Name: "write-1m-qd8", code: iouring.Write, Block: diskBlock, Depth: 8},
	{Name: "write-1m-qd32", code: iouring.Write, Block: diskBlock, Depth: 32},
	{Name: "read-1m-qd1", code: iouring.Read, Block: diskBlock, Depth: 1},
	{Name: "read-1m-qd8", code: iouring.Read, Block: diskBlock, Depth: 8},
	{Name: "read-1m-qd32", code: iouring.Read, Block: diskBlock, Depth: 32},
	{Name: "randread-4k-qd1", code: iouring.Read, Block: 4096, Depth: 1, Random: true},
	{Name: "randread-4k-qd32", code: iouring.Read, Block: 4096, Depth: 32, Random: true},
}

// diskResult is what `vgpu bench disk --json` prints.
type diskResult struct {
	Dir     string      `json:"dir"`
	Backend string      `json:"backend"`
	Notes   []string    `json:"notes,omitempty"` // why not io_uring, why no registered memory
	Size    int64       `json:"size"`
	Samples int         `json:"samples"`
	Seconds float64     `json:"seconds"`
	Shapes  []diskShape `json:"shapes"`
}

// benchDisk makes the file, times the shapes, and leaves nothing behind.
func benchDisk(ctx context.Context, o *diskOptions, dir string) (r *diskResult, err error) {
	size := int64(o.size) / diskBlock * diskBlock
	r = &diskResult{Dir: dir, Size: size, Samples: o.samples, Seconds: o.seconds}
	if r.Shapes, err = chosenShapes(o.shapes); err != nil {
		return nil, err
	}
	if size < diskDepth*diskBlock || o.samples < 1 || o.seconds <= 0 {
		return nil, usagef("the file is 32M at least, and there is one sample at least of more than no seconds")
	}
	if err := checkDisk(dir, size); err != nil {
		return nil, err
	}
	f, err := directFile(dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	ring, err := iouring.Open(iouring.Options{Backend: iouring.Backend(o.backend), Window: diskDepth})
	if err != nil {
		if errors.Is(err, unix.EINVAL) {
			return nil, usagef("--backend %s: it is uring or threads", o.backend)
		}
		return nil, fmt.Errorf("%w; --backend threads works without io_uring", err)
	}
	defer func() { err = errors.Join(err, ring.Close()) }()
	d := &diskBench{ring: ring, fd: int(f.Fd()), size: size, length: time.Duration(o.seconds * float64(time.Second))}
	if isTerminal(os.Stderr) && !o.json {
		d.progress = os.Stderr
	}
	return r, d.run(ctx, r)
}

// chosenShapes copies the table, or the part that is named.
func chosenShapes(names []string) (list []diskShape, err error) {
	for _, s := range diskShapes {
		s.Op = s.code.String()
		if len(names) == 0 || slices.Contains(names, s.Name) {
			list = append(list, s)
		}
	}
	all := shapeNames()
	for _, n := range names {
		if !slices.Contains(all, n) {
			return nil, usagef("--shape %s: it is one of %s", n, strings.Join(all, ", "))
		}
	}
	return list, nil
}

// shapeNames are what --shape takes.
func shapeNames() (out []string) {
	for _, s := range diskShapes {
		out = append(out, s.Name)
	}
	return out
}

// checkDisk refuses directories that are on no disk, or a full one.
func checkDisk(dir string, size int64) error {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return &os.PathError{Op: "statfs", Path: dir, Err: err}
	}
	if st.Type == unix.TMPFS_MAGIC || st.Type == unix.RAMFS_MAGIC {
		return fmt.Errorf("%s is in memory, where nothing can spill to: name a directory on a disk", dir)
	}
	if free := int64(st.Bavail) * st.Bsize; free < size+size/8 {
		return fmt.Errorf("%s has %s free, and the file takes %s: free some, or choose a smaller one with --size",
			dir, humanize.IBytes(uint64(max(free, 0))), humanize.IBytes(uint64(size)))
	}
	return nil
}

// directFile makes a file that is gone when it is closed, however we end: it
// has no name from the start. O_TMPFILE would not do: not every file system has
// it.
func directFile(dir string) (*os.File, error) {
	f, err := os.CreateTemp(dir, ".vgpu-bench-disk-")
	if err != nil {
		return nil, fmt.Errorf("%w; name a directory that you may write to", err)
	}
	direct, err := os.OpenFile(f.Name(), os.O_RDWR|unix.O_DIRECT, 0)
	err = errors.Join(err, os.Remove(f.Name()), f.Close())
	if errors.Is(err, unix.EINVAL) {
		return nil, fmt.Errorf("the file system of %s has no direct I/O (O_DIRECT): name a directory on ext4, xfs or btrfs", dir)
	}
	return direct, err
}

// diskBench is a file, and memory to move to and from it.
type diskBench struct {
	ring     *iouring.Ring
	fd       int
	size     int64
	length   time.Duration // of a sample
	mem      []byte        // diskDepth blocks
	progress io.Writer     // nil: nobody watches
}

// run fills r in. Memory that cannot be registered (RLIMIT_MEMLOCK) is a note,
// no error: so it is when a device spills.
func (d *diskBench) run(ctx context.Context, r *diskResult) (err error) {
	kind, reason := d.ring.Backend()
	if r.Backend = string(kind); reason != "" {
		r.Notes = append(r.Notes, reason)
	}
	if d.mem, err = unix.Mmap(-1, 0, diskDepth*diskBlock, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_POPULATE); err != nil {
		return fmt.Errorf("memory for the transfers: %w", err)
	}
	defer func() { err = errors.Join(err, d.ring.RegisterBuffers(nil), unix.Munmap(d.mem)) }()
	if err := d.ring.RegisterBuffers([][]byte{d.mem}); err != nil {
		r.Notes = append(r.Notes, err.Error())
	}
	if _, err := rand.NewChaCha8([32]byte{}).Read(d.mem); err != nil { // nothing that a disk could compress
		return err
	}
	defer d.say("")
	if err := d.lay(ctx); err != nil {
		return err
	}
	for i := range r.Samples { // in turn, so that a disk's moods meet all alike
		for k := range r.Shapes {
			s := &r.Shapes[k]
			d.say("%s: sample %d of %d", s.Name, i+1, r.Samples)
			rate, err := d.sample(ctx, s)
			if err != nil {
				return fmt.Errorf("%s: %w", s.Name, err)
			}
			s.samples = append(s.samples, rate)
		}
	}
	for k := range r.Shapes {
		s := &r.Shapes[k]
		s.Rate = spreadOf(s.samples)
		s.IOPS = s.Rate.Median / float64(s.Block)
	}
	return nil
}

// say replaces the line of progress.
func (d *diskBench) say(format string, args ...any) {
	if d.progress != nil {
		fmt.Fprintf(d.progress, "\r\033[K"+format, args...) // who does not see it misses nothing
	}
}

// lay writes the whole file: blocks never written would read as fast zeros. The
// file is synced, so that the first sample does not pay for it.
func (d *diskBench) lay(ctx context.Context) error {
	d.say("writing a file of %s", humanize.IBytes(uint64(d.size)))
	if err := d.ring.Do(ctx, &iouring.Op{Code: iouring.Fallocate, FD: d.fd, Len: d.size}); err != nil {
		return fmt.Errorf("reserving %s: %w; choose a smaller file with --size", humanize.IBytes(uint64(d.size)), err)
	}
	const group = 8
	for off := int64(0); off < d.size; off += group * diskBlock {
		var ops []*iouring.Op
		for i := range min(group, (d.size-off)/diskBlock) {
			ops = append(ops, &iouring.Op{Code: iouring.Write, FD: d.fd, Off: off + i*diskBlock, Buf: d.mem[i*diskBlock:][:diskBlock]})
		}
		if err := d.ring.Do(ctx, ops...); err != nil {
			return fmt.Errorf("writing the file: %w", err)
		}
	}
	return d.ring.Do(ctx, &iouring.Op{Code: iouring.Fsync, FD: d.fd})
}

// sample keeps as many operations in flight as the shape says, for the length
// of a sample, and returns bytes a second. What is still in flight at the end
// is waited for and counted, with its time: a deep queue would gain by leaving
// it out.
func (d *diskBench) sample(ctx context.Context, s *diskShape) (rate float64, err error) {
	q := d.ring.NewQueue()
	defer func() { err = errors.Join(err, drain(q)) }()
	var ops []*iouring.Op
	for i := range s.Depth {
		ops = append(ops, &iouring.Op{Code: s.code, FD: d.fd, Buf: d.mem[i*s.Block:][:s.Block]})
	}
	blocks, at, bytes := d.size/int64(s.Block), int64(0), 0
	start := time.Now()
	for len(ops) > 0 {
		for _, o := range ops {
			if o.Off = at % blocks * int64(s.Block); s.Random {
				o.Off = rand.Int64N(blocks) * int64(s.Block)
			}
			at++
		}
		if _, err := q.Submit(ctx, ops...); err != nil {
			return 0, err
		}
		if ops, err = takeEnded(ctx, q, ops[:0]); err != nil {
			return 0, err
		}
		bytes += len(ops) * s.Block
		if time.Since(start) >= d.length {
			break
		}
	}
	last := q.Pending()
	if err := drain(q); err != nil {
		return 0, err
	}
	return float64(bytes+last*s.Block) / time.Since(start).Seconds(), nil
}

// takeEnded waits for an operation and appends it, and all that have ended with
// it.
func takeEnded(ctx context.Context, q *iouring.Queue, list []*iouring.Op) ([]*iouring.Op, error) {
	o, err := q.Next(ctx)
	if err != nil {
		return list, err
	}
	for ; o != nil; o = q.Poll() {
		if o.Err != nil {
			return list, o.Err
		}
		list = append(list, o)
	}
	return list, nil
}

// drain waits for the rest, and returns the first error.
func drain(q *iouring.Queue) (err error) {
	for q.Pending() > 0 {
		o, e := q.Next(context.Background())
		if e == nil {
			e = o.Err
		}
		if err == nil {
			err = e
		}
	}
	return err
}

// print writes the result for people, in decimal megabytes as disks are sold.
func (r *diskResult) print(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s, a file of %s, medians of %d samples of %g s\n", r.Dir, r.Backend, humanize.IBytes(uint64(r.Size)), r.Samples, r.Seconds)
	for _, n := range r.Notes {
		fmt.Fprintf(&b, "note: %s\n", n)
	}
	fmt.Fprintf(&b, "%-18s %12s %26s %12s\n", "", "MB/s", "(min to max)", "IOPS")
	for _, s := range r.Shapes {
		between := fmt.Sprintf("(%.1f to %.1f)", s.Rate.Min/1e6, s.Rate.Max/1e6)
		fmt.Fprintf(&b, "%-18s %12.1f %26s %12.0f\n", s.Name, s.Rate.Median/1e6, between, s.IOPS)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
