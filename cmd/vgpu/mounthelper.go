package main

import (
	"context"
	"os"
	"strconv"
	"strings"
	"time"

	"vgpu/vfs"
)

// mountHelper is mount(8)'s helper: mount.vgpu SOURCE DIR [-sfnv] [-o OPTIONS]
// (mount(8), "External helpers"). It goes to the background once mounted.
func mountHelper(ctx context.Context, args []string) error {
	o := mountOptions{daemon: true, allowOther: os.Getuid() == 0, stopTimeout: 5 * time.Second}
	var operands []string
	for i := 0; i < len(args); i++ {
		switch a := args[i]; {
		case a == "-o" && i+1 < len(args):
			i++
			if err := o.parse(args[i]); err != nil {
				return err
			}
		case a == "-t" && i+1 < len(args):
			i++
		case strings.HasPrefix(a, "-o"):
			if err := o.parse(a[2:]); err != nil {
				return err
			}
		case a == "-f": // fake: all but the mount itself
			return nil
		case strings.HasPrefix(a, "-"): // -s, -n, -v: nothing to do differently
		default:
			operands = append(operands, a)
		}
	}
	if len(operands) != 2 {
		return usagef("mount.vgpu SOURCE DIRECTORY [-o OPTIONS]: mount -t fuse.vgpu NAME DIRECTORY calls it so")
	}
	o.source = operands[0] // mount -a compares it with fstab's
	if src := strings.TrimPrefix(o.source, vfs.SourcePrefix); o.name == "" && src != "none" && src != "vgpu" {
		o.name = src
	}
	return mountDevice(ctx, operands[1], &o)
}

// parse reads a list of mount(8) options. An underscore is as good as a dash.
func (o *mountOptions) parse(list string) error {
	for _, item := range strings.Split(list, ",") {
		key, val, _ := strings.Cut(item, "=")
		if err := o.set(strings.ReplaceAll(key, "_", "-"), val, item); err != nil {
			return err
		}
	}
	return nil
}

// set takes one option; item is how it was written, for the message.
func (o *mountOptions) set(key, val, item string) error {
	if o.ignored(key) {
		return nil
	}
	switch key {
	case "mem", "size":
		if err := o.mem.Set(val); err != nil {
			return usagef("-o %s: %w", item, err)
		}
	case "spill":
		if err := o.spill.Set(val); err != nil {
			return usagef("-o %s: %w", item, err)
		}
	case "quota":
		if err := o.quota.Set(val); err != nil {
			return usagef("-o %s: %w", item, err)
		}
	case "io":
		o.io = val
	case "state":
		o.state = val
	case "name", "fsname":
		o.name = val
	case "group", "gid":
		o.group = val
	case "mode":
		o.mode = val
	case "isa":
		o.isa = val
	case "cpus": // a list, whose commas mount(8) would take: written with +
		o.cpus = strings.ReplaceAll(val, "+", ",")
	case "threads":
		n, err := strconv.Atoi(val)
		if err != nil {
			return usagef("-o %s: a whole number", item)
		}
		o.threads = n
	case "stop-timeout":
		d, err := time.ParseDuration(val)
		if err != nil {
			return usagef("-o %s: a time such as 5s", item)
		}
		o.stopTimeout = d
	default:
		return o.setFlag(key, item)
	}
	return nil
}

// setFlag takes options without a value.
func (o *mountOptions) setFlag(key, item string) error {
	switch key {
	case "keep":
		o.keep = true
	case "persist":
		o.persist = true
	case "direct":
		o.direct = true
	case "debug":
		o.debug = true
	case "ro":
		o.readOnly = true
	case "noexec":
		o.noExec = true
	case "remount":
		return usagef("-o remount: a device keeps what it was mounted with; unmount it and mount it anew")
	case "exec", "rw":
	case "allow-other":
		o.allowOther = true
	default:
		return usagef("-o %s: no such option; vgpu mount --help lists them", item)
	}
	return nil
}

// ignored are options for mount(8), fstab and systemd, not for us, and what
// is always so here: passing them on would break boots.
func (o *mountOptions) ignored(key string) bool {
	switch key {
	case "", "defaults", "auto", "noauto", "user", "nouser", "users", "owner", "nofail", "-netdev", "netdev", "dev", "nodev", "suid", "nosuid",
		"default-permissions", "comment", "atime", "noatime", "relatime", "norelatime", "async", "sync", "dirsync", "loud", "silent", "subtype":
		return true
	}
	return strings.HasPrefix(key, "x-") || strings.HasPrefix(key, "X-") || strings.HasPrefix(key, "comment")
}
