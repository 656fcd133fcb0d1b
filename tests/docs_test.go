package tests

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// step is a command of a console block, and what it prints there.
type step struct{ cmd, want string }

// consoleSteps takes the commands out of a document's ```console blocks.
func consoleSteps(text string) []step {
	var out []step
	in := false
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		switch {
		case strings.HasPrefix(line, "```"):
			in = line == "```console"
		case in && strings.HasPrefix(line, "$ "):
			out = append(out, step{cmd: line[2:]})
		case in && len(out) > 0:
			out[len(out)-1].want += line + "\n"
		}
	}
	return out
}

// shellLine is what a script's shell adds to a message and a terminal's does not.
var shellLine = regexp.MustCompile(`line \d+: `)

// numbers differ from machine to machine; the words do not.
var numbers = regexp.MustCompile(`[0-9][0-9.eE+-]*[0-9]|[0-9]`)

func words(s string) string {
	s = regexp.MustCompile(`\[20\S*Z\]`).ReplaceAllString(s, "[time]")
	s = strings.NewReplacer("avx512", "ISA", "avx2", "ISA", "generic", "ISA").Replace(s)
	return strings.Join(strings.Fields(numbers.ReplaceAllString(s, "#")), " ")
}

// The tests that the table of faults in memory.md names exist where it says.
func TestFaultTable(t *testing.T) {
	text, err := os.ReadFile("../docs/design/memory.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "## Which test shows what")
	table, _, _ = strings.Cut(table, "\n## ")
	dir, found := "", 0
	for _, word := range regexp.MustCompile("\\b(alloc|iouring|tests|device)\\b|`Test\\w+`").FindAllString(table, -1) {
		if word[0] != '`' {
			dir = "../" + word
			continue
		}
		name := strings.Trim(word, "`")
		if name == "TestMain" {
			continue // of several packages
		}
		found++
		if err := exec.Command("grep", "-rqs", "--include=*_test.go", "^func "+name+"(", dir).Run(); err != nil {
			t.Errorf("%s has no %s: %v", dir, name, err)
		}
	}
	if found < 20 {
		t.Errorf("only %d tests were found", found)
	}
}

// The README's tour works as it stands, and prints what it shows there.
func TestTourPrintsWhatItShows(t *testing.T) {
	needMappings(t)
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	steps := consoleSteps(string(text))
	if len(steps) < 15 {
		t.Fatalf("only %d steps were found", len(steps))
	}
	top := t.TempDir()
	bin := filepath.Join(top, "bin")
	if err := os.Mkdir(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(binary, filepath.Join(bin, "vgpu")); err != nil {
		t.Fatal(err)
	}
	var script strings.Builder
	script.WriteString("set -e\n")
	if out, err := exec.Command("go", "build", "-o", filepath.Join(bin, "signal"), "../tools/signal").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	disk, err := os.MkdirTemp("/var/tmp", "vgpu-tests-") // where /tmp is a tmpfs it cannot be spilled to
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(disk) })
	for _, s := range steps {
		cmd := strings.ReplaceAll(s.cmd, "/var/tmp", "@disk")
		cmd = strings.ReplaceAll(strings.ReplaceAll(cmd, "/tmp", top), "@disk", disk)
		cmd = strings.ReplaceAll(cmd, "vgpu mount ", "vgpu mount --state "+top+"/state ")
		script.WriteString(cmd + "\necho @@@\n")
	}
	cmd := exec.Command("bash", "-c", script.String())
	cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "LC_ALL=C")
	t.Cleanup(func() {
		if len(mounts(top)) > 0 {
			exec.Command(binary, "umount", filepath.Join(top, "vgpu0")).Run()
		}
	})
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	parts := strings.Split(string(out), "@@@\n")
	for i, s := range steps {
		got := shellLine.ReplaceAllString(parts[i], "")
		if words(got) != words(s.want) {
			t.Errorf("$ %s\nprints\n%s\nand the README shows\n%s", s.cmd, got, s.want)
		}
	}
}
