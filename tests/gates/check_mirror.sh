#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# platform/x.c, kernels/x.c and runtime/x.c are tested by tests/.../test_x.c; an ISA's twin (x_avx512.c) may share the
# test of the operation (test_x.c). Exceptions stand in mirror_exceptions.txt: the path and where it is tested instead.
. tests/gates/gate.sh

exceptions=tests/gates/mirror_exceptions.txt
while read -r source; do
    test=tests/${source%/*}/test_$(basename "$source")
    shared=$(sed -E 's/_(scalar|avx2|avx512|neon|i8mm)\.c$/.c/' <<<"$test")
    [ -f "$test" ] || [ -f "$shared" ] || [ -f "${shared/kernels\/cpu/kernels}" ] ||
        awk -v source="$source" '$1 == source && NF > 1 { found = 1 } END { exit !found }' $exceptions ||
        violation "$source: has no $test"
done < <(files '^(platform|kernels|runtime)/.*\.c$')

while read -r source reason; do
    case $source in '' | '#'*) continue ;; esac
    [ -f "$source" ] || violation "$exceptions: $source: there is no such file"
    for word in $reason; do
        case $word in tests/*) [ -e "${word%[.,;:)]}" ] || violation "$exceptions: $source: no ${word%[.,;:)]}" ;; esac
    done
done <$exceptions
finish
