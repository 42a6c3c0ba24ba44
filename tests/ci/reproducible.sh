#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The release build depends on nothing but the sources: a copy of the tree, built in a folder of another name and depth,
# gives the same library and programs as the build that is already here.
set -u

BUILD=$(realpath -m "${BUILD:-build}")
programs='libnibble.a libnibble.so nibble nibble-qat'
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
copy=$work/another/folder/of/nibble
mkdir -p "$copy"
{ git ls-files -co --exclude-standard 2>/dev/null | grep . ||
    find . -name '.?*' -prune -o -path './build*' -prune -o -type f -print; } | grep -v '^\(\./\)*docs/' |
    tar -cf - -T - | tar -xf - -C "$copy"
env -u MAKEFLAGS make --no-print-directory BUILD="$BUILD" -j"${JOBS:-2}" CC="${CC:-gcc}" all >/dev/null || exit 1
env -u BUILD -u MAKEFLAGS TZ=Asia/Kathmandu LC_ALL=C \
    make --no-print-directory -C "$copy" -j"${JOBS:-2}" CC="${CC:-gcc}" all >"$work/log" 2>&1 || {
    tail -n 20 "$work/log"
    exit 1
}
for program in $programs; do
    cmp "$BUILD/$program" "$copy/build/$program" || exit 1
done
echo "the same bytes: $programs"
