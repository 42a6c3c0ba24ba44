#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What every command does without a model: help, versions, wrong usage, models that are not there, broken outputs.
. tests/support/app_checks.sh

ends 0 '--version' "$nibble" --version
check 'the version is one line' grep -qE '^nibble [0-9]+\.[0-9]+\.[0-9]+$' "$work/out"
ends 0 '--help' "$nibble" --help
for command in run tutor score tokenize info bench doctor models rm pull; do
    ends 0 "$command --version" "$nibble" $command --version
    check "$command --version: the version" grep -qx 'nibble [0-9]*\.[0-9]*\.[0-9]*' "$work/out"
    ends 0 "$command --help" "$nibble" $command --help
    check "$command --help: usage, example, nothing on stderr" sh -c "grep -q '^Usage: nibble $command' '$work/out' &&
        grep -q '^Example:' '$work/out' && ! [ -s '$work/err' ]"
    ends 0 "$command -h" "$nibble" $command -h
    refuses 2 "$command: an unknown option" "$nibble" $command --no-such-option
done
ends 0 'help of an option with choices' "$nibble-qat" sft --help
says 'names them' '--schedule cosine|linear|constant'
refuses 2 'no command' "$nibble"
refuses 2 'an unknown command' "$nibble" scroe
says 'a suggestion is made' 'try nibble score'
refuses 2 'an unknown command that resembles none' "$nibble" frobnicate
for command in serve; do
    refuses 2 "$command is for later" "$nibble" $command
    says "$command: says so" 'not built yet'
done

for command in 'run' 'score' 'tokenize' 'info' 'bench'; do
    refuses 2 "$command: MODEL is missing" "$nibble" $command
    refuses 2 "$command: too many arguments" "$nibble" $command a b
done
refuses 2 'score: nothing to score' "$nibble" score "$work"
refuses 2 'score: two things to score' "$nibble" score "$work" --ids x --text y
refuses 2 'tokenize: two ways' "$nibble" tokenize "$work" --decode --template
refuses 2 'run: two prompts' "$nibble" run "$work" -p x --prompt-ids y
refuses 2 'run: two forms' "$nibble" run "$work" -p x --json --output ids
refuses 2 'bench: model and shape' "$nibble" bench "$work" --shape y
for value in '--ctx 12x' '--ctx 0' '--ctx -1' '--threads 0' '--threads 1.5' '--kv f64' '--act fp8' '--weights both' \
    '--temperature hot' '--temperature -1' '--top-p 1.1' '--top-k -1' '--seed 1e3' '-n 0' '--think maybe' '--plan=3'; do
    # shellcheck disable=SC2086
    refuses 2 "run $value" "$nibble" run "$work" -p x $value
done
says 'expected and found are told' 'expected'

for command in 'run nothing -p x' 'score nothing --ids x' 'tokenize nothing' 'info nothing' 'bench nothing'; do
    # shellcheck disable=SC2086
    refuses 3 "${command%% *}: no such model" "$nibble" $command
    says "${command%% *}: the places searched are named" "$work/hub"
    mkdir -p "$work/empty"
    # shellcheck disable=SC2086
    refuses 3 "${command%% *}: a directory without a model" "$nibble" ${command/nothing/$work\/empty}
done
refuses 3 'a name with an escape sequence' "$nibble" info $'\033[2Jmodel'
check 'the escape is not printed' sh -c "! grep -q \"\$(printf '\\033')\" '$work/err'"

if [ -w /dev/full ]; then
    for command in '--version' '--help' 'run --help' 'doctor --quick --json'; do
        # shellcheck disable=SC2086
        "$nibble" $command >/dev/full 2>"$work/err"
        code=$?
        : >"$work/out"
        [ $code -eq 1 ] && grep -q 'No space left' "$work/err"
        report $? "$command onto a full disk (exit 1, found $code)"
    done
fi

"$nibble-qat" traces -n 50000000 --out "$work/never" >"$work/out" 2>"$work/err" &
pid=$!
for _ in $(seq 400); do
    ls "$work"/never* >/dev/null 2>&1 && break
    sleep 0.05
done
kill -INT "$pid"
wait_for_it
check "an interrupt ends traces (exit 130, found $code)" test $code -eq 130
check 'and leaves no half of a file' sh -c "! ls '$work'/never* 2>/dev/null"

ends 0 'doctor' "$nibble" doctor --quick
says 'doctor: the op tables' 'scalar'
finish
