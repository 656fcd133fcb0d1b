package device

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"vgpu/alloc"
	"vgpu/kernels"
	"vgpu/kernels/ndarray"
)

// unit is what the spill tests measure in.
const unit = 256 << 10

// spillMem is the memory of a spilling lab, of which staging takes some.
const spillMem = 16*unit + 512<<10

// diskDir is a directory that may be a spill tier: not on a tmpfs.
func diskDir(t testing.TB) string {
	for _, base := range []string{"", "/var/tmp", "."} {
		dir, err := os.MkdirTemp(base, "vgpu-spill-")
		if err != nil {
			continue
		}
		if dir, err = filepath.Abs(dir); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := os.RemoveAll(dir); err != nil {
				t.Error(err)
			}
		})
		var st unix.Statfs_t
		if err := unix.Statfs(dir, &st); err == nil && st.Type != unix.TMPFS_MAGIC {
			return dir
		}
	}
	t.Fatal("there is no directory on a disk")
	return ""
}

// newSpillLab opens a device with little memory and a spill tier.
func newSpillLab(t testing.TB, change ...func(*Config)) *lab {
	dir := diskDir(t)
	return newTierLab(t, append([]func(*Config){func(c *Config) {
		c.Store.Mem = spillMem
		c.Store.Spill = []alloc.SpillConfig{{Dir: dir, Size: 256 * unit}}
	}}, change...)...)
}

// get reads a buffer as a client does.
func (l *lab) get(name string) []byte {
	l.t.Helper()
	h, err := l.d.Files().Open(context.Background(), name, syscall.O_RDONLY)
	if err != nil {
		l.t.Fatal(err)
	}
	defer h.Release()
	size, err := h.Buffer().Size()
	if err != nil {
		l.t.Fatal(err)
	}
	out := make([]byte, size)
	for n := 0; n < len(out); {
		k, err := h.ReadAt(out[n:min(len(out), n+unit)], int64(n))
		if err != nil || k == 0 {
			l.t.Fatalf("%s at %d: %d %v", name, n, k, err)
		}
		n += k
	}
	return out
}

// same compares a buffer with what it should be.
func (l *lab) same(name string, want []byte) {
	l.t.Helper()
	if got := l.get(name); !bytes.Equal(got, want) {
		i := 0
		for i < min(len(got), len(want)) && got[i] == want[i] {
			i++
		}
		l.t.Errorf("%s: %d bytes, want %d; they differ from %d on", name, len(got), len(want), i)
	}
}

// noise is n bytes that depend on a seed.
func noise(n int, seed uint64) []byte {
	rng := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	out := make([]byte, n)
	rng.Read(out) // never fails
	return out
}

// tier is where a buffer's bytes are.
func (l *lab) tier(name string) string {
	l.t.Helper()
	buf := make([]byte, 64)
	n, err := l.d.Files().Getxattr(name, attrTier, buf)
	if err != nil {
		l.t.Fatal(err)
	}
	return string(buf[:n])
}

// evict moves a buffer out, as the planner does.
func (l *lab) evict(name string) {
	l.t.Helper()
	b, err := l.d.store.Get(name)
	if err != nil {
		l.t.Fatal(err)
	}
	defer b.Release()
	if err := b.Spill(context.Background()); err != nil {
		l.t.Fatal(err)
	}
}

// within fails if more memory is in use than there is.
func (l *lab) within() {
	l.t.Helper()
	if u := l.d.store.Usage(); u.Used+u.Scratch+u.Staging > u.Mem || u.Peak > u.Mem {
		l.t.Errorf("more memory than there is: %+v", u)
	}
}

// streaming are kernels that stream: stir works element by element, turn
// reverses. Arrays are one-dimensional, of u8.
func streaming() []*kernels.Kernel {
	salt := kernels.OptionSpec{Name: "salt", Kind: kernels.KindInt, Default: "0"}
	return []*kernels.Kernel{
		{Name: "stir", MinInputs: 1, MaxInputs: 1, Outputs: kernels.OutputRequired, Options: []kernels.OptionSpec{salt}, Plan: planStir},
		{Name: "stirmore", MinInputs: 1, MaxInputs: 1, Outputs: kernels.OutputRequired, Options: []kernels.OptionSpec{salt}, Plan: planStir},
		{Name: "turn", MinInputs: 1, MaxInputs: 1, Outputs: kernels.OutputRequired, Plan: planTurn},
	}
}

// stirred is what stir makes of a byte, or stirmore, which uses the old one.
func stirred(in, old, salt byte, more bool) byte {
	if more {
		return in*3 + salt + old*5
	}
	return in*3 + salt
}

func planStir(c *kernels.Call) (*kernels.Plan, error) {
	salt, more := byte(c.Int("salt")), c.Kernel.Name == "stirmore"
	out := kernels.OutSpec{DType: ndarray.U8, Shape: c.Out[0].WantShape(c.In[0].Layout.Shape), Reads: more}
	return &kernels.Plan{
		Out: []kernels.OutSpec{out}, Alias: true, Explain: []kernels.Entry{{Term: "path", Text: "stir"}},
		Run: func(x *kernels.Exec) error {
			in, dst := x.In[0], x.Out[0]
			for i := range in.Shape[0] {
				at := dst.Offset + i*dst.Strides[0]
				dst.Data[at] = stirred(in.Data[in.Offset+i*in.Strides[0]], dst.Data[at], salt, more)
			}
			return nil
		},
		Stream: streamPieces(c, func(p, old []byte) {
			for i := range p {
				p[i] = stirred(p[i], old[i], salt, more)
			}
		}, more, false),
	}, nil
}

func planTurn(c *kernels.Call) (*kernels.Plan, error) {
	p, err := planFlip(c)
	if err == nil {
		p.Stream = streamPieces(c, func(p, _ []byte) { slices.Reverse(p) }, false, true)
	}
	return p, err
}

// pieceMin is the least memory that the streams of the tests run in.
const pieceMin = 16 << 10

// streamPieces plans to read pieces, change them, and write them, where they
// were or, turned, from the end.
func streamPieces(c *kernels.Call, change func(p, old []byte), reads, turned bool) func(int64) (*kernels.Streamed, error) {
	n := c.In[0].Layout.Shape[0]
	return func(mem int64) (*kernels.Streamed, error) {
		if mem < pieceMin {
			return nil, fmt.Errorf("%d bytes would do: %w", pieceMin, syscall.ENOMEM)
		}
		piece := int(mem / 4)
		return &kernels.Streamed{
			Mem: int64(2 * piece), Moved: float64(2 * n), Explain: []kernels.Entry{{Term: "piece", Text: fmt.Sprint(piece)}},
			Run: func(x *kernels.Exec) error {
				buf, old := x.Mem.Alloc(piece), x.Mem.Alloc(piece)
				for lo := 0; lo < n; lo += piece {
					m := min(piece, n-lo)
					if err := transfer(x.Ctx, &x.Src[0], lo, buf[:m], false); err != nil {
						return err
					}
					to := lo
					if turned {
						to = n - lo - m
					}
					if reads {
						if err := transfer(x.Ctx, &x.Dst[0], to, old[:m], false); err != nil {
							return err
						}
					}
					change(buf[:m], old[:m])
					if err := transfer(x.Ctx, &x.Dst[0], to, buf[:m], true); err != nil {
						return err
					}
				}
				return nil
			},
		}, nil
	}
}

// transfer moves elements from lo on. Strides are 1 or -1.
func transfer(ctx context.Context, a *kernels.Stored, lo int, p []byte, write bool) error {
	off := a.Layout.Offset + lo*a.Layout.Strides[0]
	if a.Layout.Strides[0] < 0 {
		off -= len(p) - 1
	}
	seg := kernels.Segment{Off: int64(off), Buf: p}
	if write {
		return a.Write(seg).Wait(ctx)
	}
	err := a.Read(seg).Wait(ctx)
	if a.Layout.Strides[0] < 0 {
		slices.Reverse(p)
	}
	return err
}
