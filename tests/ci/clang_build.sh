#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The library, the programs and the tests compile with clang, without a warning.
command -v clang >/dev/null || { echo 'clang is not installed'; exit 77; }
exec make --no-print-directory -j"${JOBS:-2}" CC=clang BUILD="${BUILD:-build}-clang" all tests
