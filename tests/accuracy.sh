#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Greedy accuracy on mini-math's 500 unseen problems: the full-precision model with an f32 cache, and the bundled 4-bit model
# as it runs by default (W4A4KV4). With arguments: of one model, with options of `nibble run`.
#     tests/accuracy.sh
#     tests/accuracy.sh apps/tutor/model --kv f32 --act none
# A problem counts as right when the answer's last number equals the reference, as text. Prints a line a model:
# right, number, percent, standard error in points.
set -euo pipefail
export LC_ALL=C

build=${BUILD:-build}
data=${NB_TEST_DATA:-../shared/data}/models/mini-math
problems=${PROBLEMS:-$data/eval.jsonl}
[ -r "$problems" ] || { echo "accuracy: no $problems (set NB_TEST_DATA)" >&2; exit 1; }

# Lines "answer<TAB>question".
read_problems() {
    sed -nE 's/^\{"question": "([^"\\]*)", "answer": "([^"\\]*)".*/\2\t\1/p' "$problems"
}

measure() { # label, model, options of nibble run
    local label=$1 model=$2 right=0 n=0 answer question text found
    shift 2
    while IFS=$'\t' read -r answer question; do
        text=$("$build/nibble" run "$model" -p "$question" --temperature 0 --max-tokens 160 --json "$@" </dev/null | tail -n 1)
        found=$(sed -nE 's/.*The answer is (-?[0-9]+)\..*/\1/p' <<<"$text")
        n=$((n + 1))
        [ "$found" != "$answer" ] || right=$((right + 1))
    done < <(read_problems)
    awk -v label="$label" -v right=$right -v n=$n 'BEGIN {
        p = right / n
        printf "%-28s %4d of %4d  %5.1f %%  +- %.1f\n", label, right, n, 100 * p, 100 * sqrt(p * (1 - p) / n) }'
}

[ "$(read_problems | wc -l)" -eq "$(wc -l <"$problems")" ] || { echo "accuracy: cannot read $problems" >&2; exit 1; }
if [ $# -gt 0 ]; then
    measure "$1" "$@"
else
    measure "full precision, --kv f32" "$data" --kv f32
    measure "W4A4KV4" apps/tutor/model
fi
