package main

import (
	"os"
	"regexp"
	"testing"

	"vgpu/kernels/pool"
	"vgpu/tools/peers/internal/race"
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
	b := bench{match: regexp.MustCompile(`^2\^8$`), policy: brief}
	if err := scaling("f32,f64", b); err != nil {
		t.Fatal(err)
	}
	var pools [2]*pool.Pool
	for i := range pools {
		p, err := pool.New(pool.Config{Threads: i + 1})
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		pools[i] = p
	}
	times, err := scale[float32](&b, pools, point{"", false, 3, []int{32, 16}})
	if err != nil || race.Median(times[0]) <= 0 || race.Median(times[1]) <= 0 {
		t.Errorf("%v, %v", times, err)
	}
}
