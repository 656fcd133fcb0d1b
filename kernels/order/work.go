package order

import (
	"math"

	"vgpu/kernels/ndarray"
)

// What elements cost a core, in seconds, for what `explain` expects. They were measured by `vgpu bench` on a Zen 3
// (AVX2), on 6144 x 4096 elements: "sort x:f32:6144x4096 y", of f64 and i8, "topk x:f32:6144x4096 v k=10",
// "searchsorted s:f32:4096 x:f32:6144x4096 y", "histogram x:f32:6144x4096 h bins=100".
const (
	sortWork      = 2e-9 // and for each byte of a key:
	sortByteWork  = 8e-9
	heapWork      = 10e-9
	levelWork     = 7e-9 // of a binary search
	histogramWork = 26e-9
)

// sortCost is the work of sorting rows of n elements, of total elements, by the bytes of their keys; of short ones,
// which go by networks, nothing is known.
func sortCost(d ndarray.DType, n, total int) float64 {
	if n < smallSort {
		return 0
	}
	return float64(total) * (sortWork + sortByteWork*float64(d.Size()))
}

// searchCost is that of looking up total values among n.
func searchCost(n, total int) float64 {
	return float64(total) * levelWork * math.Log2(float64(max(n, 2)))
}
