// Package race lets programs take turns at one thing, and says how sure the
// ratios of their times are.
package race

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// Sampler is one program's way to do a thing, set up.
type Sampler interface {
	// Sample does it so often, and returns the seconds.
	Sample(ctx context.Context, reps int) (float64, error)
}

// Policy says how long a race takes.
type Policy struct {
	Sample    time.Duration // of a sample at least: what is shorter is repeated
	MinRounds int
	MaxRounds int
	Total     time.Duration // after which no round begins, once there are MinRounds
}

// Turns lets samplers take turns, and returns the seconds of each one's samples, round by round; none of one that is nil.
func Turns(ctx context.Context, list []Sampler, p Policy) ([][]float64, error) {
	reps := make([]int, len(list))
	for i, s := range list {
		if s == nil {
			continue
		}
		var err error
		if reps[i], err = calibrate(ctx, s, p.Sample.Seconds()); err != nil {
			return nil, err
		}
	}
	times := make([][]float64, len(list))
	start := time.Now()
	for round := 0; round < p.MaxRounds && (round < p.MinRounds || time.Since(start) < p.Total); round++ {
		for i := range list {
			k := (i + round) % len(list) // nobody always follows the same one
			if reps[k] == 0 {
				continue
			}
			t, err := list[k].Sample(ctx, reps[k])
			if err != nil {
				return nil, err
			}
			times[k] = append(times[k], t/float64(reps[k]))
		}
	}
	return times, nil
}

// calibrate warms up, and finds how many repetitions fill a sample. Each step is of two
// samples: one that was disturbed is not long enough.
func calibrate(ctx context.Context, s Sampler, want float64) (int, error) {
	for reps := 1; ; {
		least := math.Inf(1)
		for range 2 {
			t, err := s.Sample(ctx, reps)
			if err != nil {
				return reps, err
			}
			least = min(least, t)
		}
		if least >= want {
			return reps, nil
		}
		reps = 1 + int(float64(reps)*min(16, 1.1*want/max(least, 1e-9)))
	}
}

// Median of samples; 0 of none.
func Median(v []float64) float64 { return quantile(v, 0.5) }

// LowerQuartile of samples; 0 of none.
func LowerQuartile(v []float64) float64 { return quantile(v, 0.25) }

// quantile q of samples, between the two next to it.
func quantile(v []float64, q float64) float64 {
	if len(v) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(v))
	at := q * float64(len(s)-1)
	i := int(at)
	return s[i] + (at-float64(i))*(s[min(i+1, len(s)-1)]-s[i])
}

// RatioError is half of the interval that has the ratio of a figure of a and of b, such as [Median], in it 95 times of 100, by the bootstrap
// (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, 13.3): rounds are drawn with replacement, so that what disturbed both of a
// round counts in both. 0 of less than two rounds.
func RatioError(a, b []float64, figure func([]float64) float64) float64 {
	n := min(len(a), len(b))
	if n < 2 {
		return 0
	}
	const draws = 1000
	rng := rand.New(rand.NewPCG(uint64(n), draws)) // the same samples have the same error
	ratios, x, y := make([]float64, draws), make([]float64, n), make([]float64, n)
	for i := range ratios {
		for k := range n {
			from := rng.IntN(n)
			x[k], y[k] = a[from], b[from]
		}
		ratios[i] = figure(x) / figure(y)
	}
	slices.Sort(ratios)
	return (ratios[draws*975/1000] - ratios[draws*25/1000]) / 2
}

// Geomean of positive numbers; 1 of none.
func Geomean(v []float64) float64 {
	sum := 0.0
	for _, x := range v {
		sum += math.Log(x)
	}
	return math.Exp(sum / float64(max(len(v), 1)))
}
