#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# nibble run on the bundled model: where the prompt comes from, what is printed, when it stops, and how it fails.
. tests/support/app_checks.sh

model=$(realpath apps/tutor/model)
question='What is 34 + 21?'
greedy='--temperature 0'

# shellcheck disable=SC2086
{
ends 0 'a question' "$nibble" run "$model" -p "$question" $greedy
says 'its answer' 'The answer is 55.'
check 'its reasoning before that' sh -c "head -n 2 '$work/out' | grep -q ' = '"
check 'without tags or escapes' sh -c "! grep -qE 'think>|im_end|$(printf '\033')' '$work/out'"
check 'nothing on stderr' test ! -s "$work/err"
cp "$work/out" "$work/answer"
echo "$question" | "$nibble" run "$model" $greedy >"$work/out" 2>"$work/err"
check 'the same from a pipe' cmp "$work/out" "$work/answer"
for options in '--isa scalar' '--threads 1' '--weights resident' '--weights mapped'; do
    ends 0 "with $options" "$nibble" run "$model" -p "$question" $greedy $options
    check 'is the same' cmp "$work/out" "$work/answer"
done
ends 0 '--think hide' "$nibble" run "$model" -p "$question" $greedy --think hide
check 'leaves the answer alone' test "$(cat "$work/out")" = 'The answer is 55.'
ends 0 '-n 3' "$nibble" run "$model" -p "$question" $greedy -n 3 --output ids
check 'gives three ids' test "$(wc -w <"$work/out")" -eq 3
ends 0 '--stop' "$nibble" run "$model" -p "$question" $greedy --think hide --stop ' is'
check 'ends before the text' test "$(cat "$work/out")" = 'The answer'
ends 0 'several --stop' "$nibble" run "$model" -p "$question" $greedy --think hide --stop nothing --stop ' 55.'
check 'ends before the first of them' test "$(cat "$work/out")" = 'The answer is'

# The finish reasons.
ends 0 'finish by the end token' "$nibble" run "$model" -p "$question" $greedy --json
check 'is stop' sh -c "tail -n 1 '$work/out' | grep -q '\"finish\":\"stop\"'"
ends 0 'finish by -n' "$nibble" run "$model" -p "$question" $greedy --json -n 2
check 'is length' sh -c "tail -n 1 '$work/out' | grep -q '\"finish\":\"length\"'"
ends 0 'finish by a stop text' "$nibble" run "$model" -p "$question" $greedy --json --stop ' is'
check 'is stop' sh -c "tail -n 1 '$work/out' | grep -q '\"finish\":\"stop\"'"
ends 0 "the model's own limit" "$nibble" run "$model" -p "$question" $greedy --ignore-eos --json
check 'is length' sh -c "tail -n 1 '$work/out' | grep -q '\"finish\":\"length\"'"
ends 0 'a ring smaller than the answer' "$nibble" run "$model" -p "$question" $greedy --ignore-eos --ctx 48 -n 100 --output ids
check 'goes on in a window' test "$(wc -w <"$work/out")" -eq 100

# Ids in, ids out.
printf '%s\n' "$question" | "$nibble" tokenize "$model" >"$work/ids"
cat "$work/ids" "$work/ids" >"$work/two"
ends 0 'two sequences of ids' "$nibble" run "$model" --prompt-ids "$work/two" --output ids -n 5 $greedy --ignore-eos
check 'give two equal lines of five' sh -c "[ \$(wc -l <'$work/out') -eq 2 ] && [ \$(sort -u '$work/out' | wc -l) -eq 1 ] &&
    [ \$(head -n 1 '$work/out' | wc -w) -eq 5 ]"
ends 0 '--raw' "$nibble" run "$model" --raw -p "$question" $greedy --output ids -n 5 --ignore-eos
check 'is the text itself' sh -c "'$nibble' run '$model' --prompt-ids '$work/ids' --output ids -n 5 $greedy --ignore-eos | cmp - '$work/out'"

# What is refused, before anything is printed.
refuses 3 'an empty prompt' "$nibble" run "$model" -p ''
refuses 3 'nothing piped in' "$nibble" run "$model"
refuses 4 'a prompt longer than the ring' "$nibble" run "$model" -p "$question" --ctx 8
says 'tells what to do' 'try --ctx'
refuses 4 "a prompt longer than the model's limit" "$nibble" run "$model" -p "$(seq 1 1000 | tr '\n' ' ')"
refuses 3 'an ids file that is not there' "$nibble" run "$model" --prompt-ids "$work/none" --output ids
printf '1 2 x\n' >"$work/bad"
refuses 3 'an ids file with a letter' "$nibble" run "$model" --prompt-ids "$work/bad" --output ids
says 'names the place' 'line 1, column 5'
printf '1 2\n5 1024\n' >"$work/bad"
refuses 3 'an id outside the vocabulary' "$nibble" run "$model" --prompt-ids "$work/bad" --output ids
printf '1 2\n\n3\n' >"$work/bad"
refuses 3 'an empty sequence' "$nibble" run "$model" --prompt-ids "$work/bad" --output ids
: >"$work/bad"
refuses 3 'an empty file' "$nibble" run "$model" --prompt-ids "$work/bad" --output ids
printf 'a\0b' >"$work/zero"
"$nibble" run "$model" <"$work/zero" >"$work/out" 2>"$work/err"
check 'a zero byte in the prompt' test $? -eq 3
refuses 2 'an op table that is not there' "$nibble" run "$model" -p x --isa nonesuch

# Broken outputs and signals.
if [ -w /dev/full ]; then
    "$nibble" run "$model" -p "$question" $greedy >/dev/full 2>"$work/err"
    [ $? -eq 1 ] && [ "$(wc -l <"$work/err")" -eq 1 ] && grep -q 'No space left' "$work/err"
    report $? 'a full disk'
fi
seq 400 | while read -r _; do cat "$work/ids"; done >"$work/many"
{ "$nibble" run "$model" --prompt-ids "$work/many" --json --ignore-eos 2>"$work/err"; echo $? >"$work/code"; } | head -n 1 >"$work/out"
check 'a closed pipe ends it at once' sh -c "c=\$(cat '$work/code'); [ \$c -eq 141 -o \$c -eq 1 ] && ! [ -s '$work/err' ]"
start "$nibble" run "$model" --prompt-ids "$work/many" --json --ignore-eos
kill -INT "$pid"
wait_for_it
[ $code -eq 130 ] && [ ! -s "$work/err" ] && tail -n 1 "$work/out" | grep -q '"finish":"interrupted"'
report $? "an interrupt ends it with what was said (exit 130, found $code)"

# A model file that shrinks while it is mapped.
cp -r "$model" "$work/model"
chmod -R u+w "$work/model"
start "$nibble" run "$work/model" --prompt-ids "$work/many" --json --ignore-eos --weights mapped
truncate -s 4096 "$work/model/model.safetensors"
wait_for_it
[ $code -eq 3 ] && [ "$(wc -l <"$work/err")" -eq 1 ]
report $? "a model file that shrinks (exit 3, found $code)"
}
finish
