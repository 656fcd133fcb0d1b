package tune

import (
	"math"
	"slices"
	"time"

	"vgpu/kernels/gemm"
)

// result is the samples of a candidate.
type result struct {
	params gemm.Params
	times  []float64 // seconds
}

func (r *result) median() float64 { return quantile(r.times, 0.5) }

// spread is the quartiles' distance as a share of the median.
func (r *result) spread() float64 {
	return (quantile(r.times, 0.75) - quantile(r.times, 0.25)) / r.median()
}

// quantile of samples, by linear interpolation; there is at least one.
func quantile(v []float64, q float64) float64 {
	s := slices.Sorted(slices.Values(v))
	at := q * float64(len(s)-1)
	i := int(at)
	if i+1 == len(s) {
		return s[i]
	}
	return s[i] + (at-float64(i))*(s[i+1]-s[i])
}

// Rounds of a comparison, which the time for it decides.
const (
	minRounds = 3
	maxRounds = 15
)

// compare times candidates in turn, in a new order each round. It returns nil
// if the time is too short for minRounds.
func (s *search) compare(b *bench, list []gemm.Params, limit time.Duration) ([]result, error) {
	results := make([]result, len(list))
	for i, p := range list {
		results[i].params = p
	}
	start := time.Now()
	if time.Duration(b.sampleTime*float64(len(list)*minRounds)) > limit {
		return nil, nil
	}
	for round := 0; round < maxRounds; round++ {
		spent := time.Since(start)
		if round > 0 && spent/time.Duration(round)*time.Duration(max(round+1, minRounds)) > limit {
			break
		}
		for _, i := range s.rng.Perm(len(list)) {
			t, err := s.sample(b, list[i])
			if err != nil {
				return nil, err
			}
			results[i].times = append(results[i].times, t)
		}
	}
	if len(results[0].times) < minRounds {
		return nil, nil
	}
	return results, nil
}

// sample is one time, taken while nothing else computed.
func (s *search) sample(b *bench, p gemm.Params) (float64, error) {
	for {
		if err := s.ctx.Err(); err != nil {
			return 0, err
		}
		if s.opt.Busy == nil {
			return b.run(p)
		}
		before, busy := s.opt.Busy()
		if !busy {
			t, err := b.run(p)
			if after, _ := s.opt.Busy(); err != nil || after == before {
				return t, err
			}
			continue
		}
		select {
		case <-s.ctx.Done():
		case <-time.After(busyPause):
		}
	}
}

// busyPause is how long a search stays away from a machine that computes.
const busyPause = 50 * time.Millisecond

// Margins by which a candidate must beat the one before it.
const (
	margin       = 0.01 // and more than half the spread
	threadMargin = 0.05 // for each doubling of the threads
)

// choose picks the winner. The first result is what is kept if nobody is
// clearly better; fewer threads win unless more are clearly faster.
func choose(results []result) gemm.Params {
	best := &results[0]
	for i := range results[1:] {
		if r := &results[i+1]; r.beats(best) {
			best = r
		}
	}
	return best.params
}

// beats tells whether r should be taken instead of o.
func (r *result) beats(o *result) bool {
	gain := o.median()/r.median() - 1
	if doublings := math.Log2(float64(o.params.Ways) / float64(r.params.Ways)); doublings > 0 {
		return gain > -threadMargin*doublings
	}
	return gain > max(margin, min(r.spread(), o.spread())/2)
}
