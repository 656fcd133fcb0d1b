package device

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"syscall"
	"time"

	"vgpu/alloc"
	"vgpu/kernels"
)

// transferLog remembers what streamed jobs, and those that work on copies of
// parts, have read and written, for the trace.
type transferLog struct {
	mu   sync.Mutex // a leaf
	list []transferred
}

// transferred is a transfer that has ended well.
type transferred struct {
	lane  // in: it was read
	job   uint64
	count int // segments
}

func (g *transferLog) add(t transferred) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.list) >= maxLanes {
		g.list = slices.Delete(g.list, 0, maxLanes/2)
	}
	g.list = append(g.list, t)
}

// logged is a transfer that goes into the log when somebody has waited for it.
type logged struct {
	*alloc.Transfer
	log  *transferLog
	of   *alloc.Buffer
	end  int64 // of what it reaches
	what transferred
	once sync.Once
}

// Wait implements kernels.Transfer. Only transfers that were done go into the
// log, once. What a client has cut off meanwhile is told as that.
func (t *logged) Wait(ctx context.Context) error {
	err := t.Transfer.Wait(ctx)
	if err == nil {
		t.once.Do(func() {
			t.what.start, t.what.end = t.Span()
			t.log.add(t.what)
		})
		return nil
	}
	if errors.Is(err, syscall.EINVAL) {
		if size, e := t.of.Size(); e == nil && size < t.end {
			return fmt.Errorf("%s %w", t.what.name, errShapeChanged)
		}
	}
	return err
}

// begin starts to read or write segments for a job.
func (g *transferLog) begin(b blob, read bool, segs []kernels.Segment) kernels.Transfer {
	t := &logged{log: g, of: b.Buffer, what: transferred{lane{in: read, name: b.name, tier: b.Tier()}, b.job, len(segs)}}
	list := make([]alloc.Segment, len(segs))
	for i, s := range segs {
		list[i] = alloc.Segment(s)
		t.what.bytes += int64(len(s.Buf))
		t.end = max(t.end, s.Off+int64(len(s.Buf)))
	}
	if read {
		t.Transfer = b.Buffer.Read(list...)
	} else {
		t.Transfer = b.Buffer.Write(list...)
	}
	return t
}

// events are the transfers as rows of the trace: as many of each direction as
// were under way at once, since what is in one row may not overlap.
func (g *transferLog) events(base time.Time) (out []traceEvent) {
	g.mu.Lock()
	list := slices.Clone(g.list)
	g.mu.Unlock()
	slices.SortStableFunc(list, func(a, b transferred) int {
		return cmp.Or(a.start.Compare(b.start), b.end.Compare(a.end))
	})
	var rows [2][]time.Time // when the last of each row has ended
	for _, t := range list {
		dir, verb := 0, "write"
		if t.in {
			dir, verb = 1, "read"
		}
		k := slices.IndexFunc(rows[dir], func(end time.Time) bool { return !end.After(t.start) })
		if k < 0 {
			k = len(rows[dir])
			rows[dir] = append(rows[dir], time.Time{})
			out = append(out, traceEvent{Name: "thread_name", Ph: "M", PID: traceTransfers, TID: 2*k + dir, Args: map[string]any{"name": fmt.Sprintf("%s %d", verb, k)}})
		}
		rows[dir][k] = t.end
		out = append(out, traceEvent{
			Name: verb + " " + t.name, Cat: "io", Ph: "X", TS: micros(t.start.Sub(base)), Dur: micros(t.end.Sub(t.start)), PID: traceTransfers, TID: 2*k + dir,
			Args: map[string]any{"job": t.job, "bytes": t.bytes, "tier": t.tier, "segments": t.count},
		})
	}
	return out
}

// micros is a time as the trace format has it.
func micros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }
