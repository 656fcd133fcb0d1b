package device

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"

	"vgpu/kernels"
	"vgpu/kernels/command"
	"vgpu/kernels/tune"
)

// tuning is what is known of the machine's best parameters, and the search
// for more that is under way, if one is.
type tuning struct {
	db *tune.DB

	mu       sync.Mutex // guards what follows; a leaf
	cancel   context.CancelFunc
	ended    chan struct{} // closed when the search has ended
	progress tune.Progress
	stopping bool // the device takes no more
}

// TuningStats is where tuning stands.
type TuningStats struct {
	Entries     int
	Running     bool
	Done, Total int // points of the search that runs, or ran last
}

// openTuning reads the entries; those that are not used are listed among the
// device's errors. mu is not held.
func (d *Device) openTuning() (err error) {
	d.tuning.db, err = tune.Open(tune.Config{Dir: d.cfg.Tuning, Seed: d.cfg.TuningSeed, Report: d.unusedTuning})
	return err
}

// unusedTuning has an entry that is not used stand among the errors.
func (d *Device) unusedTuning(name string, reason error) {
	d.noteError(ErrorEntry{
		Errno: syscall.EINVAL, Msg: fmt.Sprintf("tuning/%s is not used: %v", name, reason),
		Hint: "remove it, or find it anew: echo tune > ctl",
	})
}

// Tuning is where tuning stands.
func (d *Device) Tuning() TuningStats {
	t := &d.tuning
	t.mu.Lock()
	defer t.mu.Unlock()
	return TuningStats{Entries: len(t.db.Names()), Running: t.cancel != nil, Done: t.progress.Done, Total: t.progress.Total}
}

// TuningNames lists the entries, used or not, in order.
func (d *Device) TuningNames() []string { return d.tuning.db.Names() }

// ReadTuning is the text of an entry; ENOENT if there is none.
func (d *Device) ReadTuning(name string) ([]byte, error) {
	text, _, ok := d.tuning.db.Read(name)
	if !ok {
		return nil, syscall.ENOENT
	}
	return text, nil
}

// WriteTuning stores an entry in place of what was under that name. EINVAL,
// and a line among the errors, if it is none.
func (d *Device) WriteTuning(name string, text []byte) error {
	err := d.tuning.db.Write(name, text)
	if err != nil {
		d.noteError(ErrorEntry{Errno: Errno(err), Msg: "tuning/" + err.Error(), Hint: "read another entry to see the form; values must be in the range given"})
	}
	return err
}

// RemoveTuning deletes an entry: what it was for is computed as by default.
func (d *Device) RemoveTuning(name string) error { return d.tuning.db.Remove(name) }

// Tune searches for the best parameters on the device's threads, at the
// lowest priority, while the device does nothing else, until it is through or ctx is
// done. What it has found until then is kept, and used from the next command on.
// Only Quick, Budget, Seed, Points and Progress of o count. EBUSY if a search
// runs already.
func (d *Device) Tune(ctx context.Context, o tune.Options) error {
	ctx, err := d.tuning.begin(ctx)
	if err != nil {
		return err
	}
	return d.search(ctx, o)
}

// search is Tune once begun.
func (d *Device) search(ctx context.Context, o tune.Options) error {
	defer d.tuning.end()
	tell := o.Progress
	o.Priority, o.Memory, o.Busy = MinPriority, d.lendQuarter, d.activity
	o.Progress = func(p tune.Progress) {
		d.tuning.note(p)
		if tell != nil {
			tell(p)
		}
	}
	return tune.Search(ctx, d.pool, d.tuning.db, o)
}

// begin takes the place of the one search.
func (t *tuning) begin(ctx context.Context) (context.Context, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.stopping:
		return nil, fmt.Errorf("the device is stopping: %w", syscall.ESHUTDOWN)
	case t.cancel != nil:
		return nil, fmt.Errorf("a search runs already: %w", syscall.EBUSY)
	}
	ctx, t.cancel = context.WithCancel(ctx)
	t.ended, t.progress = make(chan struct{}), tune.Progress{}
	return ctx, nil
}

// end tells those who wait that the search is over.
func (t *tuning) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.cancel()
	t.cancel = nil
	close(t.ended)
}

// note keeps where the search stands, for stat.
func (t *tuning) note(p tune.Progress) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.progress = p
}

// stop cancels the search and waits for its end; with forever no other begins.
func (t *tuning) stop(forever bool) {
	t.mu.Lock()
	t.stopping = t.stopping || forever
	cancel, ended := t.cancel, t.ended
	t.mu.Unlock()
	if cancel != nil {
		cancel()
		<-ended
	}
}

// lendQuarter lends memory to the search, of what is free a quarter at the
// most: a job that comes meanwhile should find room.
func (d *Device) lendQuarter(n int64) (kernels.Memory, func(), error) {
	if free := d.store.Usage().Free; n > free/4 && d.store.Usage().Mem > 0 {
		return nil, nil, fmt.Errorf("%d bytes, and %d are free: %w", n, free, syscall.ENOMEM)
	}
	a, err := d.store.NewArena(n)
	if err != nil {
		return nil, nil, err
	}
	return a, a.Close, nil
}

// activity changes with every job that is accepted or has ended, and tells
// whether one runs.
func (d *Device) activity() (count uint64, now bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	count = d.lastID
	for _, v := range d.count.verbs {
		count += v.Jobs
	}
	return count, d.running > 0
}

// tuned lets a line's plan use what tuning found.
func (d *Device) tuned(dr *draft) {
	dr.call.Tuner, dr.call.Threads = d.tuning.db, d.pool.Threads()
	if n := dr.limits.threads; n > 0 {
		dr.call.Threads = min(n, dr.call.Threads)
	}
}

// fewer is the lesser of two limits of which 0 is none.
func fewer(a, b int) int {
	if a == 0 || b == 0 {
		return max(a, b)
	}
	return min(a, b)
}

// ctlTune starts a search in the background, or stops the one that runs.
func (d *Device) ctlTune(_ Cred, l *command.Line) (func() error, error) {
	how := ""
	if len(l.Args) > 0 {
		how = l.Args[0].Text
	}
	if len(l.Args) > 1 || len(l.Options) > 0 || how != "" && how != "quick" && how != "stop" {
		return nil, failf(syscall.EINVAL, l.Verb.Span, "tune, tune quick, or tune stop", "tune takes quick, stop or nothing")
	}
	return func() error {
		if how == "stop" {
			d.tuning.stop(false)
			return nil
		}
		return d.tuneInBackground(how == "quick")
	}, nil
}

// tuneInBackground starts a search. `stat` shows where it stands; a failure
// comes to the error list.
func (d *Device) tuneInBackground(quick bool) error {
	ctx, err := d.tuning.begin(context.Background())
	if err != nil {
		return err
	}
	go func() {
		if err := d.search(ctx, tune.Options{Quick: quick}); err != nil && !errors.Is(err, context.Canceled) {
			d.noteError(ErrorEntry{Errno: Errno(err), Msg: "tune: " + err.Error()})
		}
	}()
	return nil
}
