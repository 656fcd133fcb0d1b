package main

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"vgpu/kernels/simd"
)

// planRuns is how often each plan is made.
const planRuns = 5

// plans prints what our plans take, each in a process of its own: a plan that
// comes second finds the tables of the first, and memory that is warm.
func plans(types string, match *regexp.Regexp) error {
	fmt.Printf("%-4s %-14s %10s %10s\n", "type", "size", "median ms", "most ms")
	for _, t := range strings.Split(types, ",") {
		for _, p := range points() {
			if !match.MatchString(p.name) {
				continue
			}
			var all []float64
			for range planRuns {
				s, err := planAlone(t, p.name)
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
func planAlone(dtype, name string) (float64, error) {
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	out, err := exec.Command(self, "-types", dtype, "-plan", name).Output()
	if err != nil {
		return 0, fmt.Errorf("plan of %s: %w", name, err)
	}
	return strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
}

// planOne makes the plan of a point and prints the seconds that it took.
func planOne(dtype, name string) error {
	i := slices.IndexFunc(points(), func(p point) bool { return p.name == name })
	if i < 0 {
		return fmt.Errorf("there is no point %q", name)
	}
	run := planSeconds[float64]
	if dtype == "f32" {
		run = planSeconds[float32]
	}
	s, err := run(points()[i])
	if err == nil {
		fmt.Println(s)
	}
	return err
}

func planSeconds[T simd.Float](p point) (float64, error) {
	start := time.Now()
	_, err := newTransform[T](p)
	return time.Since(start).Seconds(), err
}
