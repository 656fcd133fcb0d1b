package tests

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// blas runs Netlib's tester for a type on a device.
func blas(t *testing.T, d *dev, letter, plant string) (out string, passed bool) {
	t.Helper()
	script, err := filepath.Abs("judges/blas.sh")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(script, d.dir, letter, plant)
	text, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return string(text), err == nil
}

// Netlib's own testers of BLAS judge gemm, through files alone: error exits,
// every transpose, leading dimensions, sizes from 0, alpha and beta of 0, 1
// and others, and that nothing beside the result is written.
func TestNetlibBLAS(t *testing.T) {
	d := mount(t)
	t.Run("types", func(t *testing.T) {
		for _, letter := range []string{"s", "d", "c", "z"} {
			t.Run(letter, func(t *testing.T) {
				t.Parallel()
				out, passed := blas(t, d, letter, "")
				if !passed || !strings.Contains(out, "GEMM  PASSED THE TESTS OF ERROR-EXITS") || !strings.Contains(out, "( 17496 CALLS)") {
					t.Errorf("the tester is not content:\n%s\n%s", out, d.read("errors"))
				}
			})
		}
	})
	for _, letter := range []string{"d", "z"} {
		if out, passed := blas(t, d, letter, "1e-6"); passed || !strings.Contains(out, "HALF ACCURATE") {
			t.Errorf("%s: an error of 1e-6 is not noticed:\n%s", letter, out)
		}
	}
}
