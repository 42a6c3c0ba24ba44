#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every source file is as clang-format 14 leaves it (other versions differ in details).
. tests/gates/gate.sh

formatter=$(command -v clang-format-14 || command -v clang-format) || { echo 'clang-format is not installed'; exit 77; }
$formatter --version | grep -q 'version 14\.' || { echo "clang-format 14 is needed, here is $($formatter --version)"; exit 77; }
violations_from < <(files '\.(c|h|cu|cuh)$' | xargs -r "$formatter" --dry-run 2>&1 | grep -E '(warning|error):' | awk -F: '!seen[$1]++ { print $1 ":" $2 ": not formatted; make format" }')
finish
