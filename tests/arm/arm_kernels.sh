#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The kernel tests on Arm: compiled by the cross-compiler, run under qemu. They compare each table with the scalar one,
# and that one with oracles and golden values, so what passes here gives the bits of x86.
#
#   tests/arm/arm_kernels.sh --programs     builds them; prints a program for each, for tests/run.sh
#   tests/arm/arm_kernels.sh                the check that none of Arm's tables was left out
set -u
. tests/arm/arm_root.sh

if [ "${1:-}" = --programs ]; then
    echo tests/arm/arm_kernels.sh
    arm_is_missing >/dev/null && exit
    mkdir -p "$arm/qemu"
    rm -f "$arm"/qemu/*
    targets=()
    for source in tests/kernels/test_*.c tests/kernels/*/test_*.c; do
        target=$arm/${source%.c} program=$arm/qemu/$(basename "${source%.c}")
        targets+=("$target")
        printf '#!/bin/sh\nexec qemu-aarch64 -cpu max -L "%s" "%s"\n' "$root" "$target" >"$program"
        chmod +x "$program"
        echo "$program"
    done
    arm_make "${targets[@]}"
    exit
fi

arm_is_missing && exit 77
for isa in neon i8mm; do
    if CMOCKA_TEST_FILTER='names_*' CMOCKA_MESSAGE_OUTPUT=STDOUT arm_run "$arm/tests/kernels/cpu/test_linear" 2>&1 |
        grep -qx "compared with scalar: $isa"; then
        echo "ok - $isa is compared"
    else
        echo "not ok - $isa is compared"
    fi
done
