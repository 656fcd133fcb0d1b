package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"os/signal"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unicode"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"vgpu/device"
	"vgpu/kernels/catalog"
	"vgpu/kernels/pool"
	"vgpu/kernels/simd"
	"vgpu/vfs"
)

// mountOptions are what `vgpu mount` takes, and mount(8)'s -o.
type mountOptions struct {
	mem         sizeFlag
	spill       spillFlag
	quota       sizeFlag
	io          string
	persist     bool
	state       string
	name        string
	source      string // what mount(8) and fstab call the device
	group       string
	mode        string
	isa         string
	cpus        string
	threads     int
	keep        bool
	daemon      bool
	direct      bool
	debug       bool
	readOnly    bool
	noExec      bool
	allowOther  bool
	stopTimeout time.Duration
	options     []string
}

// mountCommand makes a device. Options of mount(8) come in by -o and set the
// same fields; of a flag and an option the option wins.
func mountCommand() *cobra.Command {
	var o mountOptions
	c := &cobra.Command{
		Use:   "mount [flags] MOUNTPOINT",
		Short: "make a device and mount it; stays in the foreground unless --daemon",
		Long: "Makes a device of this machine's cores and memory and mounts it at MOUNTPOINT, which is made if it is missing\n" +
			"and taken away again, by the daemon that ends the device. SIGTERM, SIGINT and SIGHUP stop it: running jobs get --stop-timeout to end, or until a second SIGINT.\n" +
			"With --daemon, and from mount(8), what it logs goes to the file log in the state directory, which info names: 4 MiB of it, and what was there before in log.1.",
		Example: "  vgpu mount /dev/vgpu0 --mem 8G\n  vgpu mount /dev/vgpu0 --mem 8G --spill /var/lib/vgpu:100G --spill /mnt/hdd/vgpu\n  vgpu mount --daemon --name lab --group compute --mode 0770 /srv/vgpu",
		Args:    exactArgs(1, "one mount point"),
		RunE: func(c *cobra.Command, args []string) error {
			for _, list := range o.options {
				if err := o.parse(list); err != nil {
					return err
				}
			}
			return mountDevice(c.Context(), args[0], &o)
		},
	}
	f := c.Flags()
	f.Var(&o.mem, "mem", "memory for buffers and scratch together, such as 8G or 8GiB; default: half of what is available")
	f.Var(&o.spill, "spill", "directory on a disk, and bytes of it, for what does not fit into memory (default: what is free there); with :zstd what moves there is compressed; may be repeated, in order of preference")
	f.BoolVar(&o.persist, "persist", false, "write the buffers to the spill tiers when the device is stopped: they survive a reboot")
	f.StringVar(&o.io, "io", "", "how spill tiers are read and written: uring or threads (default: io_uring where the kernel allows it)")
	values(c, "io", "uring", "threads")
	f.Var(&o.quota, "quota", "bytes that one user's buffers may take, in memory and on the spill tiers together (default: no limit)")
	f.StringVar(&o.state, "state", "", "directory for the lock and the memory tier (default /run/vgpu/NAME, or below $XDG_RUNTIME_DIR)")
	f.StringVar(&o.name, "name", "", "the device's name (default: the last part of MOUNTPOINT)")
	f.StringVar(&o.group, "group", "", "group that owns the tree and may use ctl")
	f.StringVar(&o.mode, "mode", "", "permissions of the root directory, octal, such as 0750 (default 0755)")
	isaFlag(c, &o.isa)
	f.StringVar(&o.cpus, "cpus", "", "CPUs that compute, such as 0-3,8")
	f.IntVar(&o.threads, "threads", 0, "threads that compute (default: one a CPU, within the cgroup's quota)")
	f.BoolVar(&o.keep, "keep", false, "keep the buffers in memory when the device is stopped, for the next mount")
	f.BoolVar(&o.daemon, "daemon", false, "go to the background once mounted; the log is then the file log in the state directory")
	f.BoolVar(&o.direct, "direct", false, "do not hand backing files to the kernel (FUSE passthrough)")
	f.BoolVar(&o.debug, "debug", false, "log every file operation")
	f.BoolVar(&o.allowOther, "allow-other", os.Getuid() == 0, "let other users in, as far as modes let them")
	f.DurationVar(&o.stopTimeout, "stop-timeout", 5*time.Second, "how long running jobs may go on when the device is stopped, before they are cancelled")
	f.StringArrayVarP(&o.options, "options", "o", nil, "the same as mount(8) writes it: mem=8G,keep,group=compute,...")
	return c
}

// mountDevice makes and mounts a device and serves it until it is stopped. The
// order matters: what the command line alone can tell is refused before going
// to the background, the mount point is made before the device takes memory,
// and files are served last, when all behind them is there. What was made is
// taken back when a later step fails.
func mountDevice(ctx context.Context, dir string, o *mountOptions) error {
	if err := o.check(dir); err != nil {
		return err
	}
	if o.daemon && os.Getenv(readyFD) == "" {
		return daemonize()
	}
	out := new(daemonLog)
	log.SetOutput(out)
	ctx, release := stopSignals(ctx)
	defer release()
	dir, err := filepath.Abs(dir)
	if err == nil && o.state != "" {
		o.state, err = filepath.Abs(o.state) // a daemon leaves its working directory
	}
	if err == nil {
		err = o.spill.resolve(dir)
	}
	if err == nil {
		err = o.spill.checkSpace()
	}
	if err != nil {
		return err
	}
	cfg, opt, err := o.resolve(dir)
	if err != nil {
		return err
	}
	made, err := makeMountPoint(dir)
	if err != nil {
		return lacks(err)
	}
	dev, err := openDevice(ctx, cfg)
	if err != nil {
		return lacks(errors.Join(err, made.remove()))
	}
	if err = made.remember(o.stateDir(), dir); err != nil {
		return errors.Join(err, made.remove(), dev.Undo())
	}
	m, err := vfs.New(dev, dir, opt)
	if err != nil {
		return lacks(errors.Join(err, made.remove(), dev.Undo()))
	}
	o.announce(dev, m, dir, out)
	go measure(dev)
	served := make(chan struct{})
	go func() { m.Wait(); close(served) }()
	go watchdog(ctx)
	select {
	case <-ctx.Done():
	case <-served: // somebody unmounted it
	}
	return o.stop(dev, m, made)
}

// restartPatience is how long a mount waits for the daemon before it to end:
// umount(8) returns while that one still gives its memory back.
const restartPatience = 5 * time.Second

// openDevice opens the device, once nobody else has its state: EBUSY is waited
// out for restartPatience, any other error is returned at once.
func openDevice(ctx context.Context, cfg device.Config) (*device.Device, error) {
	ctx, cancel := context.WithTimeout(ctx, restartPatience)
	defer cancel()
	for {
		dev, err := device.Open(cfg)
		if !errors.Is(err, syscall.EBUSY) {
			return dev, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// check refuses what can be told from the command line alone.
func (o *mountOptions) check(dir string) error {
	switch {
	case dir == "": // would be the working directory
		return usagef("the mount point is empty")
	case o.stopTimeout < 0:
		return usagef("--stop-timeout %v: a time such as 5s, or 0", o.stopTimeout)
	}
	return o.checkMemory()
}

// checkMemory refuses more memory than there is: such a device would be killed
// once it is used.
func (o *mountOptions) checkMemory() error {
	var si unix.Sysinfo_t
	if err := unix.Sysinfo(&si); err != nil {
		return fmt.Errorf("sysinfo: %w", err)
	}
	if all := (uint64(si.Totalram) + uint64(si.Totalswap)) * uint64(si.Unit); uint64(o.mem) > all {
		return &exitError{exitLacks, fmt.Errorf("--mem %d: the machine has %d bytes of memory and swap; data may be larger with --spill", int64(o.mem), all)}
	}
	return nil
}

// stopSignals ends a context at a hangup too, as when a terminal is closed,
// unless nohup(1) said otherwise. And nobody's not reading what we log is a reason
// to die: Go would, of SIGPIPE.
func stopSignals(ctx context.Context) (context.Context, context.CancelFunc) {
	signal.Ignore(syscall.SIGPIPE)
	if signal.Ignored(syscall.SIGHUP) {
		return ctx, func() {}
	}
	return signal.NotifyContext(ctx, syscall.SIGHUP)
}

// stop ends the jobs, the mount and the device, in this order: waiting
// clients get their answers before the files are taken from them.
func (o *mountOptions) stop(dev *device.Device, m *vfs.Mount, made mountPoint) error {
	notify(daemon.SdNotifyStopping)
	ctx, cancel := context.WithTimeout(context.Background(), o.stopTimeout)
	defer cancel()
	ctx, release := signal.NotifyContext(ctx, syscall.SIGINT) // a second Ctrl-C: jobs get no more time
	defer release()
	jobs := dev.Stop(ctx)
	uctx, ucancel := context.WithTimeout(context.Background(), unmountPatience)
	defer ucancel()
	return errors.Join(jobs, m.Unmount(uctx), made.remove(), dev.Close(cancelled(), o.keep))
}

// unmountPatience is how long clients that sit in the mount are waited for.
const unmountPatience = 2 * time.Second

// cancelled is a context that has ended: Close then gives jobs no time.
func cancelled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// announce says that the device is there, to whoever waits for that.
func (o *mountOptions) announce(dev *device.Device, m *vfs.Mount, dir string, out *daemonLog) {
	status := fmt.Sprintf("%s mounted at %s: %d threads, %s, %d bytes, passthrough %t", dev.Name(), dir, dev.Pool().Threads(), dev.ISA(), dev.Stats().Memory.Mem, m.Passthrough())
	log.Print(status)
	notify(daemon.SdNotifyReady + "\nSTATUS=" + status)
	tellParent(o.spill.warnings(dev.Tiers()), out, o.logPath())
}

// notify tells systemd; without it, nobody listens, which is no error.
func notify(state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		log.Printf("systemd was not told %q: %v", state, err)
	}
}

// watchdog shows systemd, as often as it asks, that the daemon is alive: that
// the runtime schedules goroutines, not more.
func watchdog(ctx context.Context) {
	every, err := daemon.SdWatchdogEnabled(false)
	if err != nil || every == 0 {
		return
	}
	for tick := time.NewTicker(every / 2); ; {
		select {
		case <-tick.C:
			notify(daemon.SdNotifyWatchdog)
		case <-ctx.Done():
			tick.Stop()
			return
		}
	}
}

// measure finds the machine's rates in the background.
func measure(dev *device.Device) {
	err := dev.Measure(context.Background())
	if err != nil && !errors.Is(err, pool.ErrClosed) && !errors.Is(err, syscall.ESHUTDOWN) { // the device was stopped meanwhile
		log.Printf("the machine's rates were not measured: %v", err)
	}
}

// resolve turns options into configurations. It makes nothing; --isa takes
// effect at once, for the process.
func (o *mountOptions) resolve(dir string) (cfg device.Config, opt vfs.Options, err error) {
	if o.name == "" {
		o.name = defaultName(dir)
	}
	if strings.ContainsAny(o.name, "/ \t\n") {
		return cfg, opt, usagef("--name %q: a name without slashes and blanks", o.name)
	}
	if o.isa != "" {
		if err := forceISA(o.isa); err != nil {
			return cfg, opt, err
		}
	}
	gid, err := o.groupID()
	if err != nil {
		return cfg, opt, err
	}
	mode, err := parseMode(o.mode)
	if err != nil {
		return cfg, opt, err
	}
	threads, err := poolConfig(o.threads, o.cpus)
	if err != nil {
		return cfg, opt, err
	}
	store, err := o.storeConfig(dir, gid)
	if err != nil {
		return cfg, opt, err
	}
	cfg = device.Config{
		Name: o.name, Version: version, Registry: catalog.Registry().WithCommon(device.CommonOptions...), Pool: threads,
		Store:  store,
		Tuning: filepath.Join(o.stateDir(), tuningDir), TuningSeed: readableCache(),
	}
	opt = vfs.Options{
		AllowOther: o.allowOther, Group: gid, Mode: mode, Passthrough: !o.direct, Debug: o.debug, ReadOnly: o.readOnly, NoExec: o.noExec,
		Logger: log.New(log.Writer(), "fuse: ", log.LstdFlags|log.Lmsgprefix), Log: o.logPath(), Source: o.source,
	}
	return cfg, opt, nil
}

// defaultName is the last part of a mount point, which may have blanks.
func defaultName(dir string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return '_'
		}
		return r
	}, filepath.Base(dir))
}

// forceISA picks the instruction set of all kernels of the process.
func forceISA(name string) error {
	isa, err := simd.ParseISA(name)
	if err != nil {
		return usagef("--isa: %w", err)
	}
	if err := simd.Force(isa); err != nil {
		return &exitError{exitLacks, fmt.Errorf("--isa: %w", err)}
	}
	return nil
}

// spin is how long an idle worker polls before it sleeps: longer than a client
// takes from the end of one command to its next, as waking an idle CPU would cost
// more than most commands do.
const spin = 250 * time.Microsecond

// poolConfig says how the threads are made: behind everything else on the
// machine, so that files answer while they compute.
func poolConfig(threads int, cpus string) (pool.Config, error) {
	c := pool.Config{Threads: threads, Nice: computeNice(), Batch: true, Spin: spin}
	if threads < 0 {
		return c, usagef("--threads %d: a positive number", threads)
	}
	if cpus != "" {
		list, err := pool.ParseCPUs(cpus)
		if err != nil {
			return c, usagef("--cpus: %w", err)
		}
		c.CPUs = list
	}
	return c, nil
}

// groupID is the number of --group; -1 for none.
func (o *mountOptions) groupID() (int, error) {
	if o.group == "" {
		return -1, nil
	}
	if id, err := strconv.Atoi(o.group); err == nil {
		return id, nil
	}
	g, err := user.LookupGroup(o.group)
	if err != nil {
		return -1, usagef("--group: %w", err)
	}
	return strconv.Atoi(g.Gid)
}

// parseMode reads permissions; 0 stands for the default.
func parseMode(s string) (uint32, error) {
	if s == "" {
		return 0, nil
	}
	m, err := strconv.ParseUint(s, 8, 32)
	if err != nil || m > 0o1777 {
		return 0, usagef("--mode %q: octal permissions such as 0750", s)
	}
	return uint32(m), nil
}

// stateDir is where the lock and the memory tier are: --state, else a place
// that does not outlive a boot, by the device's name.
func (o *mountOptions) stateDir() string {
	switch run := os.Getenv("XDG_RUNTIME_DIR"); {
	case o.state != "":
		return o.state
	case os.Getuid() == 0:
		return "/run/vgpu/" + o.name
	case run != "":
		return filepath.Join(run, "vgpu", o.name)
	default:
		return filepath.Join(os.TempDir(), fmt.Sprintf("vgpu-%d", os.Getuid()), o.name)
	}
}

// lacks marks an error as the machine's, for doctor to explain.
func lacks(err error) error {
	if err == nil {
		return nil
	}
	return &exitError{exitLacks, fmt.Errorf("%w; vgpu doctor looks into what the machine lacks", err)}
}

// init leaves processors free for files: computing threads hold one each for
// as long as they compute.
func init() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + spareProcs)
	}
}

// spareProcs is how many goroutines can serve files at once while every worker
// computes.
const spareProcs = 4
