package expr

import (
	"maps"
	"testing"

	"vgpu/kernels/kerneltest"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/vec"
)

// The examples of the manuals run, each on an empty device.
func TestExamples(t *testing.T) {
	ks := append(vec.Kernels(), Kernels()...)
	for _, k := range Kernels() {
		for _, e := range k.Manual.Examples {
			device := map[string]ndarray.Array{}
			for _, line := range e.Lines {
				out, answer, err := kerneltest.Run(t, ks, line, device, kerneltest.Threads(1))
				if err != nil {
					t.Fatalf("%s: %v", line, err)
				}
				maps.Copy(device, out)
				t.Log(line, answer)
			}
		}
	}
}
