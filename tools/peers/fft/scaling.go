package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"vgpu/kernels/pool"
	"vgpu/kernels/simd"
	"vgpu/tools/peers/internal/race"
)

// scaling prints our time on one thread over that on two, of pools that
// have their turns one after the other.
func scaling(types string, b bench) error {
	var pools [2]*pool.Pool
	for i := range pools {
		p, err := pool.New(pool.Config{Threads: i + 1})
		if err != nil {
			return err
		}
		defer p.Close()
		pools[i] = p
	}
	fmt.Printf("%-4s %-14s %12s %12s %8s %6s\n", "type", "size", "one GF/s", "two GF/s", "ratio", "±")
	for _, t := range strings.Split(types, ",") {
		for _, p := range points() {
			if !b.match.MatchString(p.name) {
				continue
			}
			run := scale[float64]
			if t == "f32" {
				run = scale[float32]
			}
			times, err := run(&b, pools, p)
			if err != nil {
				return err
			}
			one, two := race.LowerQuartile(times[0]), race.LowerQuartile(times[1])
			fmt.Printf("%-4s %-14s %12.2f %12.2f %8.2f %6.3f\n", t, p.name, p.flops()/one/1e9, p.flops()/two/1e9, one/two, race.RatioError(times[0], times[1], race.LowerQuartile))
		}
	}
	return nil
}

// scale is the times of a point on each pool.
func scale[T simd.Float](b *bench, pools [2]*pool.Pool, p point) (times [][]float64, err error) {
	o, _, err := prepare[T](pools[1], p, b.huge)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, o.free()) }()
	return race.Turns(context.Background(), []race.Sampler{&side{pools[0], o.run}, &o.side}, b.policy)
}
