package kernels

// Tuner knows what measuring found best. Whatever it answers changes no bit
// of a result: block sizes that do not split a sum, numbers of workers, and
// thresholds between paths of equal bits. It is safe for concurrent use.
type Tuner interface {
	// Tuned gives the values found for a class of problems of a kernel on that
	// many workers, by name, and where they were found; nil if nothing was.
	Tuned(kernel, class string, threads int) (values map[string]int, source string)
}
