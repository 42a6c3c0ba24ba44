#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What a newcomer meets: bootstraps a minimal Debian 12 into a temporary folder, clones HEAD into it and runs `make run`
# and `make test` there. Needs root, debootstrap, a Debian mirror and some 1.5 GB below $TMPDIR; takes several minutes.
# Exit 77, with the reason, where it cannot be run.
#
#   tests/fresh.sh         environment: MIRROR (http://deb.debian.org/debian)
set -u

skip()
{
    echo "SKIPPED: the fresh machine was not tried: $1" >&2
    exit 77
}

# Inside namespaces of its own: mounts and processes end with them, however this ends.
if [ "${1:-}" = --inside ]; then
    root=$2
    mount -t proc proc "$root/proc" && mount --rbind /dev "$root/dev" && mount --rbind /sys "$root/sys" || exit 1
    exec chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/home LANG=C DEBIAN_FRONTEND=noninteractive \
        /bin/bash -c "$3"
fi

[ "$(id -u)" -eq 0 ] || skip 'this needs root'
for tool in debootstrap unshare git; do
    command -v $tool >/dev/null || skip "$tool is not installed"
done
namespaces=(unshare --mount --pid --fork --kill-child --propagation private)
"${namespaces[@]}" true 2>/dev/null || skip 'namespaces are not permitted here'
[ -z "$(git status --porcelain)" ] || echo 'fresh: only what is committed is tried' >&2

root=$(mktemp -d)
# debootstrap's and our mounts were never visible out here; --one-file-system in case they were.
trap 'rm -rf --one-file-system "$root"' EXIT
trap 'exit 130' INT TERM HUP
chmod 755 "$root"

echo "fresh: a minimal Debian 12 in $root"
"${namespaces[@]}" debootstrap --variant=minbase bookworm "$root" "${MIRROR:-http://deb.debian.org/debian}" >"$root.log" 2>&1 || {
    tail -n 20 "$root.log" >&2
    rm -f "$root.log"
    skip 'debootstrap failed'
}
rm -f "$root.log"
# How this machine reaches the network: names, proxies, certificates.
cp /etc/resolv.conf "$root/etc/"
grep -ls Acquire /etc/apt/apt.conf.d/* | while read -r file; do cp "$file" "$root/etc/apt/apt.conf.d/"; done
mkdir -p "$root/etc/ssl/certs"
[ -d /etc/ssl/certs ] && cp -rL /etc/ssl/certs/. "$root/etc/ssl/certs/" 2>/dev/null
git clone -q --no-local . "$root/home/nibble" || exit 1

# What comes before the two commands: someone had git and make.
"${namespaces[@]}" "$0" --inside "$root" '
    apt-get -q update >/dev/null && apt-get -q -y install --no-install-recommends git make >/dev/null || exit 1
    cd /home/nibble && echo "fresh: make run" && make run && echo "fresh: make test" && make test'
status=$?
[ $status -eq 0 ] && echo "fresh: both commands passed" || echo "fresh: FAILED with status $status" >&2
exit $status
