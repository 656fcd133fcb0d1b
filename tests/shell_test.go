package tests

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// prelude is what the scripts below may use. $B is a directory of buffers and
// $Q a queue of the script's own; $T is a directory outside of the mount, $S the
// shell. A command that must fail runs in a shell of its own, where set -e counts.
const prelude = `set -eu
fail() { echo "FAIL: $*"; exit 1; }
eq() { [ "$1" = "$2" ] || fail "${3:-} got <$1>, want <$2>"; }
ask() { exec 9<>run; echo "$*" >&9; cat <&9; exec 9>&-; }
refused() { if $S -c "$1" 2> "$T/err"; then fail "$1 went through"; fi; }
until_true() { n=0; until eval "$1"; do n=$((n + 1)); [ "$n" -lt 600 ] || fail "never: $1"; sleep 0.05; done; }
`

// scripts are what a person does at a shell. Each runs under set -e, so that a
// command that should work and does not fails it.
var scripts = []struct{ name, script string }{
	{"echo", `
echo "fill $D/a.npy:f32:100 value=2" > run
eq "$(ask sum "$D/a.npy")" 200.0
echo "copy $D/a.npy $D/b.npy" >> run
cmp "$B/a.npy" "$B/b.npy"
printf %s "copy $D/a.npy $D/c.npy" > run
cmp "$B/a.npy" "$B/c.npy"
printf '%s\n%s\n%s' "copy $D/a.npy $D/d.npy" "# a comment" "copy $D/d.npy $D/e.npy" > run
cmp "$B/a.npy" "$B/e.npy"
cat > run <<END
# a here-document
copy $D/a.npy $D/f.npy

map "z = a + b" \
  a=$D/a.npy b=$D/f.npy z=$D/g.npy
END
eq "$(ask mean "$D/g.npy")" 4.0
printf 'copy %s %s\n' "$D/a.npy" "$D/h.npy" > "$T/steps"
cat "$T/steps" > run
cp "$T/steps" run
dd if="$T/steps" of=run 2> /dev/null
dd if="$T/steps" of=run bs=1 2> /dev/null
cmp "$B/a.npy" "$B/h.npy"
`},
	{"long line", `
echo "fill $D/a.npy:u8:3 value=1" > run
line="concat"
i=0
while [ $i -lt 1000 ]; do line="$line $D/a.npy"; i=$((i + 1)); done
[ ${#line} -gt 9000 ]
echo "$line $D/out.npy" > run
eq "$(ask sum "$D/out.npy")" 3000
echo "$line $D/out2.npy" >> run
cmp "$B/out.npy" "$B/out2.npy"
printf '%s' "$line $D/out3.npy" > run
cmp "$B/out.npy" "$B/out3.npy"
# The line after one that is too long works, on the same handle.
exec 3> run
i=0
while [ $i -lt 3 ]; do line="$line $line"; i=$((i + 1)); done
if echo "$line" >&3; then fail "a line of ${#line} bytes was taken"; fi 2> /dev/null
echo "fill $D/after.npy:u8:3 value=1" >&3
exec 3>&-
eq "$(ask sum "$D/after.npy")" 3
`},
	{"set -e", `
refused 'set -e; echo bogus > run; echo reached > "$T/reached"'
[ ! -e "$T/reached" ]
refused 'set -e; echo "sum nosuch.npy" > run; echo reached > "$T/reached"'
[ ! -e "$T/reached" ]
refused 'set -e; echo fault > run; echo reached > "$T/reached"'
[ ! -e "$T/reached" ]
refused 'set -e; echo fault > "$Q/ctl"; cat "$Q/wait" > "$T/failures"; echo reached > "$T/reached"'
[ ! -e "$T/reached" ]
grep -q 'failed: EIO' "$T/failures"
cat "$Q/wait"
`},
	{"queue", `
echo "fill $D/a.npy:f64:10 value=1" > "$Q/ctl"
printf 'map "z = a + 1" a=%s z=%s\nsum %s\n' "$D/a.npy" "$D/b.npy" "$D/b.npy" > "$Q/ctl"
cat "$Q/wait"
eq "$(cat "$Q"/jobs/*/answer)" 20.0
eq "$(grep -c '"state":"done"' "$Q/log")" 3
tail -n 1 "$Q/log" | grep -q '"answer":"20.0"'
eq "$(grep -h '^state ' "$Q"/jobs/*/status | sort | uniq -c | sed 's/^ *//')" "3 state done"
printf 'spin seconds=0.02\nnop\n' > "$Q/ctl"
sync "$Q/ctl"
echo fault > "$Q/ctl"
refused 'sync "$Q/ctl"'
grep -q 'Input/output error' "$T/err"
sync "$Q/ctl"
eq "$(grep '^pending ' "$Q/status")" "pending 0"
# A script that reads its output needs no wait.
echo "spin seconds=0.02" > "$Q/ctl"
echo "fill $D/late.npy:u8:1000 value=7" > "$Q/ctl"
tail -c 1000 "$B/late.npy" | tr -d '\007' > "$T/rest"
[ ! -s "$T/rest" ]
# rmdir cancels what is left.
mkdir "$Q-gone"
echo 1 > "$Q-gone/paused"
printf 'nop\nnop\n' > "$Q-gone/ctl"
rmdir "$Q-gone"
[ ! -e "$Q-gone" ]
for q in queues/*; do [ -d "$q/jobs" ]; done
`},
	{"events", `
(while IFS= read -r line; do echo "$line" > "$T/event"; break; done < "$Q/events") &
reader=$!
n=0
while kill -0 $reader 2> /dev/null && [ $n -lt 600 ]; do
	echo nop > "$Q/ctl"; cat "$Q/wait"; n=$((n + 1))
	[ -s "$T/event" ] || sleep 0.01
done
wait $reader
grep -q '"cmd":"nop"' "$T/event"
`},
	{"cp", `
dd if=/dev/urandom of="$T/data" bs=1000 count=3333 2> /dev/null
cp "$T/data" "$B/data"
cmp "$T/data" "$B/data"
cp "$B/data" "$B/copy"
cp "$B/copy" "$T/back"
cmp "$T/data" "$T/back"
eq "$(wc -c < "$B/data")" 3333000
eq "$(stat -c %s "$B/data")" 3333000
cat "$T/data" "$T/data" > "$B/two"
eq "$(wc -c < "$B/two")" 6666000
cat "$B/data" >> "$B/copy"
cmp "$B/two" "$B/copy"
head -c 100 "$B/data" > "$T/head"
dd if="$B/data" of="$T/head2" bs=100 count=1 2> /dev/null
cmp "$T/head" "$T/head2"
tail -c 100 "$B/data" > "$T/tail"
dd if="$B/data" of="$T/tail2" bs=100 skip=33329 2> /dev/null
cmp "$T/tail" "$T/tail2"
cp -p "$B/data" "$B/kept"
eq "$(stat -c %Y "$B/kept")" "$(stat -c %Y "$B/data")"
mkdir "$B/tree"
cp "$T/data" "$B/tree/one"
cp -R "$B/tree" "$B/tree2"
cmp "$B/tree2/one" "$T/data"
tar -C "$B" -cf - tree | tar -C "$T" -xf -
cmp "$T/tree/one" "$T/data"
rm -r "$B/tree" "$B/tree2"
`},
	{"dd", `
for f in "$T/x" "$B/x"; do
	printf 'aaaaaaaaaaaaaaaa' | dd of="$f" 2> /dev/null
	printf 'bb' | dd of="$f" bs=1 seek=3 conv=notrunc 2> /dev/null
	printf 'cc' | dd of="$f" bs=1 seek=30 conv=notrunc 2> /dev/null
	printf 'dd' | dd of="$f" oflag=append conv=notrunc 2> /dev/null
	printf 'ee' | dd of="$f" bs=4096 seek=1 conv=notrunc 2> /dev/null
done
cmp "$T/x" "$B/x"
dd if=/dev/zero of="$B/z" bs=1048576 count=4 2> /dev/null
eq "$(stat -c %s "$B/z")" 4194304
dd if="$T/x" of="$B/z" 2> /dev/null
cmp "$T/x" "$B/z"
dd if=/dev/zero of="$B/z" bs=4096 count=2 conv=fsync 2> /dev/null
`},
	{"truncation", `
echo something long > "$B/t"
: > "$B/t"
[ ! -s "$B/t" ]
echo again > "$B/t"
eq "$(cat "$B/t")" again
truncate -s 3 "$B/t"
eq "$(cat "$B/t")" aga
truncate -s 1000000 "$B/t"
eq "$(wc -c < "$B/t")" 1000000
truncate -s 3 "$B/t"
echo in >> "$B/t"
eq "$(cat "$B/t")" again
exec 3<> "$B/t"
echo X >&3
exec 3>&-
eq "$(head -n 1 "$B/t")" X
`},
	{"unlink while open", `
echo kept > "$B/u"
exec 3< "$B/u"
rm "$B/u"
[ ! -e "$B/u" ]
echo other > "$B/u"
eq "$(cat <&3)" kept
exec 3<&-
eq "$(cat "$B/u")" other
echo "fill $D/w.npy:u8:5 value=1" > run
exec 3< "$B/w.npy"
rm "$B/w.npy"
echo "fill $D/w.npy:u8:5 value=2" > run
eq "$(tail -c 5 <&3 | tr '\001' x)" xxxxx
exec 3<&-
`},
	{"names and modes", `
echo data > "$B/f"
chmod 640 "$B/f"
eq "$(stat -c %a "$B/f")" 640
chmod u+x,g-r "$B/f"
eq "$(stat -c %a "$B/f")" 700
new=$(id -u):$(id -g)
if [ "$new" = 0:0 ]; then new=12:34; fi
chown "$new" "$B/f"
eq "$(stat -c %u:%g "$B/f")" "$new"
chown "$(id -u):$(id -g)" "$B/f"
touch -d '2001-02-03 04:05:06 UTC' "$B/f"
eq "$(stat -c %Y "$B/f")" 981173106
touch "$B/f"
[ "$(stat -c %Y "$B/f")" -gt 981173106 ]
ln "$B/f" "$B/g"
eq "$(stat -c %h "$B/f")" 2
eq "$(stat -c %i "$B/f")" "$(stat -c %i "$B/g")"
mv "$B/g" "$B/h"
ln -s h "$B/s"
eq "$(readlink "$B/s")" h
eq "$(cat "$B/s")" data
mkdir "$B/dir" "$B/dir/sub"
mv "$B/h" "$B/dir/sub/h"
mv "$B/dir" "$B/dir2"
eq "$(cat "$B/dir2/sub/h")" data
echo new > "$B/n"
mv "$B/n" "$B/dir2/sub/h"
eq "$(cat "$B/dir2/sub/h")" new
eq "$(ls "$B/dir2/sub")" h
eq "$(find "$B/dir2" -type f | wc -l)" 1
rm -r "$B/dir2" "$B/s"
eq "$(ls "$B")" f
umask 077
echo x > "$B/private"
eq "$(stat -c %a "$B/private")" 600
refused 'mv "$B/f" queues/'
refused 'mv info "$B/"'
refused 'ln info "$B/linked"'
refused 'rm -f info'
refused 'chmod 777 stat'
cat info > /dev/null
`},
	{"attributes", `
echo x > "$B/f"
setfattr -n user.note -v "made by hand" "$B/f"
eq "$(getfattr --only-values -n user.note "$B/f")" "made by hand"
getfattr -d "$B/f" | grep -q '^user.note='
mv "$B/f" "$B/g"
eq "$(getfattr --only-values -n user.note "$B/g")" "made by hand"
setfattr -x user.note "$B/g"
refused 'getfattr --only-values -n user.note "$B/g"'
`},
	{"df and du", `
df . > "$T/df"
df "$B" | tail -n 1 | grep -q '%'
eq "$(df -k "$B" | tail -n 1 | awk '{print $2}')" 524288
echo "fill $D/full.bin:u8:8388608 value=1" > run
[ "$(du -sk "$B/full.bin" | cut -f 1)" -ge 8192 ]
truncate -s 8M "$B/sparse"
eq "$(stat -c %s "$B/sparse")" 8388608
# What is resident: a truncation reserves no more than it has to.
[ "$(stat -c %b "$B/full.bin")" -ge 16384 ]
used=$(cat tiers/ram/used)
[ "$used" -ge 8388608 ]
rm "$B/full.bin" "$B/sparse"
[ "$(cat tiers/ram/used)" -lt "$used" ]
`},
	{"snapshots", `
: > errors
echo bogus1 2> /dev/null > run || true
exec 3< errors
dd bs=16 count=1 <&3 > "$T/first" 2> /dev/null
echo bogus2 2> /dev/null > run || true
: > errors
cat <&3 > "$T/rest"
exec 3<&-
cat "$T/first" "$T/rest" > "$T/all"
grep -q bogus1 "$T/all"
if grep -q bogus2 "$T/all"; then fail "two snapshots in one handle"; fi
[ ! -s "$T/none" ] 2> /dev/null || true
dd if=kernels/map bs=7 2> /dev/null > "$T/pieces"
cat kernels/map > "$T/whole"
cmp "$T/pieces" "$T/whole"
tail -c 100 kernels/map > "$T/tail"
tail -c 100 "$T/whole" | cmp - "$T/tail"
dd if=kernels/map bs=1 skip=50 count=20 2> /dev/null > "$T/mid"
eq "$(cat "$T/mid")" "$(head -c 70 "$T/whole" | tail -c 20)"
`},
	{"looking around", `
ls -lR . > /dev/null
find . -type f -name '[a-z]*' ! -name wait ! -name events ! -path './buffers/*' -exec cat {} + > "$T/everything"
[ "$(wc -c < "$T/everything")" -gt 20000 ]
grep -rq 'fused epilogue' kernels
awk '$1 == "threads" { exit !($2 > 0) }' info
sed -n 's/^state //p' stat | grep -q running
eq "$(sort kernels/gemm | head -c 0)" ""
wc -l errors > /dev/null
for f in run ctl info "$Q/weight" "$Q/ctl"; do [ -f "$f" ]; [ -r "$f" ]; done
[ "$(cat "$Q/weight")" -eq 100 ]
`},
}

func TestShells(t *testing.T) {
	inModes(t, func(t *testing.T, d *dev) {
		for _, shell := range shells {
			t.Run(shell, func(t *testing.T) {
				for i, s := range scripts {
					t.Run(s.name, func(t *testing.T) { runScript(t, d, shell, fmt.Sprintf("s%d", i), s.script) })
				}
			})
		}
	})
}

// runScript gives a script its places and takes them away again.
func runScript(t *testing.T, d *dev, shell, id, script string) {
	tmp := t.TempDir()
	for _, dir := range []string{"buffers/" + id, "queues/" + id} {
		if err := os.Mkdir(d.path(dir), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	vars := fmt.Sprintf("export D=%s B=buffers/%s Q=queues/%s T='%s' S='%s'\n", id, id, id, tmp, shell)
	if out, err := d.sh(shell, vars+prelude+script); err != nil {
		t.Errorf("%v\n%s\n%s", err, out, d.read("errors"))
	}
	if err := os.RemoveAll(d.path("buffers/" + id)); err != nil {
		t.Error(err)
	}
	if err := os.Remove(d.path("queues/" + id)); err != nil {
		t.Error(err)
	}
}

// tail -f follows a queue's log: coreutils' and busybox's look every second.
func TestTailFollowsLog(t *testing.T) {
	d := mount(t)
	for _, tail := range []string{"tail", "busybox tail"} {
		out, err := d.sh("dash", prelude+"T="+t.TempDir()+"\n"+strings.ReplaceAll(`
TAIL -n 0 -f queues/main/log > "$T/log" &
tail=$!
until_true 'echo nop > queues/main/ctl; cat queues/main/wait; [ -s "$T/log" ]'
kill $tail
head -n 1 "$T/log" | grep -q '^{"id":[0-9]*,"queue":"main","cmd":"nop"'
`, "TAIL", tail))
		if err != nil {
			t.Errorf("%s: %v\n%s", tail, err, out)
		}
	}
}
