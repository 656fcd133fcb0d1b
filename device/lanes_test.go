package device

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"vgpu/kernels"
)

// laneEvent is what the tests look at of an event of the trace.
type laneEvent struct {
	Name, Ph string
	TS, Dur  float64
	PID, TID int
	Args     struct {
		Name, Tier string
		Job        uint64
		Bytes      int64
		Segments   int
	}
}

// transferEvents are the events of the trace that are transfers, and the names of their rows.
func (l *lab) transferEvents() (list []laneEvent, rows map[int]string) {
	l.t.Helper()
	text, err := l.d.Trace()
	if err != nil {
		l.t.Fatal(err)
	}
	var got struct{ TraceEvents []laneEvent }
	if err := json.Unmarshal(text, &got); err != nil {
		l.t.Fatal(err)
	}
	rows = map[int]string{}
	for _, e := range got.TraceEvents {
		switch {
		case e.PID != traceTransfers:
		case e.Ph == "X":
			list = append(list, e)
		case e.Name == "thread_name":
			rows[e.TID] = e.Args.Name
		}
	}
	return list, rows
}

// What jobs read and write on the tiers, streamed or in copies of parts, is in the trace, within the job's time, and
// nothing in a row overlaps.
func TestTraceOfTransfers(t *testing.T) {
	l := newSpillLab(t)
	const n = 20 * unit
	l.write("a.npy", npy(noise(n, 1)...))
	if list, _ := l.transferEvents(); len(list) > 0 {
		t.Errorf("before any job: %+v", list)
	}
	streamed := l.put("stir a.npy b.npy salt=1")
	l.want(streamed, Done)
	parts := l.put("tag 'x' a.npy[0:64] b.npy[5:69]")
	l.want(parts, Done)
	list, rows := l.transferEvents()
	bytes := map[string]int64{}
	ends := map[int]float64{}
	for _, e := range list {
		verb, _, _ := strings.Cut(e.Name, " ")
		bytes[fmt.Sprint(e.Args.Job, " ", e.Name, " ", e.Args.Tier)] += e.Args.Bytes
		if e.TS < ends[e.TID] || e.Dur < 0 || e.Args.Segments < 1 || !strings.HasPrefix(rows[e.TID], verb+" ") {
			t.Errorf("%+v in row %q, which is taken until %g", e, rows[e.TID], ends[e.TID])
		}
		ends[e.TID] = e.TS + e.Dur
	}
	for _, name := range []string{"read a.npy", "write b.npy"} {
		if got := bytes[fmt.Sprint(streamed.ID, " ", name, " spill0")]; got < n {
			t.Errorf("%s: %d bytes of %d: %v", name, got, n, bytes)
		}
	}
	if got := bytes[fmt.Sprint(parts.ID, " read a.npy spill0")]; got != 64 {
		t.Errorf("%d bytes of a part: %v", got, bytes)
	}
}

// Transfers at once are in rows of their own; the log is bounded, and keeps the last.
func TestTransferLog(t *testing.T) {
	var g transferLog
	base := time.Unix(1000, 0)
	at := func(ms int) time.Time { return base.Add(time.Duration(ms) * time.Millisecond) }
	for _, span := range [][2]int{{5, 9}, {0, 10}, {10, 12}, {1, 4}, {9, 20}} {
		g.add(transferred{lane: lane{in: true, name: "x", start: at(span[0]), end: at(span[1])}})
	}
	var got []string
	for _, e := range g.events(base) {
		if e.Ph == "X" {
			got = append(got, fmt.Sprintf("%g-%g:%d", e.TS/1000, (e.TS+e.Dur)/1000, e.TID))
		}
	}
	if s := strings.Join(got, " "); s != "0-10:1 1-4:3 5-9:3 9-20:3 10-12:1" {
		t.Error(s)
	}
	for i := range 3 * maxLanes {
		g.add(transferred{job: uint64(i)})
	}
	if n := len(g.list); n > maxLanes || g.list[n-1].job != 3*maxLanes-1 {
		t.Errorf("%d, the last of job %d", n, g.list[n-1].job)
	}
}

// A client that cuts a buffer under a job that transfers it is told of as that,
// once by name, and not as an invalid argument.
func TestTransferOfWhatWasCutOff(t *testing.T) {
	l := newSpillLab(t)
	l.write("x.npy", npy(noise(unit, 1)...))
	b, err := l.d.store.Get("x.npy")
	if err != nil {
		t.Fatal(err)
	}
	defer b.Release()
	seg := kernels.Segment{Off: 128, Buf: make([]byte, unit)}
	if err := b.Resize(130); err != nil {
		t.Fatal(err)
	}
	x := blob{b, l.d, 1, "x.npy"}
	for what, begin := range map[string]func(...kernels.Segment) kernels.Transfer{"read": x.Read, "write": x.Write} {
		err := named("x.npy", begin(seg).Wait(t.Context()))
		if want := "x.npy was resized or overwritten by a client while the job waited: "; !errors.Is(err, syscall.EIO) || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
