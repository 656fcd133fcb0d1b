package pool

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
)

func newDeque() *deque {
	d := new(deque)
	d.init()
	return d
}

func numbered(n int) *Worker { return &Worker{lo: n} }

func TestDequeIsAStackForItsOwner(t *testing.T) {
	d := newDeque()
	const n = 10 * minDeque // grows
	for i := range n {
		if !d.push(numbered(i)) {
			t.Fatalf("push %d refused", i)
		}
	}
	for i := n - 1; i >= 0; i-- {
		if w := d.pop(0); w == nil || w.lo != i {
			t.Fatalf("pop gave %v, want %d", w, i)
		}
	}
	if w := d.pop(0); w != nil || d.size() != 0 {
		t.Fatalf("empty deque gave %v, size %d", w, d.size())
	}
}

func TestDequeIsAQueueForThieves(t *testing.T) {
	d := newDeque()
	if w, _ := d.peek(); w != nil {
		t.Fatal("empty deque shows a task")
	}
	for round := range 3 * minDeque { // wraps around
		for i := range 5 {
			d.push(numbered(round*5 + i))
		}
		for i := range 5 {
			w, at := d.peek()
			if w == nil || w.lo != round*5+i || !d.steal(at) {
				t.Fatalf("peek gave %v, want %d", w, round*5+i)
			}
			if d.steal(at) {
				t.Fatal("a task was stolen twice")
			}
		}
	}
}

func TestDequePopRespectsBase(t *testing.T) {
	d := newDeque()
	d.push(numbered(0))
	base := d.bottom.Load()
	if !d.noneAbove(base) {
		t.Error("a task below the base counts")
	}
	d.push(numbered(1))
	if d.noneAbove(base) {
		t.Error("a task at the base does not count")
	}
	if w := d.pop(base); w == nil || w.lo != 1 {
		t.Errorf("got %v", w)
	}
	if w := d.pop(base); w != nil {
		t.Errorf("popped %d from below the base", w.lo)
	}
}

func TestDequeRefusesBeyondItsBound(t *testing.T) {
	d := newDeque()
	for i := range maxDeque {
		if !d.push(numbered(i)) {
			t.Fatalf("refused at %d", i)
		}
	}
	if d.push(numbered(-1)) {
		t.Fatal("accepted more than its bound")
	}
	_, at := d.peek()
	if !d.steal(at) || !d.push(numbered(maxDeque)) {
		t.Error("no room after a steal")
	}
}

// TestDequeHistory checks what linearizability asks of every history: each
// task is taken once; what thieves take, ordered by their successful
// compare-and-swaps, is in order of push; the owner's pops are a stack of
// what is left.
func TestDequeHistory(t *testing.T) {
	const thieves, n = 3, 60_000
	d := newDeque()
	taken := make([]atomic.Int32, n)
	stolenBy := make([][]int, thieves)
	var done atomic.Bool
	var wg sync.WaitGroup
	for k := range thieves {
		wg.Go(func() {
			for !done.Load() || d.size() > 0 {
				if w, at := d.peek(); w != nil && d.steal(at) {
					taken[w.lo].Add(1)
					stolenBy[k] = append(stolenBy[k], w.lo)
				}
			}
		})
	}
	ownStack(t, d, n, taken)
	done.Store(true)
	wg.Wait()
	for i := range taken {
		if c := taken[i].Load(); c != 1 {
			t.Fatalf("task %d was taken %d times", i, c)
		}
	}
	for k, list := range stolenBy {
		for i := 1; i < len(list); i++ {
			if list[i] <= list[i-1] {
				t.Fatalf("thief %d took %d after %d", k, list[i], list[i-1])
			}
		}
	}
}

// ownStack pushes n tasks in random bursts and pops some of them, comparing
// with a model of what thieves may have left.
func ownStack(t *testing.T, d *deque, n int, taken []atomic.Int32) {
	rng := rand.New(rand.NewPCG(1, 2))
	var model []int
	for next := 0; next < n; {
		for range rng.IntN(2 * minDeque) {
			if next < n && d.push(numbered(next)) {
				model = append(model, next)
				next++
			}
		}
		for range rng.IntN(2 * minDeque) {
			w := d.pop(0)
			if w == nil { // then thieves have had all
				model = model[:0]
				break
			}
			if last := model[len(model)-1]; w.lo != last {
				t.Fatalf("popped %d, the youngest is %d", w.lo, last)
			}
			model = model[:len(model)-1]
			taken[w.lo].Add(1)
		}
	}
}
