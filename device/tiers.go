package device

import (
	"fmt"
	"strings"
	"time"

	"vgpu/alloc"
)

// TierUsage is the account of a tier.
type TierUsage = alloc.TierUsage

// Tiers is the account of memory and of the spill tiers, in the order in which
// they are filled.
func (d *Device) Tiers() []TierUsage { return d.store.Tiers() }

// EvictionPolicy says how what leaves a tier is chosen.
const EvictionPolicy = "belady"

// count takes the account of moves; of a device that makes none it is zero.
func (m *mover) count() MoveStats {
	if m == nil {
		return MoveStats{}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.stats
}

// measured is how many bytes a second moves have made, 0 before there were
// enough of them.
func (m *mover) measured() float64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	const enough = 64 << 20
	if bytes := m.inBytes + m.outBytes; bytes >= enough {
		return bytes / (m.inTime + m.outTime)
	}
	return 0
}

// PlanText is what the device is moving between memory and the spill tiers, and
// what it will move as things stand, in that order: a line each, the name of the
// buffer last.
func (d *Device) PlanText() ([]byte, error) {
	var b strings.Builder
	if d.moves == nil {
		return nil, nil
	}
	for i, mv := range d.moves.moving() {
		fmt.Fprintf(&b, "now.%d %s bytes=%d buffer=%s\n", i, direction(mv.in), mv.bytes, quoteName(mv.name))
	}
	o, err := d.outlook()
	if err != nil {
		return nil, err
	}
	defer o.close()
	n := 0
	line := func(in bool, m move, why string) {
		fmt.Fprintf(&b, "next.%d %s bytes=%d %s buffer=%s\n", n, direction(in), m.bytes, why, quoteName(o.names[m.ino]))
		n++
	}
	evict := o.evict
	for _, m := range o.bring {
		for len(evict) > 0 && evict[0].job <= m.job {
			line(false, evict[0], whyOut(evict[0]))
			evict = evict[1:]
		}
		line(true, m, "for="+jobName(m.job))
	}
	for _, m := range evict {
		line(false, m, whyOut(m))
	}
	for _, m := range o.low {
		line(false, m, whyOut(m))
	}
	return []byte(b.String()), nil
}

// moving lists the moves under way.
func (m *mover) moving() []moving {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]moving(nil), m.now...)
}

func direction(in bool) string {
	if in {
		return "bring"
	}
	return "evict"
}

// whyOut says for which job a buffer leaves, and why it is this one.
func whyOut(m move) string {
	next := "never"
	if m.next != never {
		next = fmt.Sprint(m.next)
	}
	out := "for=" + jobName(m.job) + " used=" + next
	if m.hint != AdviceNone {
		out += " advice=" + string(m.hint)
	}
	return out
}

// jobName is the number of a job for which something moves, or another reason.
func jobName(job uint64) string {
	switch job {
	case 0:
		return "watermark"
	case never - 1:
		return "willneed"
	}
	return fmt.Sprint(job)
}

// quoteName keeps a name on its line.
func quoteName(name string) string { return strings.ReplaceAll(name, "\n", "?") }

// events are the moves as rows of the trace.
func (m *mover) events(base time.Time) []traceEvent {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := make([]traceEvent, 0, len(m.lanes))
	for _, l := range m.lanes {
		e := traceEvent{
			Name: direction(l.in) + " " + l.name, Cat: "move", Ph: "X", TS: micros(l.start.Sub(base)), Dur: micros(l.end.Sub(l.start)),
			PID: traceMoves, Args: map[string]any{"bytes": l.bytes, "tier": l.tier},
		}
		if l.in {
			e.TID = 1
		}
		out = append(out, e)
	}
	return out
}
