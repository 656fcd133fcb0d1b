package order

import (
	"bytes"
	"errors"
	"strings"
	"syscall"
	"testing"

	"vgpu/kernels"
	"vgpu/kernels/kerneltest"
	"vgpu/kernels/ndarray"
	"vgpu/kernels/pool"
	"vgpu/kernels/vec/numpytest"
)

// byPanels tells whether a streamed plan goes by way of panels.
func byPanels(s *kernels.Streamed) bool {
	for _, e := range s.Explain {
		if e.Term == "tile" {
			return strings.Contains(e.Text, "temporary")
		}
	}
	return false
}

// panelArrays are rows that lie across the file: in the first axis and in a middle
// one, of columns that are no multiple of a strip.
func panelArrays() arrays {
	r := numpytest.NewRand(14)
	in := arrays{}
	for _, of := range []struct {
		name  string
		d     ndarray.DType
		shape []int
	}{
		{"f", ndarray.F32, []int{300, 701}}, {"d", ndarray.F64, []int{90, 400}}, {"h", ndarray.F16, []int{100, 900}}, {"z", ndarray.C64, []int{70, 301}},
		{"b", ndarray.I8, []int{260, 1500}}, {"cube", ndarray.F32, []int{3, 90, 333}}, {"deep", ndarray.I32, []int{130, 20, 31}}, {"long", ndarray.F32, []int{1300, 190}},
		{"y", ndarray.F32, []int{300, 1402}}, {"few", ndarray.F32, []int{5000, 3}}, {"t", ndarray.I32, []int{500, 120}}, {"swapped", ndarray.U16, []int{250, 800}},
	} {
		in[of.name] = fewValues(r, of.d, of.shape...)
	}
	in["t"] = in["t"].Permute(1, 0)
	a := in["swapped"]
	a.Swapped = true
	in["swapped"] = a
	return in
}

// Sorts of rows across the file have the bits of those in core, by way of panels
// where they pay, with as much memory as a part of the array takes.
func TestStreamPanels(t *testing.T) {
	in := panelArrays()
	for line, want := range map[string]bool{
		"f o axis=0": true, "f o axis=0 descending=yes": true, "d o axis=0": true, "h o axis=0": true, "z o axis=0": true, "b o axis=0": true, "cube o axis=1": true, "cube o axis=0": false,
		"deep o axis=0": true, "deep o axis=1": false, "long o axis=0": true, "f[::-1,::-1] o axis=0": true, "swapped o axis=0": true, "few o axis=0": false, "f o axis=1": false, "t o axis=0": false,
	} {
		verbs := []string{"sort ", "argsort "}
		if strings.ContainsAny(line[:1], "bdhl") { // the types tell little of indices
			verbs = verbs[:1]
		}
		for _, verb := range verbs {
			j, err := kerneltest.Prepare(t, Kernels(), verb+line, in)
			if err != nil {
				t.Fatal(err)
			}
			mem := max(int64(j.In[0].Bytes())/2, 192<<10)
			s, err := j.Plan.Stream(mem)
			if err != nil {
				t.Fatal(err)
			}
			if byPanels(s) != want {
				t.Errorf("%s%s: by way of panels is %t: %v", verb, line, !want, s.Explain)
			}
			kerneltest.Stream(t, Kernels(), verb+line, in, mem, 2*mem)
		}
	}
	kerneltest.Stream(t, Kernels(), "sort f y[:,::-2] axis=0", in, 400<<10)
	kerneltest.Stream(t, Kernels(), "sort f y[:,:701] axis=0", in, 400<<10)
}

// So do choices of the first elements of rows, which have panels of their own; few are
// taken from whole rows of the file as they come.
func TestStreamPanelsTopk(t *testing.T) {
	in := panelArrays()
	for line, want := range map[string]bool{
		"f o k=300 axis=0": true, "f o k=200 axis=0 indices=yes": true, "f[::-1,::-1] o k=150 axis=0 largest=no": true, "cube o k=40 axis=1": true, "swapped o k=200 axis=0 indices=yes": true, "deep o k=70 axis=0": true,
		"f o k=1 axis=0": false, "f o k=0 axis=0": false, "f o k=5 axis=1": false, "t o k=5 axis=0": false, "few o k=5 axis=0": false,
	} {
		line = "topk " + line
		j, err := kerneltest.Prepare(t, Kernels(), line, in)
		if err != nil {
			t.Fatal(err)
		}
		mem := max(int64(j.In[0].Bytes()), 192<<10)
		s, err := j.Plan.Stream(mem)
		if err != nil {
			t.Fatal(err)
		}
		if byPanels(s) != want {
			t.Errorf("%s: by way of panels is %t: %v", line, !want, s.Explain)
		}
		kerneltest.Stream(t, Kernels(), line, in, mem, mem/2)
	}
	kerneltest.Stream(t, Kernels(), "topk f y[:200,::-2] k=200 axis=0", in, 400<<10)
}

// Without temporary space a sort is done as it would be without panels, in the
// same memory; any other refusal ends it.
func TestStreamPanelsNoSpace(t *testing.T) {
	in := panelArrays()
	want, _, err := kerneltest.Run(t, Kernels(), "sort f o axis=0", in)
	if err != nil {
		t.Fatal(err)
	}
	j, err := kerneltest.Prepare(t, Kernels(), "sort f o axis=0", in)
	if err != nil {
		t.Fatal(err)
	}
	s, err := j.Plan.Stream(420 << 10)
	if err != nil || !byPanels(s) {
		t.Fatal(err, s)
	}
	disk, broken := kerneltest.NewDisk(t), errors.New("broken")
	refusals := []error{syscall.ENOSPC} // of the panels, then of the copies
	x := &kernels.Exec{Ctx: t.Context(), Mem: goHeap{}, Temp: func(n int64) (kernels.Blob, error) {
		if len(refusals) == 0 {
			return disk.Blob(make([]byte, n), 0, int(n)), nil
		}
		err := refusals[0]
		refusals = refusals[1:]
		return nil, err
	}}
	x.Src = []kernels.Stored{{Blob: disk.Blob(j.In[0].Data, 0, len(j.In[0].Data)), Layout: j.In[0].Layout}}
	x.Dst = []kernels.Stored{{Blob: disk.Blob(j.Out[0].Data, 0, len(j.Out[0].Data)), Layout: j.Out[0].Layout}}
	p, err := pool.New(pool.Config{Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	run := func() error {
		return p.Run(t.Context(), pool.Options{}, func(w *pool.Worker) error {
			x.W = w
			return s.Run(x)
		})
	}
	if err := run(); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(j.Out[0].Data, want["o"].Data) {
		t.Error("wrong elements")
	}
	refusals = []error{broken}
	if err := run(); !errors.Is(err, broken) {
		t.Error(err)
	}
	disk.Quiet()
}
