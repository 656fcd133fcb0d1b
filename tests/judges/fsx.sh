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
trap 'exit 130' HUP INT TERM # dash leaves without the EXIT trap otherwise
: >"$work/config.h"
cc -O1 -w -D_GNU_SOURCE -DHAVE_ERR_H -DFALLOCATE -I"$work" -I"$xfstests/src" -include getopt.h -include sys/param.h -include assert.h -include sys/ioctl.h \
	-include stdarg.h -include linux/falloc.h -o "$work/fsx" "$xfstests/ltp/fsx.c"

# churn makes buffers that leave room for nothing else in 24 MB, one after the
# other, and notes where fsx's own lie then.
churn() {
	while [ -e "$work/go" ]; do
		for i in 0 1 2; do
			echo "random fsx-big$i.npy shape=5250x1000 dtype=f32 threads=1" >"$device/run"
			getfattr --only-values -n user.vgpu.tier "$device/buffers/fsx-any" "$device/buffers/fsx-direct" >>"$work/tiers" 2>/dev/null || :
			echo >>"$work/tiers"
		done
	done
}
one() {
	name=$1
	shift
	"$work/fsx" -c 3 -l 1048576 -N "$operations" -P "$work" "$@" "$device/buffers/fsx-$name" >"$work/$name" 2>&1
}
: >"$device/buffers/fsx-any"
: >"$device/buffers/fsx-direct"
churn &
status=0
one any -S 11 & any=$!
one direct -S 12 -Z -r 4096 -w 4096 || status=$?
wait "$any" || status=$?
rm "$work/go"
wait
[ "$status" = 0 ] || tail -n 20 "$work/any" "$work/direct"
away=$(grep -c spill "$work/tiers" || :)
echo "fsx: $((operations * 2)) operations; its files were seen outside memory $away times of $(wc -l <"$work/tiers")"
[ "$status" = 0 ] && [ "$away" -gt 0 ]
