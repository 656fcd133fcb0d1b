#!/bin/sh
# What a stranger does, on a machine that has nothing: a Debian made by
# debootstrap, with make, git and Go. Needs root, the network, and Debian's
# debootstrap and systemd-container. Not part of CI: it takes 15 minutes.
#
#   sh tools/debian.sh test      make demo and make test in it
#   sh tools/debian.sh systemd   the unit under a real systemd: start, kill -9,
#                                a daemon that hangs (watchdog), stop
set -eu
what=${1:-test}
repo=$(realpath "$(dirname "$0")/..")
root=$(mktemp -d)
chmod 755 "$root"
goroot=$(go env GOROOT)
modules=$(go env GOMODCACHE)
cleanup() {
	for m in usr/local/go root/go/pkg/mod dev/pts dev/shm dev sys proc; do
		if mountpoint -q "$root/$m"; then umount -l "$root/$m"; fi
	done
	rm -rf --one-file-system "$root"
}
trap cleanup EXIT
trap 'exit 130' HUP INT TERM # dash leaves without the EXIT trap otherwise
for prog in debootstrap systemd-nspawn; do
	command -v "$prog" >/dev/null || { echo "debian.sh: apt-get install debootstrap systemd-container" >&2; exit 69; }
done
inside() { chroot "$root" env PATH=/usr/local/go/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root sh -euc "$1"; }

debootstrap --variant=minbase bookworm "$root" >/dev/null
cp -L /etc/resolv.conf "$root/etc/resolv.conf"
mount --bind /proc "$root/proc"

# fresh_test runs the README's two commands. The module cache is shared, to spare the network.
fresh_test() {
	for m in sys dev dev/pts dev/shm; do mount --bind "/$m" "$root/$m"; done
	mkdir -p "$root/usr/local/go" "$root/root/go/pkg/mod"
	mount --bind "$goroot" "$root/usr/local/go"
	mount --bind "$modules" "$root/root/go/pkg/mod"
	git clone -q "$repo" "$root/root/vgpu"
	inside 'apt-get update -qq; apt-get install -y -qq --no-install-recommends make git ca-certificates >/dev/null
		cd /root/vgpu; make demo; make test'
}

# unit_test boots systemd in a container, whose last service is the script below.
unit_test() {
	inside 'apt-get update -qq; apt-get install -y -qq --no-install-recommends systemd systemd-sysv dbus >/dev/null'
	(cd "$repo" && CGO_ENABLED=0 go build -o "$root/usr/bin/vgpu" ./cmd/vgpu)
	cp "$repo/packaging/systemd/vgpu@.service" "$root/lib/systemd/system/"
	echo 'VGPU_OPTIONS="--mem 64M"' >"$root/etc/default/vgpu-vgpu0"
	cat >"$root/root/check" <<'CHECK'
#!/bin/sh
exec >/root/log 2>&1 </dev/null
trap poweroff EXIT
set -eux
unit=vgpu@vgpu0
get() { systemctl show -p "$1" --value $unit; }
restarted() { # waits until systemd has started the unit that often
	set +x
	n=0
	until [ "$(get NRestarts)" = "$1" ] && [ "$(get ActiveState)" = active ]; do
		n=$((n + 1))
		[ $n -lt 900 ]
		sleep 0.1
	done
	set -x
}
systemctl start $unit
echo 'fill a.npy:f32:1000 value=2' >/dev/vgpu0/run
sum=$(cksum </dev/vgpu0/buffers/a.npy)
systemctl kill -s KILL $unit
restarted 1
[ "$(cksum </dev/vgpu0/buffers/a.npy)" = "$sum" ]
kill -STOP "$(get MainPID)"
restarted 2
[ "$(cksum </dev/vgpu0/buffers/a.npy)" = "$sum" ]
systemctl stop $unit
[ "$(get Result)" = success ]
! mountpoint -q /dev/vgpu0
journalctl --no-pager -u $unit
echo all good
CHECK
	chmod +x "$root/root/check"
	cat >"$root/etc/systemd/system/check.service" <<'UNIT'
[Unit]
After=multi-user.target
[Service]
Type=oneshot
ExecStart=/root/check
UNIT
	mkdir -p "$root/etc/systemd/system/multi-user.target.wants"
	ln -s ../check.service "$root/etc/systemd/system/multi-user.target.wants/"
	umount "$root/proc"
	timeout 180 systemd-nspawn -D "$root" -b --register=no --keep-unit --capability=all --bind=/dev/fuse >"$root/root/boot" 2>&1 || true
	cat "$root/root/log" || tail -n 40 "$root/root/boot"
	tail -n 1 "$root/root/log" | grep -q '+ poweroff' && grep -q '^all good' "$root/root/log"
}

case $what in
test) fresh_test ;;
systemd) unit_test ;;
*) echo "debian.sh: test or systemd, not $what" >&2; exit 64 ;;
esac
