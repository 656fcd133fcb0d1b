package main

import (
	"strings"
	"testing"
)

func TestBenchPrintsNoRateThatIsNone(t *testing.T) {
	for _, c := range []struct {
		r    benchResult
		want string
	}{
		{benchResult{Command: "nop", ISA: "avx2", Threads: 1, Reps: 5}, "nop\n  avx2, 1 threads, 5 repetitions\n  0.0 us median (0.0 us to 0.0 us)\n  0.0 GFLOP/s\n"},
		{benchResult{Command: "x", ISA: "avx2", Threads: 2, Reps: 1, Seconds: spread{1, 1, 1}, Bytes: 2e9, Gflops: 5, Peak: 10},
			"x\n  avx2, 2 threads, 1 repetitions\n  1.00 s median (1.00 s to 1.00 s)\n  5.0 GFLOP/s, 50.0 % of the measured 10\n  2.00 GB/s\n"},
	} {
		var out strings.Builder
		if err := c.r.print(&out, false); err != nil || out.String() != c.want {
			t.Errorf("%v\n%s, want\n%s", err, out.String(), c.want)
		}
	}
}
