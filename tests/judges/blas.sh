#!/bin/sh
# blas.sh DEVICE LETTER [PLANT]: Netlib's tester of level 3 BLAS (Debian's
# libblas-test) for the type LETTER (s d c z) against a mounted device, by the
# shim beside this script. Prints what the tester prints; the exit status is 1
# if it found a fault. With PLANT the shim spoils results by that much.
set -eu
device=$1 letter=$2 plant=${3-}
here=$(dirname "$0")
blas=$(dirname "$(find /usr/lib -path "*/blas/xblat3$letter" | head -n 1)")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' HUP INT TERM # dash leaves without the EXIT trap otherwise
cc -O1 -Wall -Wextra -shared -fPIC -o "$work/blas.so" "$here/blas.c"
# GEMM alone; of what is planted, the sizes that show it.
sed '/GEMM/!s/^\([SDCZ][A-Z0-9]* *\)T PUT/\1F PUT/' "$blas/${letter}blat3.in" >"$work/in"
[ -z "$plant" ] || sed -i -e 's/^6\( *NUMBER OF VALUES OF N\)/2\1/' -e 's/^0 1 2 3 5 9/3 9/' "$work/in"
status=0
(cd "$work" && env VGPU_DEVICE="$device" ${plant:+VGPU_PLANT="$plant"} LD_PRELOAD="$work/blas.so" "$blas/xblat3$letter" <in >out 2>err) || status=$?
cat "$work"/*.out "$work/out" "$work/err"
[ "$status" = 0 ] && ! grep -q -e '\*\*\*\*' -e FAIL "$work"/*.out && grep -q 'GEMM  PASSED THE COMPUTATIONAL TESTS' "$work"/*.out
