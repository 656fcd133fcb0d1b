package alloc

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"

	"golang.org/x/sys/unix"
)

// treeFile is the file that a clean stop with Config.Persist writes last to each
// spill tier, by one rename: the tree as it was, and where the bytes of each
// buffer are. The next start builds the tree anew from it, and removes it
// before anything can change: there is one exactly while it is true. After a
// power cut there is none, and what the tiers hold is dropped.
const treeFile = "tree"

// lostData stands for the file of a buffer whose bytes are lost.
const lostData = "lost"

// manifest is what it says. Names and values are bytes, not text: a name need
// not be UTF-8.
type manifest struct {
	RAM     string            `json:"ram"`             // identity of the RAM tier that was saved
	Saved   int64             `json:"saved,omitempty"` // ns: of two of one RAM tier the later counts
	Tiers   map[string]string `json:"tiers,omitempty"` // by token, their paths: those that have the manifest, or whose disk had failed
	Away    map[string]string `json:"away,omitempty"`  // the same of those that the device was started without
	Entries []savedEntry      `json:"-"`               // directories before what is in them
}

// savedEntry is one name of the tree.
type savedEntry struct {
	Path   []byte            `json:"path"`
	Mode   uint32            `json:"mode"` // with the type
	UID    uint32            `json:"uid"`
	GID    uint32            `json:"gid"`
	Atime  int64             `json:"atime"` // ns
	Mtime  int64             `json:"mtime"`
	Xattrs map[string][]byte `json:"xattrs,omitempty"`
	Target []byte            `json:"target,omitempty"` // of a symlink
	First  []byte            `json:"first,omitempty"`  // of a file that was listed under another name: that one
	Size   int64             `json:"size,omitempty"`
	Tier   string            `json:"tier,omitempty"`  // token; "": it is empty
	Data   string            `json:"data,omitempty"`  // the file there
	Doubt  bool              `json:"doubt,omitempty"` // the disk has failed: what the file has counts only if checksums tell
	Mark   *Mark             `json:"mark,omitempty"`
}

// encode gives a line for the manifest, one for each entry, and one with the
// checksum of those before.
func (m *manifest) encode() ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	if err := enc.Encode(m); err != nil {
		return nil, err
	}
	for i := range m.Entries {
		if err := enc.Encode(&m.Entries[i]); err != nil {
			return nil, err
		}
	}
	fmt.Fprintf(&b, "%08x\n", crc32.Checksum(b.Bytes(), castagnoli))
	return b.Bytes(), nil
}

// decodeManifest reads what encode gave. A file that is not whole was never
// renamed into place: it is an error, not a state.
func decodeManifest(p []byte) (*manifest, error) {
	const tail = 9
	if len(p) < tail || fmt.Sprintf("%08x\n", crc32.Checksum(p[:len(p)-tail], castagnoli)) != string(p[len(p)-tail:]) {
		return nil, fmt.Errorf("the tree that was saved is damaged: %w", unix.EIO)
	}
	dec := json.NewDecoder(bytes.NewReader(p[:len(p)-tail]))
	m := &manifest{}
	if err := dec.Decode(m); err != nil {
		return nil, err
	}
	for dec.More() {
		var e savedEntry
		if err := dec.Decode(&e); err != nil {
			return nil, err
		}
		m.Entries = append(m.Entries, e)
	}
	return m, nil
}

// treeEntry is the manifest's file.
func (t *spillTier) treeEntry() entry { return entry{t.dir, treeFile, t.path + "/" + treeFile} }

// readTree reads the manifest, if there is one.
func (t *spillTier) readTree() (*manifest, error) {
	text, err := t.readFile(t.treeEntry())
	if text == nil || err != nil {
		return nil, err
	}
	return decodeManifest(text)
}

// writeTree puts a manifest in place for good.
func (t *spillTier) writeTree(text []byte) error {
	e := t.treeEntry()
	tmp := t.temp(e)
	fd, err := t.open(tmp, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = t.writeFull(fd, e.rel, text, 0)
	if err == nil {
		err = t.fsync(fd, e.rel)
	}
	if err = errors.Join(err, t.close(fd, e.rel)); err == nil {
		err = t.rename(tmp, e, 0)
	}
	if err != nil {
		t.discard(tmp, 0)
		return err
	}
	return t.fsync(t.dir, t.path)
}

// dropTree removes the manifest for good.
func (t *spillTier) dropTree() error {
	err := t.unlink(t.treeEntry(), 0)
	if err != nil && !errors.Is(err, unix.ENOENT) {
		return err
	}
	return t.fsync(t.dir, t.path)
}

// syncfs makes all that was written to the tier durable.
func (t *spillTier) syncfs() error {
	return t.do("syncfs", t.path, func() error { return unix.Syncfs(t.dir) })
}
