#!/bin/sh
# Reads and writes of buffers against the same on the tier's own directory, by
# dd and fio, interleaved in one run; medians of ROUNDS. Needs root: it mounts a
# device with passthrough and one without.
set -eu
bin=$(realpath "$1")
rounds=${ROUNDS:-7}
top=$(mktemp -d)
trap '"$bin" umount "$top/p" || :; "$bin" umount "$top/d" || :; rm -rf "$top"' EXIT
trap 'exit 130' HUP INT TERM # dash leaves without the EXIT trap otherwise
"$bin" mount --daemon --mem 3G --state "$top/ps" "$top/p"
"$bin" mount --daemon --mem 3G --direct --state "$top/ds" "$top/d"
tier=$top/ps/ram/buffers

# rate COMMAND: MB/s as dd tells it, from bytes and seconds
rate() { LC_ALL=C "$@" 2>&1 | awk '/copied/ {for (i = 1; i < NF; i++) if ($(i + 1) == "s,") print $1 / $i / 1e6}'; }
median() { sort -n | awk '{v[NR] = $1} END {print v[int((NR + 1) / 2)]}'; }
# fio NAME DIR RW BS: MB/s
fio_rate() {
	fio --name=x --filename="$2" --rw="$3" --bs="$4" --size=512m --ioengine=psync --time_based --runtime=1 --output-format=terse --terse-version=3 2>/dev/null |
		awk -F';' -v rw="$3" '{print (rw ~ /read/ ? $7 : $48) / 1e3}'
}
# pair TITLE: runs f on "ours" and "theirs" in turn
pair() {
	title=$1 ours=$2 theirs=$3
	: >"$top/o"
	: >"$top/t"
	i=0
	while [ $i -lt "$rounds" ]; do
		eval "$ours" >>"$top/o"
		eval "$theirs" >>"$top/t"
		i=$((i + 1))
	done
	o=$(median <"$top/o") t=$(median <"$top/t")
	awk -v n="$title" -v o="$o" -v t="$t" 'BEGIN {printf "%-44s %9.0f MB/s  tier %9.0f MB/s  ratio %.2f\n", n, o, t, o / t}'
}
dd if=/dev/zero of="$top/p/buffers/f" bs=1M count=1024 2>/dev/null
dd if=/dev/zero of="$tier/g" bs=1M count=1024 2>/dev/null
pair 'passthrough read, dd 1 MiB' "rate dd if=$top/p/buffers/f of=/dev/null bs=1M" "rate dd if=$tier/g of=/dev/null bs=1M"
pair 'passthrough write within size, dd 1 MiB' "rate dd if=/dev/zero of=$top/p/buffers/f bs=1M count=1024 conv=notrunc" "rate dd if=/dev/zero of=$tier/g bs=1M count=1024 conv=notrunc"
for bs in 4k 64k 1m; do
	pair "passthrough read, fio psync $bs" "fio_rate o $top/p/buffers/f read $bs" "fio_rate t $tier/g read $bs"
	pair "passthrough write, fio psync $bs" "fio_rate o $top/p/buffers/f write $bs" "fio_rate t $tier/g write $bs"
done
rm "$top/p/buffers/f"
pair 'growing write through the daemon, dd 1 MiB' "rate dd if=/dev/zero of=$top/p/buffers/f bs=1M count=1024; rm $top/p/buffers/f" "rate dd if=/dev/zero of=$tier/g bs=1M count=1024; rm $tier/g"
dd if=/dev/zero of="$top/d/buffers/f" bs=1M count=1024 2>/dev/null
dd if=/dev/zero of="$tier/g" bs=1M count=1024 2>/dev/null
pair 'direct mode: write within size, dd 1 MiB' "rate dd if=/dev/zero of=$top/d/buffers/f bs=1M count=1024 conv=notrunc" "rate dd if=/dev/zero of=$tier/g bs=1M count=1024 conv=notrunc"
pair 'direct mode: read, dd 1 MiB' "rate dd if=$top/d/buffers/f of=/dev/null bs=1M" "rate dd if=$tier/g of=/dev/null bs=1M"
