package catalog

import (
	"testing"

	"vgpu/kernels/kerneltest"
)

// Every manual is complete.
func TestManuals(t *testing.T) {
	reg := Registry()
	for _, name := range reg.Names() {
		k := reg.Lookup(name)
		if k.Family == "diag" {
			continue // they compute nothing, so there is less to say
		}
		t.Run(name, func(t *testing.T) { kerneltest.Manual(t, k) })
		for _, other := range k.Manual.SeeAlso {
			if reg.Lookup(other) == nil {
				t.Errorf("%s: see also %s, which is no kernel", name, other)
			}
		}
	}
}
