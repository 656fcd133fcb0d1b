package main

import (
	"vgpu/device"
	"vgpu/kernels"
)

// commandsManual is the page of what all commands have in common: how a line is
// written, what every one takes, and how one is refused or fails.
func commandsManual() *kernels.Kernel {
	return &kernels.Kernel{
		Name: "commands", Summary: "How a command is written, and what every command takes", Synopsis: "VERB OPERAND... [KEY=VALUE...]",
		Options: device.CommonOptions,
		Manual: kernels.Manual{
			Description: "A command is a line: a kernel's name, its operands, and options. Inputs come first, the output last; without an output operand, " +
				"a kernel whose result is a number answers with it. Words are quoted as in a POSIX shell, and a comment runs from # to the end of the line. A line has 64 KiB at most. " +
				"It is written to run, which returns when it is done, to the ctl of a queue, which returns when it is accepted, or given to vgpu run.\n\n" +
				"A command is checked when it is accepted: grammar, types, shapes, permissions and memory. A mistake is an errno of the write, and an entry in errors " +
				"with the line, a caret under the fault and what to do. All the lines of one write are accepted, or none.",
			Operands: []kernels.Entry{
				{Term: "PATH", Text: "a file below buffers/ that begins with an NPY header, which says its type and shape; an output whose name ends in .npy gets one"},
				{Term: "PATH:TYPE:SHAPE", Text: "a file without a header, or the type of an output: a.bin:f32:512x512. TYPE is f16, bf16, f32, f64, c64, c128, i8, u8, i16, u16, i32, u32, i64, u64 or bool"},
				{Term: "either with [SLICE]", Text: "a part of it, by Python's basic slicing: \"a.npy[0:512,::-1]\", quoted from shells. A part of an output changes the buffer that is there"},
			},
			Errors: []kernels.Entry{
				{Term: "EINVAL", Text: "grammar, an option that the kernel does not have, types or shapes that do not go together, a bad header"},
				{Term: "ENOENT, EISDIR, ELOOP", Text: "no such buffer; a directory; a symlink that leads out of buffers/"},
				{Term: "EACCES", Text: "the buffer, or its directory, is somebody else's"},
				{Term: "ENOMEM", Text: "it does not fit into --mem, or into maxmem=, not even streamed; with the byte counts"},
				{Term: "ENOSPC, EDQUOT", Text: "no room for the output: memory and the spill tiers are full, or the user's quota is"},
				{Term: "EBUSY, EAGAIN", Text: "the device is draining; the queue is full, and the handle is non-blocking"},
				{Term: "E2BIG", Text: "the line is longer than 64 KiB"},
				{Term: "EIO", Text: "an input is the output of a job that did not end done; a fault of a disk, a checksum, or a kernel"},
				{Term: "ETIMEDOUT, ECANCELED", Text: "the job ran longer than timeout=; it was cancelled"},
				{Term: "EDOM", Text: "numbers outside the range of the kernel's method"},
			},
			Examples: []kernels.Example{
				{Text: "One thread, a minute and 64 MiB at most.", Lines: []string{
					"random a.npy:f32:1000x1000 seed=1", "sort a.npy b.npy threads=1 timeout=60 maxmem=64M",
				}},
			},
			Notes: "maxmem= bounds the sum that explain tells as memory: what the job uses of its operands while they are in memory, mapped or copied, and its scratch. " +
				"Where the device spills, a job that needs more works on copies of the parts that it uses, or is streamed in less, in the same bits.",
			SeeAlso: []string{"vgpu-explain(7)", "vgpu-ctl(7)", "vgpu-run(1)"},
		},
	}
}
