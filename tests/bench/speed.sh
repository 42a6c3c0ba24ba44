#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The speed table of docs/PERFORMANCE.md, as Markdown on stdout. Machines are shared and absolute speeds move, so every
# figure is a ratio within minutes: nibble bench takes its depths and batches by turns, each sample between two passes
# over the memory's bandwidth; the peak of int8 products is measured before and after the prefill; the BF16 run lies
# between two of W4A4KV4, whose medians are averaged.
#   tests/bench/speed.sh [NIBBLE]
# environment: THREADS (2), REPEAT (3), CONFIGS (of tests/bench/configs; both); WRITE=1: the table also replaces the one
# between the marks of docs/PERFORMANCE.md
set -eu -o pipefail
cd "$(dirname "$0")/../.."
nibble=${1:-build/nibble}
threads=${THREADS:-2}
repeat=${REPEAT:-3}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

say() { echo "$@" >&2; }

# field NAME <<< JSON-LINE: the number or string of a field.
field() { sed -nE "s/.*\"$1\":(\"[^\"]*\"|[-0-9.e+]+).*/\1/p" | tr -d '"'; }

# line KIND DEPTH BATCH FILE
line() { grep "\"kind\":\"$1\"" "$4" | grep "\"depth\":$2," | grep "\"batch\":$3,"; }

ratio() { awk -v a="$1" -v b="$2" 'BEGIN { if (b + 0 > 0) printf "%.2f x", a / b; else printf "-" }'; }
percent() { awk -v a="$1" -v b="$2" 'BEGIN { if (b + 0 > 0) printf "%.0f %%", 100 * a / b; else printf "-" }'; }
mean() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.6g", (a + b) / 2 }'; }
# Milliseconds that a token takes longer at the first speed than at the second.
longer_ms() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.2f ms", 1000 / a - 1000 / b }'; }
# Three digits: 26.4, 1120, 0.512.
round() { awk -v a="$1" 'BEGIN { printf((a >= 100 ? "%.0f" : "%.3g"), a) }'; }

peak=
if gcc -O2 -mavx512f -mavx512bw -mavx512vnni tests/bench/int8_peak.c -o "$folder/int8_peak" -lpthread 2>/dev/null &&
    grep -q avx512_vnni /proc/cpuinfo; then
    peak=$folder/int8_peak
fi
peak_now() { [ -n "$peak" ] && "$peak" "$threads" 0.3 || echo 0; }

# Multiply-adds of the linears for one token.
products() {
    awk -F'[:,]' '/hidden_size/ { d = $2 } /intermediate_size/ { f = $2 } /num_hidden_layers/ { l = $2 }
        /num_attention_heads/ { h = $2 } /num_key_value_heads/ { g = $2 } /head_dim/ { e = $2 }
        END { if (!e) e = d / h; printf "%.0f", l * (2 * d * h * e + 2 * d * g * e + 3 * d * f) }' "$1"
}

# The median start to the first token of a prompt of 20 tokens, in seconds, the files in the page cache.
start_s() { # DIRECTORY
    seq -s ' ' 1 20 >"$folder/ids"
    cat "$1/model.safetensors" >/dev/null
    for _ in 1 2 3 4 5; do
        local begin end
        begin=$(date +%s%N)
        "$nibble" run "$1" --weights mapped --ctx 8192 --threads "$threads" --prompt-ids "$folder/ids" -n 1 \
            --output ids >/dev/null
        end=$(date +%s%N)
        echo $(((end - begin) / 1000))
    done | sort -n | sed -n 3p | awk '{ printf "%.3f", $1 / 1e6 }'
}

# Resident KiB of a process that are no pages of the weights' file; nothing once it has ended.
beyond_kib() { # PID
    awk '/^[0-9a-f]+-[0-9a-f]+ / { is_weights = /\.safetensors$/ }
        /^Rss:/ && !is_weights { sum += $2 }
        END { if (sum) printf "%d", sum }' "/proc/$1/smaps" 2>/dev/null || true
}

# The greatest of samples every 20 ms, each a single look at all maps, while a ring of 8192 tokens is filled partly and
# tokens are decoded; in MB.
beyond_mb() { # DIRECTORY
    local peak=0 now pid
    seq -s ' ' 1 700 >"$folder/ids"
    "$nibble" run "$1" --weights mapped --ctx 8192 --threads "$threads" --prompt-ids "$folder/ids" -n 16 --ignore-eos \
        --output ids >/dev/null &
    pid=$!
    while now=$(beyond_kib "$pid") && [ -n "$now" ]; do
        [ "$now" -le "$peak" ] || peak=$now
        sleep 0.02
    done
    wait "$pid"
    echo $((peak * 1024 / 1000000))
}

row() { # SHAPE MEASURE NIBBLE BESIDE RATIO GOAL
    printf '| %s | %s | %s | %s | %s | %s |\n' "$@"
}

# The median tokens a second.
speed() { # KIND DEPTH BATCH FILE
    line "$@" | field tok_s_median
}

measure_prefill() { # CONFIG BENCH...
    local config=$1 before after rate done_g top_g
    shift
    say "$config: prefill"
    before=$(peak_now)
    "$@" --prefill 512 --decode 0 --depth 0 --batch 1 >"$folder/prefill"
    after=$(peak_now)
    rate=$(speed prefill 0 1 "$folder/prefill")
    done_g=$(awk -v r="$rate" -v p="$(products "tests/bench/configs/$config.json")" 'BEGIN { print r * p / 1e9 }')
    top_g=$(awk -v a="$before" -v b="$after" 'BEGIN { print (a + b) / 2e9 }')
    row "$config" "prefill 512" "$(round "$rate") tok/s, $(round "$done_g") G products/s" \
        "$(round "$top_g") G products/s" "$(percent "$done_g" "$top_g")" "48 %"
}

measure_batches() { # CONFIG BENCH...
    local config=$1 one many batch
    shift
    say "$config: batches"
    "$@" --prefill 0 --decode 16 --depth 0 --batch 1,4,16 >"$folder/batch"
    one=$(speed decode 0 1 "$folder/batch")
    for batch in 4 16; do
        many=$(speed decode 0 $batch "$folder/batch")
        row "$config" "$batch sequences against one" "$(round "$many") tok/s" "$(round "$one") tok/s" \
            "$(ratio "$many" "$one")" "$([ $batch = 4 ] && echo 2.5 x || echo 3.5 x)"
    done
}

# Leaves its lines in $folder/decode.
measure_depths() { # CONFIG BENCH...
    local config=$1 zero rate empty read_gb_s membw_gb_s depth
    shift
    say "$config: depths"
    "$@" --prefill 0 --decode 32 --depth 0,2048,8192 --batch 1 >"$folder/decode"
    empty=$(line decode 0 1 "$folder/decode")
    zero=$(field tok_s_median <<<"$empty")
    read_gb_s=$(field read_gb_s <<<"$empty") membw_gb_s=$(field membw_gb_s <<<"$empty")
    row "$config" "decode at 0" "$(round "$zero") tok/s, $(round "$read_gb_s") GB/s" \
        "$(round "$membw_gb_s") GB/s read" "$(percent "$read_gb_s" "$membw_gb_s")" "92 %"
    for depth in 2048 8192; do
        rate=$(speed decode $depth 1 "$folder/decode")
        row "$config" "decode at $depth against empty" "$(round "$rate") tok/s" "$(round "$zero") tok/s" \
            "$(percent "$rate" "$zero")" "$([ $depth = 2048 ] && echo 92 % || echo 75 %)"
        [ "$config" != Qwen2.5-0.5B ] || row "$config" "attention a token at $depth" "$(longer_ms "$rate" "$zero")" "" \
            "" "$([ $depth = 2048 ] && echo 1.5 ms || echo 6 ms)"
    done
}

# After measure_depths, whose speeds are the first half of W4A4KV4's.
measure_plain() { # CONFIG BENCH...
    local config=$1 depth rate plain
    shift
    say "$config: BF16"
    "$@" --shape-bf16 --prefill 0 --decode 8 --depth 0,8192 --batch 1 --repeat 2 >"$folder/bf16"
    say "$config: depths again"
    "$@" --prefill 0 --decode 32 --depth 0,8192 --batch 1 >"$folder/again"
    for depth in 0 8192; do
        rate=$(mean "$(speed decode $depth 1 "$folder/decode")" "$(speed decode $depth 1 "$folder/again")")
        plain=$(speed decode $depth 1 "$folder/bf16")
        row "$config" "W4A4KV4 against BF16 at $depth" "$(round "$rate") tok/s" "$(round "$plain") tok/s" \
            "$(ratio "$rate" "$plain")" "2.4 x"
    done
}

measure_directory() { # CONFIG: a model directory of these shapes
    say "$1: start and memory"
    python3 tests/bench/make_checkpoint.py "tests/bench/configs/$1.json" "$folder/model"
    row "$1" "start to first token, 20 tokens, cached" "$(start_s "$folder/model") s" "" "" "0.6 s"
    row "$1" "memory beyond mapped weights, ctx 8192" "$(beyond_mb "$folder/model") MB" "" "" "140 MB"
}

measure_config() { # CONFIG
    local bench=("$nibble" bench --shape "tests/bench/configs/$1.json" --threads "$threads" --repeat "$repeat"
        --ctx 8448 --json)
    measure_prefill "$1" "${bench[@]}"
    measure_depths "$1" "${bench[@]}"
    [ "$1" != R1-Distill-Qwen-1.5B ] || measure_plain "$1" "${bench[@]}"
    measure_batches "$1" "${bench[@]}"
    [ "$1" != R1-Distill-Qwen-1.5B ] || measure_directory "$1"
}

measure_all() {
    echo "$("$nibble" doctor --quick 2>/dev/null | sed -n 's/^cpu *//p'); run with $threads threads, $(date +%F)"
    echo
    echo "| shape | measure | nibble | beside it | ratio | goal |"
    echo "|---|---|---|---|---|---|"
    for config in ${CONFIGS:-R1-Distill-Qwen-1.5B Qwen2.5-0.5B}; do
        measure_config "$config"
    done
}

# Puts the table between the marks; fails without touching the page where they are not both there.
write_page() {
    local page=docs/PERFORMANCE.md
    awk -v table="$folder/table" '
        /^<!-- end of the speed table -->$/ && inside { inside = 0; n++ }
        !inside { print }
        /^<!-- speed table -->$/ { inside = 1; while ((getline text < table) > 0) print text }
        END { exit !(n == 1 && !inside) }' "$page" >"$folder/page" && cat "$folder/page" >"$page"
}

measure_all | tee "$folder/table"
[ "${WRITE:-}" != 1 ] || write_page || { say "docs/PERFORMANCE.md has no place for the table"; exit 1; }
