package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"vgpu/kernels/catalog"
)

// manCommand prints manuals from the binary, where no pages are installed.
func manCommand() *cobra.Command {
	var roff bool
	c := &cobra.Command{
		Use: "man NAME", Short: "show the manual of a kernel, of commands, ctl, explain or sizing; without operand, list the kernels",
		RunE: func(c *cobra.Command, args []string) error {
			switch len(args) {
			case 0:
				return listKernels(c.OutOrStdout())
			case 1:
				return showManual(c.OutOrStdout(), args[0], roff)
			}
			return usagef("vgpu man takes one name")
		},
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return manualNames(), cobra.ShellCompDirectiveNoFileComp
		},
	}
	c.Flags().BoolVar(&roff, "roff", false, "as the source of a manual page")
	return c
}

// manualNames lists the pages, for completion.
func manualNames() (out []string) {
	for _, k := range manuals() {
		out = append(out, k.Name)
	}
	return out
}

// listKernels writes a line a kernel.
func listKernels(w io.Writer) error {
	reg := catalog.Registry()
	for _, name := range reg.Names() {
		if _, err := fmt.Fprintf(w, "%-14s %s\n", name, reg.Lookup(name).Summary); err != nil {
			return err
		}
	}
	return nil
}

// showManual prints one page, as text of 80 columns or as its source.
func showManual(w io.Writer, name string, roff bool) error {
	k := manualOf(name)
	if k == nil {
		return usagef("no kernel is named %q; vgpu man lists them", name)
	}
	text := k.Text(80)
	if roff {
		text = k.Roff(manSection, version, buildDate())
	}
	_, err := io.WriteString(w, text)
	return err
}
