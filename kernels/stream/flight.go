package stream

import (
	"context"
	"slices"

	"vgpu/kernels"
)

// Flight keeps account of the transfers of a run. It belongs to one goroutine.
//
//	f := stream.NewFlight(x)
//	defer func() { err = f.End(err) }()
//	m := f.Load(&piece)
//	...
//	if err := m.Wait(); err != nil { return err }
type Flight struct {
	ctx    context.Context
	cancel context.CancelFunc
	exec   *kernels.Exec
	open   []*Move // not waited for
}

// Move is a transfer of a flight. A nil *Move is one that there is no need of:
// it has ended.
type Move struct {
	flight *Flight
	t      kernels.Transfer
	err    error
	over   bool
}

// NewFlight begins a flight that x.Ctx cancels. [Flight.End] must be called.
func NewFlight(x *kernels.Exec) *Flight {
	f := &Flight{exec: x}
	f.ctx, f.cancel = context.WithCancel(x.Ctx)
	return f
}

// Load starts reading a piece.
func (f *Flight) Load(p *Piece) *Move { return f.add(p.Load(f.ctx)) }

// Store starts writing a piece, which must stay as it is until the move has
// been waited for.
func (f *Flight) Store(p *Piece) *Move { return f.add(p.Store(f.ctx)) }

// add takes account of a transfer that was just started.
func (f *Flight) add(t kernels.Transfer) *Move {
	if t == nil {
		return nil
	}
	m := &Move{flight: f, t: t}
	f.open = append(f.open, m)
	return m
}

// Wait returns when the move has ended, with its error if it failed or was
// cancelled. More than one Wait gives the same.
func (m *Move) Wait() error {
	if m == nil || m.over {
		return m.error()
	}
	m.err, m.over = m.t.Wait(m.flight.ctx), true
	f := m.flight
	if i := slices.Index(f.open, m); i >= 0 {
		f.open = slices.Delete(f.open, i, i+1)
	}
	return m.err
}

func (m *Move) error() error {
	if m == nil {
		return nil
	}
	return m.err
}

// Err tells whether the run was cancelled.
func (f *Flight) Err() error {
	if f.exec.W != nil {
		if err := f.exec.W.Err(); err != nil {
			return err
		}
	}
	return f.ctx.Err()
}

// End waits for everything that is still under way. If err, with which the run
// ends, is not nil, that is cancelled first. It gives err, or the first error
// of what it waited for.
func (f *Flight) End(err error) error {
	if err != nil {
		f.cancel()
	}
	for len(f.open) > 0 {
		if e := f.open[0].Wait(); e != nil && err == nil {
			err = e
			f.cancel()
		}
	}
	f.cancel()
	return err
}
