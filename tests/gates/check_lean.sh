#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What runs on the device holds nothing of training: no object of apps/qat or kernels/grad is in nibble or the library.
# (The linker notes the name of each source file in the symbol table, and file names are unique.)
. tests/gates/gate.sh

# One name a line; the first stands for none, so that an empty list finds nothing.
training=$(echo '(none)' && files '^(apps/qat|kernels/grad)/.*\.c$' | sed 's|.*/||')
for program in "$BUILD/nibble" "$BUILD/libnibble.so"; do
    [ -f "$program" ] || { violation "$program: not built"; continue; }
    violations_from < <(readelf -sW "$program" | awk '$4 == "FILE" { print $8 }' | grep -Fx "$training" | sed "s|^|$program: holds |")
done
violations_from < <(ar t "$BUILD/libnibble.a" | sed 's/\.o$/.c/' | grep -Fx "$training" | sed "s|^|$BUILD/libnibble.a: holds |")
finish
