package ndarray

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// numpy runs a Python script with numpy as np; the script finds input as the
// variable q and puts its result, of JSON types, into r. It runs in a folder
// whose name it returns.
func numpy(t *testing.T, script string, input, result any) (dir string) {
	t.Helper()
	dir = t.TempDir()
	in, err := json.Marshal(input)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "in.json"), in, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/usr/bin/python3", "-W", "ignore", "-c",
		"import json, sys\nimport numpy as np\nq = json.load(open('in.json'))\nr = None\n"+script+"\nprint(json.dumps(r))")
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("python: %v\n%s", err, stderr.Bytes())
	}
	if err := json.Unmarshal(out, result); err != nil {
		t.Fatalf("python said %.200q: %v", out, err)
	}
	return dir
}

// numpyTypes are the types that numpy has.
func numpyTypes() []DType {
	var out []DType
	for _, d := range DTypes {
		if d != BF16 {
			out = append(out, d)
		}
	}
	return out
}

func descrs(ds []DType) []string {
	out := make([]string, len(ds))
	for i, d := range ds {
		out[i] = dtypeTable[d].descr
	}
	return out
}

func TestPromoteAgainstNumpy(t *testing.T) {
	types := numpyTypes()
	var got [][]string
	numpy(t, "r = [[np.result_type(np.dtype(a), np.dtype(b)).str for b in q] for a in q]", descrs(types), &got)
	for i, a := range types {
		for j, b := range types {
			if p := Promote(a, b); dtypeTable[p].descr != got[i][j] {
				t.Errorf("Promote(%s, %s) = %s, numpy has %s", a, b, p, got[i][j])
			}
		}
	}
}

// BF16 promotes as F16 does, except with F16 and where F16 would be the
// result.
func TestPromoteBF16(t *testing.T) {
	for _, d := range DTypes {
		want := Promote(F16, d)
		switch d {
		case Bool, I8, U8, BF16:
			want = BF16
		case F16:
			want = F32
		}
		if a, b := Promote(BF16, d), Promote(d, BF16); a != want || b != want {
			t.Errorf("Promote(bf16, %s) = %s, reversed %s, want %s", d, a, b, want)
		}
		if Promote(Invalid, d) != Invalid || Promote(d, Invalid) != Invalid {
			t.Errorf("Promote(invalid, %s) is valid", d)
		}
	}
}
