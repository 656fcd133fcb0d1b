package iouring

// completion is the result of an attempt: bytes, or an errno negated.
type completion struct {
	id  uint64
	res int
}

// backend carries out attempts: one system call's worth of an operation each.
// It tells results to the function it was made with. No method is called with
// a lock held, nor is that function.
type backend interface {
	// start begins segments of chains: the attempts of each in order, each
	// only if the one before was whole; the rest end with ECANCELED. It does
	// not wait for them, and all of them get a result, whatever fails.
	start(segments [][]*Op)
	// cancel asks for operations to end early. Those that have are let be.
	cancel(ids []uint64)
	// poll tells the results that are there; reap waits for one, or for wake.
	// At most one goroutine is in either at a time. Backends that tell results
	// of their own accord have reaps false.
	poll()
	reap()
	reaps() bool
	wake()
	// registerBuffers and registerFiles replace what was registered. Nothing
	// is in flight.
	registerBuffers(bufs [][]byte) error
	registerFiles(fds []int) error
	// close frees everything. Nothing is in flight, and nobody reaps.
	close() error
}
