package vfs

import (
	"fmt"

	"vgpu/device"
)

// tierFile is a value of a tier. Tiers are fixed when the device is opened, so
// that they are named by their index; 0 is memory.
type tierFile struct {
	name  string
	value func(u *device.TierUsage) any
}

// tierFiles are in the directory of every tier.
var tierFiles = []tierFile{
	{"size", func(u *device.TierUsage) any { return u.Size }},
	{"used", func(u *device.TierUsage) any { return u.Used }},
	{"free", func(u *device.TierUsage) any { return u.Free }},
	{"buffers", func(u *device.TierUsage) any { return u.Buffers }},
	{"path", func(u *device.TierUsage) any { return u.Path }},
	{"policy", func(*device.TierUsage) any { return device.EvictionPolicy }},
	{"moves", func(u *device.TierUsage) any { return u.Moves }},
	{"bytes_in", func(u *device.TierUsage) any { return u.BytesIn }},
	{"bytes_out", func(u *device.TierUsage) any { return u.BytesOut }},
	{"hits", func(u *device.TierUsage) any { return u.Hits }},
	{"misses", func(u *device.TierUsage) any { return u.Misses }},
}

// spillFiles are in that of a spill tier too.
var spillFiles = []tierFile{
	{"state", func(u *device.TierUsage) any { return u.State() }},
	{"compression", func(u *device.TierUsage) any { return u.Compression }},
	{"ratio", func(u *device.TierUsage) any { return u.Ratio() }},
	{"bytes_read", func(u *device.TierUsage) any { return u.BytesRead }},
	{"bytes_written", func(u *device.TierUsage) any { return u.BytesWritten }},
	{"verified", func(u *device.TierUsage) any { return u.Verified }},
	{"bad", func(u *device.TierUsage) any { return u.Bad }},
	{"direct", func(u *device.TierUsage) any { return u.Direct }},
	{"backend", func(u *device.TierUsage) any { return u.Backend }},
	{"note", func(u *device.TierUsage) any { return u.Note }},
}

// tiersDir shows where the buffers' bytes live, and what will be moved.
func (t *tree) tiersDir() entry {
	dirs := map[string]entry{"plan": t.file(t.dev.PlanText)}
	for i, u := range t.dev.Tiers() {
		dirs[u.Name] = t.tierDir(i, u.Name)
	}
	return t.dir("/tiers", dirs)
}

// tierDir is the directory of a tier: a value a file.
func (t *tree) tierDir(i int, name string) entry {
	value := func(f func() any) entry {
		return t.file(func() ([]byte, error) { return valueText(f()), nil })
	}
	files := map[string]entry{}
	add := func(list []tierFile) {
		for _, f := range list {
			files[f.name] = value(func() any { return f.value(&t.dev.Tiers()[i]) })
		}
	}
	add(tierFiles)
	if i > 0 {
		add(spillFiles)
		return t.dir("/tiers/"+name, files)
	}
	// Of memory, what it is used for beside buffers.
	usage := func(pick func(u device.Usage) any) entry {
		return value(func() any { return pick(t.dev.Stats().Memory) })
	}
	files["scratch"] = usage(func(u device.Usage) any { return u.Scratch })
	files["peak"] = usage(func(u device.Usage) any { return u.Peak })
	files["staging"] = usage(func(u device.Usage) any { return u.Staging })
	files["cached"] = usage(func(u device.Usage) any { return u.Cached })
	files["recycled"] = value(func() any { return t.dev.Tiers()[i].Recycled })
	files["size"] = usage(func(u device.Usage) any { return u.Mem })
	return t.dir("/tiers/"+name, files)
}

// statTiers adds the account of the tiers, of users' quotas, and of what moves
// between tiers.
func (t *tree) statTiers(l *lines, s *device.Stats) {
	for i := range s.Tiers {
		u := &s.Tiers[i]
		key := "tier." + u.Name + "."
		l.add(key+"size", u.Size)
		l.add(key+"used", u.Used)
		l.add(key+"logical", u.Logical)
		l.add(key+"buffers", u.Buffers)
		l.add(key+"bytes_in", u.BytesIn)
		l.add(key+"bytes_out", u.BytesOut)
		l.add(key+"bytes_read", u.BytesRead)
		l.add(key+"bytes_written", u.BytesWritten)
		l.add(key+"hits", u.Hits)
		l.add(key+"misses", u.Misses)
	}
	for _, q := range s.Quotas {
		key := fmt.Sprintf("quota.%d.", q.UID)
		l.add(key+"used", q.Used)
		if q.Limit > 0 {
			l.add(key+"limit", q.Limit)
		}
	}
	m := &s.Moves
	l.add("moves.evictions", m.Evictions)
	l.add("moves.eager", m.Eager)
	l.add("moves.promotions", m.Promotions)
	l.add("moves.prefetched", m.Prefetched)
	l.add("moves.prefetch_hits", m.PrefetchHits)
	l.add("moves.stalls", m.Stalls)
	l.add("moves.stalled", m.Stalled)
	l.add("moves.streamed", m.Streamed)
	l.add("moves.queue", m.Queue)
}
