// Package lint holds the rules of this tree as tests: DESIGN section 2 says
// which layer may know which.
package lint

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const module = "vgpu"

// forbidden lists, for a package tree, what it may not import, and the
// sentence to remember.
var forbidden = []struct{ pkg, imports, why string }{
	{"kernels", "vgpu/alloc", "kernels and alloc do not know each other: device hands a kernel byte slices"},
	{"kernels", "vgpu/device", "imports run downward only"},
	{"kernels", "vgpu/vfs", "imports run downward only"},
	{"alloc", "vgpu/kernels", "kernels and alloc do not know each other"},
	{"alloc", "vgpu/device", "imports run downward only"},
	{"alloc", "vgpu/vfs", "imports run downward only"},
	{"device", "vgpu/vfs", "device can be used without a mount"},
	{"device", "vgpu/cmd", "imports run downward only"},
	{"vfs", "vgpu/cmd", "imports run downward only"},
	{"vfs", "vgpu/alloc", "vfs calls device, and device calls alloc"},
	{"kernels/pool", "vgpu/", "the pool knows nothing of what it runs"},
	{"iouring", "vgpu/", "iouring stands on golang.org/x/sys alone"},
	{"kernels/simd", "vgpu/kernels/gemm", "simd is below the families"},
	{"kernels/simd", "vgpu/kernels/fft", "simd is below the families"},
	{"kernels/simd", "vgpu/kernels/ndarray", "simd is below ndarray, whose conversions use it"},
}

// only lists imports that one package alone may have.
var only = []struct{ imports, pkg, why string }{
	{"github.com/hanwen/go-fuse/v2", "vfs", "nobody but vfs imports go-fuse"},
	{"github.com/rivo/tview", "cmd", "the terminal is the command's"},
	{"github.com/mmcloughlin/avo", "tools", "assembly is generated, not linked"},
}

type pkg struct {
	ImportPath string
	Dir        string
	Imports    []string
	SFiles     []string
}

func packages(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Dir,Imports,SFiles", module+"/...")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var list []pkg
	for dec := json.NewDecoder(strings.NewReader(string(out))); dec.More(); {
		var p pkg
		if err := dec.Decode(&p); err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
	if len(list) < 10 {
		t.Fatalf("go list found %d packages, which cannot be all", len(list))
	}
	return list
}

func under(path, tree string) bool {
	return path == module+"/"+tree || strings.HasPrefix(path, module+"/"+tree+"/")
}

func TestImportsRunDownward(t *testing.T) {
	for _, p := range packages(t) {
		for _, imp := range p.Imports {
			for _, f := range forbidden {
				if under(p.ImportPath, f.pkg) && strings.HasPrefix(imp+"/", strings.TrimSuffix(f.imports, "/")+"/") {
					t.Errorf("%s imports %s: %s", p.ImportPath, imp, f.why)
				}
			}
			for _, o := range only {
				if strings.HasPrefix(imp, o.imports) && !under(p.ImportPath, o.pkg) {
					t.Errorf("%s imports %s: %s", p.ImportPath, imp, o.why)
				}
			}
		}
	}
}

func TestAssemblyIsInSimdAlone(t *testing.T) {
	for _, p := range packages(t) {
		if len(p.SFiles) > 0 && p.ImportPath != module+"/kernels/simd" {
			t.Errorf("%s holds assembly: nobody but kernels/simd does", p.ImportPath)
		}
		for _, s := range p.SFiles {
			if !strings.HasPrefix(filepath.Base(s), "zz_") {
				t.Errorf("%s/%s: assembly is generated, into zz_ files", p.ImportPath, s)
			}
		}
	}
}
