package main

import (
	"os"
	"regexp"
	"testing"

	"vgpu/kernels/pool"
)

// The test binary stands in for the program, so that a plan of a process of its
// own can be asked of it.
func TestMain(m *testing.M) {
	if len(os.Args) == 7 && os.Args[3] == "-plan" {
		if err := planOne(os.Args[2], os.Args[4], 2); err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestPlans(t *testing.T) {
	for _, dtype := range []string{"f32", "f64"} {
		if s, err := planAlone(dtype, "2^10", 2); err != nil || s <= 0 || s > 60 {
			t.Errorf("%s: %v seconds, %v", dtype, s, err)
		}
	}
	if err := plans("f32,f64", regexp.MustCompile(`^(1000|real 2\^20|65537)$`), 1); err != nil {
		t.Error(err)
	}
	if _, err := planAlone("f32", "nothing", 1); err == nil {
		t.Error("there is a plan of nothing")
	}
}

func TestScaling(t *testing.T) {
	if err := scaling("f32,f64", regexp.MustCompile(`^2\^8$`), 1); err != nil {
		t.Fatal(err)
	}
	var sides [2]bench
	for i := range sides {
		p, err := pool.New(pool.Config{Threads: i + 1})
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		sides[i] = bench{pool: p, threads: i + 1, wall: true}
	}
	least, err := scale[float32](&sides, point{"", false, 3, []int{32, 16}}, 2)
	if err != nil || least[0] <= 0 || least[1] <= 0 {
		t.Errorf("%v, %v", least, err)
	}
}
