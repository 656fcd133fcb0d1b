package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"vgpu/device"
)

// infoCommand shows the fields of a device's file info.
func infoCommand() *cobra.Command {
	var asJSON bool
	var dir string
	c := &cobra.Command{
		Use: "info [--json]", Short: "show what this machine's device would be: ISA, cores, caches, measured peaks", Args: exactArgs(0, "no operands"),
		RunE: func(c *cobra.Command, _ []string) error {
			fields, err := machineInfo(c.Context(), dir)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(c.OutOrStdout(), fields)
			}
			return printFields(c.OutOrStdout(), fields)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object")
	deviceFlag(c, &dir, "ask the device mounted here instead")
	return c
}

// machineInfo is the info of a mounted device, or of one made for the purpose.
func machineInfo(ctx context.Context, dir string) ([]device.Field, error) {
	if dir != "" {
		if err := checkDevice(dir); err != nil {
			return nil, err
		}
		return readFields(filepath.Join(dir, "info"))
	}
	dev, err := openPlain(&runOptions{dir: os.TempDir()})
	if err != nil {
		return nil, err
	}
	if err := dev.Measure(ctx); err != nil {
		return nil, err
	}
	fields := dev.Info()
	return fields, dev.Close(cancelled(), true)
}

// readFields reads flat `key value` text.
func readFields(path string) ([]device.Field, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var out []device.Field
	for line := range strings.Lines(string(text)) {
		key, val, _ := strings.Cut(strings.TrimRight(line, "\n"), " ")
		out = append(out, device.Field{Key: key, Value: fieldValue(key, val)})
	}
	return out, nil
}

// fieldValue is a value as the device itself has it: numbers and truth are what
// they are, whether the device is asked or one is made for the purpose.
func fieldValue(key, text string) any {
	switch key {
	case "name", "version", "kernel", "io_uring": // text, whatever they look like
		return text
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n
	}
	if x, err := strconv.ParseFloat(text, 64); err == nil {
		return x
	}
	if text == "yes" || text == "no" {
		return text == "yes"
	}
	return text
}

// printFields writes a table for people; the JSON has the full figures.
func printFields(w io.Writer, fields []device.Field) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, f := range fields {
		fmt.Fprintf(tw, "%s\t%s\n", f.Key, fieldText(f.Value))
	}
	return tw.Flush()
}

// fieldText is a value as people read it.
func fieldText(v any) string {
	switch v := v.(type) {
	case float64:
		return fmt.Sprintf("%.4g", v)
	case bool:
		if v {
			return "yes"
		}
		return "no"
	}
	return fmt.Sprint(v)
}

// printJSON writes the fields as one object, in their order.
func printJSON(w io.Writer, fields []device.Field) error {
	var b strings.Builder
	b.WriteByte('{')
	for i, f := range fields {
		val, err := json.Marshal(f.Value)
		if err != nil {
			return err
		}
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%q: %s", f.Key, val)
	}
	b.WriteString("}\n")
	_, err := io.WriteString(w, b.String())
	return err
}
