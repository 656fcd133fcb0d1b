package device

import "time"

// Who closes a file, removes it and writes a command finds the buffer still there, for a moment: the kernel tells of the last close(2) with
// nobody waiting for it (FUSE_RELEASE), and what comes next may overtake that on another thread. What close(2) itself waits for, FUSE_FLUSH,
// comes for each descriptor, and others may be left: it tells of a close that is likely, no more. So before something is refused for want of
// room, those who have just flushed are given the time to be released.

// closeGrace is how long after its flush a handle is expected to be released. It is waited for only where the answer else is that there is no
// room, and a flush is waited for once.
const closeGrace = time.Second

// Flush tells that a client has closed a descriptor of the handle.
func (h *Handle) Flush() {
	d := h.f.d
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closing[h] = time.Now()
}

// stays takes the handle, which is used, from those that may be about to be released.
func (h *Handle) stays() {
	d := h.f.d
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.closing, h)
}

// released is told once the handle holds its buffer no more.
func (h *Handle) released() {
	d := h.f.d
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, ok := d.closing[h]; ok {
		delete(d.closing, h)
		d.idle.Broadcast()
	}
}

// lettingGo waits until jobs that have ended, and handles that were closed before, hold no buffer any more, and tells whether memory may have
// been freed since frees was counted. Who waits for a job hears of its end a moment earlier than that: a buffer that it removes then is room
// for what it writes next. Letting go takes no lock that is held here.
func (d *Device) lettingGo(frees uint64) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	waited := false
	for now := time.Now(); ; waited = true {
		left := d.closeTime(now)
		if d.releasing == 0 && left <= 0 {
			return waited || d.frees != frees
		}
		d.idleWithin(left)
	}
}

// closeTime is how much longer a handle that was closed before now may take to be released; what has had its time is forgotten. mu is held.
func (d *Device) closeTime(now time.Time) (left time.Duration) {
	for h, at := range d.closing {
		switch l := closeGrace - time.Since(at); {
		case l <= 0:
			delete(d.closing, h) // there are other descriptors
		case at.Before(now):
			left = max(left, l)
		}
	}
	return left
}

// idleWithin waits for idle, but no longer than for a time, if that is not 0. mu is held.
func (d *Device) idleWithin(limit time.Duration) {
	if limit > 0 {
		defer time.AfterFunc(limit, func() {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.idle.Broadcast()
		}).Stop()
	}
	d.idle.Wait()
}
