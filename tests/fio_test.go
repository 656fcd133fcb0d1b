package tests

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// fio writes blocks with checksums in a random order and reads them back,
// through each way of doing I/O that buffers have.
func TestFioVerify(t *testing.T) {
	inModes(t, func(t *testing.T, d *dev) {
		for _, engine := range d.engines() {
			for _, block := range []string{"4k", "68k", "1m"} {
				t.Run(engine+" "+block, func(t *testing.T) {
					must(t, os.WriteFile(d.path("buffers/fio"), make([]byte, 16<<20), 0o644))
					d.fio(t, "--filename="+d.path("buffers/fio"), "--size=16m", "--bs="+block, "--ioengine="+engine)
					must(t, os.Remove(d.path("buffers/fio")))
				})
			}
		}
	})
}

// engines are fio's ways of doing I/O that work on this device.
func (d *dev) engines() []string {
	list := []string{"psync"}
	if d.field("info", "io_uring") == "yes" { // a container may forbid it
		list = append(list, "io_uring")
	}
	if d.field("info", "passthrough") == "yes" {
		list = append(list, "mmap") // shared writable mappings are passthrough's alone
	}
	return list
}

// fio runs one job of 16 MiB in all, which writes and verifies.
func (d *dev) fio(t *testing.T, flags ...string) {
	t.Helper()
	if written, read := fioJob(t, append(flags, "--rw=randwrite", "--do_verify=1")...); written < 15<<20 || read < written {
		t.Errorf("%d bytes are written, %d verified", written, read)
	}
}

// fioJob runs one job of random blocks with checksums. A wrong one is an error of fio's.
func fioJob(t *testing.T, flags ...string) (written, read int64) {
	t.Helper()
	out := output(t, append([]string{"fio", "--name=buffer", "--iodepth=8", "--verify=crc32c", "--verify_fatal=1", "--randrepeat=1",
		"--thread", "--verify_state_save=0", "--output-format=json", "--fallocate=none"}, flags...)...)
	var report struct {
		Jobs []struct {
			Error int
			Write struct {
				IOBytes int64 `json:"io_bytes"`
			}
			Read struct {
				IOBytes int64 `json:"io_bytes"`
			}
		}
	}
	if err := json.Unmarshal([]byte(out[strings.Index(out, "{"):]), &report); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, j := range report.Jobs {
		if j.Error != 0 {
			t.Errorf("%+v", j)
		}
		written += j.Write.IOBytes
		read += j.Read.IOBytes
	}
	return written, read
}

// The same while the buffers leave memory and come back: fio opens one of two
// files at a time, since one that is open for writing stays where it is, and
// commands that want the memory go round beside it. Between writing and
// verifying each file has left; while they are verified commands bring them back.
func TestFioVerifySpilled(t *testing.T) {
	inModes(t, func(t *testing.T, d *dev) {
		for _, engine := range d.engines() {
			t.Run(engine, func(t *testing.T) { d.fioSpilled(t, engine, "fio.0", "fio.1") })
		}
	}, spillFlags(t, "24M", "512M")...)
}

func (d *dev) fioSpilled(t *testing.T, engine string, files ...string) {
	var paths []string
	for _, f := range files {
		d.put(f, make([]byte, churnRest))
		paths = append(paths, d.path("buffers/"+f))
	}
	flags := []string{"--filename=" + strings.Join(paths, ":"), "--size=16m", "--bs=68k", "--openfiles=1", "--file_service_type=sequential", "--ioengine=" + engine}
	beside := d.churn()
	d.fio(t, flags...)
	d.allLeave(files)
	beside.stop()
	out, in := d.number("tier.spill0.bytes_in"), d.number("tier.spill0.bytes_out")
	beside = d.churn(files...)
	if _, read := fioJob(t, append(flags, "--rw=randwrite", "--verify_only")...); read < 15<<20 {
		t.Errorf("%d bytes are verified", read)
	}
	d.allLeave(files)
	beside.stop()
	if d.number("tier.spill0.bytes_in") == out || d.number("tier.spill0.bytes_out") == in {
		t.Errorf("nothing moved while it was verified:\n%s", d.read("stat"))
	}
	for _, p := range paths {
		must(t, os.Remove(p))
	}
}
