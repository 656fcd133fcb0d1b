#!/bin/sh
# A worked example on real text: which letters are vowels? The counts of letter
# pairs in English tell, by the second singular vectors of their matrix
# (Moler and Morrison, "Singular value analysis of cryptograms", American
# Mathematical Monthly 90, 1983). The text is this repository's own.
set -eu
bin=$(realpath "$1")
repo=$(realpath "$(dirname "$0")/..")
if [ "$(id -u)" != 0 ] && ! command -v fusermount3 >/dev/null; then
	echo "demo: mounting as an ordinary user needs fusermount3: apt-get install fuse3 as root, or run it as root" >&2
	exit 69
fi
top=$(mktemp -d)
say() { printf '\n# %s\n' "$*"; }
show() {
	printf '$ %s\n' "$*"
	eval "$*"
}
trap 'cd /; "$bin" umount --quiet "$top/vgpu0"; rm -rf "$top"' EXIT
trap 'exit 130' HUP INT TERM # dash leaves without the EXIT trap otherwise
"$bin" mount --daemon --mem 256M --state "$top/state" "$top/vgpu0"
cd "$top/vgpu0"
answer() {
	exec 3<>run
	echo "$1" >&3
	cat <&3
	exec 3>&-
}

say "The device is a directory."
show 'ls'
show 'grep -E "^(cpu|isa|threads|memory|passthrough) " info'

say "Data goes in as a file: the English text of this repository."
show "find '$repo' -name '*.md' -o -name LICENSE | sort | xargs cat > buffers/text"
show 'ls -l buffers'

say "Letters become 0 to 25, anything else 26; a histogram counts the pairs."
cat >"$top/count" <<'LINES'
map "k = where((t >= 97) & (t <= 122), t - 97, where((t >= 65) & (t <= 90), t - 65, 26))" t=text:u8 k=k.npy
map "p = 27 * i32(a) + i32(b)" a="k.npy[:-1]" b="k.npy[1:]" p=p.npy
histogram p.npy counts.bin bins=729 low=0 high=729
cast "counts.bin:i64:27x27[:26,:26]" a.npy dtype=f64
LINES
show "cat '$top/count'"
show "cat '$top/count' > run"
printf '$ %s\n' "answer 'sum a.npy'      # letter pairs counted; answer: exec 3<>run; echo LINE >&3; cat <&3"
answer 'sum a.npy'

# The largest singular vectors of $1, by power iteration, into u$2 and v$2: 60
# commands, accepted in one write and ordered by the buffers that they share.
iterate() {
	echo "fill v$2.npy:f64:26x1 value=1"
	[ "$2" = 1 ] || echo "random v$2.npy:f64:26x1 seed=1"
	i=0
	while [ $i -lt 60 ]; do
		echo "gemm $1 v$2.npy u$2.npy"
		echo "gemm $1 u$2.npy w.npy ta=t"
		echo "norm w.npy s.npy"
		echo "map \"v = w / s\" w=w.npy s=s.npy v=v$2.npy"
		i=$((i + 1))
	done
	echo "gemm $1 v$2.npy u$2.npy"
}
say "Power iteration gives the first singular vectors, and with them taken off, the second."
iterate a.npy 1 >"$top/first"
{
	echo 'copy a.npy a2.npy'
	echo 'gemm u1.npy v1.npy a2.npy tb=t alpha=-1 beta=1'
	iterate a2.npy 2
} >"$top/second"
show "head -n 5 '$top/first'"
show "cat '$top/first' '$top/second' > queues/main/ctl     # $(cat "$top/first" "$top/second" | wc -l) commands, asynchronous"
show 'cat queues/main/wait'

say "Vowels go before consonants and after them: their second vectors have opposite signs."
show "echo 'map \"vowel = (u < 0) & (v > 0)\" u=u2.npy v=v2.npy vowel=one.bin' > run"
show "echo 'map \"vowel = (u > 0) & (v < 0)\" u=u2.npy v=v2.npy vowel=two.bin' > run"
letters() {
	od -An -v -tu1 -w1 "buffers/$1" | awk '$1 {printf "%s ", substr("abcdefghijklmnopqrstuvwxyz", NR, 1)} END {print ""}'
}
printf '$ letters one.bin; letters two.bin     # od and awk on the buffers\n'
letters one.bin
letters two.bin

say "Every job left an account. A mistake is an errno, and a caret under the fault."
show 'tail -n 1 queues/main/log'
show "echo 'gemm a.npy text:u8:10x10 c.npy' > run || tail -n 4 errors"
show 'grep -E "^(jobs.done|jobs.failed|flops|memory.used) " stat'
show 'du -h buffers/a.npy buffers/text'
