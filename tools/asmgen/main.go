// Command asmgen writes the assembly of kernels/simd with avo
// (github.com/mmcloughlin/avo).
//
//	go tool asmgen -family gemm -out kernels/simd
//
// makes zz_gemm_amd64.s and zz_gemm_stubs_amd64.go. Without -family it makes all.
// A family is a package below this one with a function that adds its routines
// to a build context; table lists them. The output depends on nothing but the
// source, and this package's test fails if what is checked in differs.
package main

import (
	"errors"
	"flag"
	"fmt"
	"log"
	"maps"
	"os"
	"path/filepath"

	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/pass"
	"github.com/mmcloughlin/avo/printer"

	"vgpu/tools/asmgen/fft"
	"vgpu/tools/asmgen/gemm"
	"vgpu/tools/asmgen/mathfn"
)

// family is a group of routines that share an output file.
type family struct {
	name     string
	generate func(*build.Context)
	goFiles  func() (map[string][]byte, error) // more files, by name; may be nil
}

// table lists the families, one a line.
var table = []family{
	{"gemm", gemm.Generate, nil},
	{"fft", fft.Generate, fft.GoFiles},
}

func init() {
	for _, f := range mathfn.Families() {
		table = append(table, family{f.Name, f.Generate, f.GoFiles})
	}
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("asmgen: ")
	// avo claims -out of the common flag set for itself.
	flags := flag.NewFlagSet("asmgen", flag.ExitOnError)
	name := flags.String("family", "", "the family to make; all if empty")
	out := flags.String("out", "kernels/simd", "the folder to write to")
	if err := flags.Parse(os.Args[1:]); err != nil {
		log.Fatal(err)
	}
	found := false
	for _, f := range table {
		if *name == "" || *name == f.name {
			found = true
			if err := f.write(*out); err != nil {
				log.Fatal(err)
			}
		}
	}
	if !found {
		log.Fatalf("no family %q", *name)
	}
}

// write makes the family's files in dir.
func (f family) write(dir string) error {
	files, err := f.files()
	if err != nil {
		return fmt.Errorf("%s: %w", f.name, err)
	}
	for name, text := range files {
		err = errors.Join(err, os.WriteFile(filepath.Join(dir, name), text, 0o644))
	}
	return err
}

// files gives the texts of all the family's files by name.
func (f family) files() (map[string][]byte, error) {
	asm, stubs, err := f.render()
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{f.asmName(): asm, f.stubsName(): stubs}
	if f.goFiles == nil {
		return files, nil
	}
	more, err := f.goFiles()
	maps.Copy(files, more)
	return files, err
}

func (f family) asmName() string   { return "zz_" + f.name + "_amd64.s" }
func (f family) stubsName() string { return "zz_" + f.name + "_stubs_amd64.go" }

// render gives the texts of the assembly and of its Go declarations.
func (f family) render() (asm, stubs []byte, err error) {
	ctx := build.NewContext()
	ctx.ConstraintExpr("amd64,!noasm")
	f.generate(ctx)
	file, err := ctx.Result()
	if err != nil {
		return nil, nil, err
	}
	if err := pass.Compile.Execute(file); err != nil {
		return nil, nil, err
	}
	cfg := printer.Config{Name: "tools/asmgen -family " + f.name, Pkg: "simd"}
	if asm, err = printer.NewGoAsm(cfg).Print(file); err != nil {
		return nil, nil, err
	}
	stubs, err = printer.NewStubs(cfg).Print(file)
	return asm, stubs, err
}
