package tests

import (
	"fmt"
	"os"
	"sync"
)

// churner is a client that has buffers leave memory, and come back: by commands
// whose outputs fill most of it in turn, and by reading those that it is given.
type churner struct {
	d    *dev
	end  chan struct{}
	done sync.WaitGroup
}

// churnSize is what one of the churner's three buffers holds. In memory of 24 MiB
// there is no room for a buffer of churnRest beside it: one that is there leaves.
const (
	churnSize = 16 << 20
	churnRest = 8 << 20
)

// churn starts one. Each round reads one of the buffers named, if there are any,
// which are promoted for it.
func (d *dev) churn(read ...string) *churner {
	c := &churner{d: d, end: make(chan struct{})}
	c.done.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-c.end:
				return
			default:
			}
			lines := fmt.Sprintf("random churn%d.npy:f32:%d\n", i%3, churnSize/4)
			if len(read) > 0 {
				lines += fmt.Sprintf("sum %s:u8 churned.npy\n", read[i%len(read)])
			}
			if err := d.write("run", lines); err != nil {
				d.t.Errorf("%s: %v", lines, err)
				return
			}
		}
	})
	return c
}

// stop ends it and removes its buffers.
func (c *churner) stop() {
	c.d.t.Helper()
	close(c.end)
	c.done.Wait()
	for _, name := range []string{"churn0.npy", "churn1.npy", "churn2.npy", "churned.npy"} {
		if err := os.Remove(c.d.path("buffers/" + name)); err != nil && !os.IsNotExist(err) {
			c.d.t.Error(err)
		}
	}
}

// allLeave waits until each buffer has been seen outside memory.
func (d *dev) allLeave(names []string) {
	d.t.Helper()
	for _, name := range names {
		d.eventually(name+" leaves memory", func() bool { return d.tier(name) == "spill0" })
	}
}
