package gemm

import "vgpu/kernels/pool"

// grid is how a block of k goes through C: bands of rows one after the other,
// in each of them blocks of columns, and in these tasks of some rows. So that a
// worker packs a block of B for many tasks. If it must pack A too, then it packs a
// band of it for all blocks of B (AVX2), or tasks of the same rows follow one another instead.
type grid struct {
	rows, cols       int // of C
	band, chunk      int // rows
	unit, blocks     int // columns of a tile, and how many blocks of columns there are
	units            int // tiles of columns; a narrow rest is part of the last
	chunks, perBlock int // tasks in a block of columns, and in a whole band
	rowsFirst        bool
}

// task is a part of C in a band that ends at row end.
type task struct {
	i0, i1, j0, j1 int
	start, end     int // of the band, rows
	lastCols       bool
}

// wideness is how much wider than NC a block of so few steps is. Sums of few
// products are over soon, and the longer C's rows are written the better.
func wideness(steps int) int { return max(1, min(stepsKC/max(steps, 1), mostWide)) }

const (
	mostWide = 4
	// bandBlocks is how many MC of rows a band has: 4 MiB of A at AVX-512, a
	// share of an L3 cache.
	bandBlocks = 4
	// splitRows is how many rows a worker must have at least for it to pay that
	// each has bands of its own, and packs all of B for them.
	splitRows = 256
	// sharedWork is m·n·steps of a task, if several workers share C: less than a
	// tenth of a millisecond's work, so that one that is held up is waited for no
	// longer.
	sharedWork = 4 << 20
)

// grid divides C among tasks.
func (p *product) grid(w *pool.Worker, b block) grid {
	mr, nr, n := p.kernel.MR, p.kernel.NR, p.c.cols
	g := grid{rows: p.c.rows, cols: n, unit: nr, rowsFirst: !p.direct && !p.thin && !p.banded}
	g.units = p.panel(n)
	if n > nr && p.kernel.Width(n-(g.units-2)*nr) < nr {
		g.units--
	}
	most := max(1, p.params.NC*wideness(b.steps)/nr)
	g.blocks = (g.units + most - 1) / most
	bands := (g.rows + bandBlocks*p.params.MC - 1) / (bandBlocks * p.params.MC)
	g.chunk = p.params.MC
	if t := threads(w); t > 1 {
		// Who share a band pack a block of B once in all, and a packed A each: that is less where C is wide.
		apart := g.rowsFirst || !p.banded || g.rows >= n
		if more := roundUp(bands, t); apart && (g.rows >= more*splitRows || g.rowsFirst) {
			bands = more
		}
		perRow := (n + g.blocks - 1) / g.blocks * max(b.steps, 1)
		g.chunk = min(g.chunk, max(roundUp(sharedWork/perRow, mr), mr))
	}
	g.band = roundUp((g.rows+bands-1)/bands, mr)
	if p.thin {
		g.chunk = g.band // all rows: A is packed once
	}
	if g.rowsFirst {
		g.band = min(g.band, p.params.MC)
		g.chunk = g.band
	}
	g.chunks = (g.band + g.chunk - 1) / g.chunk
	g.perBlock = g.chunks * g.blocks
	return g
}

// tasks is how many there are. The last band may have some without rows.
func (g *grid) tasks() int { return (g.rows + g.band - 1) / g.band * g.perBlock }

// task is task number n.
func (g *grid) task(n int) (t task) {
	start, n := n/g.perBlock*g.band, n%g.perBlock
	block, chunk := n/g.chunks, n%g.chunks
	t.start, t.end = start, min(start+g.band, g.rows)
	t.i0 = min(start+chunk*g.chunk, t.end)
	t.i1 = min(t.i0+g.chunk, t.end)
	t.j0, t.j1 = block*g.units/g.blocks*g.unit, (block+1)*g.units/g.blocks*g.unit
	if t.lastCols = block == g.blocks-1; t.lastCols {
		t.j1 = g.cols
	}
	return t
}
