package device

import (
	"os"
	"runtime"
	"strings"

	"github.com/klauspost/cpuid/v2"
	"golang.org/x/sys/unix"

	"vgpu/alloc"
	"vgpu/iouring"
	"vgpu/kernels/simd"
)

// ABI is the version of the tree's text formats. Keys are only added within one.
const ABI = 1

// Usage is the memory in use.
type Usage = alloc.Usage

// Field is a fact about the device.
type Field struct {
	Key   string
	Value any
}

// Version is the program's version.
func (d *Device) Version() string { return d.cfg.Version }

// Info is what the device is, in a fixed order. Rates that have not been
// measured yet are left out.
func (d *Device) Info() []Field {
	c := cpuid.CPU
	out := []Field{
		{"name", d.cfg.Name}, {"version", d.cfg.Version}, {"abi", ABI}, {"pid", os.Getpid()},
		{"cpu", strings.TrimSpace(c.BrandName)}, {"arch", runtime.GOARCH}, {"isa", d.ISA().String()}, {"isa_best", simd.Best().String()},
		{"isa_bf16", simd.Optional().BF16}, {"isa_vnni", simd.Optional().VNNI},
		{"cores", c.PhysicalCores}, {"cpus", runtime.NumCPU()}, {"threads", d.pool.Threads()}, {"numa_nodes", len(d.pool.Topology().Nodes)},
	}
	for _, cache := range []struct {
		key  string
		size int
	}{{"cache_l1d", c.Cache.L1D}, {"cache_l2", c.Cache.L2}, {"cache_l3", c.Cache.L3}} {
		if cache.size > 0 {
			out = append(out, Field{cache.key, cache.size})
		}
	}
	out = append(out, Field{"memory", d.store.Usage().Mem}, Field{"memory_path", d.store.Root()})
	if p, ok := d.Peaks(); ok {
		out = append(out, Field{"peak_flops_f32", p.Flops32}, Field{"peak_flops_f64", p.Flops64}, Field{"peak_bytes", p.Bandwidth})
		if p.DiskRead > 0 {
			out = append(out, Field{"peak_spill_read", p.DiskRead}, Field{"peak_spill_write", p.DiskWrite})
		}
	}
	out = append(out,
		Field{"max_line", 65536}, Field{"max_queues", maxQueues}, Field{"queue_depth", d.cfg.Depth}, Field{"jobs_retained", d.cfg.Retain},
		Field{"kernel", kernelRelease()}, Field{"go", runtime.Version()},
	)
	for _, f := range iouring.Probe().Fields() {
		out = append(out, Field{f[0], f[1]})
	}
	return out
}

func kernelRelease() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return "unknown"
	}
	return unix.ByteSliceToString(u.Release[:])
}
