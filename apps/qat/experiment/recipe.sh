# SPDX-License-Identifier: Apache-2.0
# The recipe of the experiment: everything that decides its outcome. Environment variables override it; results under
# docs/reqat are those of the values written here. Sourced by experiment.sh.

seeds=${SEEDS:-"1 2 3"}

# The model: Qwen2, 0.92 M parameters.
vocabulary=${VOCABULARY:-1024}
shape=${SHAPE:-"--hidden 128 --ffn 384 --layers 4 --heads 4 --kv-heads 2 --max-length 512"}

# The task: what is in docs/REQAT.md. Kinds and levels of `nibble-qat traces`; empty: all.
kinds=${KINDS:-addition,subtraction,multiplication,division,joining,taking,groups,sharing}
level=${LEVEL:-}

# The budget of every arm, in steps of `batch` traces: stage 1 and stage 2 stand 4 to 1, as in the paper.
batch=${BATCH:-32}
rows=${ROWS:-2048}
steps_one=${STEPS_ONE:-2400}
steps_two=${STEPS_TWO:-600}
lr_one=${LR_ONE:-3e-3}
lr_two=${LR_TWO:-5e-4}

# What is measured.
n_eval=${N_EVAL:-1000}     # problems, greedy
n_samples=${N_SAMPLES:-4}  # responses to each of the first n_sampled, temperature 0.6, top-p 0.95
n_sampled=${N_SAMPLED:-500}
n_teacher=${N_TEACHER:-400} # traces for entropy and sampling errors
n_calibration=${N_CALIBRATION:-128}
max_tokens=${MAX_TOKENS:-200}
