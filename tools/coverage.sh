#!/bin/sh
# Runs the unit tests and the black-box tests with coverage counters, and prints
# the share of statements that they reach together. Fails below the floor.
set -eu
dir=$1
floor=85
rm -rf "$dir"
mkdir -p "$dir/unit" "$dir/blackbox"
go test -count=1 -timeout 15m -cover -coverpkg=./alloc/...,./cmd/...,./device/...,./iouring/...,./kernels/...,./vfs/... \
	./alloc/... ./iouring/... ./device/... ./vfs/... ./kernels/... ./cmd/... -args -test.gocoverdir="$dir/unit" >"$dir/unit.log" 2>&1 || {
	cat "$dir/unit.log"
	exit 1
}
VGPU_COVER="$dir/blackbox" go test -count=1 -timeout 15m ./tests/...
go tool covdata textfmt -i="$dir/unit,$dir/blackbox" -o "$dir/all.txt"
grep -v -E '/zz_[^:]*:|/kerneltest/' "$dir/all.txt" >"$dir/hand.txt"
go tool cover -func="$dir/hand.txt" >"$dir/func.txt"
go tool covdata percent -i="$dir/unit,$dir/blackbox" | sort -k3
total=$(awk '/^total:/ {sub("%", "", $3); print $3}' "$dir/func.txt")
echo "coverage: $total % of hand-written statements, black-box runs counted in (floor $floor)"
awk -v t="$total" -v f="$floor" 'BEGIN {exit !(t >= f)}'
