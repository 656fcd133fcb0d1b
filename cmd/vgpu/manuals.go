package main

import (
	"slices"

	"vgpu/device"
	"vgpu/kernels"
	"vgpu/kernels/catalog"
)

// deviceManuals are the pages of what a device understands beside kernels, in
// the form of theirs: how a line is written, ctl with its verbs, explain, and how
// to size it.
func deviceManuals() []*kernels.Kernel {
	return []*kernels.Kernel{commandsManual(), ctlManual(), explainManual(), sizingManual()}
}

// ctlManual has the verbs from the device's own table.
func ctlManual() *kernels.Kernel {
	k := &kernels.Kernel{
		Name: "ctl", Summary: "What is written to a device's ctl, and to the files of its queues",
		Manual: kernels.Manual{
			Description: "A line written to ctl in the root of a device is one of the verbs below. Of several lines in one write all are carried out, or none.\n\n" +
				"A queue is a directory queues/NAME, made by mkdir and removed by rmdir. Commands are written to its ctl. Its other files take a value: " +
				"paused (1 stops jobs from starting, 0 lets them go on), weight, priority and depth. " +
				"A job is the directory queues/NAME/jobs/ID: rmdir cancels it, if it has not ended, and forgets it; log and wait tell of it still. A read of queues/NAME/wait ends when all its jobs have.",
			Errors: []kernels.Entry{
				{Term: "EACCES", Text: "somebody else than root, the daemon's user or the device's group wrote to ctl"},
				{Term: "EINVAL", Text: "no such verb, or bad operands; errors says which"},
				{Term: "EBUSY", Text: "a command was written to a queue of a device that drains"},
			},
			Examples: []kernels.Example{
				{Text: "Share the device three to one with a queue of its own, and stop that for a while.", Lines: []string{
					"echo 'queue batch weight=33' > ctl", "echo 1 > queues/batch/paused", "echo 0 > queues/batch/paused",
				}},
				{Text: "Cancel one job, then all of them.", Lines: []string{"rmdir queues/main/jobs/7", "echo reset > ctl"}},
			},
			SeeAlso: []string{"vgpu(1)", "vgpu-explain(7)", "vgpu-mount(1)"},
		},
	}
	for i, v := range device.Verbs() {
		if i > 0 {
			k.Synopsis += "\n"
		}
		k.Synopsis += v.Synopsis
		k.Manual.Operands = append(k.Manual.Operands, kernels.Entry{Term: v.Name, Text: v.Help})
	}
	return k
}

// explainManual lists the keys that explain answers with.
func explainManual() *kernels.Kernel {
	return &kernels.Kernel{
		Name: "explain", Summary: "What a command would do, without running it", Synopsis: "explain COMMAND",
		Manual: kernels.Manual{
			Description: "Checks COMMAND as if it were to run now, and answers with lines of a key and a value, in bytes, seconds and flops. Nothing is written. " +
				"It is written to run, and the answer read from the same handle; or it is given to vgpu run.",
			Operands: []kernels.Entry{
				{Term: "kernel, isa, threads", Text: "what would run, on what"},
				{Term: "input.N, output.N", Text: "the operands with their types and shapes; an output is new, overwritten or updated"},
				{Term: "flops, bytes, scratch", Text: "the cost by the kernel's formulas; scratch is memory beside the operands"},
				{Term: "mode", Text: "memory: all operands are mapped; windows: the parts of them that are used are copied; streamed: piece by piece, from and to where they are"},
				{Term: "memory", Text: "what the job would use of its operands in memory, and its scratch: what --mem and maxmem= bound"},
				{Term: "moved", Text: "of a streamed job: what it would read and write outside memory"},
				{Term: "brought", Text: "what would be read from spill tiers first"},
				{Term: "seconds", Text: "an estimate, from rates seen on this device; absent before there are any"},
			},
			Errors: []kernels.Entry{
				{Term: "EINVAL", Text: "no command, or one that would be refused"},
				{Term: "ENOMEM", Text: "the command cannot run in this memory, not even piece by piece"},
			},
			Examples: []kernels.Example{{Text: "From a shell, where the answer is read from the handle of the question.", Lines: []string{
				"exec 3<>run", "echo 'explain gemm a.npy b.npy c.npy' >&3", "cat <&3",
			}}},
			Notes:   "A kernel adds lines of its own: the algorithm and its block sizes, the passes over data outside memory.",
			SeeAlso: []string{"vgpu-commands(7)", "vgpu-run(1)", "vgpu-ctl(7)", "vgpu-mount(1)"},
		},
	}
}

// sizingManual is how to choose --mem and --spill.
func sizingManual() *kernels.Kernel {
	return &kernels.Kernel{
		Name: "sizing", Summary: "How much memory and disk to give a device", Synopsis: "vgpu mount --mem SIZE --spill DIR:SIZE ... MOUNTPOINT",
		Manual: kernels.Manual{
			Description: "--mem bounds buffers, kernels' scratch and the staging of transfers together; the daemon itself takes some 50 to 200 MiB beside it. " +
				"Give what the machine can spare: the pages of buffers are tmpfs, which the kernel may swap but does not drop. Without swap, --mem and what others need must fit into RAM. " +
				"What a job worked in stays with the daemon for a minute, for the next job, unless a buffer needs it (tiers/ram/cached).\n\n" +
				"A job runs at the machine's speed if its operands and its scratch fit (mode memory in explain). If they do not, a kernel that streams reads them piece by piece from where they lie, " +
				"at the disk's speed or its own, whichever is slower; half of --mem is the most it takes while others may run. A kernel that does not stream is refused with ENOMEM and the byte counts.\n\n" +
				"For matrix products of n by n outside memory, the more memory the fewer passes: with M elements of it each operand is read about n / sqrt(M) times. " +
				"They run at the speed of the cores while that traffic, divided by the disk's bandwidth, takes less time than 2 n^3 flops.",
			Operands: []kernels.Entry{
				{Term: "SIZE", Text: "bytes, or with K, M, G or T, or KiB, MiB, GiB or TiB: powers of 1024, in maxmem= of a command too. KB, MB and the like are refused, as to some they are powers of 1000"},
				{Term: "--mem", Text: "the operands of the largest job that should not stream, with its scratch; twice that lets the next job's operands be brought in while it runs"},
				{Term: "--spill DIR:SIZE", Text: "all buffers that should exist at one time, less --mem, and temporary space for streamed transforms and sorts: one array to two. An output of another size is made before what it replaces goes"},
				{Term: "--spill DIR:SIZE:zstd", Text: "a slow disk, or data that compresses: tiers/NAME/ratio tells how well. Compression takes cores from kernels"},
				{Term: "--quota", Text: "what one user's buffers may take, in memory and on the tiers together"},
				{Term: "small buffers", Text: "each takes whole pages of 4 KiB, and while a job writes it one page more; moving one to a disk costs milliseconds, however small: keep many small ones in memory, or in one file"},
				{Term: "huge pages", Text: "buffers that jobs make are on them where /sys/kernel/mm/transparent_hugepage/shmem_enabled allows it"},
			},
			Examples: []kernels.Example{
				{Text: "What would this job take, and how would it run?", Lines: []string{"vgpu run 'explain gemm a.npy b.npy c.npy'"}},
				{Text: "Is memory what jobs wait for? Stalls and their seconds, what is moving and why.", Lines: []string{"grep -E 'moves|stall' stat", "cat tiers/plan"}},
			},
			SeeAlso: []string{"vgpu-mount(1)", "vgpu-explain(7)"},
		},
	}
}

// manuals are the pages of section 7: the kernels', then the device's.
func manuals() []*kernels.Kernel {
	var all []*kernels.Kernel
	reg := catalog.Registry()
	for _, name := range reg.Names() {
		all = append(all, reg.Lookup(name))
	}
	return append(all, deviceManuals()...)
}

// manualOf finds the page of a kernel, of the device's or of a verb of ctl; nil
// if there is none.
func manualOf(name string) *kernels.Kernel {
	if slices.ContainsFunc(device.Verbs(), func(v device.Verb) bool { return v.Name == name }) {
		name = "ctl"
	}
	all := manuals()
	if i := slices.IndexFunc(all, func(k *kernels.Kernel) bool { return k.Name == name }); i >= 0 {
		return all[i]
	}
	return nil
}
