#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The speed table of docs/TRAINING.md: steps of nibble-qat sft and qat and of PyTorch, the same model, documents and
# batch, in turns; medians over all steps of all rounds.
#   tests/bench/train.sh [NIBBLE-QAT]   environment: THREADS (2), ROUNDS (3), STEPS (12), BATCH (8),
#                                       TORCH_PYTHON (a Python that has torch and transformers; else a throw-away
#                                       environment is made with packages from PyPI)
set -eu
cd "$(dirname "$0")/../.."
qat=$(realpath "${1:-build/nibble-qat}")
export THREADS=${THREADS:-2}
rounds=${ROUNDS:-3} steps=${STEPS:-12} batch=${BATCH:-8}
unset OPENBLAS_CORETYPE
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

say() { echo "$@" >&2; }

python=${TORCH_PYTHON:-}
if [ -z "$python" ]; then
    say 'making a throw-away environment with PyTorch (some gigabytes)'
    python3 -m venv "$folder/venv"
    "$folder/venv/bin/pip" install -q torch transformers >&2
    python=$folder/venv/bin/python
fi
torch() { "$python" tests/bench/train_torch.py "$@" 2>/dev/null; }
torch make "$folder"

# nibble NAME COMMAND: speeds go to NAME.speed, a line a step; peak memory to NAME.peak.
nibble()
{
    local name=$1
    shift
    rm -rf "$folder/out" "$folder/log"
    "$qat" "$@" --model "$folder/model" --traces "$folder/traces.jsonl" --out "$folder/out" --in-order --steps "$steps" \
        --batch "$batch" --lr 1e-4 --threads "$THREADS" --log "$folder/log" --json >"$folder/report"
    sed -n '1d; s/.*"tok_s":\([0-9.e+]*\).*/\1/p' "$folder/log" >>"$folder/$name.speed"
    sed -E 's/.*"rss_peak_bytes":([0-9]*).*/\1/' "$folder/report" >>"$folder/$name.peak"
}
other()
{
    torch run "$folder" "$1" "$steps" "$batch" >"$folder/report"
    "$python" -c 'import json, sys
report = json.load(open(sys.argv[1] + "/report"))
open(sys.argv[1] + "/" + sys.argv[2] + ".speed", "a").writelines("%g\n" % s for s in report["tok_s"][1:])
open(sys.argv[1] + "/" + sys.argv[2] + ".peak", "a").write("%d\n" % report["rss_peak_bytes"])
open(sys.argv[1] + "/version", "w").write(report["version"])
open(sys.argv[1] + "/libraries", "w").write("%.0f MB" % (report["libraries_bytes"] / 1e6))' "$folder" "$1"
}
for ((round = 1; round <= rounds; round++)); do
    say "round $round of $rounds"
    nibble sft sft
    other packed
    nibble qat qat --loss ce
    other padded
    nibble sem qat --loss sem
    nibble recompute qat --recompute
done

median() { sort -g "$folder/$1.speed" | awk '{ v[NR] = $1 } END { printf "%.0f", NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }
spread() { sort -g "$folder/$1.speed" | awk '{ v[NR] = $1 } END { printf "%.0f-%.0f", v[int((NR - 1) * 0.1) + 1], v[int((NR - 1) * 0.9) + 1] }'; }
peak() { sort -n "$folder/$1.peak" | awk '{ v = $1 } END { printf "%.0f MB", v / 1e6 }'; }
ratio() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.2f", a / b }'; }

best=packed
[ "$(median padded)" -gt "$(median packed)" ] && best=padded
echo "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $THREADS threads, PyTorch $(cat "$folder/version"), $(date +%F)"
echo
echo "| what | tokens/s, median | 10-90 % | to PyTorch's faster layout | time to sft | peak memory |"
echo "|---|---|---|---|---|---|"
row() { echo "| $2 | $(median "$1") | $(spread "$1") | $(ratio "$(median "$1")" "$(median $best)") | $(ratio "$(median sft)" "$(median "$1")") | $(peak "$1") |"; }
row sft 'nibble-qat sft'
row qat 'nibble-qat qat --loss ce'
row sem 'nibble-qat qat --loss sem'
row recompute 'nibble-qat qat --loss sem --recompute'
row packed 'PyTorch, packed, block mask'
row padded 'PyTorch, padded'
echo
echo "Of PyTorch's peak, $(cat "$folder/libraries") are there once its libraries are loaded."
