#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# File names of sources and scripts are unique in the tree; what the library defines for the linker starts with nb_.
. tests/gates/gate.sh

violations_from < <(files '\.(c|h|cu|cuh|sh|py)$' | awk -F/ '
    $NF in first { print $0 ": the name is taken by " first[$NF] }
    !($NF in first) { first[$NF] = $0 }')
violations_from < <(nm -A --defined-only -g "$BUILD/libnibble.a" | awk '
    NF >= 3 && $NF !~ /^nb_/ { sub(/:[^:]*$/, "", $1); print $1 ": " $NF ": a name that is not static starts with nb_" }')
finish
