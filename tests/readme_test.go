package tests

import (
	"strings"
	"testing"
)

// examples takes the indented lines out of a text.
func examples(text string) string {
	var out []string
	for line := range strings.Lines(text) {
		if code, ok := strings.CutPrefix(line, "    "); ok {
			out = append(out, strings.TrimRight(code, "\n"))
		}
	}
	return strings.Join(out, "\n") + "\n"
}

// The device's README is a script: what it shows must work as it stands.
func TestREADMERuns(t *testing.T) {
	for _, shell := range shells {
		t.Run(shell, func(t *testing.T) {
			d := mount(t)
			script := examples(d.read("README"))
			if strings.Count(script, "\n") < 20 {
				t.Fatalf("only these examples were found:\n%s", script)
			}
			out, err := d.sh(shell, "set -e\n"+script)
			if err != nil {
				t.Fatalf("%v\n%s\n%s", err, out, d.read("errors"))
			}
		})
	}
}
