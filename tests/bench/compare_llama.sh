#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# nibble beside llama.cpp, by turns, on random weights of the same shapes: NVFP4 here, Q4_0 there, the same bytes a
# token; BF16 head, two threads. Builds llama.cpp from the PyPI source package of llama-cpp-python (network, a C++
# compiler, some 20 minutes of a CPU, 5 GB of disk) in a folder outside the tree. Prints a Markdown table.
#   tests/bench/compare_llama.sh [NIBBLE]
# environment: FOLDER (a new one, removed at the end; a given one is kept and used again), THREADS (2), ROUNDS (2),
# DEPTHS (0,2048), CONFIGS (both), STEP (all; build: stop before measuring; measure: everything is there; more: likewise,
# and the figures of the last time count too)
set -eu
cd "$(dirname "$0")/../.."
nibble=${1:-build/nibble}
threads=${THREADS:-2} rounds=${ROUNDS:-2} depths=${DEPTHS:-0,2048} step=${STEP:-all}
configs=${CONFIGS:-R1-Distill-Qwen-1.5B Qwen2.5-0.5B}
if [ -n "${FOLDER:-}" ]; then
    folder=$(realpath -m "$FOLDER")
    mkdir -p "$folder"
else
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
fi
case $folder/ in "$PWD"/*) echo "the folder must lie outside the tree" >&2; exit 2 ;; esac
llama=$folder/build/bin/llama-bench

say() { echo "$@" >&2; }

build_llama() {
    [ -x "$folder/venv/bin/python" ] || python3 -m venv "$folder/venv"
    "$folder/venv/bin/pip" -q install numpy gguf cmake
    [ -x "$llama" ] && return
    ls "$folder"/llama_cpp_python-*.tar.gz >/dev/null 2>&1 ||
        "$folder/venv/bin/pip" -q download --no-deps --no-binary :all: -d "$folder" llama-cpp-python
    tar -xzf "$folder"/llama_cpp_python-*.tar.gz -C "$folder"
    "$folder/venv/bin/cmake" -S "$folder"/llama_cpp_python-*/vendor/llama.cpp -B "$folder/build" \
        -DCMAKE_BUILD_TYPE=Release -DCMAKE_C_FLAGS=-O3 -DCMAKE_CXX_FLAGS=-O3 -DGGML_NATIVE=ON -DBUILD_SHARED_LIBS=OFF \
        -DLLAMA_CURL=OFF -DLLAMA_OPENSSL=OFF -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_SERVER=OFF
    "$folder/venv/bin/cmake" --build "$folder/build" --target llama-bench -j"${JOBS:-2}"
}

if [ "$step" = all ] || [ "$step" = build ]; then
    build_llama >&2
    for config in $configs; do
        [ -e "$folder/$config.gguf" ] && continue
        made=$folder/$config.gguf
        "$folder/venv/bin/python" tests/bench/make_gguf.py "tests/bench/configs/$config.json" "$made.new" >&2
        mv "$made.new" "$made"
    done
fi
[ "$step" != build ] || exit 0

# One line a figure: CONFIG PROGRAM KIND DEPTH TOKENS_A_SECOND BYTES_A_TOKEN BANDWIDTH
measure_nibble() { # CONFIG
    "$nibble" bench --shape "tests/bench/configs/$1.json" --threads "$threads" --repeat 2 --prefill 512 --decode 32 \
        --depth "$depths" --batch 1 --json |
        sed -nE 's/.*"kind":"([a-z]*)".*"depth":([0-9]*).*"tok_s_median":([^,]*),(.*)/\1 \2 \3 \4/p' |
        sed -E 's/^(.*) "bytes_per_token":([^,]*),.*"membw_gb_s":([^,]*),.*/'"$1"' nibble \1 \2 \3/'
}

measure_llama() { # CONFIG
    local common=(-m "$folder/$1.gguf" -t "$threads" -r 2 -o jsonl)
    "$llama" "${common[@]}" -p 512 -n 0 2>"$folder/log" | figure "$1" prefill
    "$llama" "${common[@]}" -p 0 -n 32 -d "$depths" 2>>"$folder/log" | figure "$1" decode
}

figure() { sed -nE 's/.*"n_depth": ([0-9]*).*"avg_ts": ([0-9.e+]*).*/'"$1 llama $2"' \1 \2 0 0/p'; }

[ "$step" = more ] || : >"$folder/figures"
for ((round = 1; round <= rounds; round++)); do
    for config in $configs; do
        for program in nibble llama; do
            say "round $round of $rounds: $config, $program"
            "measure_$program" "$config" >>"$folder/figures"
        done
    done
done

cpu=$("$nibble" doctor --quick 2>/dev/null | sed -n 's/^cpu *//p')
echo "$cpu, $threads threads, $(date +%F); $(basename "$folder"/llama_cpp_python-*.tar.gz .tar.gz)"
echo
echo "| shape | measure | nibble tok/s | llama.cpp tok/s | ratio | read bandwidth | share | llama.cpp's share |"
echo "|---|---|---|---|---|---|---|---|"
awk '
{ key = $1 " " $3 " " $4; if (!(key in seen)) { order[++n_keys] = key; seen[key] = 1 }
  sum[key, $2] += $5; n[key, $2]++
  if ($2 == "nibble") { bytes[key] = $6; width[key] += $7 } }
function share(rate, key) { return bytes_s > 0 ? sprintf("%.0f %%", 100 * rate * bytes[key] / bytes_s) : "-" }
END { for (i = 1; i <= n_keys; i++) {
    key = order[i]; split(key, word, " ")
    if (!n[key, "llama"] || !n[key, "nibble"]) continue
    ours = sum[key, "nibble"] / n[key, "nibble"]; theirs = sum[key, "llama"] / n[key, "llama"]
    bytes_s = 1e9 * width[key] / n[key, "nibble"]
    is_decode = (word[2] == "decode")
    printf "| %s | %s | %.1f | %.1f | %.2f x | %.1f GB/s | %s | %s |\n", word[1],
        is_decode ? "decode at " word[3] : "prefill 512", ours, theirs, ours / theirs, bytes_s / 1e9,
        is_decode ? share(ours, key) : "-", is_decode ? share(theirs, key) : "-" } }' "$folder/figures"
