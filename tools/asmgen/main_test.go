package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// TestNoDrift makes every family anew and compares it with what is checked in.
func TestNoDrift(t *testing.T) {
	const checkedIn = "../../kernels/simd"
	for _, f := range table {
		t.Run(f.name, func(t *testing.T) {
			files, err := f.files()
			if err != nil {
				t.Fatal(err)
			}
			for name, want := range files {
				got, err := os.ReadFile(filepath.Join(checkedIn, name))
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(got, want) {
					t.Errorf("%s is not what the generator makes: run go generate ./kernels/simd", name)
				}
			}
		})
	}
}
