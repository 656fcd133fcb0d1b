package gemm

import (
	"vgpu/kernels/ndarray"
	"vgpu/kernels/stream"
)

// reads is how many times each part of A and of B is read.
func (c *cut) reads() (a, b float64) {
	t := c.tiles()
	m, n := t[len(t)-2], t[len(t)-1]
	a, b = float64(n), float64(m)
	if c.wholeA && (c.rowsFirst || m == 1) {
		a = 1
	}
	if c.wholeB && (!c.rowsFirst || n == 1) {
		b = 1
	}
	return a, b
}

// parts is into how many panels k is cut.
func (c *cut) parts(whole bool) float64 {
	if whole {
		return 1
	}
	return float64(c.panels())
}

// traffic is the bytes of all transfers, and what they cost.
func (c *cut) traffic() (bytes, cost float64) {
	add := func(times, b, of float64) { bytes, cost = bytes+times*b, cost+times*of }
	tiles := float64(c.total())
	if c.depth > 0 {
		t := c.tiles()
		m, n := float64(t[len(t)-2]), float64(t[len(t)-1])
		a, b := c.reads()
		of, price := stream.SourceTraffic(c.panelA())
		add(tiles/n*c.parts(c.wholeA)*a, of, price)
		of, price = stream.SourceTraffic(c.panelB())
		add(tiles/m*c.parts(c.wholeB)*b, of, price)
	}
	of, price := c.stripTraffic()
	add(tiles*float64(c.strips()), of, price)
	return bytes, cost
}

// stripTraffic is what is read and written for a strip beside the panels.
func (c *cut) stripTraffic() (bytes, cost float64) {
	bytes, cost = stream.SinkTraffic(c.stripOf(c.q.C.Layout))
	if c.q.Beta != 0 {
		bytes, cost = 2*bytes, 2*cost
	}
	for _, a := range c.addends() {
		b, of := stream.SourceTraffic(c.stripOf(a.Layout))
		bytes, cost = bytes+b, cost+of
	}
	return bytes, cost
}

// moved is the bytes that a run reads and writes.
func (c *cut) moved() float64 {
	bytes, _ := c.traffic()
	return bytes
}

// apart is what the runs of what is moved cost for being apart.
func (c *cut) apart() float64 {
	bytes, cost := c.traffic()
	return cost - bytes
}

// cost is what a run costs, in bytes of one long transfer. Transfers and cores
// work side by side, so it is the slower of the two that counts; a part of the
// other, which never overlaps in full; what moves between two tiles, as far as the
// steps around do not last as long; and what overlaps with nothing, the first
// panels and the last strip.
func (c *cut) cost() float64 {
	bytes, runs := c.traffic()
	moves := runs + float64(c.total()*c.panels())*stream.StepCost
	work := c.work() + runsWork*(runs-bytes)
	first, between := c.ends()
	around := work / float64(c.total()) * min(1, 2/float64(c.panels())) // the last step of a tile and the first of the next
	return max(moves, work) + min(moves, work)/4 + first + float64(c.total()-1)*max(0, between-around)
}

// ends is what a run begins and ends with, and what it moves between two tiles.
func (c *cut) ends() (first, between float64) {
	_, strip := c.stripTraffic()
	first, between = strip, strip*float64(c.strips())
	if c.depth == 0 {
		return first, between
	}
	add := func(panel ndarray.Layout, axis int, whole, rolls, stays bool) {
		_, cost := stream.SourceTraffic(panel)
		switch {
		case stays && layered(panel, axis):
			first += cost / float64(c.panels())
		case rolls:
			first += cost / float64(c.strips())
			between += cost
		case whole:
			first += cost
		default:
			first += cost
			between += 2 * cost
		}
	}
	r := len(c.extents)
	add(c.panelA(), r-1, c.wholeA, c.rollA, c.staysA())
	add(c.panelB(), r-2, c.wholeB, c.rollB, c.staysB())
	return first, between
}

const (
	// opsPerByte is about how many f32 operations the cores do in the time in
	// which a byte is moved.
	opsPerByte = 100
	// runsWork is what the cores have to do with runs that are apart, to what the
	// transfers have: requests are made, and waited for, by the cores that multiply.
	runsWork = 1.5
	// What packing costs, as rows (of B) and columns (of A) more that could be
	// multiplied in the time.
	packedRows, packedCols = 40, 10
)

// work is what the cores do, as bytes that could be moved in the time.
func (c *cut) work() float64 {
	if c.way.vector != noVector {
		return 0
	}
	typ := c.q.kernel.Type
	unit := float64(typ.ElemBytes()) / 4 / float64(typ.Group())
	if c.q.scheme.sum.IsComplex() {
		unit *= 2
	}
	tile := c.tileOf(c.q.C.Layout).Shape
	if c.panels() <= 2 { // all of them are computed in strips
		tile = c.stripOf(c.q.C.Layout).Shape
	}
	r := len(tile)
	m, n := tile[r-2], tile[r-1]
	if c.way.transposed {
		m, n = n, m
	}
	over := 1 + packedRows/float64(min(m, c.q.Params.MC)) + packedCols/float64(min(n, c.q.Params.NC))
	return 2 * float64(c.q.C.Len()) * float64(c.depth) * unit / opsPerByte * over
}
