#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The shared library exports the functions of nibble.h, all of them and nothing else, at most 40.
. tests/gates/gate.sh

declared=$(sed -n '/^#define/d; /NB_API/{ /(/!N; s/\n */ /; s/^[^(]*[ *]\(nb_[a-z0-9_]*\)(.*/\1/p; }' runtime/nibble.h | sort)
exported=$(nm -D --defined-only "$BUILD/libnibble.so" | awk '{ print $3 }' | sort)
n=$(grep -c . <<<"$declared")
[ "$n" -le 40 ] || violation "runtime/nibble.h: $n functions; at most 40"
violations_from < <(comm -23 <(echo "$declared") <(echo "$exported") | grep . | sed 's/$/: declared in nibble.h, not exported/')
violations_from < <(comm -13 <(echo "$declared") <(echo "$exported") | grep . | sed 's/$/: exported, not in nibble.h/')
finish
