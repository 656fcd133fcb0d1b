package alloc

import "slices"

// A write to a part of a chunk need not make the chunk's checksum unknown. A
// CRC is linear: when the bytes M in a chunk P M S become M', its checksum
// changes by the difference of those of M and M', shifted by the length of S
// (see combine). So what is overwritten is read before; of a chunk that nobody
// has verified yet, all of it, or else damage would be covered up.

// edge is a chunk of which a writer is about to change a part, and what is
// known of it before.
type edge struct {
	k    int64
	sum  uint32
	seen bool
}

// mend is a part of a chunk that is being changed, and what its new checksum is
// found from.
type mend struct {
	edge
	lo, hi int64  // the part
	before uint32 // its checksum before
	tail   int64  // bytes of the chunk behind it
}

// edges are the chunks of which [lo, hi) is a part and whose checksums are
// known. u.mu is held.
func (u *sums) edges(lo, hi int64) (list []edge) {
	for _, k := range slices.Compact([]int64{lo / chunkSize, (hi - 1) / chunkSize}) {
		part := lo > k*chunkSize || hi < (k+1)*chunkSize
		if part && k < int64(len(u.of)) && u.of[k] != 0 {
			list = append(list, edge{k, u.of[k], u.seen[k]})
		}
	}
	return list
}

// touch notes, of chunks that a writer changes a part of, that another one
// begins to write [lo, hi). u.mu is held.
func (w *span) touch(lo, hi int64) {
	for _, e := range w.edges {
		if e.k >= lo/chunkSize && e.k <= (hi-1)/chunkSize {
			w.touched = append(w.touched, e.k)
		}
	}
}

// measure reads what a writer is about to overwrite of its edges, in a file of
// that size. What cannot be read, or is damaged, stays unknown: who reads it
// will hear of that, and who writes it may be about to repair it.
// Preconditions: the write does not change the size.
func (h *home) measure(w *span, size int64) {
	for _, e := range w.edges {
		begin, end := e.k*chunkSize, min((e.k+1)*chunkSize, size)
		p := mend{edge: e, lo: max(w.lo, begin), hi: min(w.hi, end)}
		p.tail = end - p.hi
		if e.seen {
			begin, end = p.lo, p.hi
		}
		buf := make([]byte, end-begin)
		n, err := h.t.readFull(h.fd, h.where, buf, begin)
		if err != nil || n < len(buf) || !e.seen && sum(buf) != e.sum {
			continue
		}
		p.before = sum(buf[p.lo-begin : p.hi-begin])
		w.mends = append(w.mends, p)
	}
}

// mend makes the checksums known again of chunks that a writer changed a part
// of, if nobody else touched them meanwhile. of are the checksums of what was
// written. u.mu is held.
func (u *sums) mend(w *span, of []fragment) {
	for _, p := range w.mends {
		i := slices.IndexFunc(of, func(f fragment) bool { return f.lo == p.lo && f.hi == p.hi })
		if i < 0 || p.k >= int64(len(u.of)) || slices.Contains(w.touched, p.k) {
			continue
		}
		u.of[p.k], u.seen[p.k] = combine(p.before^of[i].sum, p.sum, p.tail), true
	}
}
