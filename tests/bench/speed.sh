#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The speed table of docs/PERFORMANCE.md, as Markdown on stdout. Every figure is a ratio of two passes of the same
# minutes: the machines are shared, absolute speeds move.
#   tests/bench/speed.sh [NIBBLE]
# environment: THREADS (2), REPEAT (3), DEPTHS (0,2048,8192); WRITE=1: the table also replaces the one between the marks
# of docs/PERFORMANCE.md
set -eu
cd "$(dirname "$0")/../.."
nibble=${1:-build/nibble}
threads=${THREADS:-2}
repeat=${REPEAT:-3}
depths=${DEPTHS:-0,2048,8192}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

say() { echo "$@" >&2; }

# field NAME <<< JSON-LINE: the number or string of a field.
field() { sed -nE "s/.*\"$1\":(\"[^\"]*\"|[-0-9.e+]+).*/\1/p" | tr -d '"'; }

# line KIND DEPTH BATCH FILE
line() { grep "\"kind\":\"$1\"" "$4" | grep "\"depth\":$2," | grep "\"batch\":$3,"; }

ratio() { awk -v a="$1" -v b="$2" 'BEGIN { if (b + 0 > 0) printf "%.2f x", a / b; else printf "-" }'; }
percent() { awk -v a="$1" -v b="$2" 'BEGIN { if (b + 0 > 0) printf "%.0f %%", 100 * a / b; else printf "-" }'; }
# Three digits: 26.4, 1120, 0.512, 4.21e+11.
round() {
    awk -v a="$1" 'BEGIN { format = a >= 1e6 ? "%.2e" : a >= 100 ? "%.0f" : "%.3g"; printf format, a }'
}

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

# The peak of resident memory less that of file pages, in MB, filling a ring of 8192 tokens partly and decoding.
beyond_mb() { # DIRECTORY
    local file=0 peak=0 key value pid
    seq -s ' ' 1 300 >"$folder/ids"
    "$nibble" run "$1" --weights mapped --ctx 8192 --threads "$threads" --prompt-ids "$folder/ids" -n 16 --ignore-eos \
        --output ids >/dev/null &
    pid=$! # what feeds the loop below becomes $!
    while [ -r "/proc/$pid/status" ]; do
        while read -r key value _; do
            [ "$key" = VmHWM: ] && peak=$value
            [ "$key" = RssFile: ] && [ "$value" -gt "$file" ] && file=$value
        done < <(grep -E '^(VmHWM|RssFile)' "/proc/$pid/status" 2>/dev/null)
        sleep 0.02
    done
    wait "$pid"
    echo $(((peak - file) * 1024 / 1000000))
}

measure_config() { # CONFIG
    local config=$1 path=tests/bench/configs/$1.json before after rate zero row plain one many top done_s
    local common=(--shape "$path" --threads "$threads" --repeat "$repeat" --ctx 8448 --json)
    say "$config: decode and prefill"
    before=$(peak_now)
    "$nibble" bench "${common[@]}" --prefill 512 --decode 0 --depth 0 --batch 1 >"$folder/prefill"
    after=$(peak_now)
    "$nibble" bench "${common[@]}" --prefill 0 --decode 32 --depth "$depths" --batch 1 >"$folder/decode"
    "$nibble" bench "${common[@]}" --prefill 0 --decode 16 --depth 0 --batch 1,4,16 >"$folder/batch"
    say "$config: BF16"
    "$nibble" bench "${common[@]}" --shape-bf16 --prefill 0 --decode 8 --depth "${depths//2048,/}" --batch 1 \
        >"$folder/bf16"

    rate=$(line prefill 0 1 "$folder/prefill" | field tok_s_median)
    done_s=$(awk -v r="$rate" -v p="$(products "$path")" 'BEGIN { printf "%.3e", r * p }')
    top=$(awk -v a="$before" -v b="$after" 'BEGIN { printf "%.3e", (a + b) / 2 }')
    echo "| $config | prefill 512 | $(round "$rate") tok/s, $(round "$done_s") products/s |" \
        "$(round "$top") products/s | $(percent "$done_s" "$top") |"
    zero=$(line decode 0 1 "$folder/decode" | field tok_s_median)
    for depth in ${depths//,/ }; do
        row=$(line decode "$depth" 1 "$folder/decode")
        rate=$(field tok_s_median <<<"$row")
        local read_gb_s membw_gb_s
        read_gb_s=$(field read_gb_s <<<"$row") membw_gb_s=$(field membw_gb_s <<<"$row")
        echo "| $config | decode at $depth | $(round "$rate") tok/s, $(round "$read_gb_s") GB/s |" \
            "$(round "$membw_gb_s") GB/s read | $(percent "$read_gb_s" "$membw_gb_s") |"
        [ "$depth" = 0 ] || echo "| $config | decode at $depth against empty | $(round "$rate") tok/s |" \
            "$(round "$zero") tok/s | $(percent "$rate" "$zero") |"
        plain=$(line decode "$depth" 1 "$folder/bf16" | field tok_s_median || true)
        [ -z "$plain" ] || echo "| $config | W4A4KV4 against BF16 at $depth | $(round "$rate") tok/s |" \
            "$(round "$plain") tok/s | $(ratio "$rate" "$plain") |"
    done
    one=$(line decode 0 1 "$folder/batch" | field tok_s_median)
    for batch in 4 16; do
        many=$(line decode 0 $batch "$folder/batch" | field tok_s_median)
        echo "| $config | $batch sequences against one | $(round "$many") tok/s | $(round "$one") tok/s |" \
            "$(ratio "$many" "$one") |"
    done
}

measure_directory() { # CONFIG: a model directory of these shapes
    say "$1: start and memory"
    python3 tests/bench/make_checkpoint.py "tests/bench/configs/$1.json" "$folder/model"
    echo "| $1 | start to first token, prompt of 20, cached | $(start_s "$folder/model") s | 0.6 s | - |"
    echo "| $1 | memory beyond mapped weights, ring of 8192 | $(beyond_mb "$folder/model") MB | 140 MB | - |"
}

measure_all() {
    echo "$("$nibble" doctor --quick 2>/dev/null | sed -n 's/^cpu *//p'), $threads threads, $(date +%F)"
    echo
    echo "| shape | measure | nibble | beside it | ratio |"
    echo "|---|---|---|---|---|"
    for config in ${CONFIGS:-R1-Distill-Qwen-1.5B Qwen2.5-0.5B}; do
        measure_config "$config"
    done
    measure_directory R1-Distill-Qwen-1.5B
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
