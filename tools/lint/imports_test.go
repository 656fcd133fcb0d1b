// Package lint holds the rules of this tree as tests: DESIGN section 2 says
// which layer may know which.
package lint

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
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

// only lists imports that one package alone may have, and perhaps a test.
var only = []struct{ imports, pkg, test, why string }{
	{"github.com/hanwen/go-fuse/v2", "vfs", "tests", "nobody but vfs imports go-fuse, and tests its posixtest"},
	{"github.com/rivo/tview", "cmd", "", "the terminal is the command's"},
	{"github.com/mmcloughlin/avo", "tools", "", "assembly is generated, not linked"},
}

type pkg struct {
	ImportPath   string
	Dir          string
	GoFiles      []string
	TestGoFiles  []string
	XTestGoFiles []string
	Imports      []string
	TestImports  []string
	XTestImports []string
	SFiles       []string
}

// imports are those of the package and of its tests.
func (p *pkg) imports() []string {
	return slices.Concat(p.Imports, p.TestImports, p.XTestImports)
}

// files are the sources of the package and of its tests.
func (p *pkg) files() []string {
	return slices.Concat(p.GoFiles, p.TestGoFiles, p.XTestGoFiles)
}

func packages(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Dir,GoFiles,TestGoFiles,XTestGoFiles,Imports,TestImports,XTestImports,SFiles", module+"/...")
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
		for _, imp := range p.imports() {
			for _, f := range forbidden {
				if imp != p.ImportPath && under(p.ImportPath, f.pkg) && strings.HasPrefix(imp+"/", strings.TrimSuffix(f.imports, "/")+"/") {
					t.Errorf("%s imports %s: %s", p.ImportPath, imp, f.why)
				}
			}
			for _, o := range only {
				if strings.HasPrefix(imp, o.imports) && !under(p.ImportPath, o.pkg) && (o.test == "" || !under(p.ImportPath, o.test)) {
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

// The names of the system calls are looked for as words, so that no way of
// calling them matters.
func TestUringCallsAreInIouringAlone(t *testing.T) {
	const call = "SYS_IO_" + "URING_" // not to be found here
	found := 0
	for _, p := range packages(t) {
		for _, f := range p.files() {
			text, err := os.ReadFile(filepath.Join(p.Dir, f))
			if err != nil {
				t.Fatal(err)
			}
			switch {
			case !strings.Contains(string(text), call):
			case under(p.ImportPath, "iouring"):
				found++
			default:
				t.Errorf("%s/%s makes io_uring system calls: nobody but iouring does", p.ImportPath, f)
			}
		}
	}
	if found == 0 {
		t.Error("iouring makes no system calls: has the rule lost its subject?")
	}
}
