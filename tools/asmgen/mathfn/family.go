package mathfn

import "github.com/mmcloughlin/avo/build"

// Family is a group of routines that share files.
type Family struct {
	Name     string
	routines []*Routine
	scalars  []*Routine // of which only the Go function for one element is made
}

// Families lists the groups.
func Families() []Family {
	return []Family{{"vec", vectorRoutines(), nil}, {"math", mathRoutines(), reducedRoutines()}}
}

// Generate adds the family's assembly to c.
func (f Family) Generate(c *build.Context) {
	pl := newPool(f.Name + "Constants")
	for _, r := range f.routines {
		assemble(c, pl, r, AVX512)
		if !r.NoAVX2 {
			assemble(c, pl, r, AVX2)
		}
	}
	pl.emit(c)
}

// GoFiles gives the Go files of the family by name: wrappers, twins, stubs for
// builds without assembly, and a table for the tests.
func (f Family) GoFiles() (map[string][]byte, error) { return goFiles(f.Name, f.routines, f.scalars) }
