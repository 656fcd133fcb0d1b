package tests

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// soakSteps is how many steps a script has, soakRounds how many scripts a test
// run plays: in the two runs of `make test`, a minute's worth. VGPU_SOAK=1h plays
// new ones for an hour (make soak).
const (
	soakSteps  = 70
	soakRounds = 3
)

// Random scripts of writing, reading, mapping, commands, renaming, cutting
// short, advice and removal, played on devices that differ in everything that
// must not matter, are followed by a model in memory: every byte read is what
// it says.
func TestSoak(t *testing.T) {
	seed, end := uint64(1), time.Time{}
	if s := os.Getenv("VGPU_SOAK"); s != "" {
		d, err := time.ParseDuration(s)
		must(t, err)
		end, seed = time.Now().Add(d), uint64(time.Now().UnixNano())
	}
	for round := 0; round < soakRounds || time.Now().Before(end); round++ {
		play(t, seed+uint64(round))
		if t.Failed() {
			return
		}
	}
}

// soakDevices are the kinds of devices: memory for all or for a part, spilled by
// either backend or compressed; each with one thread and three, handed to the
// kernel and not.
func soakDevices(t *testing.T) (list [][]string) {
	for _, memory := range [][]string{
		{"--mem", "512M"}, spillFlags(t, "24M", "1G"), spillFlags(t, "24M", "1G", "--io", "threads"), spillFlags(t, "24M", "1G:zstd"),
	} {
		for _, threads := range []string{"1", "3"} {
			for _, mode := range modes {
				list = append(list, slices.Concat(memory, []string{"--threads", threads}, mode.flags))
			}
		}
	}
	return list
}

// play makes a script and plays it on every kind of device.
func play(t *testing.T, seed uint64) {
	script := newScript(seed)
	for i, flags := range soakDevices(t) {
		t.Run(fmt.Sprintf("%d/%d", seed, i), func(t *testing.T) {
			d := mount(t, flags...)
			p := &player{dev: d, holds: map[string]*os.File{}}
			for n, s := range script {
				if err := s.do(p); err != nil {
					t.Fatalf("seed %d, %v, step %d, %s: %v\n%s\n%s", seed, flags, n, s.text, err, d.read("errors"), d.read("tiers/plan"))
				}
			}
			p.finish()
		})
	}
}

// move is one thing that a client does, and checks.
type move struct {
	text string
	do   func(p *player) error
}

// player is a client of a device.
type player struct {
	*dev
	holds map[string]*os.File // buffers kept open
}

func (p *player) buffer(name string) string { return p.path("buffers/" + name) }

// settle waits for every queue.
func (p *player) settle() error {
	for _, q := range []string{"main", "side"} {
		if text, err := os.ReadFile(p.path("queues/" + q + "/wait")); err != nil {
			return fmt.Errorf("%w: %s", err, text)
		}
	}
	return nil
}

// finish removes everything; the spill tier is empty then.
func (p *player) finish() {
	must(p.t, p.settle())
	spills := slices.Index(p.flags, "--spill")
	if spills >= 0 && p.number("tier.spill0.bytes_written") == 0 {
		p.t.Error("nothing was spilled")
	}
	for _, f := range p.holds {
		must(p.t, f.Close())
	}
	must(p.t, os.RemoveAll(p.path("buffers/dir")))
	list, err := os.ReadDir(p.path("buffers"))
	must(p.t, err)
	for _, e := range list {
		must(p.t, os.Remove(p.buffer(e.Name())))
	}
	if spills < 0 {
		return
	}
	dir, _, _ := strings.Cut(p.flags[spills+1], ":")
	p.eventually("an empty spill tier", func() bool {
		return p.number("tier.spill0.used") == 0 && p.number("tier.spill0.buffers") == 0 && diskUse(p.t, dir) < 1<<20
	})
}

// diskUse is how many bytes the files below dir have. One that a move has just
// given up may go meanwhile.
func diskUse(t *testing.T, dir string) (bytes int64) {
	must(t, filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return ignoreGone(err)
		}
		info, err := e.Info()
		if err == nil {
			bytes += info.Size()
		}
		return ignoreGone(err)
	}))
	return bytes
}

func ignoreGone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
