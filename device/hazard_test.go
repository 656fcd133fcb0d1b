package device

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// waiting checks which jobs a job waits for.
func (l *lab) waiting(j *Job, want ...*Job) {
	l.t.Helper()
	var ids []uint64
	for _, w := range want {
		ids = append(ids, w.ID)
	}
	got := j.Snapshot().WaitsFor
	slices.Sort(got)
	if !slices.Equal(slices.Compact(got), ids) {
		l.t.Errorf("%s waits for %v, want %v", j.Line, got, ids)
	}
}

func TestHazards(t *testing.T) {
	l := newLab(t)
	l.write("x.npy", npy(1, 2, 3, 4, 5, 6, 7, 8))
	r1, r2 := l.put("hold g x.npy"), l.on(RunQueue, "hold g x.npy") // readers do not order one another
	w1 := l.put("gate h x.npy")                                     // WAR: waits for both, over queues
	w2 := l.put("mix x.npy salt=1")                                 // WAW
	r3 := l.on(RunQueue, "mix x.npy y.npy")                         // RAW
	u := l.put("update y.npy x.npy")                                // reads y as well
	free := l.put("mix z.npy")
	l.waiting(r1)
	l.waiting(r2)
	l.waiting(w1, r1, r2)
	l.waiting(w2, w1)
	l.waiting(r3, w2)
	l.waiting(u, w2, r3)
	l.want(free, Done)
	if s := w1.Snapshot(); s.State != Queued || s.Reason != "dependency" {
		t.Errorf("%+v", s)
	}
	l.gate("g").release()
	<-l.gate("h").started
	l.waiting(w2, w1)
	l.gate("h").release()
	for _, j := range []*Job{r1, r2, w1, w2, r3, u} {
		l.want(j, Done)
	}
	if len(l.d.hazards) != 0 {
		t.Errorf("%d hazards are left", len(l.d.hazards))
	}
}

// One that is cancelled in the queue passes on what it waited for.
func TestHazardCancelledInQueue(t *testing.T) {
	l := newTierLab(t)
	l.write("x.npy", npy(1, 2, 3, 4, 5, 6, 7, 8))
	r := l.put("hold g x.npy")
	w := l.put("mix x.npy salt=1")
	heirs := []*Job{l.put("mix x.npy salt=2"), l.put("mix x.npy y.npy")}
	late := l.put("mix x.npy salt=3")
	w.Cancel("for a test")
	if s := l.want(w, Cancelled); !s.Started.IsZero() || s.Errno != syscall.ECANCELED || s.Error.Msg != "for a test" {
		t.Errorf("%+v", s)
	}
	l.waiting(heirs[0], r)
	l.waiting(heirs[1], heirs[0])
	heirs[0].Cancel("too")
	l.want(heirs[0], Cancelled)
	l.waiting(late, r, heirs[1])
	select {
	case <-heirs[1].done:
		t.Error("a reader of what was never written has ended before its turn")
	default:
	}
	l.gate("g").release()
	if s := l.want(heirs[1], Failed); s.Errno != syscall.EIO || !strings.Contains(s.Error.Msg, fmt.Sprintf("job %d", heirs[0].ID)) {
		t.Errorf("%+v", s.Error)
	}
	l.want(late, Done)
	if m, ok := l.d.store.MarkOf("x.npy"); ok {
		t.Errorf("the last writer ended done, and %+v", m)
	}
}

func TestHazardManyReaders(t *testing.T) {
	l := newLab(t)
	l.write("x.npy", npy(1, 2, 3, 4, 5, 6, 7, 8))
	var readers []*Job
	for range 300 {
		readers = append(readers, l.put("hold g x.npy"))
	}
	w := l.put("mix x.npy")
	l.waiting(w, readers...)
	for _, j := range readers[150:] {
		j.Cancel("half of them")
	}
	l.gate("g").release()
	l.want(w, Done)
	for i, j := range readers {
		<-j.done
		if s := j.Snapshot().State; i < 150 && s != Done {
			t.Errorf("reader %d: %v", i, s)
		}
	}
}

// A writer that is cancelled between many readers leaves no edge from each of them
// to each; the order stays.
func TestHazardCancelledBetweenMany(t *testing.T) {
	l := newLab(t)
	l.write("x.npy", npy(1, 2, 3, 4, 5, 6, 7, 8))
	const many = 300
	var first, then []*Job
	for range many {
		first = append(first, l.put("hold g x.npy"))
	}
	writers := []*Job{l.put("update x.npy salt=1"), l.put("update x.npy salt=2")}
	for range many {
		then = append(then, l.put("hold g x.npy"))
	}
	last := l.put("mix x.npy salt=3")
	for _, w := range writers {
		w.Cancel("for a test")
		l.want(w, Cancelled)
	}
	l.waiting(then[many-1], first...)
	l.d.mu.Lock()
	edges := last.deps
	for _, j := range slices.Concat(first, then) {
		edges += j.deps + len(j.dependents)
	}
	l.d.mu.Unlock()
	if edges > 20*many {
		t.Errorf("%d edges", edges)
	}
	then[0].Cancel("an heir too")
	if n := then[many-1].Snapshot().State; n != Queued {
		t.Errorf("a reader after the cancelled writers is %v", n)
	}
	l.gate("g").release()
	for i := range many {
		l.want(first[i], Done)
		if i > 0 {
			l.want(then[i], Failed) // what it was to read was not written
		}
	}
	l.want(last, Done)
}

// A job that names one buffer several times does not wait for itself.
func TestHazardOneBuffer(t *testing.T) {
	l := newLab(t)
	l.do("mix x.npy")
	l.do("update x.npy x.npy x.npy")
	l.do("mix x.npy x.npy x.npy")
}

// A writer that fails while its reader is being accepted still poisons it:
// when the reader was checked the buffer was pending, when it was linked the
// writer had ended.
func TestHazardWriterEndsDuringAcceptance(t *testing.T) {
	for name, second := range map[string]string{"read": "mix x.npy z.npy", "update": "update x.npy"} {
		for _, fails := range []bool{true, false} {
			t.Run(fmt.Sprint(name, fails), func(t *testing.T) {
				l := newTierLab(t)
				l.do("mix x.npy")
				l.do("mix w.npy")
				w := l.put("gate g x.npy")
				accepted := make(chan error, 1)
				q := l.d.Queue(MainQueue)
				go func() {
					_, err := q.Open(user, SessionOptions{}).Write(context.Background(), []byte(second+"\nslowplan p w.npy y.npy\n"))
					accepted <- err
				}()
				<-l.gate("p").started // the first line has been checked
				if fails {            // and the gate stays shut: open, it might be passed all the same
					w.Cancel("just then")
				} else {
					l.gate("g").release()
				}
				<-w.done
				l.gate("p").release()
				err := <-accepted
				l.idle()
				if !fails {
					if err != nil {
						t.Fatal(err)
					}
					l.want(q.Jobs()[3], Done)
					return
				}
				if err == nil {
					l.want(q.Jobs()[3], Failed)
				} else if !errors.Is(err, syscall.EIO) {
					t.Error(err)
				}
				if m, ok := l.d.store.MarkOf("x.npy"); !ok || !m.Bad() {
					t.Errorf("x.npy passes for good: %+v", m)
				}
			})
		}
	}
}

// The rules of poisoning: what a failed job was to write is bad until
// something overwrites it, and who reads it fails with the reason.
func TestPoison(t *testing.T) {
	l := newTierLab(t)
	l.do("mix x.npy")
	hold := l.put("hold g x.npy")
	bad := l.put("fail x.npy")
	reader := l.put("mix x.npy y.npy")
	reader2 := l.put("mix y.npy z.npy")
	update := l.put("update x.npy")
	l.gate("g").release()
	l.want(hold, Done)
	if s := l.want(bad, Failed); !s.OutputBad || s.Errno != syscall.EIO || s.Error.Job != bad.ID {
		t.Errorf("%+v", s)
	}
	for _, j := range []*Job{reader, reader2, update} {
		if s := l.want(j, Failed); s.Errno != syscall.EIO || !strings.Contains(s.Error.Msg, "is bad: job") {
			t.Errorf("%+v", s.Error)
		}
	}
	for _, line := range []string{"mix x.npy new.npy", "update x.npy", "mix y.npy new.npy", "mix z.npy new.npy"} {
		l.refused(syscall.EIO, line)
		if e := l.lastError(); !strings.Contains(e.Msg, "is bad: job") || e.Hint == "" {
			t.Errorf("%+v", e)
		}
	}
	f, ctx := l.d.Files(), context.Background()
	for _, flags := range []int{syscall.O_RDONLY, syscall.O_RDWR} {
		if _, err := f.Open(ctx, "x.npy", flags); !errors.Is(err, syscall.EIO) {
			t.Error(flags, err)
		}
	}
	h, err := f.Open(ctx, "x.npy", syscall.O_WRONLY)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.ReadAt(make([]byte, 1), 0); !errors.Is(err, syscall.EIO) {
		t.Error(err)
	}
	h.Release()
	l.do("mix x.npy") // overwritten by a job
	l.do("mix x.npy ok.npy")
	l.write("y.npy", npy(1)) // and by a client
	l.do("mix y.npy ok.npy")
	if err := f.Truncate(ctx, "z.npy", 0); err != nil {
		t.Error(err)
	}
	if _, err := f.Open(ctx, "z.npy", syscall.O_RDONLY); err != nil {
		t.Error(err)
	}
}

// A later writer has the last word, whether it ends before or after the one
// that fails, and whether it writes the same inode or another.
func TestPoisonLaterWriterStands(t *testing.T) {
	for _, n := range []int{8, 9} {
		l := newTierLab(t)
		l.do("mix x.npy")
		old := l.put("gate g x.npy")
		l.put("fail x.npy")
		now := l.put(fmt.Sprintf("mix x.npy salt=5 n=%d", n))
		reader := l.put("mix x.npy y.npy")
		l.gate("g").release()
		l.want(old, Done)
		l.want(now, Done)
		l.want(reader, Done)
		l.idle()
		if m, ok := l.d.store.MarkOf("x.npy"); ok {
			t.Errorf("n=%d: %+v", n, m)
		}
		if got := body(l.data("x.npy")); !bytes.Equal(got, mixed(make([]byte, n), nil, 5, false)) {
			t.Errorf("n=%d: %v", n, got)
		}
		// The other way: the last writer fails, the one before it does not help.
		l.put("mix x.npy")
		l.want(l.put("fail x.npy"), Failed)
		l.refused(syscall.EIO, "mix x.npy y.npy")
	}
}

// On plain files there are no marks: a failed output goes.
func TestPoisonPlain(t *testing.T) {
	l := newLab(t)
	l.want(l.put("fail x.npy"), Failed)
	l.refused(syscall.ENOENT, "mix x.npy y.npy")
}

// step is a line of a random program.
type step struct {
	out    string
	ins    []string
	salt   byte
	n      int
	update bool
	job    *Job // nil if it was refused
}

func (s step) line() string {
	if s.update {
		return fmt.Sprintf("update %s %s salt=%d", strings.Join(s.ins, " "), s.out, s.salt)
	}
	return fmt.Sprintf("mix %s %s salt=%d n=%d", strings.Join(s.ins, " "), s.out, s.salt, s.n)
}

// model is what sequential execution makes of the buffers. nil is bad.
type model map[string][]byte

// apply carries out a step. It tells how its job has to end.
func (m model) apply(s step) State {
	ins := make([][]byte, len(s.ins))
	bad := s.update && m[s.out] == nil
	for i, name := range s.ins {
		ins[i] = m[name]
		bad = bad || m[name] == nil
	}
	n := s.n
	if s.update {
		n = len(m[s.out])
	}
	if bad || s.job.Snapshot().State == Cancelled {
		m[s.out] = nil
		return Failed
	}
	old := make([]byte, n)
	copy(old, m[s.out])
	m[s.out] = mixed(old, ins, s.salt, s.update)
	return Done
}

// Random programs over few buffers and several queues, with pauses and
// cancels, have the results of running one line at a time.
func TestRandomProgramsAreSequential(t *testing.T) {
	rounds := 60
	if testing.Short() {
		rounds = 15
	}
	for seed := range uint64(rounds) {
		l := newTierLab(t)
		if seed%2 == 1 {
			l.d.relayFrom = 0 // every job that ends before its turn is relayed
		}
		checkProgram(t, l, rand.New(rand.NewPCG(seed, 2)), seed)
		l.close(false)
	}
}

func checkProgram(t *testing.T, l *lab, rng *rand.Rand, seed uint64) {
	names := []string{"a.npy", "b.npy", "c.npy", "d.npy"}
	m := model{}
	for i, name := range names {
		m[name] = []byte{byte(i), 1, 2, 3, 4, 5, 6, 7}
		l.write(name, npy(m[name]...))
	}
	queues := []*Queue{l.d.Queue(MainQueue), l.queue("p"), l.queue("q")}
	var steps []step
	for range 60 {
		q := queues[rng.IntN(len(queues))]
		switch rng.IntN(10) {
		case 0:
			l.set(q, AttrPaused, rng.IntN(2))
		case 1:
			l.set(q, AttrPriority, rng.IntN(3))
		case 2:
			if len(steps) > 0 {
				if s := steps[rng.IntN(len(steps))]; s.job != nil {
					s.job.Cancel("at random")
				}
			}
		default:
			steps = append(steps, randomBatch(l, rng, q, names)...)
		}
	}
	for _, q := range queues {
		l.set(q, AttrPaused, 0)
	}
	l.idle()
	for i, s := range steps {
		want := m.apply(s)
		if got := s.job.Snapshot().State; got != want && got != Cancelled {
			t.Errorf("seed %d, step %d: %s is %v, want %v: %v", seed, i, s.line(), got, want, s.job.Snapshot().Error)
		}
	}
	for name, want := range m {
		mark, marked := l.d.store.MarkOf(name)
		if got := body(l.data(name)); marked != (want == nil) || !marked && !bytes.Equal(got, want) {
			t.Errorf("seed %d: %s is %v %+v, want %v", seed, name, got, mark, want)
		}
	}
	if len(l.d.hazards) != 0 || l.d.Stats().Pending != 0 {
		t.Errorf("seed %d: %+v", seed, l.d.Stats())
	}
}

// randomBatch writes one to three lines at once.
func randomBatch(l *lab, rng *rand.Rand, q *Queue, names []string) []step {
	var out []step
	var lines []string
	for range 1 + rng.IntN(3) {
		s := step{out: names[rng.IntN(len(names))], salt: byte(rng.IntN(100)), n: 7 + rng.IntN(3), update: rng.IntN(3) == 0}
		for range rng.IntN(3) {
			s.ins = append(s.ins, names[rng.IntN(len(names))])
		}
		out = append(out, s)
		lines = append(lines, s.line())
	}
	jobs, err := l.try(q.Name, lines...)
	if err != nil {
		return out[:0] // refused as a whole: nothing of it may show
	}
	for i := range out {
		out[i].job = jobs[i]
	}
	return out
}
