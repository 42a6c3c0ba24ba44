#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The Arm build gives the same bits: nibble is cross-compiled, run under qemu on the bundled model, and its logits are
# compared with those of this machine's scalar and best kernels.
set -u

BUILD=${BUILD:-build}
arm=$BUILD-arm64
root=$PWD/$arm/root
case $BUILD in /*) root=$arm/root ;; esac
model=apps/tutor/model
skip()
{
    echo "$1"
    exit 77
}
for tool in aarch64-linux-gnu-gcc qemu-aarch64 mmdebstrap; do
    command -v $tool >/dev/null || skip "$tool is not installed"
done
[ "$(uname -m)" = x86_64 ] || skip 'this machine is not an x86-64'
[ -d $model ] || skip 'there is no bundled model'

if [ ! -e "$root/usr/include/jansson.h" ]; then
    mkdir -p "$arm"
    mmdebstrap --variant=extract --mode=root --architectures=arm64 bookworm "$root" \
        --include=libc6-dev,libgcc-12-dev,libjansson-dev,libpcre2-dev,libutf8proc-dev,libssl-dev,libedit-dev,libmimalloc-dev \
        http://deb.debian.org/debian || skip 'the Arm libraries could not be fetched'
    # Absolute links would lead out of it.
    find "$root/usr/lib" -type l -lname '/*' | while read -r link; do
        ln -sf "$root$(readlink "$link")" "$link"
    done
fi
libraries=$root/usr/lib/aarch64-linux-gnu/pkgconfig
PKG_CONFIG_SYSROOT_DIR=$root PKG_CONFIG_LIBDIR=$libraries:$root/usr/share/pkgconfig \
    make --no-print-directory -j"${JOBS:-2}" CC="aarch64-linux-gnu-gcc --sysroot=$root" BUILD="$arm" all || exit 1

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
printf '%s\n' 'What is 347 + 285?' 'Tom has 23 apples and gives 8 to Anna.' >"$work/text"
score=(score $model --text "$work/text" --logits)
qemu-aarch64 -L "$root" "$arm/nibble" "${score[@]}" "$work/arm" >"$work/arm.out" || exit 1
for isa in '' '--isa scalar'; do
    "$BUILD/nibble" "${score[@]}" "$work/here" $isa >"$work/here.out" || exit 1
    cmp "$work/arm" "$work/here" && cmp "$work/arm.out" "$work/here.out" || exit 1
done
[ -s "$work/arm" ] && echo "$(stat -c %s "$work/arm") bytes of logits are equal"
