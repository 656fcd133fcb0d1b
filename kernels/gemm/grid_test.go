package gemm

import (
	"math/rand/v2"
	"testing"

	"vgpu/kernels/pool"
	"vgpu/kernels/simd"
)

// TestGridCovers checks that the tasks of any division cover C once, keep to
// the bounds of the buffers, and that blocks of columns begin at whole tiles.
func TestGridCovers(t *testing.T) {
	p, err := pool.New(pool.Config{Threads: 3})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	r := rand.New(rand.NewPCG(21, 22))
	err = p.Run(t.Context(), pool.Options{}, func(w *pool.Worker) error {
		for range 400 {
			k := simd.Gemm(simd.GemmType(r.IntN(4)), simd.ISA(r.IntN(int(simd.Best())+1)))
			x := product{kernel: k, direct: r.IntN(2) == 0, banded: r.IntN(2) == 0, depth: 1 + r.IntN(2*stepsKC)}
			x.params = Params{MC: 1 + r.IntN(300), NC: 1 + r.IntN(300)}.fill(k)
			x.c.rows, x.c.cols = 1+r.IntN(700), 1+r.IntN(700)
			user := w
			if r.IntN(2) == 0 {
				user = nil
			}
			checkGrid(t, &x, user)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func checkGrid(t *testing.T, x *product, w *pool.Worker) {
	b := x.firstBlock()
	g := x.grid(w, b)
	seen := make([]uint8, x.c.rows*x.c.cols)
	for n := range g.tasks() {
		q := g.task(n)
		if q.i0 > q.i1 || q.j0 >= q.j1 || q.start > q.i0 || q.end < q.i1 {
			t.Fatalf("%d x %d, task %d of %+v: %+v", x.c.rows, x.c.cols, n, g, q)
		}
		if q.i1-q.i0 > x.params.MC || q.j1-q.j0 > x.params.NC*wideness(b.steps)+x.kernel.NR || q.j0%x.kernel.NR != 0 {
			t.Fatalf("%d x %d, task %d of %+v is too large: %+v", x.c.rows, x.c.cols, n, g, q)
		}
		for i := q.i0; i < q.i1; i++ {
			for j := q.j0; j < q.j1; j++ {
				seen[i*x.c.cols+j]++
			}
		}
	}
	for at, n := range seen {
		if n != 1 {
			t.Fatalf("%d x %d by %+v: element %d is in %d tasks", x.c.rows, x.c.cols, g, at, n)
		}
	}
}
