package device

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"vgpu/alloc"
)

// Ten thousand buffers of 2 KiB are made where memory holds nine thousand, by commands or written by a client:
// what it takes, how often a job waited for room, and for how long in all.
func BenchmarkManySmall(b *testing.B) {
	const n, batch = 10000, 500
	b.Run("commands", func(b *testing.B) {
		benchMany(b, func(l *lab) {
			s := l.d.Queue(MainQueue).Open(user, SessionOptions{Sync: true})
			for lo := 0; lo < n; lo += batch {
				var lines strings.Builder
				for k := lo; k < lo+batch; k++ {
					fmt.Fprintf(&lines, "mix s%d.npy n=2000\n", k)
				}
				if _, err := s.Write(context.Background(), []byte(lines.String())); err != nil {
					b.Fatal(err)
				}
			}
		})
	})
	b.Run("written", func(b *testing.B) {
		data := npy(noise(2000, 1)...)
		benchMany(b, func(l *lab) {
			for k := range n {
				l.write(fmt.Sprintf("s%d.npy", k), data)
			}
		})
	})
}

// benchMany times make on a device of 38 MB.
func benchMany(b *testing.B, make func(l *lab)) {
	for i := 0; i < b.N; i++ {
		b.StopTimer()
		dir := diskDir(b)
		l := newTierLab(b, func(c *Config) {
			c.Store.Mem = 38 << 20
			c.Store.Spill = []alloc.SpillConfig{{Dir: dir, Size: 512 << 20}}
		})
		b.StartTimer()
		make(l)
		b.StopTimer()
		m := l.d.Stats().Moves
		b.ReportMetric(float64(m.Stalls), "stalls/op")
		b.ReportMetric(m.Stalled.Seconds(), "stall-s/op")
		b.ReportMetric(float64(m.Evictions), "evictions/op")
		b.ReportMetric(float64(m.Eager), "eager/op")
	}
}
