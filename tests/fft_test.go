package tests

import (
	"os/exec"
	"path/filepath"
	"testing"
)

// TestTransformsAgainstScipy runs transforms, convolutions, windows and spectra of
// random shapes, types, views and options, and lines that are refused, against
// numpy and scipy.
func TestTransformsAgainstScipy(t *testing.T) {
	script, err := filepath.Abs("testdata/scipy/transforms.py")
	if err != nil {
		t.Fatal(err)
	}
	for _, seed := range []string{"1", "2", "3"} {
		t.Run("seed "+seed, func(t *testing.T) {
			if out, err := exec.Command("/usr/bin/python3", script, binary, t.TempDir(), seed, "390").CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}
