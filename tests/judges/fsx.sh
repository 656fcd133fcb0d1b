#!/bin/sh
# fsx.sh DEVICE XFSTESTS [OPERATIONS]: fsx (ltp/fsx.c of xfstests) on buffers of
# a mounted device that has a spill tier and is too small for what a loop of
# commands makes beside it, so that the buffers are spilled and brought back
# between fsx's operations. One fsx reads, writes, maps, truncates, punches and
# copies; one keeps to whole pages and O_DIRECT. Both open the file anew often:
# a file that is open for writing stays where it is.
set -eu
device=$1 xfstests=$2 operations=${3:-5000}
work=$(mktemp -d)
: >"$work/go"
trap 'rm -rf "$work"; rm -f "$device"/buffers/fsx-*' EXIT
: >"$work/config.h"
cc -O1 -w -D_GNU_SOURCE -DHAVE_ERR_H -DFALLOCATE -I"$work" -I"$xfstests/src" -include getopt.h -include sys/param.h -include assert.h -include sys/ioctl.h \
	-include stdarg.h -include linux/falloc.h -o "$work/fsx" "$xfstests/ltp/fsx.c"

# churn keeps three buffers of 16 MB going round in memory that holds one.
churn() {
	while [ -e "$work/go" ]; do
		for i in 0 1 2; do
			echo "random fsx-big$i.npy shape=4000x1000 dtype=f32 threads=1" >"$device/run"
		done
	done
}
one() {
	name=$1
	shift
	: >"$device/buffers/fsx-$name"
	"$work/fsx" -c 3 -l 1048576 -N "$operations" -P "$work" "$@" "$device/buffers/fsx-$name" >"$work/$name" 2>&1
}
moved() { sed -n 's/^tier.spill0.bytes_in //p' "$device/stat"; }

before=$(moved)
churn &
status=0
one any -S 11 & any=$!
one direct -S 12 -Z -r 4096 -w 4096 || status=$?
wait "$any" || status=$?
rm "$work/go"
wait
[ "$status" = 0 ] || tail -n 20 "$work/any" "$work/direct"
echo "fsx: $((operations * 2)) operations while $(($(moved) - before)) bytes were spilled"
[ "$status" = 0 ] && [ "$(moved)" -gt "$before" ]
