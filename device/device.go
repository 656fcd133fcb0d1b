// Package device is the device itself: sessions that take command lines,
// queues, jobs, the hazards between them, scheduling, errors, counters and
// the trace. It needs no mount: package vfs is one front end, `vgpu run`
// another, and a Go program can be a third (see the example).
//
// # Model
//
// A client opens a [Session] on a [Queue] and writes lines to it. Lines are
// parsed, checked and authorised when they arrive, and either all the lines
// of a write become [Job]s, in order, or none does. Jobs are ordered by the
// buffers they name: a job waits for the accepted jobs that write what it
// reads (RAW), and for those that read or write what it writes (WAR, WAW),
// over all queues. What is not ordered by a hazard may overlap. So the result
// is as if the lines had run one at a time in the order of acceptance.
//
// A job holds its buffers from acceptance to its end. An output exists, with
// its type and its space, from acceptance; it is marked on the tier itself
// until its job ends done, and stays marked if it does not, so that neither a
// client nor another job, nor the next daemon, takes it for good.
//
// # Memory
//
// Where the store has spill tiers, a job's operands may be on one. Before it
// runs they are brought into memory, all of them, and others leave to make
// room: the buffer whose next use by an accepted job is farthest away goes
// first. A job whose operands do not fit together works on copies of the parts
// that it uses, or is streamed by its kernel; see chooseMode. A goroutine does the
// same ahead of the queue, while jobs run; see mover.
//
// # Locks
//
//	Handle.mu       whether the buffer of one handle is pinned; a pin waits for moves.
//	mover.turn      held by who moves buffers, for as long as that takes, and by
//	                nobody who holds another lock.
//	Device.accept   held while the lines of one write are checked and accepted,
//	                which reads headers and makes files. Never held while waiting.
//	  Device.mu     guards everything in memory: queues, jobs, hazards, rings.
//	                Held for microseconds; no file is touched under it.
//	    alloc's own locks
//	mover.mu, hintTable.mu, transferLog.mu
//	                leaves: nothing is called under them, but to hold a buffer.
//
// accept is taken before mu, mu before alloc's. Callbacks from alloc come with
// no lock held. Who has the turn takes mu, and never accept.
package device

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"

	"vgpu/alloc"
	"vgpu/kernels"
	"vgpu/kernels/pool"
	"vgpu/kernels/simd"
)

// Cred is who asks: the uid, gid and supplementary groups of a client.
type Cred = alloc.Cred

// Config says what device to make. Registry must be set; the zero value of
// everything else is a default.
type Config struct {
	Name     string // such as vgpu0
	Version  string // of the program, for info
	Registry *kernels.Registry
	Store    alloc.Config
	Pool     pool.Config
	// Tuning is the directory of the tuner's findings, "" for none; a new one
	// starts with those in TuningSeed.
	Tuning, TuningSeed string
	// Retain is how many finished jobs a queue remembers; 0: 1000.
	Retain int
	// Depth is the default queue depth; 0: 16384.
	Depth int
}

// Limits that are not configurable.
const (
	maxErrors    = 100
	logBytes     = 1 << 20
	maxQueues    = 1024
	traceJobs    = 1000
	maxFailLines = 1000
)

// Device is a compute device. Its methods are safe for concurrent use.
type Device struct {
	cfg     Config
	store   *alloc.Store
	pool    *pool.Pool
	started time.Time
	peaks   peaks
	tuning  tuning
	hints   *hintTable // nil without spill tiers
	moves   *mover     // nil without spill tiers

	transfers transferLog // of jobs whose operands are not mapped

	accept sync.Mutex // serialises acceptance; see the package comment

	mu      sync.Mutex
	queues  map[string]*Queue
	jobs    map[uint64]*Job // all that are remembered
	lastID  uint64
	hazards map[*alloc.Buffer]*hazard
	running int
	// releasing counts jobs that have ended and still let go of their buffers,
	// for which the store must be there.
	releasing int

	relayFrom int // see the constant
	slots     int // how many jobs may run at once
	// memWait holds jobs that were ready but found no scratch memory; they
	// become ready again when memory is freed.
	memWait  []*Job
	frees    uint64                // how often memory was freed
	closing  map[*Handle]time.Time // that were flushed then; see closing.go
	policy   Policy
	draining bool
	closed   bool
	idle     *sync.Cond // on mu: a job ended, memory was freed, or a handle released
	errors   []ErrorEntry
	errTotal uint64
	trace    []traceEntry
	count    counters
}

// Open makes the device ready: memory, threads, the queues main and run, and
// the account of what an earlier daemon left unfinished.
func Open(cfg Config) (*Device, error) {
	if cfg.Registry == nil {
		return nil, errors.New("device: no kernel registry")
	}
	if len(cfg.Registry.Common()) == 0 {
		cfg.Registry = cfg.Registry.WithCommon(CommonOptions...)
	}
	if cfg.Retain <= 0 {
		cfg.Retain = 1000
	}
	if cfg.Depth <= 0 {
		cfg.Depth = 16384
	}
	p, err := pool.New(cfg.Pool) // first: a tier that it finds no use for would stay mounted
	if err != nil {
		return nil, fmt.Errorf("thread pool: %w", err)
	}
	store, err := alloc.Open(cfg.Store)
	if err != nil {
		p.Close()
		return nil, fmt.Errorf("device memory: %w", err)
	}
	d := &Device{
		cfg: cfg, store: store, pool: p, started: time.Now(),
		queues: map[string]*Queue{}, jobs: map[uint64]*Job{}, hazards: map[*alloc.Buffer]*hazard{}, closing: map[*Handle]time.Time{},
		slots: p.Threads() + 1, relayFrom: relayFrom,
	}
	d.idle = sync.NewCond(&d.mu)
	for _, name := range []string{MainQueue, RunQueue} {
		d.queues[name] = newQueue(d, name, Cred{UID: uint32(os.Getuid()), GID: uint32(os.Getgid())}, 0o777) // whose the device is
	}
	d.reportInterrupted()
	if err := d.openTuning(); err != nil {
		p.Close()
		return nil, errors.Join(err, store.Undo())
	}
	if d.hints, err = openHints(store); err != nil {
		d.tuning.stop(true)
		p.Close()
		return nil, errors.Join(err, store.Undo())
	}
	store.OnFree(d.memoryFreed)
	if store.Spills() {
		d.moves = newMover(d)
		d.moves.start()
	}
	return d, nil
}

// reportInterrupted lists the jobs that the last daemon did not finish.
func (d *Device) reportInterrupted() {
	for _, m := range d.store.Interrupted() {
		d.noteError(ErrorEntry{
			Job: m.Job, Errno: syscall.EIO, Line: m.Cmd,
			Msg:  fmt.Sprintf("%s: job %d was interrupted when the last daemon ended; the buffer is bad until it is overwritten", m.Path, m.Job),
			Hint: "run the command again, or remove the buffer",
		})
		d.lastID = max(d.lastID, m.Job)
	}
}

// Stop ends the jobs: nothing more is accepted, what runs may go on until ctx
// is done, and what is left then is cancelled. When it returns every job has
// ended, and whoever waited for one knows.
func (d *Device) Stop(ctx context.Context) error {
	d.mu.Lock()
	d.draining, d.closed = true, true
	d.mu.Unlock()
	d.accept.Lock() // whoever is accepting now saw a device that was open
	d.mu.Lock()
	d.accept.Unlock()
	wake := context.AfterFunc(ctx, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.idle.Broadcast()
	})
	for d.unfinished() > 0 && ctx.Err() == nil {
		d.idle.Wait()
	}
	wake()
	d.mu.Unlock()
	for _, q := range d.Queues() {
		q.CancelAll("the device is stopping")
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for d.unfinished() > 0 || d.running > 0 || d.releasing > 0 {
		d.idle.Wait()
	}
	for _, q := range d.queues {
		q.closeStreams()
	}
	return nil
}

// Close stops the device and gives everything back. With keep the buffers
// stay for the next Open.
func (d *Device) Close(ctx context.Context, keep bool) error {
	return errors.Join(d.halt(ctx), d.store.Close(keep))
}

// halt stops the device and all that works for it.
func (d *Device) halt(ctx context.Context) error {
	err := d.Stop(ctx)
	d.tuning.stop(true)
	d.moves.stop()
	d.pool.Close()
	return err
}

// Undo closes a device that could not be put to use after all: the buffers that
// Open found stay for the next one, and without any all that it made goes.
func (d *Device) Undo() error {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return errors.Join(d.halt(ctx), d.store.Undo())
}

// unfinished counts jobs that have been accepted and have not ended.
func (d *Device) unfinished() int {
	n := 0
	for _, q := range d.queues {
		n += q.pending
	}
	return n
}

// Name is the device's name.
func (d *Device) Name() string { return d.cfg.Name }

// Registry is the set of kernels.
func (d *Device) Registry() *kernels.Registry { return d.cfg.Registry }

// Pool is the device's thread pool.
func (d *Device) Pool() *pool.Pool { return d.pool }

// ISA is the instruction set in use.
func (d *Device) ISA() simd.ISA { return simd.Active() }
