package main

import (
	"fmt"
	"math"
	"regexp"
	"strings"

	"vgpu/kernels/pool"
	"vgpu/kernels/simd"
)

// scaling prints our wall time on one thread over that on two, of pools that
// have their turns one after the other.
func scaling(types string, match *regexp.Regexp, rounds int) error {
	var sides [2]bench
	for i := range sides {
		p, err := pool.New(pool.Config{Threads: i + 1})
		if err != nil {
			return err
		}
		defer p.Close()
		sides[i] = bench{pool: p, threads: i + 1, wall: true}
	}
	fmt.Printf("%-4s %-14s %12s %12s %8s\n", "type", "size", "one GF/s", "two GF/s", "ratio")
	for _, t := range strings.Split(types, ",") {
		for _, p := range points() {
			if !match.MatchString(p.name) {
				continue
			}
			run := scale[float64]
			if t == "f32" {
				run = scale[float32]
			}
			least, err := run(&sides, p, rounds)
			if err != nil {
				return err
			}
			fmt.Printf("%-4s %-14s %12.2f %12.2f %8.2f\n", t, p.name, p.flops()/least[0]/1e9, p.flops()/least[1]/1e9, least[0]/least[1])
		}
	}
	return nil
}

// scale is the least time of a point on each side.
func scale[T simd.Float](sides *[2]bench, p point, rounds int) (least [2]float64, err error) {
	run, _, err := prepare[T](sides[1].pool, p)
	if err != nil {
		return least, err
	}
	least = [2]float64{math.Inf(1), math.Inf(1)}
	for range rounds {
		for i := range sides {
			t, err := sides[i].time(run)
			if err != nil {
				return least, err
			}
			least[i] = min(least[i], t)
		}
	}
	return least, nil
}
