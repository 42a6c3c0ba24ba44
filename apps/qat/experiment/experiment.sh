#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The experiment of docs/REQAT.md: all arms, each with the same budget of training tokens, each with every seed.
#
#   experiment.sh [PROGRAMS [WORK [RESULTS]]]     the folders of the programs (build), of the work in progress
#                                                 (build-experiment), of the results (docs/reqat)
#
# Every stage leaves a mark when it is done, and a training in the middle goes on from its checkpoint: stop it and start
# it again as you like. JOB_ONLY=seed1 does what one seed needs, REPORT_ONLY=1 only writes the results anew.
set -eu
cd "$(dirname "$0")/../../.."
programs=$(realpath "${1:-build}")
work=${2:-build-experiment}
results=${3:-docs/reqat}
# shellcheck source=apps/qat/experiment/recipe.sh
. apps/qat/experiment/recipe.sh
mkdir -p "$work/done" "$work/log" "$work/measured"
here=apps/qat/experiment
qat=$programs/nibble-qat
nibble=$programs/nibble

# stage NAME COMMAND...: runs it unless it is done; its output is kept in a log.
stage() {
    local name=$1
    shift
    [ -e "$work/done/$name" ] && return 0
    echo "$(date +%H:%M:%S) $name" >&2
    if ! "$@" >"$work/log/$name" 2>&1; then
        echo "experiment: $name failed; the end of $work/log/$name:" >&2
        tail -5 "$work/log/$name" >&2
        exit 1
    fi
    touch "$work/done/$name"
}

# measure NAME COMMAND...: the same for a command whose JSON on stdout is the result.
measure() {
    local name=$1
    shift
    stage "$name" sh -c 'out=$1; shift; "$@" >"$out.part" && mv "$out.part" "$out"' sh "$work/measured/$name" "$@"
}

traces() { # SPLIT SEED N FILE
    "$qat" traces --split "$1" --seed "$2" -n "$3" ${kinds:+--kind "$kinds"} ${level:+--level "$level"} -o "$4"
}

# Ids of whole conversations, for Q-FIT: the template's text without the turn that it opens at the end.
calibration() { # MODEL TRACES N FILE
    head -n "$3" "$2" |
        sed -E 's/^\{"prompt":(".*"),"response":(".*"),"kind":"[a-z]*"\}$/[{"role":"user","content":\1},{"role":"assistant","content":\2}]/' |
        "$nibble" tokenize "$1" --template --json | sed 's/<|im_start|>assistant\\n<think>\\n"$/"/' |
        "$nibble" tokenize "$1" --json | tr -d '[]' | tr ',' ' ' >"$4.part"
    mv "$4.part" "$4"
}

prepare() {
    local n=$(((steps_one + steps_two) * batch))
    stage traces traces train 1000 "$n" "$work/traces.jsonl"
    stage traces-other traces train 2000 $((steps_two * batch)) "$work/other.jsonl"
    # Stage 2 of the aligned arms sees the first traces of stage 1 again.
    stage traces-stage-one sh -c "head -n $((steps_one * batch)) '$work/traces.jsonl' >'$work/one.jsonl'"
    stage traces-teacher traces train 3000 "$n_teacher" "$work/teacher.jsonl"
    stage problems traces eval 1 "$n_eval" "$work/eval.jsonl"
    stage tokenizer "$qat" tokenizer --traces "$work/traces.jsonl" --size "$vocabulary" --out "$work/tokenizer"
}

train() { # COMMAND NAME MODEL TRACES STEPS LR SEED OPTIONS...
    local command=$1 name=$2 model=$3 file=$4 steps=$5 lr=$6 seed=$7
    shift 7
    stage "$name" "$qat" "$command" --model "$work/$model" --traces "$work/$file" --out "$work/$name" --steps "$steps" \
        --batch "$batch" --rows "$rows" --lr "$lr" --seed "$seed" --log "$work/log/$name.jsonl" --resume "$@"
}

quantize() { # NAME MODEL
    stage "$1" "$qat" quantize "$work/$2" "$work/$1" --force
}

fit() { # NAME MODEL
    stage "$1-ids" calibration "$work/$2" "$work/one.jsonl" "$n_calibration" "$work/calibration.txt"
    stage "$1" "$qat" qfit "$work/$2" "$work/$1" --calib-ids "$work/calibration.txt" --dtype f32 --force \
        --report "$work/measured/$1-report"
}

# judge ARM-SEED MODEL: every measure of one arm. The entropy buckets are those of the seed's FT model, for all arms.
judge() {
    local name=$1 model=$work/$2 reference=$work/ft-${1##*-}
    measure "$name-greedy" "$qat" eval "$model" --task "$work/eval.jsonl" -n "$max_tokens" --json
    measure "$name-sampled" "$qat" eval "$model" --task "$work/eval.jsonl" --limit "$n_sampled" --samples "$n_samples" \
        --temperature 0.6 --top-p 0.95 -n "$max_tokens" --json
    measure "$name-entropy" "$qat" entropy "$model" --traces "$work/teacher.jsonl" --against "$reference" \
        --kv-error --csv "$work/measured/$name.csv" --json
}

one_seed() {
    local s=$1
    stage "init-$s" "$qat" init --tokenizer "$work/tokenizer" --out "$work/init-$s" --seed "$s" --dtype f32 --force $shape

    train sft "ft-$s" "init-$s" traces.jsonl $((steps_one + steps_two)) "$lr_one" "$s"
    judge "FT-$s" "ft-$s"
    quantize "ptq-$s" "ft-$s"
    judge "PTQ-$s" "ptq-$s"
    fit "ft-fit-$s" "ft-$s"
    quantize "qfit-ptq-$s" "ft-fit-$s"
    judge "Q-FIT+PTQ-$s" "qfit-ptq-$s"

    # Where stage 2 begins, and what it brings in full precision: FT is another run from the start, and two such runs
    # differ by more than the arms do.
    train sft "one-$s" "init-$s" one.jsonl "$steps_one" "$lr_one" "$s"
    judge "Stage1-$s" "one-$s"
    train sft "ft-two-$s" "one-$s" one.jsonl "$steps_two" "$lr_two" "$s"
    judge "FT2-$s" "ft-two-$s"
    train qat "qat-$s" "one-$s" other.jsonl "$steps_two" "$lr_two" "$s" --loss ce --other-traces
    quantize "qat-4-$s" "qat-$s"
    judge "QAT-$s" "qat-4-$s"
    train qat "taq-$s" "one-$s" one.jsonl "$steps_two" "$lr_two" "$s" --loss ce
    quantize "taq-4-$s" "taq-$s"
    judge "TAQ-$s" "taq-4-$s"
    train qat "taq-sem-$s" "one-$s" one.jsonl "$steps_two" "$lr_two" "$s" --loss sem
    quantize "taq-sem-4-$s" "taq-sem-$s"
    judge "TAQ+SEM-$s" "taq-sem-4-$s"
    fit "one-fit-$s" "one-$s"
    train qat "reqat-$s" "one-fit-$s" one.jsonl "$steps_two" "$lr_two" "$s" --loss sem
    quantize "reqat-4-$s" "reqat-$s"
    judge "ReQAT-$s" "reqat-4-$s"
}

if [ -z "${REPORT_ONLY:-}" ]; then
    prepare
    for s in $seeds; do
        [ -n "${JOB_ONLY:-}" ] && [ "$JOB_ONLY" != "seed$s" ] && continue
        one_seed "$s"
    done
fi
mkdir -p "$results"
"$here/report.sh" "$work" "$results"
