#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The objects of the library have no writable variable outside the stack and the heap: no global, no static that changes,
# no thread-local. (.data.rel.ro holds constant tables of pointers; the loader makes it read-only.)
. tests/gates/gate.sh

violations_from < <(objdump -t "$BUILD/libnibble.a" | awk '
    / file format / { object = $1; sub(/:$/, "", object) }
    /\*COM\*/ { print object ": " $NF ": a writable variable"; next }
    match($0, / \.(data|bss|tdata|tbss|lbss|ldata)[^ \t]*\t/) {
        section = substr($0, RSTART + 1, RLENGTH - 2)
        name = $NF
        if (section ~ /^\.data\.rel\.ro/ || name == section) next
        print object ": " name " in " section ": a writable variable"
    }')
finish
