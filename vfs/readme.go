package vfs

import (
	"bytes"
	_ "embed"
	"text/template"
)

// readmeText is a template, with the fields that readme fills in.
//
//go:embed README.tmpl
var readmeText string

var readmeTemplate = template.Must(template.New("README").Parse(readmeText))

// readme says how to use the directory. Its indented lines are shell commands
// that work as they stand, in this order, in the directory itself; a test runs
// them.
func (t *tree) readme() ([]byte, error) {
	var b bytes.Buffer
	err := readmeTemplate.Execute(&b, map[string]any{
		"Name": t.dev.Name(), "Version": t.dev.Version(), "Kernels": len(t.dev.Registry().Names()), "Passthrough": t.passthrough.Load(),
	})
	return b.Bytes(), err
}
