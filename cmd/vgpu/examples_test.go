package main

import (
	"context"
	"io"
	"strings"
	"testing"

	"vgpu/kernels/catalog"
)

// The examples of every manual run as they stand, in their order.
func TestManualExamplesRun(t *testing.T) {
	reg := catalog.Registry()
	for _, name := range reg.Names() {
		t.Run(name, func(t *testing.T) {
			var lines []string
			for _, e := range reg.Lookup(name).Manual.Examples {
				lines = append(lines, e.Lines...)
			}
			if len(lines) == 0 && name != "fault" {
				t.Fatal("the manual has no example")
			}
			if err := runLines(context.Background(), io.Discard, &runOptions{dir: t.TempDir()}, lines); err != nil {
				t.Errorf("%v\nin\n%s", err, strings.Join(lines, "\n"))
			}
		})
	}
}
