// Command vgpu is a compute device as a directory, and the tools around it.
// `vgpu help` lists them; DESIGN and the manual pages say what each promises.
//
// Under the names mount.vgpu and mount.fuse.vgpu the same binary is the helper
// of mount(8).
//
// # Layout
//
// A file a subcommand: its cobra.Command with flags and help, and below that
// what it does. Nothing here computes or keeps state: mount and run make a
// device.Device, the rest reads the files of a mounted one, or times what the
// other packages do. What `docs` writes (manual pages, completions,
// docs/COMMANDS.md) comes from the commands' own texts; make generate renews
// it.
//
// # Errors
//
// A command returns an error and prints nothing of it: report does, once, in
// one line or with the caret of a refused command, and gives the exit status.
// usagef makes errors of the command line, lacks those of the machine. The
// statuses are an interface.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"vgpu/device"
)

// version is set by the linker: see the Makefile.
var version = "dev"

// Exit statuses, which scripts rely on.
const (
	exitFailed = 1  // a command failed
	exitUsage  = 64 // the command line is wrong
	exitLacks  = 69 // the machine lacks something; doctor says what
	exitFault  = 70 // a fault of ours
)

// exitError is an error that has a status of its own; any other exits with
// exitFailed. An empty text prints nothing.
type exitError struct {
	status int
	err    error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

// usagef is an error of the command line.
func usagef(format string, args ...any) error {
	return &exitError{exitUsage, fmt.Errorf(format, args...)}
}

func main() { os.Exit(run(os.Args)) }

// run carries out a command line and returns the exit status. SIGINT and
// SIGTERM end the commands' context, and are caught for good: what takes its
// time to end gives them back (signal.Reset, signal.NotifyContext).
func run(args []string) (status int) {
	defer func() {
		if v := recover(); v != nil {
			fmt.Fprintf(os.Stderr, "vgpu: a fault of ours: %v\n", v)
			status = exitFault
			panic(v) // with the stack, for the report
		}
	}()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if name := filepath.Base(args[0]); strings.HasPrefix(name, "mount.") {
		return report(mountHelper(ctx, args[1:]))
	}
	root := commandLine()
	root.SetArgs(args[1:])
	return report(execute(ctx, root, os.Stdout))
}

// execute runs a command, and fails if what cobra itself prints cannot be
// written.
func execute(ctx context.Context, root *cobra.Command, w io.Writer) error {
	out := &checkedWriter{w: w}
	root.SetOut(out)
	if err := root.ExecuteContext(ctx); err != nil {
		return err
	}
	return out.err
}

// checkedWriter keeps the first error of what is printed without looking, as
// help is.
type checkedWriter struct {
	w   io.Writer
	err error
}

func (c *checkedWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	if c.err == nil {
		c.err = err
	}
	return n, err
}

// report prints an error, once, and gives its exit status.
func report(err error) int {
	if err == nil {
		return 0
	}
	var e *exitError
	if !errors.As(err, &e) {
		e = &exitError{exitFailed, err}
	}
	if text := e.Error(); text != "" {
		fmt.Fprintln(os.Stderr, "vgpu:", text)
	}
	return e.status
}

// rootCommand is the tree of commands, made anew for each caller, as cobra
// keeps flags' values in it.
func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "vgpu",
		Short:         "a GPU you can mount: compute as files",
		Long:          "vgpu turns a machine's cores and memory into a compute device that is a directory.\nBuffers are files, queues are directories, and writing a line runs a kernel.",
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       version,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("unknown command %q; vgpu help lists them", args[0])
			}
			return nil
		},
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetVersionTemplate("vgpu {{.Version}}\n")
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usagef("%w; %s --help shows what it takes", err, c.CommandPath())
	})
	root.AddCommand(
		mountCommand(), umountCommand(), runCommand(), benchCommand(), infoCommand(), topCommand(), doctorCommand(), tuneCommand(), manCommand(), docsCommand(), versionCommand(),
	)
	return root
}

// commandLine is our commands, and cobra's own set right.
func commandLine() *cobra.Command {
	root := rootCommand()
	checkShell(root)
	checkTopic(root)
	return root
}

// checkShell has `completion` refuse a shell that it does not know: cobra's own
// prints its help, and succeeds.
func checkShell(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	c, _, err := root.Find([]string{"completion"})
	if err != nil {
		return
	}
	c.Args = cobra.ArbitraryArgs
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(args) > 0 {
			return usagef("vgpu completion knows bash, fish, powershell and zsh, not %q", args[0])
		}
		return c.Help()
	}
}

// checkTopic has `help` refuse what is no command: cobra's own prints the list,
// and succeeds.
func checkTopic(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	help, _, err := root.Find([]string{"help"})
	if err != nil {
		return
	}
	help.Run = nil
	help.RunE = func(_ *cobra.Command, args []string) error {
		c, rest, err := root.Find(args)
		switch {
		case err != nil || len(rest) > 0 && manualOf(rest[0]) == nil:
			return usagef("there is no help on %q; vgpu help lists the commands", strings.Join(args, " "))
		case len(rest) > 0:
			return usagef("%s is no command of vgpu but of a device: vgpu man %s", rest[0], rest[0])
		}
		c.InitDefaultHelpFlag() // to be listed
		c.InitDefaultVersionFlag()
		return c.Help()
	}
}

// exactArgs and minArgs are cobra's checks with our exit status.
func exactArgs(n int, what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) != n {
			return usagef("%s takes %s; %s --help shows how", c.CommandPath(), what, c.CommandPath())
		}
		return nil
	}
}

func minArgs(n int, what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) < n {
			return usagef("%s takes %s; %s --help shows how", c.CommandPath(), what, c.CommandPath())
		}
		return nil
	}
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "print the version", Args: exactArgs(0, "no operands"),
		RunE: func(c *cobra.Command, _ []string) error {
			_, err := fmt.Fprintf(c.OutOrStdout(), "vgpu %s\n", version)
			return err
		},
	}
}

// sizeFlag is a flag of bytes with binary suffixes.
type sizeFlag int64

// String is "" for the default, which is 0.
func (f *sizeFlag) String() string {
	if *f == 0 {
		return ""
	}
	return fmt.Sprint(int64(*f))
}

// Type is what --help shows of a value.
func (f *sizeFlag) Type() string { return "SIZE" }

// Set reads 8G or a number of bytes, at least 1.
func (f *sizeFlag) Set(s string) error {
	n, err := device.ParseSize(s)
	if err != nil {
		return err
	}
	if n == 0 { // would be taken for the default
		return fmt.Errorf("a size of 0; leave it out for the default")
	}
	*f = sizeFlag(n)
	return nil
}
