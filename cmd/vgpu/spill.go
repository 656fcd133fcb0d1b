package main

import (
	"errors"
	"fmt"
	"log"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"vgpu/alloc"
	"vgpu/device"
	"vgpu/iouring"
)

// spillFlag is the spill tiers, in order of preference: a directory each, with a
// size, a compression, or both in that order behind it.
type spillFlag []alloc.SpillConfig

// String writes what Set reads, a blank between tiers.
func (f *spillFlag) String() string {
	var out []string
	for _, s := range *f {
		text := s.Dir
		if s.Size > 0 {
			text += fmt.Sprintf(":%d", s.Size)
		}
		if s.Compress != "" {
			text += ":" + s.Compress
		}
		out = append(out, text)
	}
	return strings.Join(out, " ")
}

// Type is what --help shows of a value.
func (f *spillFlag) Type() string { return "DIR[:SIZE][:zstd]" }

// Set adds a tier. What comes after the last colon is a size if it can be one. The
// separator is not a comma, which mount(8) and fstab(5) have for their own.
func (f *spillFlag) Set(s string) error {
	var c alloc.SpillConfig
	if dir, ok := strings.CutSuffix(s, ":"+alloc.CompressZstd); ok {
		s, c.Compress = dir, alloc.CompressZstd
	}
	c.Dir = s
	if i := strings.LastIndexByte(s, ':'); i >= 0 {
		n, err := device.ParseSize(s[i+1:])
		switch {
		case err == nil && n == 0:
			return fmt.Errorf("%s: a size of 0", s)
		case err == nil:
			c.Dir, c.Size = s[:i], n
		case !strings.Contains(s[i+1:], "/"):
			return fmt.Errorf("%s: %w; behind a directory is its size, then zstd if it is to be compressed, and one whose name has a colon takes a size after it", s, err)
		}
	}
	if c.Dir == "" {
		return fmt.Errorf("%q: a directory, or with a size such as /var/lib/vgpu:100G, or with a size and a compression such as /var/lib/vgpu:100G:zstd", s)
	}
	*f = append(*f, c)
	return nil
}

// resolve makes the directories absolute, as a daemon leaves its working
// directory, and refuses one inside the mount point: the daemon would wait for
// itself.
func (f spillFlag) resolve(mountPoint string) error {
	for i := range f {
		abs, err := filepath.Abs(f[i].Dir)
		if err != nil {
			return err
		}
		f[i].Dir = abs
		if rel, err := filepath.Rel(mountPoint, abs); err == nil && rel != ".." && !strings.HasPrefix(rel, "../") {
			return usagef("--spill %s lies inside the mount point %s; it has to be a directory of another file system", abs, mountPoint)
		}
	}
	return nil
}

// checkSpace refuses a size that a disk cannot have, empty though it were.
func (f spillFlag) checkSpace() error {
	for _, s := range f {
		size, err := diskSize(s.Dir)
		if err != nil {
			return err
		}
		if s.Size > size {
			return &exitError{exitLacks, fmt.Errorf("--spill %s: %d bytes are asked for, and the disk has %d", s.Dir, s.Size, size)}
		}
	}
	return nil
}

// diskSize is the size of the disk that a directory is on, or will be made on.
func diskSize(dir string) (int64, error) {
	at := dir
	for {
		var st unix.Statfs_t
		err := unix.Statfs(at, &st)
		switch {
		case err == nil:
			return int64(st.Blocks) * st.Bsize, nil
		case !errors.Is(err, unix.ENOENT) || at == "/":
			return 0, fmt.Errorf("--spill %s: %w", dir, err)
		}
		at = filepath.Dir(at)
	}
}

// warnings tells of tiers whose disk has less free now than they may take. That is
// no reason to refuse: others may give it back. tiers are the device's, memory first.
func (f spillFlag) warnings(tiers []device.TierUsage) (out []string) {
	for i, t := range tiers[1:] {
		if f[i].Size == 0 { // it takes what is free
			continue
		}
		if want := t.Size - t.Used; t.Free < want {
			out = append(out, fmt.Sprintf("--spill %s: it may take %d bytes more, and %d are free on its disk now: there it will be full before its size", t.Path, want, t.Free))
		}
	}
	return out
}

// storeConfig says where the buffers are kept.
func (o *mountOptions) storeConfig(dir string, gid int) (alloc.Config, error) {
	c := alloc.Config{
		Dir: o.stateDir(), Name: o.name, Mem: int64(o.mem), Group: gid, Logf: log.Printf,
		Spill: o.spill, Persist: o.persist, Quota: int64(o.quota), Mountpoint: dir,
	}
	switch o.io {
	case "":
	case "uring", "threads":
		c.IO = iouring.Backend(o.io)
	default:
		return c, usagef("--io %s: uring or threads", o.io)
	}
	switch {
	case o.persist && len(o.spill) == 0:
		return c, usagef("--persist needs a --spill directory to write the buffers to")
	case o.io != "" && len(o.spill) == 0:
		return c, usagef("--io %s is about spill tiers, and there is no --spill", o.io)
	}
	return c, nil
}
