package main

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"vgpu/device"
	"vgpu/vfs"
)

// noDevice is the error of a directory that is no device; it says where devices are.
type noDevice struct {
	dir   string
	cause error
}

func (e *noDevice) Error() string {
	list, err := vfs.Mounts()
	if err != nil || len(list) == 0 {
		return e.dir + " is not a vgpu device; vgpu mount MOUNTPOINT makes one"
	}
	return e.dir + " is not a vgpu device; mounted are: " + strings.Join(list, " ")
}

func (e *noDevice) Unwrap() error { return e.cause }

// checkDevice refuses a directory that is no device, or no longer one. It looks at
// the files alone: a device may be here by way of another machine.
func checkDevice(dir string) error {
	fields, err := readFields(filepath.Join(dir, "info"))
	switch {
	case errors.Is(err, syscall.ENOTCONN):
		return &exitError{exitFailed, errors.New(dir + ": the daemon of this device is dead; vgpu umount " + dir + " takes the mount away")}
	case errors.Is(err, syscall.EACCES):
		return err
	case err != nil || !slices.ContainsFunc(fields, func(f device.Field) bool { return f.Key == "abi" }):
		return &noDevice{dir, err}
	}
	return nil
}

// deviceFlag adds --device, which completes what is mounted.
func deviceFlag(c *cobra.Command, dir *string, help string) {
	c.Flags().StringVarP(dir, "device", "d", "", help)
	completes(c, "device", devices)
}

// devices completes the mount points of devices, and directories.
func devices(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	list, err := vfs.Mounts()
	if err != nil || len(list) == 0 {
		return nil, cobra.ShellCompDirectiveFilterDirs
	}
	return list, cobra.ShellCompDirectiveNoFileComp
}

// oneDevice completes the only operand of a command, a device.
func oneDevice(c *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return devices(c, args, word)
}

// values completes a flag that takes one of a few words.
func values(c *cobra.Command, flag string, words ...string) {
	completes(c, flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
}

// completes panics without such a flag, as it is one of ours.
func completes(c *cobra.Command, flag string, f cobra.CompletionFunc) {
	if err := c.RegisterFlagCompletionFunc(flag, f); err != nil {
		panic(err)
	}
}

// isaFlag adds --isa.
func isaFlag(c *cobra.Command, isa *string) {
	c.Flags().StringVar(isa, "isa", "", "instruction set: avx512, avx2 or generic (default: the best there is)")
	values(c, "isa", "avx512", "avx2", "generic")
}
