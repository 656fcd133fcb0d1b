package fft

import (
	"sync"
	"sync/atomic"

	"vgpu/kernels/pool"
	"vgpu/kernels/simd"
)

// planBytes is how many bytes of tables the cached plans have at the most; the
// one used last stays, however large it is.
const planBytes = 128 << 20

// plans are the cached plans of all kinds, for both precisions.
var plans = planCache{limit: planBytes}

// planKey names a plan. Nothing else decides what it computes.
type planKey struct {
	kind   planKind
	n      int
	n1     int // of sweeps, else 0
	single bool
	isa    simd.ISA
}

// planKind tells plans of a length apart.
type planKind uint8

const (
	linePlan planKind = iota
	sweepPlan
	colPlan
	realPlan
	rowPlan
	trigPlans // plus the kind, 1 to 4; 5 for a sine transform of kind 1
)

// sized is an immutable plan that knows the bytes of its tables, with those
// of the plans it is made of.
type sized interface{ bytes() int }

// planCache keeps plans by key: the least recently used ones go when the
// tables of all exceed limit. Many goroutines may ask at once; a plan is made
// once. A plan that has gone stays good for those who hold it.
type planCache struct {
	limit int

	entries sync.Map     // planKey -> *planEntry
	clock   atomic.Int64 // counts uses

	mu   sync.Mutex // guards held, and entries against two that make room
	held int        // bytes of what is cached
}

type planEntry struct {
	making sync.Mutex // held by who makes the plan; before planCache.mu
	made   atomic.Bool
	plan   sized
	size   int // counted in held; 0 until made
	used   atomic.Int64
}

// cached is the plan under key, made by make if there is none. Nothing is kept
// if make fails, as it does in a cancelled job: who waited makes it in turn.
func cached[P sized](c *planCache, key planKey, make func() (P, error)) (P, error) {
	e, ok := c.entries.Load(key)
	if !ok {
		e, _ = c.entries.LoadOrStore(key, &planEntry{})
	}
	entry := e.(*planEntry)
	entry.used.Store(c.clock.Add(1))
	if entry.made.Load() {
		return entry.plan.(P), nil
	}
	entry.making.Lock()
	defer entry.making.Unlock()
	if !entry.made.Load() {
		p, err := make()
		if err != nil {
			return p, err
		}
		entry.plan = p
		c.admit(key, entry)
		entry.made.Store(true)
	}
	return entry.plan.(P), nil
}

// admit counts a new plan, and makes room for it.
func (c *planCache) admit(key planKey, e *planEntry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e.size = e.plan.bytes()
	c.held += e.size
	for c.held > c.limit && c.evict(key) {
	}
}

// evict drops the plan that was not used for the longest time, other than
// keep; false if there is none. mu is held.
func (c *planCache) evict(keep planKey) bool {
	var oldest *planEntry
	var at any
	c.entries.Range(func(k, v any) bool {
		e := v.(*planEntry)
		if k != keep && e.size > 0 && (oldest == nil || e.used.Load() < oldest.used.Load()) {
			oldest, at = e, k
		}
		return true
	})
	if oldest == nil {
		return false
	}
	c.entries.Delete(at)
	c.held -= oldest.size
	return true
}

// planned is the cached plan of a line of n points for the kernels k. If there is
// none it is made by w's job, on as many threads as that has, and the error is
// that of a cancelled one; by the calling goroutine, without error, if w is nil.
func planned[T simd.Float](w *pool.Worker, k *simd.FFTKernels[T], n int) (*line[T], error) {
	return cached(&plans, planKey{linePlan, n, 0, isSingle[T](), k.ISA}, func() (*line[T], error) { return newLine(w, k, n) })
}

// plannedSweeps is the cached two-step transform of n1·n2 points, whose twiddles are
// products of two tables; w and the error as in [planned].
func plannedSweeps[T simd.Float](w *pool.Worker, k *simd.FFTKernels[T], n1, n2 int) (*twoStep[T], error) {
	return cached(&plans, planKey{sweepPlan, n1 * n2, n1, isSingle[T](), k.ISA}, func() (*twoStep[T], error) { return newTwoStep(w, k, n1, n2) })
}

// plannedReal is the cached plan of a real line; w and the error as in [planned].
func plannedReal[T simd.Float](w *pool.Worker, k *simd.FFTKernels[T], n int) (*realLine[T], error) {
	return cached(&plans, planKey{realPlan, n, 0, isSingle[T](), k.ISA}, func() (*realLine[T], error) { return newRealLine(w, k, n) })
}

// plannedCol is the cached tile transform of a smooth length n > 1.
func plannedCol[T simd.Float](k *simd.FFTKernels[T], n int) *col[T] {
	return small(planKey{colPlan, n, 0, isSingle[T](), k.ISA}, func() *col[T] { return newCol(k, n) })
}

// plannedRows is the cached plan of groups of rows.
func plannedRows[T simd.Float](k *simd.FFTKernels[T], n int) *rowGroups[T] {
	return small(planKey{rowPlan, n, 0, isSingle[T](), k.ISA}, func() *rowGroups[T] { return newRowGroups(k, n) })
}

// small is cached for plans with tables that the caller makes himself.
func small[P sized](key planKey, make func() P) P {
	p, _ := cached(&plans, key, func() (P, error) { return make(), nil })
	return p
}

// tableBytes is the bytes of some tables.
func tableBytes[T simd.Float](tables ...[]T) int {
	n := 0
	for _, t := range tables {
		n += len(t) * realSize[T]()
	}
	return n
}

// entryBytes is about what a plan takes beside its tables.
const entryBytes = 256

func (l *line[T]) bytes() int {
	switch l.method {
	case methodTwoStep:
		return l.two.bytes()
	case methodTile:
		return entryBytes + l.col.bytes()
	case methodRader:
		return entryBytes + tableBytes(l.rad.spec) + 4*len(l.rad.in) + 4*len(l.rad.out) + l.rad.inner.bytes()
	case methodBluestein:
		return entryBytes + l.blue.bytes()
	case methodDirect:
		return entryBytes + tableBytes(l.dir.cos, l.dir.sin)
	}
	return entryBytes
}

func (t *twoStep[T]) bytes() int {
	return entryBytes + tableBytes(t.t, t.u) + t.c1.bytes() + t.c2.bytes()
}

func (b *bluestein[T]) bytes() int {
	tables := tableBytes(b.chirp.table, b.spec.table)
	if c := b.conv; c != nil {
		return tables + c.there.bytes() + c.back.bytes()
	}
	return tables + b.inner.bytes()
}

func (c *col[T]) bytes() int { return entryBytes + tableBytes(c.tw...) }

func (r *realLine[T]) bytes() int { return entryBytes + tableBytes(r.tw) + r.inner.bytes() }
