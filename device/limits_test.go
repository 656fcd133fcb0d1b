package device

import (
	"fmt"
	"strings"
	"syscall"
	"testing"

	"vgpu/kernels/ndarray"
)

// planned asks explain how much memory a command would take, and in which mode.
func (l *lab) planned(line string) (mode string, memory int64) {
	l.t.Helper()
	answer := l.want(l.put("explain "+line), Done).Answer
	for text := range strings.Lines(answer) {
		key, val, _ := strings.Cut(strings.TrimSpace(text), " ")
		switch key {
		case "mode":
			mode = val
		case "memory":
			if _, err := fmt.Sscan(val, &memory); err != nil {
				l.t.Fatal(err)
			}
		}
	}
	if mode == "" || memory == 0 {
		l.t.Fatalf("%s: no mode, or no memory, in\n%s", line, answer)
	}
	return mode, memory
}

// A command's own limit counts what it maps of its inputs, its outputs and its
// scratch: the sum that explain tells is enough, and a byte less is refused.
func TestMaxmemCountsEverything(t *testing.T) {
	eachLab(t, func(t *testing.T, l *lab) {
		l.write("a.npy", npy(noise(10000, 1)...))
		for line, want := range map[string]int64{
			"mix a.npy x.npy n=500":            10000 + 500 + 128,
			"mix a.npy[0:1000] x.npy n=500":    1000 + 500 + 128, // the part that is used
			"mix a.npy a.npy x.npy n=500":      10000 + 500 + 128,
			"mix a.npy[::-1] a.npy[0] x.npy":   10000 + 8 + 128,
			"mix a.npy a.npy":                  10000 + 8 + 128, // another inode
			"mix a.npy[0:100] a.npy[50] x.npy": 100 + 8 + 128,
		} {
			if _, got := l.planned(line); got != want {
				t.Errorf("%s: %d bytes of memory, want %d", line, got, want)
				continue
			}
			l.refused(syscall.ENOMEM, fmt.Sprintf("%s maxmem=%d", line, want-1))
			if e := l.lastError(); !strings.Contains(e.Msg, fmt.Sprintf("needs %d bytes", want)) || !strings.Contains(e.Msg, fmt.Sprint("maxmem is ", want-1)) {
				t.Errorf("%+v", e)
			}
			l.do(fmt.Sprintf("explain %s maxmem=%d", line, want))
		}
		l.do("mix a.npy x.npy n=500 maxmem=10628")
	})
}

// On a device that spills a limit chooses the mode, and the bits are the same in each.
func TestMaxmemChoosesTheMode(t *testing.T) {
	l := newSpillLab(t)
	data := noise(unit, 1)
	l.write("a.npy", npy(data...))
	mode, whole := l.planned("stir a.npy x.npy")
	if mode != "memory" || whole != 2*(unit+128) {
		t.Errorf("%s %d", mode, whole)
	}
	l.do("stir a.npy want.npy")
	want := l.get("want.npy")
	for limit, mode := range map[int64]string{whole: "memory", whole - 1: "windows", whole - 128: "windows", whole / 2: "streamed", 64 << 10: "streamed"} {
		line := fmt.Sprintf("stir a.npy x.npy maxmem=%d", limit)
		if got, memory := l.planned(line); got != mode || memory > limit {
			t.Errorf("%s: mode %s, %d bytes, want %s", line, got, memory, mode)
		}
		l.do(line)
		l.same("x.npy", want)
	}
	l.refused(syscall.ENOMEM, "stir a.npy x.npy maxmem=1K")
	_, parts := l.planned("mix 'a.npy[0:1000]' y.npy maxmem=100K") // which cannot stream
	l.refused(syscall.ENOMEM, fmt.Sprintf("mix 'a.npy[0:1000]' y.npy maxmem=%d", parts-1))
	if e := l.lastError(); !strings.Contains(e.Msg, fmt.Sprintf("needs %d bytes", parts)) {
		t.Errorf("%+v", e)
	}
	l.within()
}

// A streamed run that copies an overlapping input aside has less for its tiles.
func TestMaxmemCountsThePieceOfACopy(t *testing.T) {
	l := newSpillLab(t)
	piece := l.d.copyPiece()
	for _, tt := range []struct {
		limit, there int64
		overlaps     bool
		want         int64
	}{
		{0, 1 << 20, true, l.d.streamable(1 << 20)}, {300 << 10, 1 << 20, false, 300 << 10}, {300 << 10, 1 << 20, true, 300<<10 - piece},
		{piece / 2, 1 << 20, true, 0}, {1 << 30, 1 << 20, true, l.d.streamable(1 << 20)},
	} {
		if got := l.d.within(limits{memory: tt.limit}, tt.there, tt.overlaps); got != tt.want {
			t.Errorf("%+v: %d", tt, got)
		}
	}
}

// Of an operand without elements a window has no bytes, though the buffer has a
// header before where they would be.
func TestBindNothing(t *testing.T) {
	l := ndarray.NewLayout(ndarray.I64, 0, 48)
	l.Offset = 128
	for _, p := range []part{{window: true}, {data: make([]byte, 128)}} {
		j, ws := &Job{ops: []operand{{name: "x", layout: l}}, inputs: 1}, &workspace{parts: []part{p}}
		if err := j.bindArrays(ws); err != nil || ws.arrays[0].Len() != 0 {
			t.Errorf("%+v: %v", ws.arrays, err)
		}
	}
	l = ndarray.NewLayout(ndarray.I64, 3)
	l.Offset = 128
	j, ws := &Job{ops: []operand{{name: "x", layout: l}}, inputs: 1}, &workspace{parts: []part{{data: make([]byte, 151)}}}
	if err := j.bindArrays(ws); err == nil {
		t.Error("an operand that reaches past its buffer was bound")
	}
}
