package alloc

import (
	"math"
	"math/rand/v2"
	"testing"
)

// benchKinds are contents that compress little, better, and best: each gives the i-th f32 or i32.
var benchKinds = []struct {
	name string
	at   func(i int, r *rand.Rand) uint32
}{
	{"f32 normal", func(_ int, r *rand.Rand) uint32 { return math.Float32bits(float32(r.NormFloat64())) }},
	{"f32 smooth", func(i int, _ *rand.Rand) uint32 {
		y, x := i/2048, i%2048
		return math.Float32bits(float32(math.Sin(float64(x)/100) * math.Cos(float64(y)/150)))
	}},
	{"i32 small", func(_ int, r *rand.Rand) uint32 { return uint32(r.IntN(200)) }},
	{"zeros", func(int, *rand.Rand) uint32 { return 0 }},
}

// BenchmarkCompress spills and promotes buffers of several kinds, with and without compression. raw is for comparing: its bytes are the same for
// every kind. ratio is bytes over bytes on the disk.
func BenchmarkCompress(b *testing.B) {
	raw := true
	for _, k := range benchKinds {
		if raw {
			b.Run("raw", func(b *testing.B) { benchCompress(b, "", k.at) })
		}
		raw = false
		b.Run(k.name, func(b *testing.B) { benchCompress(b, CompressZstd, k.at) })
	}
}

func benchCompress(b *testing.B, compress string, at func(int, *rand.Rand) uint32) {
	r := rand.New(rand.NewPCG(1, 2))
	p := make([]byte, 0, 16<<20)
	for i := 0; len(p) < cap(p); i++ {
		p = le.AppendUint32(p, at(i, r))
	}
	buf := benchBuffer(b, compress, p)
	b.Run("spill", func(b *testing.B) {
		b.SetBytes(benchSize(b))
		for b.Loop() {
			benchDo(b, buf.Spill(ctx))
			b.ReportMetric(buf.s.Tiers()[1].Ratio(), "ratio")
			b.StopTimer()
			benchDo(b, buf.Promote(ctx, false))
			b.StartTimer()
		}
	})
	b.Run("promote", func(b *testing.B) {
		b.SetBytes(benchSize(b))
		for b.Loop() {
			b.StopTimer()
			benchDo(b, buf.Spill(ctx))
			b.StartTimer()
			benchDo(b, buf.Promote(ctx, false))
		}
	})
}
