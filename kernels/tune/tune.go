// Package tune measures which of several ways to compute the same bits is the
// fastest on this machine, and keeps what it found.
//
// # Model
//
// A [DB] is a directory of JSON files, one an entry: what was measured (the
// [Key]), what was found best (values by name), and the [Evidence]. A file can
// be read, edited, copied from another machine and removed by hand. An entry
// is used if it is for this program's version of the kernel, this kind of
// processor, these caches, this topology and this instruction set, and if its
// values are in range; otherwise it stays where it is, unused, and the reason is
// reported: nothing is ignored in silence.
//
// [Search] fills a DB. It starts from the kernels' analytic choice, changes
// one parameter at a time, and times the candidates in turn, so that whatever
// else the machine does meanwhile meets them all alike. A candidate must win
// by more than the noise, and by more still if it takes more threads.
//
// Values never change a result: KC and everything else that decides the order
// of a sum is fixed by the kernels, and so is how a transform is decomposed.
//
// # Locks
//
// DB.mu guards the entries in memory and is held while a file is written, so
// that memory and directory agree. Reports are made with no lock held.
package tune

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/klauspost/cpuid/v2"

	"vgpu/kernels/fft"
	"vgpu/kernels/gemm"
	"vgpu/kernels/pool"
	"vgpu/kernels/simd"
)

// Schema is the version of the entries' form. 2: the machine has a topology, and
// classes of gemm an epilogue.
const Schema = 2

// maxThreads bounds the threads of a key, as the pool does.
const maxThreads = 4096

// Entry is a finding. The names of its fields are the files' form; a change of
// them takes a new Schema.
type Entry struct {
	Schema   int            `json:"schema"`
	Key      Key            `json:"key"`
	Value    map[string]int `json:"value"`
	Evidence Evidence       `json:"evidence"`
}

// Key is what an entry is for.
type Key struct {
	Kernel  string  `json:"kernel"`
	Class   string  `json:"class"`   // types, transposes, shape and epilogue, as the kernel names them
	Threads int     `json:"threads"` // workers that the run may use
	Version string  `json:"version"` // of the code that was measured
	Machine Machine `json:"machine"`
}

// Machine is what an entry's figures depend on. Caches are in bytes, -1 where
// the processor does not tell (package cpuid).
type Machine struct {
	Vendor string `json:"vendor"`
	Family int    `json:"family"`
	Model  int    `json:"model"`
	ISA    string `json:"isa"`
	L1D    int    `json:"l1d"` // bytes, of a core
	L2     int    `json:"l2"`
	L3     int    `json:"l3"`
	Topology
}

// Topology is how many of each the machine has, whatever part of it the process
// may use: how many workers a run has is another part of the key.
type Topology struct {
	CPUs    int `json:"cpus"`    // logical, online
	Cores   int `json:"cores"`   // fewer if they have several hardware threads
	Domains int `json:"domains"` // of CPUs that share a last-level cache; 0 if unknown
	Nodes   int `json:"nodes"`   // of memory
}

// thisTopology is the machine's, as it was first looked at: nothing that a
// program would be tuned for changes it.
var thisTopology = sync.OnceValue(func() Topology {
	t, err := pool.ReadTopology(os.DirFS("/"), nil)
	if err != nil { // there is no way to tell: as on any machine that does not
		return Topology{}
	}
	return topologyOf(t)
})

// topologyOf counts.
func topologyOf(t *pool.Topology) Topology {
	cores, domains := map[int]bool{}, map[int]bool{}
	for _, c := range t.CPUs {
		cores[c.Core] = true
		if c.Domain >= 0 {
			domains[c.Domain] = true
		}
	}
	return Topology{CPUs: len(t.CPUs), Cores: len(cores), Domains: len(domains), Nodes: len(t.Nodes)}
}

// Evidence is how an entry was found. It is for people; nothing depends on it.
type Evidence struct {
	Shape      string    `json:"shape"`   // that was measured
	Median     float64   `json:"median"`  // seconds
	Spread     float64   `json:"spread"`  // (third - first quartile) / median
	Samples    int       `json:"samples"` // of the winner
	Gflops     float64   `json:"gflops"`
	Default    float64   `json:"default_gflops"` // of the analytic choice, in the same round
	Candidates int       `json:"candidates"`
	Seed       uint64    `json:"seed"` // of the order of the samples
	Time       time.Time `json:"time"`
}

// ThisMachine describes the processor that runs us, at the active level.
func ThisMachine() Machine {
	c := cpuid.CPU
	return Machine{
		Vendor: c.VendorID.String(), Family: c.Family, Model: c.Model, ISA: simd.Active().String(),
		L1D: c.Cache.L1D, L2: c.Cache.L2, L3: c.Cache.L3, Topology: thisTopology(),
	}
}

// id is what entries are looked up by.
func id(kernel, class string, threads int) string {
	return fmt.Sprintf("%s.%s.t%d", kernel, class, threads)
}

// Name is the file name of an entry, such as gemm.f32.nn.512x512x512.t2.json.
// The machine is not in it: a directory is for one.
func (k *Key) Name() string { return id(k.Kernel, k.Class, k.Threads) + suffix }

const suffix = ".json"

// Parse reads an entry. Its form must be exact: unknown keys, missing parts
// and text after it are errors. Whether it can be used here is another
// question, which [Entry.Usable] answers.
func Parse(text []byte) (*Entry, error) {
	var form struct {
		Schema int `json:"schema"`
	}
	if err := json.Unmarshal(text, &form); err == nil && form.Schema != Schema { // whose parts may have other names
		return nil, fmt.Errorf("schema %d: this program reads schema %d", form.Schema, Schema)
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	var e Entry
	if err := dec.Decode(&e); err != nil {
		return nil, fmt.Errorf("not a tuning entry: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("not a tuning entry: text follows it")
	}
	if err := e.check(); err != nil {
		return nil, err
	}
	return &e, nil
}

// check refuses what is no entry on any machine. Files are written by people
// too, and values go to kernels as they are: what passes here is in range.
func (e *Entry) check() error {
	switch {
	case e.Key.Kernel != "gemm" && e.Key.Kernel != "fft":
		return fmt.Errorf("kernel %q: only gemm and fft are tuned", e.Key.Kernel)
	case e.Key.Threads < 1 || e.Key.Threads > maxThreads:
		return fmt.Errorf("threads: %d is out of range, 1 to %d", e.Key.Threads, maxThreads)
	case len(e.Value) == 0:
		return errors.New("value: nothing is chosen")
	}
	for _, f := range []float64{e.Evidence.Median, e.Evidence.Spread, e.Evidence.Gflops, e.Evidence.Default} {
		if f < 0 || math.IsInf(f, 0) {
			return fmt.Errorf("evidence: %g cannot have been measured", f)
		}
	}
	if _, err := e.Key.version(); err != nil {
		return err
	}
	if err := e.checkValue(); err != nil {
		return fmt.Errorf("value: %w", err)
	}
	return nil
}

// checkValue parses what was chosen. The class is sound.
func (e *Entry) checkValue() error {
	if e.Key.Kernel == "fft" {
		_, err := fft.ParamsOf(e.Value, e.Key.Threads)
		return err
	}
	c, err := gemm.ParseClass(e.Key.Class)
	if err != nil {
		return err
	}
	_, err = gemm.ParamsOf(e.Value, c, e.Key.Threads)
	return err
}

// version is what this program's code for the class is called; an error if
// there is no such class.
func (k *Key) version() (string, error) {
	if k.Kernel == "fft" {
		c, err := fft.ParseClass(k.Class)
		return c.Version(), err
	}
	c, err := gemm.ParseClass(k.Class)
	if err != nil {
		return "", err
	}
	return c.Version(), nil
}

// Usable is nil if the entry was measured on a machine like m by this program's
// kernels; else it says what differs: all of it, or, on a like machine, the
// version.
func (e *Entry) Usable(m Machine) error {
	var diff []string
	differs := func(what string, has, want any) {
		if has != want {
			diff = append(diff, fmt.Sprintf("%s is %v, and here it is %v", what, has, want))
		}
	}
	was := e.Key.Machine
	differs("vendor", was.Vendor, m.Vendor)
	differs("family", was.Family, m.Family)
	differs("model", was.Model, m.Model)
	differs("isa", was.ISA, m.ISA)
	differs("l1d", was.L1D, m.L1D)
	differs("l2", was.L2, m.L2)
	differs("l3", was.L3, m.L3)
	differs("cpus", was.CPUs, m.CPUs)
	differs("cores", was.Cores, m.Cores)
	differs("domains", was.Domains, m.Domains)
	differs("nodes", was.Nodes, m.Nodes)
	if v, err := e.Key.version(); err == nil && len(diff) == 0 { // check has parsed it
		differs("version", e.Key.Version, v)
	}
	if len(diff) > 0 {
		return fmt.Errorf("measured elsewhere: %s", strings.Join(diff, "; "))
	}
	return nil
}

// Text is the entry as it is stored.
func (e *Entry) Text() ([]byte, error) {
	text, err := json.MarshalIndent(e, "", "  ")
	return append(text, '\n'), err
}
