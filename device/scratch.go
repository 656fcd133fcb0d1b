package device

import (
	"errors"
	"fmt"
	"sync"
	"syscall"

	"vgpu/alloc"
)

// scratch is the memory of a running job. What the plan asked for is reserved
// before the job starts; a job that plans none reserves none, so that it runs
// on a device that is full.
type scratch struct {
	store *alloc.Store
	mu    sync.Mutex
	arena *alloc.Arena // nil until a job that planned none asks
}

// scratchError says that the memory which a job planned for is not free now,
// and why it cannot be made so, if that is not plain.
type scratchError struct {
	*alloc.BudgetError
	why error
}

// Error tells the reason, or else the byte counts.
func (e *scratchError) Error() string {
	if e.why != nil {
		return e.why.Error()
	}
	return e.BudgetError.Error()
}

// Unwrap makes errors.Is(err, syscall.ENOMEM) work, and the same for why.
func (e *scratchError) Unwrap() []error {
	if e.why != nil {
		return []error{e.BudgetError, e.why}
	}
	return []error{e.BudgetError}
}

// never is how a job ends whose memory nothing that runs will free.
func (e *scratchError) never() error {
	if e.why != nil {
		return fmt.Errorf("its operands do not get into memory, %d bytes of %d are free: %w: %w", e.Free, e.Mem, e.why, syscall.ENOMEM)
	}
	return fmt.Errorf("needs %d bytes of scratch and for operands, %d of %d are free: %w", e.Need, e.Free, e.Mem, syscall.ENOMEM)
}

// scratch reserves n bytes; a *scratchError if they are not free.
func (d *Device) scratch(n int64) (*scratch, error) {
	s := &scratch{store: d.store}
	if n == 0 {
		return s, nil
	}
	var err error
	s.arena, err = d.store.NewArena(n)
	if short := (*alloc.BudgetError)(nil); errors.As(err, &short) {
		err = &scratchError{BudgetError: short}
	}
	return s, err
}

// Alloc implements kernels.Memory.
func (s *scratch) Alloc(n int) []byte {
	if n == 0 {
		return nil
	}
	return s.lend().Alloc(n)
}

// lend gives the arena. A job that planned no scratch and asks for some gets
// what an empty arena has to give, or panics as one that planned too little.
func (s *scratch) lend() *alloc.Arena {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.arena == nil {
		a, err := s.store.NewArena(0)
		if err != nil {
			panic(err)
		}
		s.arena = a
	}
	return s.arena
}

// close gives the memory back; what was lent must not be used any more.
func (s *scratch) close() {
	if s.arena != nil {
		s.arena.Close()
	}
}
