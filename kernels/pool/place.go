package pool

import (
	"cmp"
	"math/rand/v2"
	"slices"
)

// place makes n threads, gives each a CPU and a mask, and orders each one's
// victims. More threads than CPUs go round. The seeds of their choices are
// their numbers; results do not depend on who steals what.
func (p *Pool) place(n int) {
	cpus := p.topo.spread()
	pin := p.cfg.Pin
	if pin == PinAuto {
		pin = PinNone
		if len(p.topo.domains()) > 1 {
			pin = PinDomain
		}
	}
	for i := range n {
		c := cpus[i%len(cpus)]
		t := &thread{p: p, id: i, cpu: c, mask: p.mask(pin, c), rng: rand.New(rand.NewPCG(uint64(i), 0))}
		t.deque.init()
		t.rec.init(p.cfg.Trace)
		p.threads = append(p.threads, t)
	}
	for _, t := range p.threads {
		t.tiers = p.tiersOf(t)
		t.near = slices.Concat(t.tiers...)
	}
}

// mask is the set of CPUs for a worker meant to run on c; nil leaves it with
// the mask of the process.
func (p *Pool) mask(pin Pinning, c CPU) []int {
	switch pin {
	case PinCPU:
		return []int{c.ID}
	case PinDomain:
		return p.topo.domains()[domainOf(c)]
	}
	if p.cfg.CPUs != nil {
		return p.topo.Usable
	}
	return nil
}

// domain identifies the CPUs that share a last-level cache, or a node where
// the caches are unknown.
type domain struct{ node, llc int }

// domainOf is the domain of a CPU.
func domainOf(c CPU) domain { return domain{c.Node, c.Domain} }

// domains groups the usable CPUs.
func (t *Topology) domains() map[domain][]int {
	m := map[domain][]int{}
	for _, id := range t.Usable {
		d := domainOf(t.cpu(id))
		m[d] = append(m[d], id)
	}
	return m
}

// spread orders the usable CPUs in which workers are given to them: all cores
// before a second hardware thread of any, neighbours together.
func (t *Topology) spread() []CPU {
	nth := map[int]int{} // core: hardware threads seen
	type place struct {
		CPU
		sibling int
	}
	var list []place
	for _, id := range t.Usable {
		c := t.cpu(id)
		list = append(list, place{c, nth[c.Core]})
		nth[c.Core]++
	}
	slices.SortStableFunc(list, func(a, b place) int {
		return cmp.Or(a.sibling-b.sibling, a.Node-b.Node, a.Domain-b.Domain, a.ID-b.ID)
	})
	cpus := make([]CPU, len(list))
	for i, l := range list {
		cpus[i] = l.CPU
	}
	return cpus
}

// tiersOf groups all threads by nearness to t: itself, those that share its
// last-level cache, those of its node, the others by distance.
func (p *Pool) tiersOf(t *thread) [][]*thread {
	rank := func(v *thread) int {
		switch {
		case v == t:
			return 0
		case domainOf(v.cpu) == domainOf(t.cpu) && v.cpu.Domain >= 0:
			return 1
		case v.cpu.Node == t.cpu.Node:
			return 2
		}
		return 2 + p.topo.distance(t.cpu.Node, v.cpu.Node)
	}
	byRank := map[int][]*thread{}
	for _, v := range p.threads {
		byRank[rank(v)] = append(byRank[rank(v)], v)
	}
	ranks := []int{}
	for r := range byRank {
		ranks = append(ranks, r)
	}
	slices.Sort(ranks)
	tiers := [][]*thread{}
	for _, r := range ranks {
		tiers = append(tiers, byRank[r])
	}
	return tiers
}
