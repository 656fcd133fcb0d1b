package device

import (
	"cmp"
	"math"
	"slices"
)

// never is the next use of a buffer that no accepted job names.
const never = math.MaxUint64

// resident is what the planner knows of a buffer whose bytes are in memory.
type resident struct {
	ino   uint64
	bytes int64
	next  uint64 // the first accepted job that will use it, or never
	last  int64  // when it was last used, by any clock that grows
	hint  Advice
}

// leavesBefore orders buffers by how gladly they are given up. The queue is
// known, so Belady's rule comes first: the one whose next use is farthest away
// (L. A. Belady, "A study of replacement algorithms for a virtual-storage
// computer", IBM Systems Journal 5(2), 1966). It is optimal for equal sizes;
// for others finding the optimum is NP-hard, and this order is the usual
// approximation. Among buffers that no job names a client's advice counts, and
// then the time of last use.
func leavesBefore(a, b resident) int {
	return cmp.Or(
		cmp.Compare(b.next, a.next),
		cmp.Compare(b.hint.spare(), a.hint.spare()),
		cmp.Compare(a.last, b.last),
		cmp.Compare(b.bytes, a.bytes),
		cmp.Compare(a.ino, b.ino),
	)
}

// chooseVictims picks what has to leave so that need bytes become free: only
// buffers whose next use comes after the job, and none that is not needed for it. ok
// is false, and nothing is picked, if all of them together would not do.
func chooseVictims(list []resident, need int64, after uint64) (out []resident, ok bool) {
	if need <= 0 {
		return nil, true
	}
	sorted := slices.Clone(list)
	slices.SortFunc(sorted, leavesBefore)
	var sum int64
	for _, r := range sorted {
		if r.next <= after {
			break // those that follow are used still sooner
		}
		out = append(out, r)
		if sum += r.bytes; sum >= need {
			return withoutSpares(out, sum-need), true
		}
	}
	return nil, false
}

// withoutSpares lets stay what the others make up for, the soonest used first.
func withoutSpares(list []resident, over int64) []resident {
	keep := make([]bool, len(list))
	for i := len(list) - 1; i >= 0; i-- {
		if list[i].bytes <= over {
			over -= list[i].bytes
			keep[i] = true
		}
	}
	var out []resident
	for i, r := range list {
		if !keep[i] {
			out = append(out, r)
		}
	}
	return out
}

// need is what a waiting job asks of memory: buffers of so many bytes, and
// scratch.
type need struct {
	job     uint64
	bufs    []uint64         // inodes of all its operands
	away    map[uint64]int64 // of those, the bytes of what is not in memory
	scratch int64
}

// bytes is how much must be free for the job beside what is in memory already.
func (n *need) bytes() int64 {
	sum := n.scratch
	for _, b := range n.away {
		sum += b
	}
	return sum
}

// move is a buffer that goes into memory or out of it, and for which job.
type move struct {
	ino   uint64
	bytes int64
	job   uint64 // whose turn makes it necessary
	next  uint64 // the next use of what leaves
	hint  Advice
}

// plan is what to do for a list of waiting jobs.
type plan struct{ evict, bring []move }

// planAhead says what to move so that the jobs, in their order, find their
// operands in memory. A buffer leaves only for a job that comes before its own
// next use. It stops at the first job for which that is not enough room: what
// comes after it must not take its place. free is the memory that is free now.
func planAhead(list []resident, free int64, needs []need) (p plan) {
	list = slices.Clone(list)
	here := map[uint64]bool{}
	for i := range needs {
		n := &needs[i]
		absent := missing(n, here)
		want := n.scratch
		for _, m := range absent {
			want += m.bytes
		}
		victims, ok := chooseVictims(without(list, n.bufs), want-free, n.job)
		if !ok {
			return p
		}
		for _, v := range victims {
			p.evict = append(p.evict, move{v.ino, v.bytes, n.job, v.next, v.hint})
			free += v.bytes
		}
		list = slices.DeleteFunc(list, func(r resident) bool {
			return slices.ContainsFunc(victims, func(v resident) bool { return v.ino == r.ino })
		})
		for _, m := range absent {
			p.bring = append(p.bring, m)
			here[m.ino] = true
			free -= m.bytes
		}
	}
	return p
}

// missing lists what a job misses that is not brought already, in the order
// of its operands.
func missing(n *need, here map[uint64]bool) (out []move) {
	for _, ino := range n.bufs {
		if bytes, away := n.away[ino]; away && !here[ino] && !slices.ContainsFunc(out, func(m move) bool { return m.ino == ino }) {
			out = append(out, move{ino: ino, bytes: bytes, job: n.job, next: n.job})
		}
	}
	return out
}

// without is the list less some inodes.
func without(list []resident, inos []uint64) []resident {
	return slices.DeleteFunc(slices.Clone(list), func(r resident) bool { return slices.Contains(inos, r.ino) })
}
