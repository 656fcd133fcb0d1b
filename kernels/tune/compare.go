package tune

import (
	"math"
	"slices"
	"time"
)

// timed is something of which candidates P are timed: a product, a transform.
type timed[P comparable] interface {
	// run is the seconds that one run takes.
	run(p P) (seconds float64, err error)
	// ways is the number of workers that p takes.
	ways(p P) int
	// sampleNanoseconds is about what a call of run takes.
	sampleNanoseconds() float64
}

// result is the samples of a candidate: all of them, as quartiles are wanted.
type result[P comparable] struct {
	params P
	ways   int
	times  []float64 // seconds
}

// median is what candidates are compared by: a mean would be the disturbances'.
func (r *result[P]) median() float64 { return quantile(r.times, 0.5) }

// spread is the quartiles' distance as a share of the median.
func (r *result[P]) spread() float64 {
	return (quantile(r.times, 0.75) - quantile(r.times, 0.25)) / r.median()
}

// quantile of samples, by linear interpolation (type 7 of Hyndman and Fan,
// "Sample quantiles in statistical packages", 1996); there is at least one. v
// is not changed.
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

// compare times candidates in turn, in a new order each round, so that
// frequency, temperature and other load meet all alike. It returns nil if the
// time is too short for minRounds.
func compare[P comparable](s *search, b timed[P], list []P, limit time.Duration) ([]result[P], error) {
	results := make([]result[P], len(list))
	for i, p := range list {
		results[i].params, results[i].ways = p, b.ways(p)
	}
	start := time.Now()
	if time.Duration(b.sampleNanoseconds()*float64(len(list)*minRounds)) > limit {
		return nil, nil
	}
	for round := 0; round < maxRounds; round++ {
		spent := time.Since(start)
		if round > 0 && spent/time.Duration(round)*time.Duration(max(round+1, minRounds)) > limit {
			break
		}
		for _, i := range s.rng.Perm(len(list)) {
			t, err := sample(s, b, list[i])
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

// sample is one time, taken while nothing else computed; it is taken again as
// long as something else did. The error is ctx's, or that of the run.
func sample[P comparable](s *search, b timed[P], p P) (float64, error) {
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
func choose[P comparable](results []result[P]) P {
	best := &results[0]
	for i := range results[1:] {
		if r := &results[i+1]; r.beats(best) {
			best = r
		}
	}
	return best.params
}

// confirm is choose between what is kept without a search, the first result,
// and what one found: in the end fewer threads may not cost more than the
// margin.
func confirm[P comparable](results []result[P]) *result[P] {
	kept := &results[0]
	won := choose(results)
	for i := range results {
		if r := &results[i]; r.params == won && kept.median()/r.median() >= 1-margin {
			return r
		}
	}
	return kept
}

// beats tells whether r should be taken instead of o.
func (r *result[P]) beats(o *result[P]) bool {
	gain := o.median()/r.median() - 1
	if doublings := math.Log2(float64(o.ways) / float64(r.ways)); doublings > 0 {
		return gain > -threadMargin*doublings
	}
	return gain > max(margin, min(r.spread(), o.spread())/2)
}
