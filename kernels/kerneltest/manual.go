package kerneltest

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"vgpu/kernels"
	"vgpu/kernels/ndarray"
)

// errnos are the names that a manual's ERRORS may have (DESIGN, section 1).
var errnos = strings.Fields("EINVAL ENOENT EACCES ENOMEM ENOSPC EDQUOT EBUSY EDOM ETIMEDOUT ECANCELED EIO EAGAIN")

var blanks = regexp.MustCompile(`\s`)

// Manual checks that a kernel's manual is whole: that it says what there is to
// say in the form that [kernels.Manual] asks for, and that its page is clean
// for mandoc -T lint.
func Manual(t testing.TB, k *kernels.Kernel) {
	t.Helper()
	m := &k.Manual
	for what, missing := range map[string]bool{
		"the verb has blanks":                   k.Name == "" || blanks.MatchString(k.Name),
		"no family":                             k.Family == "",
		"the summary is empty or has a stop":    k.Summary == "" || strings.HasSuffix(k.Summary, "."),
		"the summary has several lines":         strings.Contains(k.Summary, "\n"),
		"the synopsis does not begin with it":   strings.Fields(k.Synopsis + " .")[0] != k.Name,
		"no description":                        m.Description == "",
		"no types":                              m.Types == "",
		"no cost":                               m.Cost == "",
		"no errors":                             len(m.Errors) == 0,
		"no examples":                           len(m.Examples) == 0,
		"no operands":                           len(m.Operands) == 0 && (k.MaxInputs != 0 || k.Outputs != kernels.OutputNone),
		"it is among what to see also":          slices.Contains(m.SeeAlso, k.Name),
		"an error is not of DESIGN's":           slices.ContainsFunc(m.Errors, func(e kernels.Entry) bool { return !slices.Contains(errnos, e.Term) }),
		"an entry has no text":                  slices.ContainsFunc(slices.Concat(m.Operands, m.Errors), func(e kernels.Entry) bool { return e.Term == "" || e.Text == "" }),
		"an option has no help":                 slices.ContainsFunc(k.Options, func(o kernels.OptionSpec) bool { return o.Help == "" }),
		"an option of KindEnum without values":  slices.ContainsFunc(k.Options, func(o kernels.OptionSpec) bool { return o.Kind == kernels.KindEnum && len(o.Values) == 0 }),
		"an example without a line of the verb": slices.ContainsFunc(m.Examples, func(e kernels.Example) bool { return !uses(e, k.Name) }),
	} {
		if missing {
			t.Errorf("manual of %q: %s", k.Name, what)
		}
	}
	lint(t, k)
}

// uses tells whether one of the example's lines has the verb.
func uses(e kernels.Example, verb string) bool {
	return slices.ContainsFunc(e.Lines, func(l string) bool { return l == verb || strings.HasPrefix(l, verb+" ") })
}

// lint writes the page out and shows it to mandoc, which prints something
// exactly if it finds something.
func lint(t testing.TB, k *kernels.Kernel) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "page.7")
	page := k.Roff(7, "vgpu test", time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	if err := os.WriteFile(path, []byte(page), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mandoc", "-T", "lint", path).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("manual of %s: mandoc -T lint: %v\n%s", k.Name, err, out)
	}
}

// Examples runs the examples of a kernel's manual, each on an empty device on
// which every verb of all can be used.
func Examples(t testing.TB, all []*kernels.Kernel, k *kernels.Kernel) {
	t.Helper()
	for _, e := range k.Manual.Examples {
		files := map[string]ndarray.Array{}
		for _, line := range e.Lines {
			out, _, err := Run(t, all, line, files)
			if err != nil {
				t.Errorf("example of %s: %s: %v", k.Name, line, err)
				break
			}
			maps.Copy(files, out)
		}
	}
}
