package vfs

import (
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"

	"vgpu/device"
)

// newRoot is the top of the tree: DESIGN section 1 says what is in it.
func newRoot(t *tree) fs.InodeEmbedder {
	d := t.dev
	mode := t.opt.Mode
	if mode == 0 {
		mode = 0o755
	}
	return &dirNode{
		// Not static: a stat(2) of the mount point must ask, which is how a dead one is told.
		control: control{t: t, attr: t.own(mode).attr}, path: "",
		fixed: map[string]entry{
			"README":  t.file(t.readme),
			"run":     t.runFile(),
			"ctl":     t.ctlFile(),
			"info":    t.file(t.infoText),
			"stat":    t.file(t.statText),
			"metrics": t.file(t.metricsText),
			"errors":  t.errorsFile(),
			"trace":   t.file(d.Trace),
			"buffers": t.buffersDir(),
			"queues":  t.queuesDir(),
			"kernels": t.kernelsDir(),
			"tiers":   t.tiersDir(),
			"tuning":  t.tuningDir(),
		},
	}
}

// errorsFile is the error list; truncating it clears it, as tracefs has it.
func (t *tree) errorsFile() entry {
	return entry{mode: syscall.S_IFREG, make: func() fs.InodeEmbedder {
		return &textNode{control: t.own(0o644), text: t.errorsText, clear: t.dev.ClearErrors}
	}}
}

// ctlFile takes the device's verbs; its owner alone may, and the group of
// --group.
func (t *tree) ctlFile() entry {
	mode := uint32(0o644)
	if t.opt.Group >= 0 {
		mode = 0o664
	}
	return entry{mode: syscall.S_IFREG, fresh: true, make: func() fs.InodeEmbedder {
		return &valueNode{textNode: textNode{control: t.own(mode), text: ctlHelp}, set: t.dev.Control}
	}}
}

// runFile takes commands and returns when they have ended.
func (t *tree) runFile() entry {
	return entry{mode: syscall.S_IFREG, fresh: true, make: func() fs.InodeEmbedder {
		return &sessionNode{
			control: t.own(0o666), queue: t.dev.Queue(device.RunQueue), sync: true,
		}
	}}
}

// kernelsDir has a manual for each kernel.
func (t *tree) kernelsDir() entry {
	fixed := map[string]entry{}
	for _, name := range t.dev.Registry().Names() {
		k := t.dev.Registry().Lookup(name)
		fixed[name] = t.file(func() ([]byte, error) { return []byte(k.Text(manualWidth)), nil })
	}
	return t.dir("/kernels", fixed)
}

// manualWidth is the width of the manuals' lines.
const manualWidth = 80
