package device

import (
	"bytes"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write what is generated into the documents")

// replacement is a way to choose what leaves.
type replacement string

const (
	belady replacement = "belady"
	lru    replacement = "lru"
)

// replay serves a trace of buffers of one byte each from a memory of so many,
// and counts how often one had to be brought in.
func replay(trace []uint64, capacity int, by replacement) (brought int) {
	here := map[uint64]int64{} // and when it was last used
	for now, ino := range trace {
		if _, ok := here[ino]; !ok {
			brought++
			var list []resident
			for r, last := range here {
				next := uint64(never)
				if by == belady {
					if i := slices.Index(trace[now:], r); i >= 0 {
						next = uint64(now + i)
					}
				}
				list = append(list, resident{ino: r, bytes: 1, next: next, last: last})
			}
			out, _ := chooseVictims(list, int64(len(here)+1-capacity), 0)
			for _, v := range out {
				delete(here, v.ino)
			}
		}
		here[ino] = int64(now)
	}
	return brought
}

// optimum is the least number of misses, by trying everything.
func optimum(trace []uint64, here []uint64, capacity int) int {
	if len(trace) == 0 {
		return 0
	}
	ino, rest := trace[0], trace[1:]
	if slices.Contains(here, ino) {
		return optimum(rest, here, capacity)
	}
	if len(here) < capacity {
		return 1 + optimum(rest, append(slices.Clone(here), ino), capacity)
	}
	best := len(trace) + 1
	for i := range here {
		next := slices.Clone(here)
		next[i] = ino
		best = min(best, 1+optimum(rest, next, capacity))
	}
	return best
}

// With the queue known no other choice brings in less.
func TestVictimsAreOptimal(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		trace := make([]uint64, 9)
		for i := range trace {
			trace[i] = rng.Uint64N(5)
		}
		capacity := 2 + rng.IntN(2)
		got, want := replay(trace, capacity, belady), optimum(trace, nil, capacity)
		if got != want {
			t.Errorf("%v in %d: %d brought in, %d would do", trace, capacity, got, want)
		}
		if other := replay(trace, capacity, lru); other < got {
			t.Errorf("%v in %d: %d, by last use %d", trace, capacity, got, other)
		}
	}
}

// Enough leaves or nothing does, none of it for nothing, and nothing that is used
// before it may.
func TestChooseVictims(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 2000 {
		var list []resident
		var sum int64
		after := rng.Uint64N(6)
		for i := range rng.IntN(9) {
			r := resident{ino: uint64(i + 1), bytes: rng.Int64N(20), next: 1 + rng.Uint64N(9), last: rng.Int64N(9)}
			if rng.IntN(3) == 0 {
				r.next = never
			}
			if r.next > after {
				sum += r.bytes
			}
			list = append(list, r)
		}
		want := rng.Int64N(60)
		out, ok := chooseVictims(list, want, after)
		if ok != (sum >= want) || !ok && len(out) > 0 {
			t.Fatalf("%d of %+v after %d: %+v %t", want, list, after, out, ok)
		}
		var got, least int64
		for i, v := range out {
			got += v.bytes
			if v.next <= after {
				t.Errorf("%+v leaves for job %d", v, after)
			}
			if i == 0 || v.bytes < least {
				least = v.bytes
			}
		}
		if ok && (got < want || len(out) > 0 && got-least >= want) {
			t.Errorf("%d of %+v: %+v", want, list, out)
		}
	}
}

func TestVictimOrder(t *testing.T) {
	list := []resident{ // as they leave
		{ino: 1, next: never, hint: AdviceDontNeed, last: 9},
		{ino: 2, next: never, hint: AdviceSequential, last: 8},
		{ino: 3, next: never, last: 1, bytes: 7},
		{ino: 4, next: never, last: 2, bytes: 9},
		{ino: 5, next: never, last: 2, bytes: 8},
		{ino: 6, next: 12, last: 9},
		{ino: 7, next: 11, hint: AdviceDontNeed},
	}
	mixed := slices.Clone(list)
	slices.Reverse(mixed)
	slices.SortFunc(mixed, leavesBefore)
	if !slices.Equal(mixed, list) {
		t.Errorf("%+v", mixed)
	}
}

func moves(list []move) string {
	var out []string
	for _, m := range list {
		out = append(out, fmt.Sprintf("%d:%d@%d", m.ino, m.bytes, m.job))
	}
	return strings.Join(out, " ")
}

func TestPlanAhead(t *testing.T) {
	list := []resident{{ino: 1, bytes: 10, next: 7}, {ino: 2, bytes: 10, next: 12}, {ino: 3, bytes: 10, next: never}}
	tests := []struct {
		name         string
		free         int64
		needs        []need
		evict, bring string
	}{
		{"nothing waits", 0, nil, "", ""},
		{"there is room", 20, []need{{job: 8, bufs: []uint64{4, 1, 5}, away: map[uint64]int64{4: 10, 5: 10}}}, "", "4:10@8 5:10@8"},
		{"the farthest leaves", 5, []need{{job: 8, bufs: []uint64{4}, away: map[uint64]int64{4: 10}}}, "3:10@8", "4:10@8"},
		{"two leave", 5, []need{{job: 8, bufs: []uint64{4}, away: map[uint64]int64{4: 20}}}, "3:10@8 2:10@8", "4:20@8"},
		{"what is used before stays", 5, []need{{job: 8, bufs: []uint64{4}, away: map[uint64]int64{4: 30}}}, "", ""},
		{"its own operands stay", 5, []need{{job: 8, bufs: []uint64{3, 4}, away: map[uint64]int64{4: 10}}}, "2:10@8", "4:10@8"},
		{"scratch counts", 5, []need{{job: 8, scratch: 10}}, "3:10@8", ""},
		{"and is free again", 10, []need{{job: 8, scratch: 10}, {job: 9, bufs: []uint64{4}, away: map[uint64]int64{4: 10}}}, "", "4:10@9"},
		{"brought once", 20, []need{
			{job: 8, bufs: []uint64{4, 4}, away: map[uint64]int64{4: 10}}, {job: 9, bufs: []uint64{4, 5}, away: map[uint64]int64{4: 10, 5: 10}},
		}, "", "4:10@8 5:10@9"},
		{"no job is passed", 0, []need{
			{job: 8, bufs: []uint64{4}, away: map[uint64]int64{4: 99}}, {job: 9, bufs: []uint64{5}, away: map[uint64]int64{5: 1}},
		}, "", ""},
		{"what was brought is not evicted for the next", 10, []need{
			{job: 8, bufs: []uint64{4}, away: map[uint64]int64{4: 10}}, {job: 13, bufs: []uint64{5}, away: map[uint64]int64{5: 20}},
		}, "3:10@13", "4:10@8"},
	}
	tests[len(tests)-1].evict = "" // 10 of 3 are not enough, and 2 is used by 12 before 13
	for _, tt := range tests {
		p := planAhead(list, tt.free, tt.needs)
		if got := moves(p.evict); got != tt.evict {
			t.Errorf("%s: out %q, want %q", tt.name, got, tt.evict)
		}
		if got := moves(p.bring); got != tt.bring {
			t.Errorf("%s: in %q, want %q", tt.name, got, tt.bring)
		}
	}
}

// What is planned fits: at no job's turn is there more in memory than there is.
func TestPlanAheadFits(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	const mem = 100
	for range 1000 {
		size := map[uint64]int64{}
		next := map[uint64]uint64{}
		var needs []need
		for ino := range uint64(12) {
			size[ino], next[ino] = 1+rng.Int64N(30), never
		}
		for job := range uint64(5) {
			n := need{job: job + 1, scratch: rng.Int64N(20), away: map[uint64]int64{}}
			for range 1 + rng.IntN(3) {
				ino := rng.Uint64N(12)
				n.bufs = append(n.bufs, ino)
				next[ino] = min(next[ino], n.job)
			}
			needs = append(needs, n)
		}
		var list []resident
		here := map[uint64]bool{}
		free := int64(mem)
		for ino := range uint64(12) {
			if rng.IntN(2) == 0 && free >= size[ino] {
				free -= size[ino]
				here[ino] = true
				list = append(list, resident{ino: ino, bytes: size[ino], next: next[ino]})
			}
		}
		for i := range needs {
			for _, ino := range needs[i].bufs {
				if !here[ino] {
					needs[i].away[ino] = size[ino]
				}
			}
		}
		p := planAhead(list, free, needs)
		for _, n := range needs {
			for _, m := range p.evict {
				if m.job == n.job {
					free += m.bytes
					delete(here, m.ino)
				}
			}
			for _, m := range p.bring {
				if m.job == n.job {
					free -= m.bytes
					here[m.ino] = true
				}
			}
			if free < 0 {
				t.Fatalf("%d bytes too many at job %d: %+v", -free, n.job, p)
			}
		}
		for _, m := range p.bring {
			if !here[m.ino] {
				t.Errorf("%+v was brought and evicted again", m)
			}
		}
	}
}

// scans are the traces of the comparison in the documents: buffers of one size,
// in the order in which the jobs of a queue use them.
func scans() []struct {
	name  string
	trace []uint64
} {
	var cyclic, back, tiles, random []uint64
	for range 10 {
		for i := range uint64(40) {
			cyclic = append(cyclic, i)
		}
	}
	for pass := range 10 {
		for i := range uint64(40) {
			if pass%2 == 1 {
				i = 39 - i
			}
			back = append(back, i)
		}
	}
	const n = 12 // C[i,j] += A[i,k] B[k,j], tile by tile
	for i := range uint64(n) {
		for j := range uint64(n) {
			for k := range uint64(n) {
				tiles = append(tiles, i*n+k, 1000+k*n+j, 2000+i*n+j)
			}
		}
	}
	rng := rand.New(rand.NewPCG(7, 8))
	for range 2000 {
		random = append(random, rng.Uint64N(60))
	}
	return []struct {
		name  string
		trace []uint64
	}{{"cyclic, 40 buffers, 10 passes", cyclic}, {"there and back, 40 buffers, 10 passes", back}, {"GEMM, 12 x 12 x 12 tiles", tiles}, {"random, 60 buffers", random}}
}

// evictionTable compares the rules on scans with memory for a half and for
// nine tenths of the buffers.
func evictionTable() string {
	var b strings.Builder
	fmt.Fprintln(&b, "| scan | memory for | uses | brought in, LRU | brought in, Belady | ratio |")
	fmt.Fprintln(&b, "| --- | --- | --- | --- | --- | --- |")
	for _, s := range scans() {
		distinct := slices.Clone(s.trace)
		slices.Sort(distinct)
		all := len(slices.Compact(distinct))
		for _, capacity := range []int{all / 4, all / 2, all * 9 / 10} {
			l, m := replay(s.trace, capacity, lru), replay(s.trace, capacity, belady)
			fmt.Fprintf(&b, "| %s | %d of %d | %d | %d | %d | %.2f |\n", s.name, capacity, all, len(s.trace), l, m, float64(l)/float64(m))
		}
	}
	return b.String()
}

// The table in the documents is what the planner does. -update writes it anew.
func TestEvictionTable(t *testing.T) {
	const file, begin, end = "../docs/design/memory.md", "<!-- eviction table -->\n", "<!-- end of table -->"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok1 := bytes.Cut(text, []byte(begin))
	old, tail, ok2 := bytes.Cut(rest, []byte(end))
	if !ok1 || !ok2 {
		t.Fatalf("%s has no place for the table", file)
	}
	table := evictionTable()
	switch {
	case string(old) == table:
	case *update:
		out := slices.Concat(head, []byte(begin), []byte(table), []byte(end), tail)
		if err := os.WriteFile(file, out, 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("%s is not what is generated; go test ./device -run TestEvictionTable -update writes it:\n%s", file, table)
	}
}
