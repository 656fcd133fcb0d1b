package device

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"vgpu/kernels/command"
)

// Verb is a command of the device's ctl file.
type Verb struct {
	Name, Synopsis, Help string
	// check looks at a line and returns what carries it out, so that nothing is
	// changed before all the lines of a write have been found good.
	check func(d *Device, c Cred, l *command.Line) (apply func() error, err error)
}

// Verbs lists the device's verbs, by name.
func Verbs() []Verb { return slices.Clone(verbs) }

var verbs = []Verb{
	{"drain", "drain", "accept no more commands (EBUSY); what was accepted is finished", plain(func(d *Device) error { return d.setDraining(true) })},
	{"policy", "policy fair|fifo", "how the next job is chosen among queues of one priority", (*Device).ctlPolicy},
	{"probe", "probe", "try spill tiers whose disk has failed now, and not only some seconds later; EIO if one is out of use still", plain((*Device).Probe)},
	{"queue", queueSynopsis, "make a queue if it does not exist, and set its attributes", (*Device).ctlQueue},
	{"reset", "reset", "cancel every job that has not ended, and clear the error list", plain((*Device).Reset)},
	{"resume", "resume", "end drain", plain(func(d *Device) error { return d.setDraining(false) })},
	{"tune", "tune [quick|stop]", "search for the fastest block sizes and thread counts while nothing else computes; stat shows how far it is, tuning/ what it found", (*Device).ctlTune},
}

// queueSynopsis is the remedy too.
const queueSynopsis = "queue NAME [weight=] [priority=] [depth=] [paused=]"

// plain is the check of a verb that has no operands.
func plain(f func(d *Device) error) func(*Device, Cred, *command.Line) (func() error, error) {
	return func(d *Device, _ Cred, l *command.Line) (func() error, error) {
		if len(l.Args) > 0 || len(l.Options) > 0 {
			return nil, failf(syscall.EINVAL, l.Verb.Span, l.Verb.Text, l.Verb.Text+" takes no operands")
		}
		return func() error { return f(d) }, nil
	}
}

// Control carries out the lines of one write to the device's ctl file. If one
// of them cannot be, none is. Only root and the daemon's own user may; the
// file's mode sees to that.
func (d *Device) Control(c Cred, lines []string) error {
	applies := make([]func() error, len(lines))
	for i, text := range lines {
		var err error
		if applies[i], err = d.checkVerb(c, text); err != nil {
			d.noteError(entryOf("", 0, text, err))
			return err
		}
	}
	for i, apply := range applies {
		if err := apply(); err != nil {
			d.noteError(entryOf("", 0, lines[i], err))
			return err
		}
	}
	return nil
}

func (d *Device) checkVerb(c Cred, text string) (apply func() error, err error) {
	line, err := command.Parse(text)
	if err != nil {
		return nil, err
	}
	if line.Empty() {
		return func() error { return nil }, nil
	}
	i := slices.IndexFunc(verbs, func(v Verb) bool { return v.Name == line.Verb.Text })
	if i < 0 {
		names := make([]string, len(verbs))
		for k, v := range verbs {
			names[k] = v.Name
		}
		return nil, failf(syscall.EINVAL, line.Verb.Span, "the verbs are "+strings.Join(names, ", "), "no such verb: "+line.Verb.Text)
	}
	return verbs[i].check(d, c, line)
}

func (d *Device) setDraining(on bool) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return fmt.Errorf("the device is stopping: %w", syscall.ESHUTDOWN)
	}
	d.draining = on
	return nil
}

func (d *Device) ctlPolicy(_ Cred, l *command.Line) (func() error, error) {
	if len(l.Args) != 1 || len(l.Options) > 0 || !slices.Contains(Policies, Policy(l.Args[0].Text)) {
		return nil, failf(syscall.EINVAL, l.Verb.Span, "policy fair, or policy fifo", "policy takes one of fair, fifo")
	}
	return func() error {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.policy = Policy(l.Args[0].Text)
		return nil
	}, nil
}

// Policy is the policy in force.
func (d *Device) Policy() Policy {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.policy == "" {
		return Fair
	}
	return d.policy
}

// Reset cancels every job and clears the error list.
func (d *Device) Reset() error {
	for _, q := range d.Queues() {
		q.CancelAll("the device was reset")
	}
	d.ClearErrors()
	return nil
}

// ctlQueue makes a queue and sets attributes: all of them, or none.
func (d *Device) ctlQueue(c Cred, l *command.Line) (func() error, error) {
	if len(l.Args) != 1 {
		return nil, failf(syscall.EINVAL, l.Verb.Span, queueSynopsis, "queue takes one name")
	}
	name := l.Args[0].Text
	if !validQueueName(name) {
		return nil, failf(syscall.EINVAL, l.Args[0].Span, queueNames, "bad queue name "+name)
	}
	values := make([]int, len(l.Options))
	for i, o := range l.Options {
		v, err := strconv.Atoi(o.Value)
		if err != nil || !slices.Contains(Attributes, Attribute(o.Key)) {
			return nil, failf(syscall.EINVAL, o.Span, "weight=, priority=, depth= and paused= take whole numbers", "bad attribute "+o.Key+"="+o.Value)
		}
		if err := checkAttribute(name, Attribute(o.Key), v); err != nil {
			return nil, failf(Errno(err), o.Span, "", saying(err))
		}
		values[i] = v
	}
	return func() error {
		q, err := d.queueOrNew(c, name)
		for i, o := range l.Options {
			if err == nil {
				err = q.Set(Attribute(o.Key), values[i])
			}
		}
		return err
	}, nil
}

// queueOrNew finds a queue, or makes it.
func (d *Device) queueOrNew(c Cred, name string) (*Queue, error) {
	if q := d.Queue(name); q != nil {
		return q, nil
	}
	return d.MakeQueue(c, name, 0o755)
}
