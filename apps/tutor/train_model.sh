#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Makes the bundled model anew, with nothing but this project's own programs: traces -> tokenizer -> sft -> qfit -> qat ->
# quantize. Some five hours on two cores; stop it and start it again as you like.
#
#   train_model.sh [PROGRAMS [WORK]]     the folders of the programs (build) and of the work in progress (build-model)
#
# The result is WORK/model, and WORK/sft is its full-precision twin.
set -eu
cd "$(dirname "$0")/../.."
programs=$(realpath "${1:-build}")
mkdir -p "${2:-build-model}"
cd "${2:-build-model}"
qat=$programs/nibble-qat
everyday=joining,taking,unknown,comparison,groups,sharing,measures,money

# Runs a command unless its result is there; what it leaves half-done is not its result.
make_once() { # RESULT COMMAND...
    local result=$1
    shift
    [ -e "$result" ] || "$@"
}

# A hundred thousand of the traces are enough to learn the vocabulary from.
some_words() {
    shuf -n 100000 --random-source=<(yes) train.jsonl >words.part
    mv words.part words.jsonl
}

make_once all.jsonl "$qat" traces --split train --seed 71 -n 280000 -o all.jsonl
make_once everyday.jsonl "$qat" traces --split train --seed 72 -n 90000 --level 3 --kind "$everyday" -o everyday.jsonl
make_once train.jsonl sh -c 'cat all.jsonl everyday.jsonl >train.part && mv train.part train.jsonl'
make_once words.jsonl some_words
make_once tokenizer "$qat" tokenizer --traces words.jsonl --size 1024 --out tokenizer
make_once init "$qat" init --tokenizer tokenizer --out init --hidden 192 --ffn 576 --layers 6 --heads 6 --kv-heads 3 --dtype f32
make_once once "$qat" sft --model init --traces train.jsonl --out once --steps 5780 --batch 64 --rows 4096 --lr 2e-3 \
    --beta2 0.99 --warmup 0.02 --seed 1 --log once.log --resume

# Once more over other problems, in a quarter of which names and things are no words: what is copied is copied by letters.
make_once all-2.jsonl "$qat" traces --split train --seed 73 --made-up 25 -n 115000 -o all-2.jsonl
make_once everyday-2.jsonl "$qat" traces --split train --seed 74 --made-up 25 -n 45000 --level 3 --kind "$everyday" \
    -o everyday-2.jsonl
make_once again.jsonl sh -c 'cat all-2.jsonl everyday-2.jsonl >again.part && mv again.part again.jsonl'
make_once twice "$qat" sft --model once --traces again.jsonl --out twice --steps 2500 --batch 64 --rows 4096 --lr 1.5e-3 \
    --beta2 0.99 --warmup 0.02 --seed 3 --log twice.log --resume

# And once more, half of it of the kinds that the model is still weakest at.
make_once all-3.jsonl "$qat" traces --split train --seed 77 --made-up 25 -n 100000 -o all-3.jsonl
make_once weak-3.jsonl "$qat" traces --split train --seed 78 --made-up 25 -n 100000 \
    --kind percent,fractions,order,remainder,steps,money,division -o weak-3.jsonl
make_once last.jsonl sh -c 'cat all-3.jsonl weak-3.jsonl >last.part && mv last.part last.jsonl'
make_once sft "$qat" sft --model twice --traces last.jsonl --out sft --steps 3100 --batch 64 --rows 4096 --lr 1.5e-3 \
    --beta2 0.99 --warmup 0.02 --seed 6 --calib-out ids.txt --log sft.log --resume

# In four bits over problems that no sft has seen, three in ten of the kinds that four bits cost most.
make_once all-4.jsonl "$qat" traces --split train --seed 81 --made-up 25 -n 140000 -o all-4.jsonl
make_once weak-4.jsonl "$qat" traces --split train --seed 82 --made-up 25 -n 60000 \
    --kind fractions,averages,percent,time,units,steps,sharing,comparison -o weak-4.jsonl
make_once fresh.jsonl sh -c 'cat all-4.jsonl weak-4.jsonl >fresh.part && mv fresh.part fresh.jsonl'
make_once fit "$qat" qfit sft fit --calib-ids ids.txt --dtype f32
make_once qat "$qat" qat --model fit --traces fresh.jsonl --other-traces --out qat --steps 3000 --batch 64 --rows 4096 \
    --lr 1.5e-3 --beta2 0.99 --warmup 0.02 --seed 11 --loss sem --log qat.log --resume
make_once model "$qat" quantize qat model --calib ids.txt
"$qat" traces --split eval --seed 7 -n 6000 -o eval.jsonl
for one in sft model; do
    "$qat" eval "$one" --task eval.jsonl
done
