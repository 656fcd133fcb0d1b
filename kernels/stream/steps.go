package stream

import "vgpu/kernels"

// Steps is a loop over pieces with double buffering: while step i computes,
// the loads of step i+1 and the stores of step i-1 are under way.
//
// Load(i) may use memory whose last user is Compute(i-2) or Store(i-3);
// Compute(i) may write memory whose last user is Store(i-2). So what is only
// read or only written needs two places in turn (i%2), what is read, changed and
// written three (i%3).
type Steps struct {
	N int
	// Load starts the transfers that step i needs, by f. May be nil.
	Load func(f *Flight, i int) []*Move
	// Compute does step i.
	Compute func(i int) error
	// Store starts the transfers of what step i has made. May be nil.
	Store func(f *Flight, i int) []*Move
}

// Run runs the steps in order.
func (s *Steps) Run(x *kernels.Exec) (err error) {
	f := NewFlight(x)
	defer func() { err = f.End(err) }()
	var next, loaded []*Move
	var stored [2][]*Move // of the last two steps
	if s.N > 0 && s.Load != nil {
		next = s.Load(f, 0)
	}
	for i := range s.N {
		if err := f.Err(); err != nil {
			return err
		}
		if err := wait(stored[i%2]); err != nil {
			return err
		}
		loaded, next = next, nil
		if i+1 < s.N && s.Load != nil {
			next = s.Load(f, i+1)
		}
		if err := wait(loaded); err != nil {
			return err
		}
		if err := s.Compute(i); err != nil {
			return err
		}
		stored[i%2] = nil
		if s.Store != nil {
			stored[i%2] = s.Store(f, i)
		}
	}
	return f.Err()
}

// wait waits for all, and gives the first error.
func wait(moves []*Move) (err error) {
	for _, m := range moves {
		if e := m.Wait(); e != nil && err == nil {
			err = e
		}
	}
	return err
}
