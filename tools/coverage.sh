#!/bin/sh
# Runs the unit tests and the black-box tests with coverage counters, and prints
# the share of statements that they reach together. Fails below the floor. The
# black-box tests, which wait most of the time, run once more with one processor for
# the daemon's goroutines: beside the others where root can give them mounts of their
# own (they look for what is left over), else after them.
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
procs='GOMAXPROCS=1 go test -count=1 -timeout 20m ./tests/...'
beside=0
if [ "$(id -u)" -eq 0 ] && unshare -m true 2>/dev/null; then
	unshare -m sh -c "mount -t tmpfs -o mode=1777 tmpfs /dev/shm && $procs" >"$dir/procs.log" 2>&1 &
	beside=$!
fi
failed=0
VGPU_COVER="$dir/blackbox" go test -count=1 -timeout 20m ./tests/... || failed=1
if [ $beside -ne 0 ]; then
	wait $beside || failed=1
else
	sh -c "$procs" >"$dir/procs.log" 2>&1 || failed=1
fi
tell() {
	echo "$procs"
	cat "$dir/procs.log"
}
if [ $failed -ne 0 ]; then
	tell
	exit 1
fi
go tool covdata textfmt -i="$dir/unit,$dir/blackbox" -o "$dir/all.txt"
grep -v -E '/zz_[^:]*:|/kerneltest/' "$dir/all.txt" >"$dir/hand.txt"
go tool cover -func="$dir/hand.txt" >"$dir/func.txt"
go tool covdata percent -i="$dir/unit,$dir/blackbox" | sort -k3
total=$(awk '/^total:/ {sub("%", "", $3); print $3}' "$dir/func.txt")
echo "coverage: $total % of hand-written statements, black-box runs counted in (floor $floor)"
awk -v t="$total" -v f="$floor" 'BEGIN {exit !(t >= f)}'
tell
