package main

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"vgpu/kernels/pool"
)

// planRuns is how often each plan is made.
const planRuns = 5

// plans prints what our plans take, each in a process of its own: a plan that
// comes second finds the tables of the first, and memory that is warm.
func plans(types string, match *regexp.Regexp, threads int) error {
	fmt.Printf("%-4s %-14s %10s %10s\n", "type", "size", "median ms", "most ms")
	for _, t := range strings.Split(types, ",") {
		for _, p := range planPoints() {
			if !match.MatchString(p.name) {
				continue
			}
			var all []float64
			for range planRuns {
				s, err := planAlone(t, p.name, threads)
				if err != nil {
					return err
				}
				all = append(all, s*1e3)
			}
			slices.Sort(all)
			fmt.Printf("%-4s %-14s %10.2f %10.2f\n", t, p.name, all[planRuns/2], all[planRuns-1])
		}
	}
	return nil
}

// planAlone runs this program again for one plan, and gives its seconds.
func planAlone(dtype, name string, threads int) (float64, error) {
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	out, err := exec.Command(self, "-types", dtype, "-plan", name, "-threads", strconv.Itoa(threads)).Output()
	if err != nil {
		return 0, fmt.Errorf("plan of %s: %w", name, err)
	}
	return strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
}

// planPoints are the points of the table and lengths that plans take longest for:
// primes and products with large primes, by either method of convolution.
func planPoints() []point {
	out := points()
	for _, n := range []int{510510, 65537, 104729, 746497, 999983, 1048573, 1048574} {
		out = append(out, point{strconv.Itoa(n), false, 1, []int{n}})
	}
	return out
}

// planOne makes the plan of a point and prints the seconds that it took.
func planOne(dtype, name string, threads int) error {
	all := planPoints()
	i := slices.IndexFunc(all, func(p point) bool { return p.name == name })
	if i < 0 {
		return fmt.Errorf("there is no point %q", name)
	}
	workers, err := pool.New(pool.Config{Threads: threads})
	if err != nil {
		return err
	}
	defer workers.Close()
	var s float64
	if dtype == "f32" {
		_, s, err = newTransform[float32](workers, all[i])
	} else {
		_, s, err = newTransform[float64](workers, all[i])
	}
	if err == nil {
		fmt.Println(s)
	}
	return err
}
