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
	run                  func(d *Device, c Cred, l *command.Line) error
}

// Verbs lists the device's verbs, by name.
func Verbs() []Verb { return slices.Clone(verbs) }

var verbs = []Verb{
	{"drain", "drain", "accept no more commands (EBUSY); what was accepted is finished", func(d *Device, _ Cred, l *command.Line) error { return d.setDraining(true) }},
	{"policy", "policy fair|fifo", "how the next job is chosen among queues of one priority", (*Device).ctlPolicy},
	{"queue", "queue NAME [weight=] [priority=] [depth=] [paused=]", "make a queue if it does not exist, and set its attributes", (*Device).ctlQueue},
	{"reset", "reset", "cancel every job that has not ended, and clear the error list", func(d *Device, _ Cred, l *command.Line) error { return d.Reset() }},
	{"resume", "resume", "end drain", func(d *Device, _ Cred, l *command.Line) error { return d.setDraining(false) }},
}

// Control carries out one line for the device's ctl file. Only root and the
// daemon's own user may; the file's mode sees to that.
func (d *Device) Control(c Cred, text string) error {
	err := d.control(c, text)
	if err != nil {
		d.noteError(entryOf("", 0, text, err))
	}
	return err
}

func (d *Device) control(c Cred, text string) error {
	line, err := command.Parse(text)
	if err != nil || line.Empty() {
		return err
	}
	i := slices.IndexFunc(verbs, func(v Verb) bool { return v.Name == line.Verb.Text })
	if i < 0 {
		names := make([]string, len(verbs))
		for k, v := range verbs {
			names[k] = v.Name
		}
		return failf(syscall.EINVAL, line.Verb.Span, "the verbs are "+strings.Join(names, ", "), "no such verb: "+line.Verb.Text)
	}
	v := verbs[i]
	if takes := strings.Fields(v.Synopsis); len(takes) == 1 && (len(line.Args) > 0 || len(line.Options) > 0) {
		return failf(syscall.EINVAL, line.Verb.Span, v.Synopsis, v.Name+" takes no operands")
	}
	return v.run(d, c, line)
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

func (d *Device) ctlPolicy(_ Cred, l *command.Line) error {
	if len(l.Args) != 1 || !slices.Contains(Policies, Policy(l.Args[0].Text)) {
		return failf(syscall.EINVAL, l.Verb.Span, "policy fair, or policy fifo", "policy takes one of fair, fifo")
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.policy = Policy(l.Args[0].Text)
	return nil
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
func (d *Device) ctlQueue(c Cred, l *command.Line) error {
	if len(l.Args) != 1 {
		return failf(syscall.EINVAL, l.Verb.Span, "queue NAME [weight=100] [priority=50]", "queue takes one name")
	}
	values := make([]int, len(l.Options))
	for i, o := range l.Options {
		v, err := strconv.Atoi(o.Value)
		if err != nil || !slices.Contains(Attributes, Attribute(o.Key)) {
			return failf(syscall.EINVAL, o.Span, "weight=, priority=, depth= and paused= take whole numbers", "bad attribute "+o.Key+"="+o.Value)
		}
		values[i] = v
	}
	name := l.Args[0].Text
	q, made := d.Queue(name), false
	if q == nil {
		var err error
		if q, err = d.MakeQueue(c, name, 0o755); err != nil {
			return err
		}
		made = true
	}
	old := make([]int, len(Attributes))
	for i, a := range Attributes {
		old[i] = q.Get(a)
	}
	for i, o := range l.Options {
		if err := q.Set(Attribute(o.Key), values[i]); err != nil {
			d.undoQueue(q, made, old)
			return failf(Errno(err), o.Span, "", err.Error())
		}
	}
	return nil
}

// undoQueue puts a queue back as it was before a line that failed.
func (d *Device) undoQueue(q *Queue, made bool, old []int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i, a := range Attributes {
		q.setLocked(a, old[i])
	}
	if made && q.pending == 0 {
		q.removed = true
		q.closeStreams()
		delete(d.queues, q.Name)
	}
}
