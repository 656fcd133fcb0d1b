package device

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"syscall"
	"time"

	"vgpu/alloc"
)

// mover moves buffers between memory and the spill tiers: for a job that is
// about to run, in the foreground; and ahead of the queue, in a goroutine of its
// own. A device without spill tiers has none.
//
// Who decides what moves has the turn. It is held over whole moves, for
// seconds if they are large, so it is taken with no lock held, and can be given up
// on. What it decides may be overtaken by clients, who open, write and unlink
// as they like: every move can fail with EBUSY or ENOENT, and is then decided anew.
type mover struct {
	d    *Device
	turn chan struct{} // has room for one: who put it there has the turn
	kick chan struct{} // there may be something to do ahead
	end  context.CancelFunc
	done chan struct{}

	// begin is held to write over the decision that a buffer's bytes do not matter
	// and the move without them, and passed by jobs that begin. It is taken
	// after turn and before Device.mu.
	begin sync.RWMutex

	mu       sync.Mutex // guards what follows; under it buffers are held, and nothing else is called
	pressed  bool       // somebody had to wait for room lately
	wanted   []*alloc.Buffer
	ahead    map[uint64]bool // brought in before a job asked, and not used since
	growers  int             // handles through which buffers may grow without our seeing it
	watched  int64           // bytes that were free when that was last looked at
	now      []moving
	lanes    []lane
	stats    MoveStats
	outBytes float64 // and the seconds that they took, of large moves
	outTime  float64
	inBytes  float64
	inTime   float64
}

// MoveStats is what moving has come to.
type MoveStats struct {
	Evictions    uint64        // buffers moved out because a job or a client waited for room
	Eager        uint64        // moved out before anybody did
	Promotions   uint64        // brought in for a job that waited
	Prefetched   uint64        // brought in before it did
	PrefetchHits uint64        // of those, used by a job
	Stalls       uint64        // jobs that waited for moves
	Stalled      time.Duration // how long
	Streamed     uint64        // jobs that ran streamed
	Queue        int           // moves that the plan holds now
}

// moving is a move under way.
type moving struct {
	in    bool
	name  string
	bytes int64
}

// lane is a move as the trace shows it.
type lane struct {
	in         bool
	name, tier string
	bytes      int64
	start, end time.Time
}

// Watermarks, as parts of the memory: when somebody had to wait for room and
// less is free than the low one, buffers that no job names leave until the high
// one is reached, so that the next does not wait.
const (
	lowWater  = 16
	highWater = 8
	maxHigh   = 1 << 30 // bytes
	lookahead = 8       // jobs whose operands are brought in ahead of their turn
	maxWanted = 1024    // buffers that clients have asked for
	maxLanes  = 4096
)

func newMover(d *Device) *mover {
	return &mover{d: d, turn: make(chan struct{}, 1), kick: make(chan struct{}, 1), done: make(chan struct{}), ahead: map[uint64]bool{}}
}

// start begins to move: once the device has the mover, which its goroutine and the store's look for there.
func (m *mover) start() {
	ctx, cancel := context.WithCancel(context.Background())
	m.end = cancel
	go m.loop(ctx)
	m.d.store.OnShort(m.grow)
	m.d.store.OnTier(m.d.tierChanged)
}

// stop ends the goroutine; nil is harmless.
func (m *mover) stop() {
	if m == nil {
		return
	}
	m.end()
	<-m.done
	m.mu.Lock()
	wanted := m.wanted
	m.wanted = nil
	m.mu.Unlock()
	for _, b := range wanted {
		b.Release()
	}
}

// enter takes the turn.
func (m *mover) enter(ctx context.Context) error {
	select {
	case m.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (m *mover) leave() {
	<-m.turn
	m.wake()
}

// wake has the goroutine look whether there is something to do.
func (m *mover) wake() {
	if m == nil {
		return
	}
	select {
	case m.kick <- struct{}{}:
	default:
	}
}

// stalled counts a job's waiting for moves. One that tries again, since it found
// too little memory, is one job still.
func (m *mover) stalled(j *Job, t time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !j.stalled {
		j.stalled = true
		m.stats.Stalls++
	}
	m.stats.Stalled += t
}

// noteUse takes note that a job uses buffers, once, however often it tries:
// whether memory had what it reads, and what was brought ahead of it, and how warm
// the buffers are.
func (d *Device) noteUse(j *Job, parts []part) {
	if j.used {
		return
	}
	j.used = true
	hits, misses := 0, 0
	for i := range parts {
		here := parts[i].buf.Resident()
		switch {
		case !parts[i].reads:
		case here:
			hits++
		default:
			misses++
		}
		if ino := parts[i].buf.Ino(); d.moves != nil {
			d.moves.met(ino, here)
			d.hints.warm(ino)
		}
	}
	d.store.CountReads(hits, misses)
}

// met takes note that a job has come to a buffer, here or not, that may have
// been brought ahead of it.
func (m *mover) met(ino uint64, here bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.ahead[ino] {
		return
	}
	delete(m.ahead, ino)
	if here {
		m.stats.PrefetchHits++
	}
}

// residents lists the buffers that could leave memory, with their next use.
func (d *Device) residents() ([]resident, map[uint64]alloc.Victim, error) {
	victims, err := d.store.Victims()
	if err != nil {
		return nil, nil, err
	}
	next := d.nextUses()
	list, at := make([]resident, 0, len(victims)), make(map[uint64]alloc.Victim, len(victims))
	for _, v := range victims {
		h := d.hints.get(v.Ino)
		if h.pin || v.Bytes == 0 {
			continue
		}
		r := resident{ino: v.Ino, bytes: v.Bytes, next: never, last: v.LastUse.UnixNano(), hint: h.advice}
		if j := next[v.Ino]; j != nil {
			r.next = j.ID
		}
		list = append(list, r)
		at[v.Ino] = v
	}
	return list, at, nil
}

// nextUses is the first accepted unfinished job of each buffer that has any.
func (d *Device) nextUses() map[uint64]*Job {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := make(map[uint64]*Job, len(d.hazards))
	for b, h := range d.hazards {
		out[b.Ino()] = h.accesses[0].job
	}
	return out
}

// makeRoom frees memory until want bytes are free, if what may leave suffices
// for that; else nothing leaves, and a *scratchError says so. keep are inodes that
// stay, and so does what is used by jobs up to after. The caller has the turn.
func (d *Device) makeRoom(ctx context.Context, want int64, keep []uint64, after uint64, report func(string)) error {
	var failed error
	for {
		u := d.store.Usage()
		if want <= u.Free {
			return nil
		}
		list, at, err := d.residents()
		if err != nil {
			return err
		}
		victims, ok := chooseVictims(without(list, keep), want-u.Free, after)
		if !ok {
			return &scratchError{&alloc.BudgetError{Need: want, Free: u.Free, Mem: u.Mem}, failed}
		}
		for _, r := range victims {
			v := at[r.ino]
			report("evicts " + v.Rel)
			switch err := d.carryOut(ctx, v, false); {
			case errors.Is(err, syscall.ENOSPC):
				return &scratchError{&alloc.BudgetError{Need: want, Free: u.Free, Mem: u.Mem}, fmt.Errorf("nothing can leave memory: %w", err)}
			case errors.Is(err, syscall.EBUSY), errors.Is(err, syscall.ENOENT): // a client was first
				keep = append(slices.Clip(keep), r.ino)
			case ctx.Err() != nil:
				return err
			case err != nil: // its bytes are where they were
				report("cannot evict " + v.Rel + ": " + err.Error())
				keep, failed = append(slices.Clip(keep), r.ino), err
			}
		}
	}
}

// carryOut spills a buffer. The caller has the turn.
func (d *Device) carryOut(ctx context.Context, v alloc.Victim, eager bool) error {
	b, err := v.Get()
	if err != nil {
		return err
	}
	defer b.Release()
	m := d.moves
	err = m.carry(moving{false, v.Rel, v.Bytes}, b, func() error { return d.spill(ctx, b) })
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case err != nil:
	case eager:
		m.stats.Eager++
	default:
		m.stats.Evictions++
		m.pressed = true
	}
	delete(m.ahead, v.Ino)
	return err
}

// spill moves a buffer out: without its bytes if nobody will ever see them,
// since the first job that names it has not begun, and will write it whole.
func (d *Device) spill(ctx context.Context, b *alloc.Buffer) error {
	d.moves.begin.Lock() // no job begins meanwhile
	if !d.unwritten(b) {
		d.moves.begin.Unlock()
		return b.Spill(ctx)
	}
	defer d.moves.begin.Unlock()
	return b.SpillEmpty(ctx)
}

// unwritten tells whether the next that happens to a buffer is that a job which
// has not begun writes all of it.
func (d *Device) unwritten(b *alloc.Buffer) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	h := d.hazards[b]
	if h == nil || h.accesses[0].job.state != Queued {
		return false
	}
	whole := false
	j := h.accesses[0].job
	for i := range j.ops {
		if op := &j.ops[i]; op.buf == b {
			if op.reads {
				return false
			}
			whole = whole || op.whole
		}
	}
	return whole
}

// beginning is called by a job before it touches its buffers.
func (m *mover) beginning() {
	if m != nil {
		m.begin.RLock()
		defer m.begin.RUnlock()
	}
}

// carryIn promotes a buffer for a job that waits. The caller has the turn.
func (d *Device) carryIn(ctx context.Context, b *alloc.Buffer, name string, discard bool) error {
	st, err := b.Stat()
	if err != nil {
		return err
	}
	mv := moving{true, name, st.Size}
	if discard {
		mv.bytes = 0
	}
	err = d.moves.carry(mv, b, func() error { return b.Promote(ctx, discard) })
	if err == nil {
		d.moves.mu.Lock()
		d.moves.stats.Promotions++
		d.moves.mu.Unlock()
	}
	return err
}

// carry does a move and takes note of it.
func (m *mover) carry(mv moving, b *alloc.Buffer, move func() error) error {
	tier := b.Tier() // where it comes from, or else where it gets to
	m.mu.Lock()
	m.now = append(m.now, mv)
	m.mu.Unlock()
	start := time.Now()
	err := move()
	end := time.Now()
	if !mv.in {
		tier = b.Tier()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	i := slices.Index(m.now, mv)
	m.now = slices.Delete(m.now, i, i+1)
	if err != nil {
		return err
	}
	if len(m.lanes) >= maxLanes {
		m.lanes = slices.Delete(m.lanes, 0, maxLanes/2)
	}
	m.lanes = append(m.lanes, lane{mv.in, mv.name, tier, mv.bytes, start, end})
	m.rate(mv, end.Sub(start).Seconds())
	return nil
}

// rate adds to the measure of how fast moves are; small ones tell of latency
// instead. mu is held.
func (m *mover) rate(mv moving, sec float64) {
	switch {
	case mv.bytes < 1<<20:
	case mv.in:
		m.inBytes, m.inTime = m.inBytes+float64(mv.bytes), m.inTime+sec
	default:
		m.outBytes, m.outTime = m.outBytes+float64(mv.bytes), m.outTime+sec
	}
}

// grow is called by alloc when a client's write finds memory full, or the marks
// of a batch do (except is nil). What no job names makes room for it; else the
// buffer that grows is spilled itself, or, if a client holds it in memory, what
// only jobs that wait name makes room too: they bring it back.
func (m *mover) grow(want int64, except *alloc.Buffer) bool {
	d := m.d
	ctx := context.Background()
	if m.enter(ctx) != nil {
		return false
	}
	defer m.leave()
	free := d.store.Usage().Free
	if free >= want {
		return true
	}
	var keep []uint64
	if except != nil {
		keep = []uint64{except.Ino()}
	}
	err := d.makeRoom(ctx, want, keep, never-1, func(string) {})
	if err != nil && except != nil && except.Pinned() {
		err = d.makeRoom(ctx, want, keep, 0, func(string) {})
	}
	return err == nil
}
