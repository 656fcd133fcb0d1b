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
			dir := t.TempDir()
			if err := f.write(dir); err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{f.asmName(), f.stubsName()} {
				want, err := os.ReadFile(filepath.Join(dir, name))
				if err != nil {
					t.Fatal(err)
				}
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
