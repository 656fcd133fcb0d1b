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
		engines := []string{"psync"}
		if d.field("info", "io_uring") == "yes" { // a container may forbid it
			engines = append(engines, "io_uring")
		}
		if d.field("info", "passthrough") == "yes" {
			engines = append(engines, "mmap") // shared writable mappings are passthrough's alone
		}
		for _, engine := range engines {
			for _, block := range []string{"4k", "68k", "1m"} {
				t.Run(engine+" "+block, func(t *testing.T) { d.fio(t, engine, block) })
			}
		}
	})
}

func (d *dev) fio(t *testing.T, engine, block string) {
	file := d.path("buffers/fio")
	must(t, os.WriteFile(file, make([]byte, 16<<20), 0o644))
	out := output(t, "fio", "--name=buffer", "--filename="+file, "--size=16m", "--rw=randwrite", "--bs="+block, "--ioengine="+engine, "--iodepth=8",
		"--verify=crc32c", "--do_verify=1", "--verify_fatal=1", "--randrepeat=1", "--thread", "--verify_state_save=0", "--output-format=json", "--fallocate=none")
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
		if j.Error != 0 || j.Write.IOBytes < 15<<20 || j.Read.IOBytes < j.Write.IOBytes {
			t.Errorf("%+v", j)
		}
	}
	must(t, os.Remove(file))
}
