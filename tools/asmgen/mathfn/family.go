package mathfn

import "github.com/mmcloughlin/avo/build"

// Family is a group of routines that share files.
type Family struct {
	Name       string
	routines   []*Routine
	scalars    []*Routine // of which only the Go function for one element is made
	reductions []*reduction
	handmade   func(c *build.Context) // its Go side is written by hand
}

// Families lists the groups.
func Families() []Family {
	return []Family{
		{Name: "vec", routines: vectorRoutines()},
		{Name: "math", routines: mathRoutines(), scalars: reducedRoutines()},
		{Name: "reduce", reductions: reductions(), handmade: generateRowSums},
		{Name: "move", handmade: generateMoves},
		{Name: "find", handmade: generateFinds},
		{Name: "sort", handmade: generateSorts},
	}
}

// Generate adds the family's assembly to c.
func (f Family) Generate(c *build.Context) {
	pl := newPool(f.Name + "Constants")
	for _, r := range f.routines {
		assemble(c, pl, r, AVX512, false)
		if !r.NoAVX2 {
			assemble(c, pl, r, AVX2, false)
		}
		if r.Stream {
			assemble(c, pl, r, AVX512, true)
			assemble(c, pl, r, AVX2, true)
		}
	}
	for _, r := range f.reductions {
		r.assemble(c, AVX512)
		r.assemble(c, AVX2)
	}
	if f.handmade != nil {
		f.handmade(c)
	}
	pl.emit(c)
}
