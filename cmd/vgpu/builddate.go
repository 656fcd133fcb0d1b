package main

import (
	"runtime/debug"
	"time"
)

// manSection is the section of the kernels' manual pages.
const manSection = 7

// buildDate is the time of the commit that was built, so that two builds of one
// commit are equal; the epoch if the build does not know.
func buildDate() time.Time {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if t, err := time.Parse(time.RFC3339, s.Value); s.Key == "vcs.time" && err == nil {
				return t
			}
		}
	}
	return time.Unix(0, 0).UTC()
}
