package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/gdamore/tcell/v2"
	"github.com/rivo/tview"
	"github.com/spf13/cobra"

	"vgpu/vfs"
)

// topCommand shows a device by its files alone, with no other access to it.
func topCommand() *cobra.Command {
	var every time.Duration
	var once bool
	c := &cobra.Command{
		Use: "top [MOUNTPOINT]", Short: "watch a device: load, memory, queues and jobs, live",
		Long: "Shows what a device is doing, as top(1) does: q or Escape ends it. All it shows is read from the device's files.\n" +
			"Without operand it takes the only device that is mounted. With --once it prints the state and ends, for pipes.",
		ValidArgsFunction: oneDevice,
		RunE: func(c *cobra.Command, args []string) error {
			dir, err := pickDevice(args)
			if err != nil {
				return err
			}
			if once {
				return printOnce(c.OutOrStdout(), dir)
			}
			if every <= 0 {
				return usagef("--interval %v: a time such as 1s", every)
			}
			return watch(c.Context(), dir, every)
		},
	}
	c.Flags().DurationVarP(&every, "interval", "n", time.Second, "time between two looks")
	c.Flags().BoolVar(&once, "once", false, "print once, without a screen")
	return c
}

// pickDevice is the operand, or the only device there is.
func pickDevice(args []string) (string, error) {
	if len(args) > 1 {
		return "", usagef("vgpu top takes one mount point")
	}
	if len(args) == 1 {
		return args[0], checkDevice(args[0])
	}
	list, err := vfs.Mounts()
	switch {
	case err != nil:
		return "", err
	case len(list) == 0:
		return "", &exitError{exitFailed, errors.New("no device is mounted; vgpu mount /dev/vgpu0 makes one")}
	case len(list) > 1:
		return "", usagef("several devices are mounted, name one: %s", strings.Join(list, " "))
	}
	return list[0], nil
}

// look is what is shown of a device at one moment.
type look struct {
	when  time.Time
	stat  map[string]string
	jobs  []map[string]string // newest first
	queue []map[string]string
}

// maxShown bounds the jobs read at each look.
const maxShown = 40

// lookAt reads the device's state. What goes away between two readings is left
// out; an error is of the device itself.
func lookAt(dir string) (l look, err error) {
	l.when = time.Now()
	if l.stat, err = readMap(filepath.Join(dir, "stat")); err != nil {
		return l, err
	}
	queues, err := os.ReadDir(filepath.Join(dir, "queues"))
	if err != nil {
		return l, err
	}
	for _, q := range queues {
		at := filepath.Join(dir, "queues", q.Name())
		status, err := readMap(filepath.Join(at, "status"))
		if err != nil {
			continue // removed meanwhile
		}
		status["name"] = q.Name()
		l.queue = append(l.queue, status)
		l.jobs = append(l.jobs, newestJobs(filepath.Join(at, "jobs"))...)
	}
	sort.SliceStable(l.jobs, func(i, k int) bool { return number(l.jobs[i]["id"]) > number(l.jobs[k]["id"]) })
	l.jobs = l.jobs[:min(len(l.jobs), maxShown)]
	return l, nil
}

// newestJobs reads the last jobs of a queue.
func newestJobs(dir string) []map[string]string {
	list, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	ids := make([]int, 0, len(list))
	for _, e := range list {
		if id, err := strconv.Atoi(e.Name()); err == nil {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	var out []map[string]string
	for _, id := range slices.Backward(ids) {
		if len(out) == maxShown {
			break
		}
		at := filepath.Join(dir, strconv.Itoa(id))
		status, err := readMap(filepath.Join(at, "status"))
		if err != nil {
			continue
		}
		cmd, err := os.ReadFile(filepath.Join(at, "cmd"))
		if err != nil {
			continue
		}
		status["cmd"] = strings.TrimSpace(string(cmd))
		out = append(out, status)
	}
	return out
}

// readMap reads flat `key value` text by key.
func readMap(path string) (map[string]string, error) {
	fields, err := readFields(path)
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for _, f := range fields {
		out[f.Key] = fmt.Sprint(f.Value)
	}
	return out, nil
}

// number is a figure of the device, 0 for what is none or not there.
func number(s string) float64 {
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return 0
	}
	return v
}

// summary is the lines above the tables. before is an earlier look, for rates.
func (l *look) summary(before *look) string {
	s := l.stat
	busy := 0.0
	dt := l.when.Sub(before.when).Seconds()
	workers := 0
	for ; s[fmt.Sprintf("worker.%d.busy", workers)] != ""; workers++ {
		key := fmt.Sprintf("worker.%d.busy", workers)
		busy += number(s[key]) - number(before.stat[key])
	}
	share, rate := 0.0, 0.0
	if dt > 0 && workers > 0 {
		share = min(100, 100*busy/dt/float64(workers))
		rate = (number(s["flops"]) - number(before.stat["flops"])) / dt
	}
	mem := func(key string) string { return humanize.IBytes(uint64(number(s["memory."+key]))) }
	return fmt.Sprintf("%s, up %s   workers %d, %.0f %% busy   %sFLOP/s\nmemory %s of %s in buffers, %s scratch, peak %s   %s buffers\njobs %s running, %s waiting, %s done, %s failed, %s cancelled, %s timed out   errors %s\n",
		s["state"], time.Duration(number(s["uptime"])*1e9).Round(time.Second), workers, share, humanize.SIWithDigits(rate, 1, ""),
		mem("used"), mem("size"), mem("scratch"), mem("peak"), s["buffers"],
		s["jobs.running"], s["jobs.waiting"], s["jobs.done"], s["jobs.failed"], s["jobs.cancelled"], s["jobs.timedout"], s["errors"])
}

// queueColumns and jobColumns are keys of a status file, and headings.
var queueColumns = []string{"name", "state", "running", "waiting", "done", "failed", "priority", "weight", "seconds"}

var jobColumns = []string{"id", "queue", "state", "reason", "seconds", "gflops", "cmd"}

// cell is a value as the tables show it.
func cell(column, value string) string {
	switch column {
	case "seconds", "gflops":
		return strconv.FormatFloat(number(value), 'f', 3, 64)
	}
	return value
}

// printOnce writes one look, whose rates are 0: there is no earlier one.
func printOnce(w io.Writer, dir string) error {
	l, err := lookAt(dir)
	if err != nil {
		return err
	}
	if _, err := io.WriteString(w, l.summary(&l)); err != nil {
		return err
	}
	for _, t := range []struct {
		columns []string
		rows    []map[string]string
	}{{queueColumns, l.queue}, {jobColumns, l.jobs}} {
		if err := printTable(w, t.columns, t.rows); err != nil {
			return err
		}
	}
	return nil
}

// printTable writes columns of ten and more.
func printTable(w io.Writer, columns []string, rows []map[string]string) error {
	line := func(f func(c string) string) error {
		var b strings.Builder
		for _, c := range columns {
			fmt.Fprintf(&b, "%-10s ", f(c))
		}
		_, err := fmt.Fprintln(w, strings.TrimRight(b.String(), " "))
		return err
	}
	if err := line(strings.ToUpper); err != nil {
		return err
	}
	for _, r := range rows {
		if err := line(func(c string) string { return cell(c, r[c]) }); err != nil {
			return err
		}
	}
	return nil
}

// watch shows the device on the terminal until q is pressed.
func watch(ctx context.Context, dir string, every time.Duration) error {
	before, err := lookAt(dir)
	if err != nil {
		return err
	}
	if !isTerminal(os.Stdout) {
		return usagef("standard output is no terminal; vgpu top --once prints the state and ends")
	}
	return watchOn(ctx, tview.NewApplication(), dir, every, before)
}

// watchOn shows the device on the screen of app, from a first look on.
func watchOn(ctx context.Context, app *tview.Application, dir string, every time.Duration, before look) error {
	head := tview.NewTextView()
	queues, jobs := tview.NewTable(), tview.NewTable()
	grid := tview.NewFlex().SetDirection(tview.FlexRow).
		AddItem(head, 4, 0, false).AddItem(queues, 0, 1, false).AddItem(jobs, 0, 3, true)
	app.SetInputCapture(func(ev *tcell.EventKey) *tcell.EventKey {
		if ev.Rune() == 'q' || ev.Key() == tcell.KeyEscape {
			app.Stop()
			return nil
		}
		return ev
	})
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	failed := make(chan error, 1)
	show := func(l, before look) {
		head.SetText(l.summary(&before))
		fillTable(queues, queueColumns, l.queue)
		fillTable(jobs, jobColumns, l.jobs)
	}
	show(before, before)
	var once sync.Once
	start := func() {
		defer app.Stop()
		failed <- refresh(ctx, dir, every, before, func(l, before look) { app.QueueUpdateDraw(func() { show(l, before) }) })
	}
	app.SetBeforeDrawFunc(func(tcell.Screen) bool { // there is a screen, which can be stopped
		once.Do(func() { go start() })
		return false
	})
	if err := app.SetRoot(grid, true).Run(); err != nil {
		return fmt.Errorf("the terminal: %w; vgpu top --once needs none", err)
	}
	cancel()
	once.Do(func() { failed <- nil }) // nothing was ever drawn
	return <-failed
}

// refresh looks again and again.
func refresh(ctx context.Context, dir string, every time.Duration, before look, show func(l, before look)) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		l, err := lookAt(dir)
		if err != nil {
			return err
		}
		go show(l, before) // the screen may be closing, and would not take it
		before = l
	}
}

// fillTable replaces the cells. What users wrote is escaped: it is no markup.
func fillTable(t *tview.Table, columns []string, rows []map[string]string) {
	t.Clear()
	for c, name := range columns {
		t.SetCell(0, c, tview.NewTableCell(strings.ToUpper(name)+"  ").SetAttributes(tcell.AttrBold))
	}
	for r, row := range rows {
		for c, name := range columns {
			t.SetCell(r+1, c, tview.NewTableCell(tview.Escape(cell(name, row[name]))+"  "))
		}
	}
}
