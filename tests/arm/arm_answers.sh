#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Answers are the same bytes on every ISA of x86 and Arm: nibble is cross-compiled and run under qemu; the ids that the
# bundled model answers with, and ids and logits of the golden models, are compared with this machine's scalar ones.
set -u
. tests/arm/arm_root.sh

question='Tom has 23 apples. He buys 19 more and then gives 8 to Anna. How many apples does Tom have?'
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
n=0
report() # VERDICT NAME
{
    n=$((n + 1))
    echo "${1:+$1 }ok $n - $2"
}

# ids and logits of every model into FOLDER; the program and what runs it follow.
answers() # FOLDER ISA PROGRAM...
{
    local folder=$1 isa=$2 model name
    shift 2
    mkdir -p "$folder"
    "$@" run apps/tutor/model -p "$question" --output ids --temperature 0 -n 32 --isa "$isa" >"$folder/tutor.ids" || return
    # Weights in BF16, F16 and NVFP4; caches in BF16, E1M2 and E2M1.
    for model in qwen2 llama-f16 qwen2-modelopt llama3-modelopt-kv; do
        name=$folder/$model
        model=tests/golden/models/$model
        "$@" run $model --prompt-ids $model/oracle/ids.txt --output ids --temperature 0 -n 12 --ignore-eos --isa "$isa" \
            >"$name.ids" || return
        "$@" score $model --ids $model/oracle/ids.txt --logits "$name.logits" --isa "$isa" >"$name.nll" || return
    done
}

compare() # NAME FOLDER
{
    if diff -rq "$work/scalar" "$2"; then
        report '' "$1: $(cat "$2"/*.ids | wc -w) ids, $(cat "$2"/*.logits | wc -c) bytes of logits are those of x86 scalar"
    else
        report not "$1: the bytes of x86 scalar"
    fi
}

if [ "$(uname -m)" = x86_64 ]; then
    answers "$work/scalar" scalar "$BUILD/nibble" || exit 1
    [ -s "$work/scalar/tutor.ids" ] || exit 1
    for isa in avx2 avx512; do
        if "$BUILD/nibble" doctor --quick | grep -q "^ops.*can run:.* $isa\>"; then
            answers "$work/$isa" $isa "$BUILD/nibble"
            compare "x86 $isa" "$work/$isa"
        else
            report '' "x86 $isa # SKIP this CPU cannot run it"
        fi
    done
fi
if reason=$(arm_is_missing); then
    report '' "Arm # SKIP $reason"
    exit
fi
arm_make all || exit 1
for isa in scalar neon i8mm; do
    answers "$work/arm-$isa" $isa arm_run "$arm/nibble"
    compare "Arm $isa" "$work/arm-$isa"
done
