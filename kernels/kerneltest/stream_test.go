package kerneltest_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"vgpu/kernels"
	"vgpu/kernels/kerneltest"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/stream"
)

// streamed makes a kernel "bad X Y": Y = X, whose streamed run is run, with mem
// bytes and temp bytes of temporary space.
func streamed(mem, temp int64, run func(x *kernels.Exec) error) []*kernels.Kernel {
	ks := kernel(func(x *kernels.Exec) error {
		x.Answer("done")
		return ndarray.Convert(x.Out[0], x.In[0])
	})
	plan := ks[0].Plan
	ks[0].Plan = func(c *kernels.Call) (*kernels.Plan, error) {
		p, err := plan(c)
		if err != nil {
			return nil, err
		}
		p.Stream = func(have int64) (*kernels.Streamed, error) {
			if have < mem {
				return nil, &stream.NoMemError{Least: mem, Have: have}
			}
			return &kernels.Streamed{Mem: mem, Moved: 160, Temp: temp, Explain: []kernels.Entry{stream.Passes(1)}, Run: run}, nil
		}
		return p, err
	}
	return ks
}

// copyStored is the honest run.
func copyStored(x *kernels.Exec) error {
	mem := x.Mem.Alloc(80)
	if err := whole(x.Ctx, x.Src[0], mem, false); err != nil {
		return err
	}
	x.Answer("done")
	return whole(x.Ctx, x.Dst[0], mem, true)
}

// whole moves all elements of s.
func whole(ctx context.Context, s kernels.Stored, mem []byte, write bool) error {
	return start(s, mem, write).Wait(ctx)
}

func start(s kernels.Stored, mem []byte, write bool) kernels.Transfer {
	seg := kernels.Segment{Off: int64(s.Layout.Offset), Buf: mem}
	if write {
		return s.Write(seg)
	}
	return s.Read(seg)
}

func TestStream(t *testing.T) {
	kerneltest.Stream(t, streamed(80, 0, copyStored), "bad x y", operands())
	kerneltest.Stream(t, streamed(80, 50, func(x *kernels.Exec) error {
		b, err := x.Temp(50)
		if err != nil {
			return err
		}
		if err := b.Write(kernels.Segment{Buf: make([]byte, 50)}).Wait(x.Ctx); err != nil {
			return err
		}
		return copyStored(x)
	}), "bad x y", operands(), 100)
	kerneltest.Stream(t, streamed(0, 0, func(x *kernels.Exec) error {
		x.Answer("done")
		return nil
	}), "bad z y", map[string]ndarray.Array{"z": array(0)})
}

// The kit sees when a streamed run breaks its promises.
func TestStreamWatch(t *testing.T) {
	outside := func(s kernels.Stored, by int) kernels.Stored {
		s.Layout.Offset += by
		return s
	}
	for want, run := range map[string]func(x *kernels.Exec) error{
		"differs from what is computed in core, first at byte 0": func(x *kernels.Exec) error { x.Answer("done"); return nil },
		"the answer is": func(x *kernels.Exec) error {
			mem := x.Mem.Alloc(80)
			return errors.Join(whole(x.Ctx, x.Src[0], mem, false), whole(x.Ctx, x.Dst[0], mem, true))
		},
		"81 bytes of scratch memory": func(x *kernels.Exec) error { x.Mem.Alloc(1); return copyStored(x) },
		"temporary space": func(x *kernels.Exec) error {
			_, err := x.Temp(1)
			return errors.Join(err, copyStored(x))
		},
		"transfers were not waited for": func(x *kernels.Exec) error {
			start(x.Src[0], make([]byte, 80), false)
			return copyStored(x)
		},
		"bytes 127 to 207 are moved": func(x *kernels.Exec) error {
			_ = whole(x.Ctx, outside(x.Dst[0], -1), make([]byte, 80), false)
			return copyStored(x)
		},
		"of a blob of 208: invalid argument": func(x *kernels.Exec) error {
			if err := whole(x.Ctx, outside(x.Src[0], 1), make([]byte, 80), false); !errors.Is(err, syscall.EINVAL) {
				return fmt.Errorf("beyond the end: %w", err)
			}
			return copyStored(x)
		},
		"transfers under way overlap": func(x *kernels.Exec) error {
			mem := x.Mem.Alloc(80)
			a, b := start(x.Dst[0], mem, true), start(x.Dst[0], mem, true)
			return errors.Join(a.Wait(x.Ctx), b.Wait(x.Ctx))
		},
		"of a transfer overlap": func(x *kernels.Exec) error {
			s, buf := int64(x.Src[0].Layout.Offset), make([]byte, 8)
			return x.Src[0].Read(kernels.Segment{Off: s, Buf: buf}, kernels.Segment{Off: s + 7, Buf: buf}).Wait(x.Ctx)
		},
		"a segment without bytes": func(x *kernels.Exec) error {
			return x.Src[0].Read(kernels.Segment{Off: 8}).Wait(x.Ctx)
		},
		"memory changed while it was being written": func(x *kernels.Exec) error {
			mem := x.Mem.Alloc(80)
			w := start(x.Dst[0], mem, true)
			mem[5]++
			return w.Wait(x.Ctx)
		},
		"memory changed while it was being read": func(x *kernels.Exec) error {
			mem := x.Mem.Alloc(80)
			w := start(x.Src[0], mem, false)
			mem[5] = 1
			return w.Wait(x.Ctx)
		},
		"bytes were moved, and the plan has 160": func(x *kernels.Exec) error {
			return errors.Join(copyStored(x), whole(x.Ctx, x.Src[0], make([]byte, 80), false), whole(x.Ctx, x.Src[0], make([]byte, 80), false))
		},
		"fault": func(*kernels.Exec) error { return errors.New("fault") },
		"failed, and the run gave <nil>": func(x *kernels.Exec) error {
			mem := x.Mem.Alloc(80)
			_ = whole(x.Ctx, x.Src[0], mem, false)
			x.Answer("done")
			return whole(x.Ctx, x.Dst[0], mem, true)
		},
		"it was cancelled at transfer 1 of 2, and gave <nil>": func(x *kernels.Exec) error {
			mem := x.Mem.Alloc(80)
			x.Answer("done")
			return errors.Join(whole(context.Background(), x.Src[0], mem, false), whole(context.Background(), x.Dst[0], mem, true))
		},
	} {
		r := &recorder{TB: t}
		kerneltest.Stream(r, streamed(80, 0, run), "bad x y", operands())
		if all := strings.Join(r.errors, "\n"); !strings.Contains(all, want) {
			t.Errorf("%q was not found: %s", want, all)
		}
	}
}

// So it does when a plan does.
func TestStreamPlans(t *testing.T) {
	short := func(p *kernels.Plan, err error) {
		p.Stream = func(int64) (*kernels.Streamed, error) { return nil, err }
	}
	for want, change := range map[string]func(p *kernels.Plan){
		"cannot be streamed":     func(p *kernels.Plan) { p.Stream = nil },
		"want a *stream.NoMem":   func(p *kernels.Plan) { short(p, syscall.ENOMEM) },
		"with the least memory":  func(p *kernels.Plan) { short(p, &stream.NoMemError{Least: 9}) },
		"the plan takes 80 byte": func(p *kernels.Plan) { change80(p) },
	} {
		ks := streamed(80, 0, copyStored)
		plan := ks[0].Plan
		ks[0].Plan = func(c *kernels.Call) (*kernels.Plan, error) {
			p, err := plan(c)
			change(p)
			return p, err
		}
		r := &recorder{TB: t}
		kerneltest.Stream(r, ks, "bad x y", operands(), 10)
		if all := strings.Join(r.errors, "\n"); !strings.Contains(all, want) {
			t.Errorf("%q was not found: %s", want, all)
		}
	}
	r := &recorder{TB: t}
	kerneltest.Stream(r, streamed(80, 0, copyStored), "bad nope y", operands())
	if len(r.errors) != 1 || !strings.Contains(r.errors[0], "in core") {
		t.Errorf("%q", r.errors)
	}
}

// change80 makes a plan take 80 bytes whatever there are.
func change80(p *kernels.Plan) {
	old := p.Stream
	p.Stream = func(mem int64) (*kernels.Streamed, error) {
		if mem == 0 {
			return nil, &stream.NoMemError{Least: 10}
		}
		return old(80)
	}
}
