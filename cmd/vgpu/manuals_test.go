package main

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"vgpu/device"
	"vgpu/kernels/catalog"
)

func TestDeviceManuals(t *testing.T) {
	for _, k := range deviceManuals() {
		if catalog.Registry().Lookup(k.Name) != nil {
			t.Errorf("%s is a kernel too", k.Name)
		}
	}
	ctl := manualOf("ctl").Text(80)
	for _, v := range device.Verbs() {
		if catalog.Registry().Lookup(v.Name) != nil {
			t.Errorf("%s is a kernel and a verb", v.Name)
		}
		if k := manualOf(v.Name); k == nil || k.Name != "ctl" {
			t.Errorf("%s: its page is %v", v.Name, k)
		}
		if !strings.Contains(ctl, "       "+v.Synopsis+"\n") || !strings.Contains(ctl, "       "+v.Name+" ") && !strings.Contains(ctl, "       "+v.Name+"\n") {
			t.Errorf("ctl's page does not have %s", v.Name)
		}
	}
	if manualOf("nosuch") != nil || manualOf("gemm").Name != "gemm" {
		t.Error("the wrong page")
	}
}

// What every command takes stands on the page of commands.
func TestCommandsManual(t *testing.T) {
	text := manualOf("commands").Text(80)
	for _, o := range device.CommonOptions {
		if !strings.Contains(text, o.Name+"=") {
			t.Errorf("no %s= in\n%s", o.Name, text)
		}
	}
	if names := manualNames(); !slices.Contains(names, "commands") || !slices.Contains(names, "gemm") || !slices.Contains(names, "sizing") {
		t.Error(names)
	}
}

func TestManExplain(t *testing.T) {
	var text, roff bytes.Buffer
	if err := showManual(&text, "explain", false); err != nil || !strings.HasPrefix(text.String(), "NAME\n       explain - ") {
		t.Errorf("%v\n%s", err, text.String())
	}
	if err := showManual(&roff, "explain", true); err != nil || !strings.Contains(roff.String(), `vgpu\-explain`) {
		t.Errorf("%v\n%s", err, roff.String())
	}
}
