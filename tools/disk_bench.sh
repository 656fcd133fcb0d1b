#!/bin/sh
# `vgpu bench disk` against fio's io_uring with direct=1, on files of the same
# size in the same directory, in turn, in one run; medians of ROUNDS, and the
# median of the rounds' ratios. Each lays its file anew every time: where a file
# lies on a disk, and what the disk still has of it, matters more than who reads.
#   tools/disk_bench.sh bin/vgpu DIR
set -eu
bin=$(realpath "$1")
rounds=${ROUNDS:-5} seconds=${SECONDS_EACH:-1} size=${SIZE:-512M} backend=${BACKEND:-uring}
dir=$(realpath "$2")
top=$(mktemp -d "$dir/disk-bench.XXXXXX")
trap 'rm -rf "$top"' EXIT
trap 'exit 130' HUP INT TERM # dash leaves without the EXIT trap otherwise

median() { sort -n | awk '{v[NR] = $1} END {print v[int((NR + 1) / 2)]}'; }
# ours SHAPE: bytes a second
ours() {
	"$bin" bench disk "$top" --json --backend "$backend" --size "$size" --samples 1 --seconds "$seconds" --shape "$1" >"$top/json"
	sed 's/.*"median":\([0-9.e+]*\).*/\1/' "$top/json"
}
# theirs RW BS QD: bytes a second, from fio's KiB a second
theirs() {
	fio --name=x --filename="$top/fio" --size="$size" --rw=write --bs=1m --iodepth=8 --ioengine=io_uring --direct=1 --end_fsync=1 --output="$top/laid"
	fio --name=x --filename="$top/fio" --size="$size" --rw="$1" --bs="$2" --iodepth="$3" --ioengine=io_uring --direct=1 --norandommap \
		--time_based --runtime="$seconds" --output-format=terse --terse-version=3 |
		awk -F';' -v rw="$1" '{printf "%.0f\n", (rw ~ /read/ ? $7 : $48) * 1024}'
	rm "$top/fio"
}
printf '%-18s %12s %12s %8s\n' '' 'ours MB/s' 'fio MB/s' ratio
for shape in ${SHAPES:-write-1m-qd1 write-1m-qd8 write-1m-qd32 read-1m-qd1 read-1m-qd8 read-1m-qd32 randread-4k-qd1 randread-4k-qd32}; do
	rw=${shape%%-*} rest=${shape#*-}
	: >"$top/o"
	: >"$top/t"
	i=0
	while [ $i -lt "$rounds" ]; do
		if [ $((i % 2)) -eq 0 ]; then
			ours "$shape" >>"$top/o"
			theirs "$rw" "${rest%-*}" "${rest#*-qd}" >>"$top/t"
		else
			theirs "$rw" "${rest%-*}" "${rest#*-qd}" >>"$top/t"
			ours "$shape" >>"$top/o"
		fi
		i=$((i + 1))
	done
	ratio=$(paste "$top/o" "$top/t" | awk '{print $1 / $2}' | median)
	awk -v n="$shape" -v o="$(median <"$top/o")" -v t="$(median <"$top/t")" -v r="$ratio" 'BEGIN {printf "%-18s %12.1f %12.1f %8.2f\n", n, o / 1e6, t / 1e6, r}'
done
