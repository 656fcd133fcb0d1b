package simd

import (
	"runtime"
	"time"
)

// Peak measures the multiply-add rate of the calling thread for a type: the
// best of several runs of a few milliseconds, in operations a second (a
// multiply-add is two). It is what shares "of peak" are shares of. Where
// there is no assembly it is the rate of independent scalar multiply-adds.
func Peak(t GemmType) float64 {
	best := 0.0
	for range 7 {
		start, ops := time.Now(), 0.0
		for range 64 {
			ops += PeakCall(t)
		}
		best = max(best, ops/time.Since(start).Seconds())
	}
	return best
}

// peakRounds is how many rounds a call of the loop has: 13 µs of a Zen 4.
const peakRounds = 4096

// PeakCall runs the loop that [Peak] times once, for about 0.01 ms, and returns
// how many operations that were: for those who time it as they time something
// else.
func PeakCall(t GemmType) (ops float64) {
	loop, perRound := peakLoop(t, Active())
	loop(peakRounds)
	return peakRounds * perRound
}

// peakGo is the twin of the loops: n rounds of 8 scalar multiply-adds.
func peakGo(n int) {
	a, b, c, d, e, f, g, h := 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0
	x, y := 0.5, 1.0
	for range n {
		a, b, c, d = a*x+y, b*x+y, c*x+y, d*x+y
		e, f, g, h = e*x+y, f*x+y, g*x+y, h*x+y
	}
	runtime.KeepAlive(a + b + c + d + e + f + g + h)
}

const peakGoOps = 16
