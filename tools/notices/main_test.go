package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

// What is checked in names what the binary is linked from.
func TestNotices(t *testing.T) {
	want, err := notices("vgpu/cmd/vgpu")
	if err != nil {
		t.Fatal(err)
	}
	have, err := os.ReadFile("../../THIRD_PARTY_NOTICES")
	if err != nil || !bytes.Equal(have, want) {
		t.Errorf("THIRD_PARTY_NOTICES is out of date; make generate writes it anew (%v)", err)
	}
}

// A module without a licence is an error: it may not be passed on.
func TestNoLicence(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/README", []byte("as you like"), 0o644); err != nil {
		t.Fatal(err)
	}
	err := module{Path: "example.org/x", Dir: dir}.write(&bytes.Buffer{})
	if err == nil || !strings.Contains(err.Error(), "example.org/x") {
		t.Error(err)
	}
}
