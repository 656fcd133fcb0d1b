package numpytest

import (
	"math"
	"strings"
	"testing"

	"vgpu/kernels/ndarray"
)

// Every array lies inside its bytes, and both sides read the same from it.
func TestArraysAgree(t *testing.T) {
	r := NewRand(1)
	var cases []Case
	for range 200 {
		cases = append(cases, Case{Python: "r = a", In: map[string]ndarray.Array{"a": r.Array(r.Type(Types...), r.Shape(0, 4, 6)...)}, Bits: true})
	}
	results, data := compute(t, cases)
	for i, c := range cases {
		a := c.In["a"]
		if err := a.Check(); err != nil {
			t.Fatal(err)
		}
		if results[i].Error != "" {
			t.Fatalf("%s: %s", describe(c.In), results[i].Error)
		}
		want := ndarray.New(a.DType, results[i].Shape...)
		copy(want.Data, data[results[i].Start:][:results[i].Size])
		if err := c.compare(a, want); err != nil {
			t.Errorf("%s: %v", describe(c.In), err)
		}
	}
}

func TestCompareFindsDifferences(t *testing.T) {
	vector := func(v ...float64) ndarray.Array {
		a := ndarray.New(ndarray.F64, len(v))
		ndarray.Store(a, v, 0)
		return a
	}
	nan, negZero := math.NaN(), math.Copysign(0, -1)
	for _, c := range []struct {
		c         Case
		got, want ndarray.Array
		fault     string
	}{
		{Case{}, vector(1, nan, 0), vector(1, nan, negZero), ""},
		{Case{Bits: true}, vector(1, nan, 0), vector(1, nan, negZero), "element 2"},
		{Case{}, vector(1, 2), vector(1, 2+1e-9), "element 1"},
		{Case{Tolerance: 1e-6}, vector(1, 2), vector(1, 2+1e-9), ""},
		{Case{Tolerance: 1}, vector(1, 2), vector(1, math.Inf(1)), "element 1"},
		{Case{}, vector(1), vector(1, 2), "numpy has f64:2"},
		{Case{}, vector(nan), vector(1), "element 0"},
	} {
		err := c.c.compare(c.got, c.want)
		if (err == nil) != (c.fault == "") || err != nil && !strings.Contains(err.Error(), c.fault) {
			t.Errorf("%v against %v: %v, want %q", c.got.Data, c.want.Data, err, c.fault)
		}
	}
}
