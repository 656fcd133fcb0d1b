package alloc

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestMarks(t *testing.T) {
	eachKind(t, func(t *testing.T, kind string) {
		s := openStore(t, kind, 16<<20)
		put(t, s, "f", "x")
		b := get(t, s, "f")
		if m, marked := b.Mark(); marked {
			t.Errorf("a new buffer is marked %v", m)
		}
		ok(t, b.ClearMark())
		ok(t, b.SetMark(job))
		m, marked := s.MarkOf("f")
		if !marked || m.State != Pending || m.Job != 7 || m.Path != "f" || m.Bad() {
			t.Errorf("mark %+v", m)
		}
		ok(t, s.Rename("f", "g", 0)) // a mark goes by inode
		ok(t, b.SettleMark(6, &Mark{State: Bad, Job: 6}))
		if m, _ := s.MarkOf("g"); m.Job != 7 {
			t.Errorf("settled by another job: %+v", m)
		}
		ok(t, b.SettleMark(7, &Mark{State: Bad, Job: 7, Path: "g", Reason: "no luck"}))
		if m, _ := s.MarkOf("g"); !m.Bad() || m.Reason != "no luck" {
			t.Errorf("settled: %+v", m)
		}
		ok(t, b.SettleMark(7, nil))
		if m, marked := b.Mark(); marked {
			t.Errorf("settled: %+v", m)
		}
		ok(t, b.SetMark(job))
		ok(t, s.Unlink("g"))
		if _, marked := b.Mark(); !marked {
			t.Error("the mark went before its holder")
		}
		b.Release()
		if len(s.marks.of) != 0 {
			t.Errorf("left: %v", s.marks.of)
		}
		ok(t, s.Mkdir(me(), "d", 0o755))
		for _, path := range []string{"no", "d", ""} {
			if _, marked := s.MarkOf(path); marked {
				t.Errorf("%q is marked", path)
			}
		}
	})
}

// On a tier with no space left an output can still be marked bad, and good.
func TestMarksOnAFullTier(t *testing.T) {
	for _, kind := range kinds() {
		if kind == onPlain {
			continue
		}
		t.Run(kind, func(t *testing.T) {
			s := openStore(t, kind, 8<<20)
			put(t, s, "f", "x")
			put(t, s, "g", "x")
			b, g := get(t, s, "f"), get(t, s, "g")
			ok(t, b.SetMark(job))
			ok(t, g.Resize(7<<20))
			var err error
			for err == nil { // up to the last page
				_, err = g.Append(make([]byte, 4096))
			}
			want(t, err, unix.ENOSPC)
			want(t, g.SetMark(job), unix.ENOSPC)
			if _, marked := g.Mark(); marked {
				t.Error("marked, and not on the tier")
			}
			for i := range 5 {
				ok(t, b.SetMark(Mark{State: Bad, Job: 7, Reason: strings.Repeat("r", 1000*i)}))
			}
			checkMarkFile(t, s, b)
			ok(t, b.ClearMark())
			b.Release()
			g.Release()
		})
	}
}

func checkMarkFile(t *testing.T, s *Store, b *Buffer) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(s.ram.path, marksDir, fmt.Sprint(b.Ino())))
	ok(t, err)
	var m Mark
	ok(t, json.Unmarshal(data, &m))
	if now, _ := b.Mark(); now.State != m.State || now.Job != m.Job || !strings.HasPrefix(now.Reason, m.Reason) || len(data) != markSize {
		t.Errorf("on the tier %+v, in memory %+v", m, now)
	}
}

// Marks that come and go leave a few spare files, and take no new ones.
func TestSpares(t *testing.T) {
	s, inject := openFaulty(t, kinds()[0], 16<<20)
	var held []*Buffer
	for i := range 2 * maxSpares {
		b, _, err := s.Create(me(), fmt.Sprint(i), 0o644, true)
		ok(t, err)
		ok(t, b.SetMark(job))
		held = append(held, b)
	}
	for _, b := range held {
		ok(t, b.ClearMark())
	}
	inject.arm(func(op, path string) error {
		if op == "open" && !strings.HasPrefix(path, marksDir) || op == "unlink" {
			t.Errorf("%s %s", op, path)
		}
		return nil
	})
	for _, b := range held[:maxSpares-1] {
		ok(t, b.SetMark(job))
	}
	for _, b := range held[:maxSpares-1] {
		ok(t, b.ClearMark())
	}
	inject.disarm()
	if len(s.marks.spares) != maxSpares || s.marks.files != maxSpares {
		t.Errorf("%d spares, %d files", len(s.marks.spares), s.marks.files)
	}
	for _, b := range held {
		b.Release()
	}
}

func TestMarkEncoding(t *testing.T) {
	for _, text := range []string{"", "plain", strings.Repeat("x", 9000), strings.Repeat("\x00", 3000), strings.Repeat("ä", 3000), "\xff\xfe\n\""} {
		m := Mark{State: Bad, Path: text, Cmd: text, Reason: text, Job: 1<<64 - 1}
		line := m.encode()
		var got Mark
		ok(t, json.Unmarshal(line, &got))
		if len(line) != markSize || line[markSize-1] != '\n' || got.State != Bad || got.Job != m.Job {
			t.Errorf("%d bytes: %+v", len(line), got)
		}
		if len(text) < 1000 && text[:min(5, len(text))] == "plain" && got != m {
			t.Errorf("%+v, want %+v", got, m)
		}
	}
}

// What a start makes of the marks it finds: whole, torn, of nobody, and of no number.
func TestMarksAtStart(t *testing.T) {
	for _, kind := range kinds() {
		if kind == onPlain {
			continue
		}
		t.Run(kind, func(t *testing.T) {
			cfg, _ := config(t, kind, 16<<20)
			s := mustOpen(t, cfg)
			for _, name := range []string{"pending", "bad", "torn"} {
				put(t, s, name, name)
			}
			ok(t, mark("pending", job)(s))
			ok(t, mark("bad", Mark{State: Bad, Job: 8, Reason: "because"})(s))
			ok(t, s.Rename("pending", "moved", 0))
			st, err := s.Lstat("torn")
			ok(t, err)
			dir := filepath.Join(s.ram.path, marksDir)
			for _, name := range []string{fmt.Sprint(st.Ino), "999999", "x"} {
				ok(t, os.WriteFile(filepath.Join(dir, name), []byte(`{"state`), 0o600))
			}
			ok(t, os.Mkdir(filepath.Join(s.ram.path, tmpDir, "d"), 0o700))
			ok(t, os.WriteFile(filepath.Join(s.ram.path, tmpDir, "d", "f"), nil, 0o600))
			ok(t, s.Close(true))

			s = mustOpen(t, cfg)
			list := s.Interrupted()
			if len(list) != 1 || list[0].Path != "moved" || list[0].Job != 7 || list[0].Cmd != job.Cmd || list[0].Reason == "" {
				t.Errorf("interrupted: %+v", list)
			}
			for name, reason := range map[string]string{"moved": "interrupted", "bad": "because", "torn": "cannot be read"} {
				if m, _ := s.MarkOf(name); !m.Bad() || m.Path != name || !strings.Contains(m.Reason, reason) {
					t.Errorf("%s: %+v", name, m)
				}
			}
			checkStore(t, s)
			ok(t, s.Close(true))
			s = mustOpen(t, cfg)
			if list := s.Interrupted(); len(list) != 0 || len(s.marks.of) != 3 {
				t.Errorf("the second start: %+v, %d marks", list, len(s.marks.of))
			}
			ok(t, s.Close(false))
		})
	}
}

// A mark whose file cannot be removed when its buffer goes does not fall on another.
func TestStaleMarks(t *testing.T) {
	s, inject := openFaulty(t, kinds()[0], 16<<20)
	put(t, s, "f", "x")
	ok(t, mark("f", job)(s))
	inject.arm(func(op, path string) error {
		if op == "rename" && strings.HasPrefix(path, marksDir) {
			return unix.EIO
		}
		return nil
	})
	st, err := s.Lstat("f")
	ok(t, err)
	ok(t, s.Unlink("f"))
	inject.disarm()
	if _, marked := s.marks.get(st.Ino); marked || len(s.marks.stale) != 1 {
		t.Errorf("marked %v, stale %v", marked, s.marks.stale)
	}
	ok(t, s.setMark(st.Ino, job)) // as if the file system gave the number again
	if len(s.marks.stale) != 0 {
		t.Errorf("stale %v", s.marks.stale)
	}
	ok(t, s.clearMark(st.Ino))
	put(t, s, "g", "x")
	ok(t, s.Unlink("g"))
}
