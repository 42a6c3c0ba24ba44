#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The bundled 4-bit model, with nothing else at hand: it answers what it can answer, and threads, kernels and the cutting of
# the work change no bit of its logits. (How often it is right over all: its README.md.)
set -u

nibble=${BUILD:-build}/nibble
model=apps/tutor/model
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
n=0

verdict() # STATUS DESCRIPTION
{
    n=$((n + 1))
    [ "$1" -eq 0 ] && echo "ok $n - $2" || echo "not ok $n - $2"
}

while IFS='|' read -r answer question; do
    $nibble run $model --temperature 0 -p "$question" >"$work/answer" 2>&1 </dev/null
    [ "$(tail -n 1 "$work/answer")" = "The answer is $answer." ]
    verdict $? "$question"
done <<'END'
202|Mia had 58 shells and bought 6 boxes of 24 shells. How many shells does Mia have now?
632|What is 347 + 285?
932|What is 905 + 27?
54|432 cups are put into 8 equal bags. How many cups are in each bag?
14|Xena has 4 stamps and Quin has 38 stamps. They share all of them equally among 3 friends. How many does each friend get?
30|A shirt costs 40 dollars. It is 25% off. What is the new price?
5/6|What is 1/2 + 1/3?
240|One pack holds 40 stickers. How many stickers are in 6 packs?
END

for i in 1 2 3 4 5 6 7 8; do
    echo "What is $((i * 37)) + $((i * i * 11))? Compute $i * $i. Tia has 2 boxes with $i eggs in each."
done >"$work/text"
logits() # NAME OPTION...
{
    local name=$1
    shift
    $nibble score $model --text "$work/text" --logits "$work/$name" "$@" >"$work/$name.out" 2>"$work/$name.err"
}
logits reference --isa scalar --threads 1
[ -s "$work/reference" ]
verdict $? 'scalar kernels, one thread: the reference'
for threads in 1 2 3 7; do
    logits best --threads $threads
    cmp "$work/reference" "$work/best" && cmp "$work/reference.out" "$work/best.out"
    verdict $? "best kernels, $threads threads: the same bits"
done
for options in '--kv f32' '--act none' '--weights resident'; do
    logits scalar --isa scalar $options && logits best $options && cmp "$work/scalar" "$work/best"
    verdict $? "$options: the same bits with scalar and best kernels"
done
cmp -s "$work/reference" "$work/best"
verdict $? 'mapped and resident weights: the same bits'
echo "1..$n"
