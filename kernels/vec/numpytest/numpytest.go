// Package numpytest compares kernels with numpy: many command lines, one run
// of Python.
//
// A [Case] is a line and the Python code that computes the same from the same
// operands. [Compare] writes all operands to a file, in the layouts they have
// (strides, offsets and byte order included), lets Python compute every
// case, runs the lines through package kerneltest on one and on three
// threads, and compares the outputs.
package numpytest

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"vgpu/kernels"
	"vgpu/kernels/kerneltest"
	"vgpu/kernels/ndarray"
)

// Case is one comparison. The line's output is called out.
type Case struct {
	Line   string
	Python string // sets r, from np and the operands by name
	In     map[string]ndarray.Array
	// Tolerance is the error allowed, relative to the greater of 1 and the
	// expected magnitude; 0 demands equal values (any NaN equals any other).
	Tolerance float64
	// Bits demands equal bits: signs of zeros and payloads of NaNs count.
	Bits bool
}

// python is the path of the interpreter that has numpy.
const python = "/usr/bin/python3"

//go:embed compute.py
var script string

// operand describes an array to the script.
type operand struct {
	Type    string `json:"type"`
	Shape   []int  `json:"shape"`
	Strides []int  `json:"strides"`
	Start   int    `json:"start"` // of its bytes in data.bin
	Size    int    `json:"size"`
	Offset  int    `json:"offset"`
}

// result describes what the script computed.
type result struct {
	Type  string `json:"type"`
	Shape []int  `json:"shape"`
	Start int    `json:"start"`
	Size  int    `json:"size"`
	Error string `json:"error"`
}

// Compare checks every case.
func Compare(t *testing.T, ks []*kernels.Kernel, cases []Case) {
	t.Helper()
	results, data := compute(t, cases)
	for i, c := range cases {
		r := results[i]
		if r.Error != "" {
			t.Errorf("case %d, %s: numpy: %s", i, c.Line, r.Error)
			continue
		}
		d, err := ndarray.ParseDType(r.Type)
		if err != nil {
			t.Fatalf("case %d, %s: numpy has made %s", i, c.Line, r.Type)
		}
		want := ndarray.New(d, r.Shape...)
		copy(want.Data, data[r.Start:r.Start+r.Size])
		out, _, err := kerneltest.Run(t, ks, c.Line, c.In, kerneltest.Threads(1, 3))
		if err != nil {
			t.Errorf("case %d, %s, %s: %v", i, c.Line, describe(c.In), err)
			continue
		}
		if err := c.compare(out["out"], want); err != nil {
			t.Errorf("case %d, %s, %s: %v", i, c.Line, describe(c.In), err)
		}
	}
}

// describe lists operands with their layouts, for messages.
func describe(in map[string]ndarray.Array) string {
	var parts []string
	for name, a := range in {
		parts = append(parts, fmt.Sprintf("%s=%s strides=%v swapped=%t", name, a.Layout, a.Strides, a.Swapped))
	}
	slices.Sort(parts)
	return fmt.Sprint(parts)
}

// compute runs the script in a folder of its own.
func compute(t *testing.T, cases []Case) ([]result, []byte) {
	t.Helper()
	dir := t.TempDir()
	var data []byte
	type job struct {
		Code string             `json:"code"`
		In   map[string]operand `json:"in"`
	}
	jobs := make([]job, len(cases))
	for i, c := range cases {
		jobs[i] = job{c.Python, map[string]operand{}}
		for name, a := range c.In {
			order := "<"
			if a.Swapped {
				order = ">"
			}
			jobs[i].In[name] = operand{order + numpyName(a.DType), a.Shape, a.Strides, len(data), len(a.Data), a.Offset}
			data = append(data, a.Data...)
		}
	}
	in, err := json.Marshal(jobs)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "in.json"), in)
	write(t, filepath.Join(dir, "data.bin"), data)
	cmd := exec.Command(python, "-W", "ignore", "-c", script)
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("python: %v\n%s", err, stderr.Bytes())
	}
	var results []result
	if err := json.Unmarshal(read(t, filepath.Join(dir, "out.json")), &results); err != nil {
		t.Fatal(err)
	}
	return results, read(t, filepath.Join(dir, "out.bin"))
}

// numpyName is numpy's short code of a type, without byte order.
func numpyName(d ndarray.DType) string {
	switch {
	case d == ndarray.Bool:
		return "b1"
	case d.IsUnsigned():
		return fmt.Sprintf("u%d", d.Size())
	case d.IsSigned():
		return fmt.Sprintf("i%d", d.Size())
	case d.IsComplex():
		return fmt.Sprintf("c%d", d.Size())
	}
	return fmt.Sprintf("f%d", d.Size())
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// compare finds the first element that differs.
func (c *Case) compare(got, want ndarray.Array) error {
	if got.DType != want.DType || !slices.Equal(got.Shape, want.Shape) {
		return fmt.Errorf("is %s, numpy has %s", got.Layout, want.Layout)
	}
	n, size := want.Len(), want.DType.Size()
	packed := ndarray.New(got.DType, got.Shape...)
	if err := ndarray.Convert(packed, got); err != nil {
		return err
	}
	if bytes.Equal(packed.Data[:n*size], want.Data[:n*size]) {
		return nil
	}
	a, b := make([]complex128, n), make([]complex128, n)
	ndarray.Load(a, packed, 0)
	ndarray.Load(b, want, 0)
	for i := range n {
		x, y := packed.Data[i*size:(i+1)*size], want.Data[i*size:(i+1)*size]
		exact := c.Bits || want.DType.IsInteger() // beyond what complex128 holds
		if bytes.Equal(x, y) || !exact && c.close(real(a[i]), real(b[i])) && c.close(imag(a[i]), imag(b[i])) {
			continue
		}
		return fmt.Errorf("element %d is %v (%x), numpy has %v (%x)", i, a[i], x, b[i], y)
	}
	return nil
}

// close compares one component. An infinity is close to itself alone.
func (c *Case) close(got, want float64) bool {
	if got == want || math.IsNaN(got) && math.IsNaN(want) {
		return true
	}
	return math.Abs(got-want) <= c.Tolerance*max(1, math.Abs(want)) && !math.IsInf(want, 0)
}
