package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"vgpu/alloc"
	"vgpu/device"
	"vgpu/kernels/catalog"
	"vgpu/kernels/command"
)

// runOptions are those of a device on plain files: of run, bench, tune and what
// asks the machine.
type runOptions struct {
	dir, file, isa, cpus string
	tuning               string // directory of the tuner's findings; "" is the user's
	threads              int
	mem                  sizeFlag
	stats                bool
}

// runCommand runs commands without a mount. Buffers are the files themselves,
// so that what a device guarantees of buffers (marks, spilling) does not hold
// here.
func runCommand() *cobra.Command {
	var o runOptions
	c := &cobra.Command{
		Use:   "run [-C DIR] [-f FILE] [COMMAND...]",
		Short: "run commands on plain files: no mount, no root, no FUSE",
		Long: "Runs the device's commands on plain files. Operands are paths below DIR. Each COMMAND is a line, as it would\n" +
			"be written to a device; -f reads lines from a file (- is standard input). Answers go to standard output.\n" +
			"The exit status is 1 at the first failure, and what follows it is not run.",
		Example: "  vgpu run 'gemm a.npy b.npy c.npy' 'sum c.npy'\n  vgpu run -C /data -f steps.txt",
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 && o.file == "" {
				return usagef("vgpu run takes commands, or -f FILE")
			}
			return runLines(c.Context(), c.OutOrStdout(), &o, args)
		},
	}
	f := c.Flags()
	f.StringVarP(&o.dir, "directory", "C", ".", "directory that operands are relative to")
	f.StringVarP(&o.file, "file", "f", "", "read commands from FILE; - is standard input")
	isaFlag(c, &o.isa)
	f.StringVar(&o.cpus, "cpus", "", "CPUs that compute, such as 0-3,8")
	f.IntVar(&o.threads, "threads", 0, "threads that compute")
	f.Var(&o.mem, "mem", "memory for scratch, such as 2G")
	f.BoolVar(&o.stats, "stats", false, "print a line of statistics for commands that give no answer")
	return c
}

// openPlain makes a device of plain files. The caller closes it.
func openPlain(o *runOptions) (*device.Device, error) {
	if o.isa != "" {
		if err := forceISA(o.isa); err != nil {
			return nil, err
		}
	}
	p, err := poolConfig(o.threads, o.cpus)
	if err != nil {
		return nil, err
	}
	p.Nice, p.Batch = 0, false // there are no files to answer for
	tuning := o.tuning
	if tuning == "" {
		tuning = readableCache()
	}
	return device.Open(device.Config{
		Name: "run", Version: version, Registry: catalog.Registry().WithCommon(device.CommonOptions...), Pool: p,
		Store:  alloc.Config{Plain: o.dir, Mem: int64(o.mem)},
		Tuning: tuning,
	})
}

// readableCache is where the user's findings are; "" if they cannot be read, as
// with the HOME of somebody else: commands run as well without them.
func readableCache() string {
	dir := tuningCache()
	if _, err := os.ReadDir(dir); dir != "" && err != nil && !errors.Is(err, os.ErrNotExist) {
		fmt.Fprintf(os.Stderr, "vgpu: what vgpu tune found is not used: %v\n", err)
		return ""
	}
	return dir
}

// runLines runs the lines of args, then those of o.file, up to the first
// failure.
func runLines(ctx context.Context, out io.Writer, o *runOptions, args []string) error {
	dev, err := openPlain(o)
	if err != nil {
		return err
	}
	s := dev.Queue(device.RunQueue).Open(self(), device.SessionOptions{Sync: true})
	w := bufio.NewWriter(out)
	if err = runAll(ctx, dev, s, w, o, args); err == nil {
		err = w.Flush()
	}
	return errors.Join(err, dev.Close(cancelled(), true))
}

// self is this process's credentials.
func self() device.Cred {
	c := device.Cred{UID: uint32(os.Geteuid()), GID: uint32(os.Getegid())}
	if groups, err := os.Getgroups(); err == nil {
		for _, g := range groups {
			c.Groups = append(c.Groups, uint32(g))
		}
	}
	return c
}

// runAll is runLines on an open device. Lines of a file are run as they are
// read, so that a pipe can go on for ever.
func runAll(ctx context.Context, dev *device.Device, s *device.Session, w *bufio.Writer, o *runOptions, args []string) error {
	for _, line := range args {
		if err := runLine(ctx, dev, s, w, o, line); err != nil {
			return err
		}
	}
	if o.file == "" {
		return nil
	}
	in := os.Stdin
	if o.file != "-" {
		f, err := os.Open(o.file)
		if err != nil {
			return err
		}
		defer f.Close()
		in = f
	}
	sc := bufio.NewScanner(in)
	sc.Buffer(nil, command.MaxLine+2) // with its newline
	n := 1
	for ; sc.Scan(); n++ {
		if err := runLine(ctx, dev, s, w, o, sc.Text()); err != nil {
			return err
		}
	}
	if err := sc.Err(); !errors.Is(err, bufio.ErrTooLong) {
		return err
	}
	return fmt.Errorf("E2BIG: line %d of %s has more than %d bytes", n, in.Name(), command.MaxLine)
}

// runLine runs one line and prints its answer at once, for pipes to go on.
func runLine(ctx context.Context, dev *device.Device, s *device.Session, w *bufio.Writer, o *runOptions, line string) error {
	if strings.ContainsRune(line, '\n') {
		return usagef("a command is one line: %q", line)
	}
	if _, err := s.Write(ctx, []byte(line+"\n")); err != nil {
		return lineError(dev, err)
	}
	for buf := make([]byte, 64<<10); ; {
		n := s.Read(buf)
		if n == 0 {
			return w.Flush()
		}
		if text := string(buf[:n]); o.stats || !strings.HasPrefix(text, "job=") {
			if _, err := w.WriteString(text); err != nil {
				return err
			}
		}
	}
}

// lineError shows the fault in the line, as the device's file `errors` does. Of
// an interrupted command it makes a shell's status, 130, and lets a second
// Ctrl-C kill: jobs may still be ending.
func lineError(dev *device.Device, err error) error {
	if errors.Is(err, syscall.EINTR) {
		signal.Reset(syscall.SIGINT, syscall.SIGTERM)
		return &exitError{128 + int(syscall.SIGINT), errors.New("interrupted; outputs of the command are removed or bad")}
	}
	entries, _ := dev.Errors()
	if len(entries) == 0 {
		return err
	}
	e := entries[len(entries)-1]
	text := fmt.Sprintf("%s: %s", device.ErrnoName(e.Errno), e.Msg)
	if e.Caret {
		text += "\n" + strings.TrimRight(command.Caret(e.Line, e.Span), "\n")
	}
	if e.Hint != "" {
		text += "\n" + e.Hint
	}
	return errors.New(text)
}
