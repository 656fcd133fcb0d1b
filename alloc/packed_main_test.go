package alloc

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"path/filepath"
	"testing"
)

// packConfig is spillConfig with tiers that compress.
func packConfig(t *testing.T, tiers int) (Config, *injector) {
	t.Helper()
	cfg, i := spillConfig(t, spillKinds()[0], 32<<20, tiers)
	for k := range cfg.Spill {
		cfg.Spill[k].Compress = CompressZstd
	}
	return cfg, i
}

func openPacking(t *testing.T, tiers int) *Store {
	t.Helper()
	cfg, _ := packConfig(t, tiers)
	return openWith(t, cfg)
}

// elements are bytes of every type that arrays have, as they might be: each appends one.
var elements = map[string]func(p []byte, i int, r *rand.Rand) []byte{
	"bool": func(p []byte, i int, r *rand.Rand) []byte { return append(p, byte(r.IntN(2))) },
	"u8":   func(p []byte, i int, r *rand.Rand) []byte { return append(p, byte(r.IntN(30))) },
	"i8":   func(p []byte, i int, r *rand.Rand) []byte { return append(p, byte(int8(r.IntN(20)-10))) },
	"u16":  func(p []byte, i int, r *rand.Rand) []byte { return le.AppendUint16(p, uint16(r.IntN(300))) },
	"i16":  func(p []byte, i int, r *rand.Rand) []byte { return le.AppendUint16(p, uint16(r.IntN(300)-150)) },
	"f16":  func(p []byte, i int, r *rand.Rand) []byte { return le.AppendUint16(p, 0x3c00|uint16(r.IntN(64))) },
	"bf16": func(p []byte, i int, r *rand.Rand) []byte { return le.AppendUint16(p, f32bits(r)[1]) },
	"u32":  func(p []byte, i int, r *rand.Rand) []byte { return le.AppendUint32(p, uint32(r.IntN(1000))) },
	"i32":  func(p []byte, i int, r *rand.Rand) []byte { return le.AppendUint32(p, uint32(i)) },
	"f32": func(p []byte, i int, r *rand.Rand) []byte {
		return le.AppendUint32(p, math.Float32bits(float32(r.NormFloat64())))
	},
	"u64": func(p []byte, i int, r *rand.Rand) []byte { return le.AppendUint64(p, uint64(i)) },
	"i64": func(p []byte, i int, r *rand.Rand) []byte { return le.AppendUint64(p, uint64(-i)) },
	"f64": func(p []byte, i int, r *rand.Rand) []byte {
		return le.AppendUint64(p, math.Float64bits(r.NormFloat64()))
	},
	"c64": func(p []byte, i int, r *rand.Rand) []byte {
		return le.AppendUint32(le.AppendUint32(p, math.Float32bits(float32(r.NormFloat64()))), math.Float32bits(float32(i)))
	},
	"c128": func(p []byte, i int, r *rand.Rand) []byte {
		return le.AppendUint64(le.AppendUint64(p, math.Float64bits(math.Sin(float64(i)))), math.Float64bits(float64(i)))
	},
	"big-endian f64": func(p []byte, i int, r *rand.Rand) []byte {
		return binary.BigEndian.AppendUint64(p, math.Float64bits(math.Sin(float64(i)/1000)))
	},
}

func f32bits(r *rand.Rand) [2]uint16 {
	v := math.Float32bits(float32(r.NormFloat64()))
	return [2]uint16{uint16(v), uint16(v >> 16)}
}

// typed is n bytes: the header of a .npy file, if head, and elements.
func typed(dtype string, n int, head bool) []byte {
	p := make([]byte, 0, n+16)
	if head {
		p = append(p, bytes.Repeat([]byte("h"), 128)...)
	}
	r := rand.New(rand.NewPCG(uint64(n), 5))
	for i := 0; len(p) < n; i++ {
		p = elements[dtype](p, i, r)
	}
	return p[:n]
}

// dataFiles are the spill files of a tier.
func dataFiles(t *testing.T, tier *spillTier) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(tier.path, dataDir, "*"))
	ok(t, err)
	return files
}

// isPacked tells whether a spilled buffer is compressed.
func isPacked(t *testing.T, b *Buffer) bool {
	t.Helper()
	b.mu.RLock()
	defer b.mu.RUnlock()
	h, err := b.at()
	ok(t, err)
	return h != nil && h.packed()
}

// mustPack spills a buffer that is to be compressed then.
func mustPack(t *testing.T, b *Buffer) {
	t.Helper()
	ok(t, b.Spill(ctx))
	if !isPacked(t, b) {
		t.Fatalf("%v is not compressed", b)
	}
}

// limit is all that the first tier may have more than it has, from now on.
func limit(t *testing.T, s *Store, more int64) {
	t.Helper()
	used, err := s.spills[0].meter.used()
	ok(t, err)
	s.spills[0].limit = used + more
	ok(t, s.spills[0].meter.bound(used+more))
}
