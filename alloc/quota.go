package alloc

import (
	"cmp"
	"slices"
	"sync"

	"golang.org/x/sys/unix"
)

// quotas counts what the buffers of each user take: their sizes, rounded up to
// pages, wherever the bytes are and whatever holes they have. Growth through
// the store, the publishing of outputs and chown keep users within the limit;
// what a client appends through a descriptor of its own is counted when that is
// given back, and may be beyond. Root has no limit, as with a file system's
// quotas.
type quotas struct {
	limit int64 // 0: nothing is counted

	mu   sync.Mutex
	used map[uint32]int64
	of   map[key]charge
}

// charge is what a file is counted as.
type charge struct {
	uid   uint32
	bytes int64
}

// QuotaUsage is what a user's buffers take, in bytes.
type QuotaUsage struct {
	UID   uint32
	Used  int64
	Limit int64 // 0: none, as of root
}

// Quotas lists the users who have buffers, by number; nil if there is no quota.
func (s *Store) Quotas() []QuotaUsage {
	q := &s.quota
	q.mu.Lock()
	defer q.mu.Unlock()
	var list []QuotaUsage
	for uid, used := range q.used {
		if used > 0 {
			list = append(list, QuotaUsage{uid, used, q.limitOf(uid)})
		}
	}
	slices.SortFunc(list, func(a, b QuotaUsage) int { return cmp.Compare(a.UID, b.UID) })
	return list
}

// limitOf is what a user may have; 0: all there is.
func (q *quotas) limitOf(uid uint32) int64 {
	if uid == 0 {
		return 0
	}
	return q.limit
}

// set counts a file as one of that size, its owner staying the same.
func (q *quotas) set(k key, size int64) {
	if q.limit == 0 {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if c, there := q.of[k]; there {
		q.put(k, charge{c.uid, pages(size)})
	}
}

// put replaces what a file is counted as. q.mu is held.
func (q *quotas) put(k key, c charge) {
	old := q.of[k]
	q.used[old.uid] -= old.bytes
	q.used[c.uid] += c.bytes
	q.of[k] = c
}

// drop ends the counting of a file.
func (q *quotas) drop(k key) {
	if q.limit == 0 {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.put(k, charge{})
	delete(q.of, k)
}

// charge counts a file of that size as the user's, if that is within the limit
// when the file `instead` is gone; else it is EDQUOT, and nothing has changed.
// A limit that is passed already does not keep anything from shrinking.
func (q *quotas) charge(k key, uid uint32, size int64, instead key) error {
	if q.limit == 0 {
		return nil
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	more := pages(size)
	if c := q.of[k]; c.uid == uid {
		more -= c.bytes
	}
	if c := q.of[instead]; c.uid == uid && instead != k {
		more -= c.bytes
	}
	if limit := q.limitOf(uid); limit > 0 && more > 0 && q.used[uid]+more > limit {
		return unix.EDQUOT
	}
	q.put(k, charge{uid, pages(size)})
	return nil
}

// owner is who a file is counted as the property of; false: of nobody, as long
// as it has no name.
func (q *quotas) owner(k key) (uint32, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	c, there := q.of[k]
	return c.uid, there
}

// enlarge runs what makes the buffer one of size `to`, within its owner's
// quota. Preconditions: b.mu is held for writing.
func (b *Buffer) enlarge(op string, to int64, f func() error) error {
	q := &b.s.quota
	if q.limit == 0 {
		return f()
	}
	if uid, named := q.owner(b.key); named {
		if err := q.charge(b.key, uid, to, key{}); err != nil {
			return fail(op, b.Path(), unix.EDQUOT)
		}
	}
	err := f()
	if err != nil {
		b.recount()
	}
	return err
}

// recount counts the buffer as what it is.
func (b *Buffer) recount() {
	st, err := b.stat()
	if err != nil {
		b.s.cfg.Logf("%v", err)
		return
	}
	b.s.quota.set(b.key, st.Size)
}

// chownQuota moves what a file is counted as to another user, and tells how to undo it.
func (s *Store) chownQuota(st *unix.Stat_t, uid int) (undo func(), err error) {
	q := &s.quota
	if q.limit == 0 || uid < 0 || st.Mode&unix.S_IFMT != unix.S_IFREG {
		return func() {}, nil
	}
	q.mu.Lock()
	old := q.of[keyOf(st)]
	q.mu.Unlock()
	if err := q.charge(keyOf(st), uint32(uid), old.bytes, key{}); err != nil {
		return nil, err
	}
	return func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.put(keyOf(st), old)
	}, nil
}
