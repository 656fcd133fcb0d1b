package alloc

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// sow makes a tree with something of everything.
func sow(t *testing.T, s *Store) {
	t.Helper()
	ok(t, s.Mkdir(me(), "d", 0o2750))
	ok(t, s.Mkdir(me(), "d/empty", 0o700))
	put(t, s, "d/a", big)
	put(t, s, "d/b\xff\n", oldBytes)
	put(t, s, "none", "")
	put(t, s, "far", big+newBytes)
	ok(t, with(s, "far", spilled))
	ok(t, s.Link("d/a", "again"))
	ok(t, s.Symlink(me(), "../x y", "d/link"))
	ok(t, s.Chmod("d/a", 0o604))
	ok(t, mark("far", Mark{State: Bad, Job: 3, Cmd: "c", Reason: "r"})(s))
	for name := range strings.FieldsSeq("d/a far d") {
		if err := s.Setxattr(name, "user.note", []byte{0, 1, 255}, 0); err != nil {
			want(t, err, unix.EOPNOTSUPP) // a tmpfs before Linux 6.6
		}
	}
	then := time.Unix(1e9, 7)
	ok(t, s.Utimens("d/link", &then, &then))
	ok(t, s.Utimens("far", &then, &then))
	ok(t, s.Utimens("d", &then, &then))
}

// picture tells all that a client can see of the tree, but inode numbers.
func picture(t *testing.T, s *Store) (out []string) {
	t.Helper()
	first := map[uint64]string{}
	var visit func(dir string)
	visit = func(dir string) {
		list, err := s.ReadDir(dir)
		ok(t, err)
		slices.SortFunc(list, func(a, b DirEntry) int { return strings.Compare(a.Name, b.Name) })
		for _, d := range list {
			rel := join(dir, d.Name)
			st, err := s.Lstat(rel)
			ok(t, err)
			line := fmt.Sprintf("%q %o %d:%d %v", rel, st.Mode, st.Uid, st.Gid, st.Mtim)
			m, marked := s.MarkOf(rel)
			line += fmt.Sprint(attributes(t, s, rel), m, marked)
			switch st.Mode & unix.S_IFMT {
			case unix.S_IFDIR:
				out = append(out, line)
				visit(rel)
				continue
			case unix.S_IFLNK:
				to, err := s.Readlink(rel)
				ok(t, err)
				line += to
			default:
				line += fmt.Sprint(st.Size, sum([]byte(text(t, s, rel))), first[st.Ino])
				first[st.Ino] = rel
			}
			out = append(out, line)
		}
	}
	visit("")
	return out
}

func attributes(t *testing.T, s *Store, rel string) (out []string) {
	t.Helper()
	names, err := s.Listxattr(rel)
	if err != nil {
		want(t, err, unix.EOPNOTSUPP)
	}
	for _, name := range names {
		p := make([]byte, 100)
		n, err := s.Getxattr(rel, name, p)
		ok(t, err)
		out = append(out, fmt.Sprintf("%s=%x", name, p[:n]))
	}
	return out
}

func samePicture(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n%s\nwant:\n%s", what, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func persistConfig(t *testing.T, kind string) (Config, *injector) {
	t.Helper()
	cfg, inject := spillConfig(t, kind, 16<<20, 2)
	cfg.Persist, cfg.Logf = true, func(string, ...any) {}
	return cfg, inject
}

// reboot takes the RAM tier away, as the machine's restart does.
func reboot(t *testing.T, cfg *Config) {
	t.Helper()
	ram := cfg.Dir + "/ram"
	if fstype, _, err := mountedAt(ram); err == nil && fstype != "" {
		ok(t, unmount(sys{}, ram))
	}
	ok(t, os.RemoveAll(shmPath(cfg)))
}

// A clean stop saves everything, and a start after the machine's restart finds it, as often as that happens.
func TestPersist(t *testing.T) {
	eachSpillKind(t, func(t *testing.T, kind string) {
		cfg, _ := persistConfig(t, kind)
		s := mustOpen(t, cfg)
		sow(t, s)
		want := picture(t, s)
		for range 3 {
			ok(t, s.Close(false))
			reboot(t, &cfg)
			s = mustOpen(t, cfg)
			samePicture(t, "after a restart", picture(t, s), want)
			checkStore(t, s)
		}
		ok(t, with(s, "d/a", promoted))
		put(t, s, "new", newBytes)
		ok(t, s.Unlink("none"))
		want = picture(t, s)
		ok(t, s.Close(true)) // saved too, and the RAM tier is there
		s = mustOpen(t, cfg)
		samePicture(t, "kept", picture(t, s), want)
		checkStore(t, s)
		ok(t, s.Close(true))
		reboot(t, &cfg)
		s = mustOpen(t, cfg)
		samePicture(t, "kept, and restarted", picture(t, s), want)
		s.abandon()
		reboot(t, &cfg)
		s = mustOpen(t, cfg)
		if got := picture(t, s); len(got) != 0 {
			t.Errorf("after a power cut: %v", got)
		}
		checkStore(t, s)
		cfg.Persist = false
		ok(t, s.Close(true))
		ok(t, mustOpen(t, cfg).Close(false))
		if list, _ := os.ReadDir(cfg.Spill[0].Dir); len(list) != 0 {
			t.Errorf("left: %v", list)
		}
	})
}

// Without Persist nothing outlives a restart of the machine, after a power cut or
// a clean stop: the store starts empty, and the disks are given back.
func TestRestartWithoutPersist(t *testing.T) {
	eachSpillKind(t, func(t *testing.T, kind string) {
		cfg, _ := persistConfig(t, kind)
		cfg.Persist = false
		for _, cut := range []bool{true, false} {
			s := mustOpen(t, cfg)
			sow(t, s)
			if cut {
				s.abandon()
			} else {
				ok(t, s.Close(false))
			}
			reboot(t, &cfg)
			s = mustOpen(t, cfg)
			if got := picture(t, s); len(got) != 0 {
				t.Errorf("power cut %v: %v", cut, got)
			}
			for _, u := range s.Tiers() {
				if u.Used != 0 {
					t.Errorf("power cut %v: %d bytes of %s are used", cut, u.Used, u.Name)
				}
			}
			checkStore(t, s)
			ok(t, s.Close(false))
			if list, _ := os.ReadDir(cfg.Spill[0].Dir); len(list) != 0 {
				t.Errorf("power cut %v: left: %v", cut, list)
			}
		}
	})
}

// A stop that is killed at any point loses nothing to a new daemon; to a restart of the machine it loses all or nothing.
func TestPersistKilledAtEnd(t *testing.T) {
	sc := findScenario("spill")
	for i, restart := range []bool{false, true} {
		kind := spillKinds()[i%len(spillKinds())]
		for n, died := 1+i, true; died; n += 3 * sc.stride() {
			cfg, inject := persistConfig(t, kind)
			s := mustOpen(t, cfg)
			sow(t, s)
			want := picture(t, s)
			var calls atomic.Int64
			inject.arm(death(n, &calls))
			err := s.Close(false)
			inject.disarm()
			s.abandon()
			died = calls.Load() >= int64(n)
			if restart {
				reboot(t, &cfg)
			}
			s = mustOpen(t, cfg)
			if got := picture(t, s); len(got) > 0 || !restart || !died || err == nil {
				samePicture(t, fmt.Sprintf("call %d, restart %v", n, restart), got, want)
			}
			checkStore(t, s)
			cfg.Persist = false
			ok(t, s.Close(true))
			ok(t, mustOpen(t, cfg).Close(false))
		}
	}
}

// A start that restores can be killed at any point, or fail, as often as it likes.
func TestPersistKilledAtStart(t *testing.T) {
	cfg, inject := persistConfig(t, spillKinds()[0])
	sc := findScenario("spill")
	s := mustOpen(t, cfg)
	sow(t, s)
	want := picture(t, s)
	ok(t, s.Close(false))
	for n, died := 1, true; died; n += sc.stride() {
		died = die(t, "open", n, &cfg, inject)
		s := mustOpen(t, cfg)
		samePicture(t, fmt.Sprintf("call %d", n), picture(t, s), want)
		checkStore(t, s)
		ok(t, s.Close(false))
		reboot(t, &cfg)
	}
	cfg.Persist = false
	ok(t, mustOpen(t, cfg).Close(false))
}

// A start that restores fails at each call, and takes nothing away that the disks have no record of any more.
func TestPersistStartFails(t *testing.T) {
	cfg, inject := persistConfig(t, spillKinds()[0])
	s := mustOpen(t, cfg)
	sow(t, s)
	before := picture(t, s)
	for n, reached := 1, true; reached; n += findScenario("spill").stride() {
		ok(t, s.Close(false))
		reboot(t, &cfg)
		var calls atomic.Int64
		inject.arm(nth(n, unix.EIO, &calls))
		var err error
		s, err = Open(cfg)
		inject.disarm()
		if err != nil {
			want(t, err, unix.EIO)
			s = mustOpen(t, cfg)
		}
		samePicture(t, fmt.Sprintf("call %d", n), picture(t, s), before)
		checkStore(t, s)
		reached = calls.Load() >= int64(n)
	}
	ok(t, s.Undo()) // keeps them
	s = mustOpen(t, cfg)
	samePicture(t, "undone", picture(t, s), before)
	s.cfg.Persist = false
	ok(t, s.Close(false))
}

// What does not fit on the disks stays in memory, and the end says so.
func TestPersistNoRoom(t *testing.T) {
	cfg, _ := persistConfig(t, spillKinds()[0])
	cfg.Spill = cfg.Spill[:1]
	cfg.Spill[0].Size = 3 * chunkSize
	s := mustOpen(t, cfg)
	put(t, s, "a", big)
	put(t, s, "b", big)
	want(t, s.Close(false), unix.ENOSPC)
	s = mustOpen(t, cfg)
	bigIsIn("a", big)(t, s)
	bigIsIn("b", big)(t, s)
	checkStore(t, s)
	s.cfg.Persist = false
	ok(t, s.Close(false))
}

// A tree that was saved is not built over another, nor taken if it is damaged.
func TestPersistConflict(t *testing.T) {
	cfg, _ := persistConfig(t, spillKinds()[0])
	s := mustOpen(t, cfg)
	put(t, s, "a", oldBytes)
	ok(t, s.Close(false))
	other := cfg
	other.Persist, other.Spill = false, nil
	s = mustOpen(t, other)
	put(t, s, "b", newBytes)
	ok(t, s.Close(true))
	_, err := Open(cfg)
	want(t, err, unix.EEXIST)
	s = mustOpen(t, other)
	bytesAre(t, s, "b", newBytes)
	ok(t, s.Close(false))
	tree := cfg.Spill[0].Dir + "/" + cfg.Name + "/" + treeFile
	text, err := os.ReadFile(tree)
	ok(t, err)
	text[len(text)/2] ^= 1
	ok(t, os.WriteFile(tree, text, 0o600))
	_, err = Open(cfg)
	want(t, err, unix.EIO)
	text[len(text)/2] ^= 1
	ok(t, os.WriteFile(tree, text, 0o600))
	s = mustOpen(t, cfg)
	bytesAre(t, s, "a", oldBytes)
	cfg.Persist = false
	ok(t, s.Close(true))
	ok(t, mustOpen(t, cfg).Close(false))
	cfg.Persist, cfg.Spill = true, nil
	_, err = Open(cfg)
	want(t, err, unix.EINVAL)
}
