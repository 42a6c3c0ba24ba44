#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The speed table of docs/PERFORMANCE.md, as Markdown on stdout. Every figure is a ratio of two passes of the same
# minutes: the machines are shared, absolute speeds move.
#   tests/bench/speed.sh [NIBBLE]      environment: THREADS (2), REPEAT (3), DEPTHS (0,2048,8192)
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

ratio() { awk -v a="$1" -v b="$2" 'BEGIN { printf b > 0 ? "%.2f" : "-", b > 0 ? a / b : 0 }'; }
percent() { awk -v a="$1" -v b="$2" 'BEGIN { printf b > 0 ? "%.0f %%" : "-", b > 0 ? 100 * a / b : 0 }'; }

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

echo "$("$nibble" doctor --quick 2>/dev/null | sed -n 's/^cpu *//p'), $threads threads, $(date +%F)"
echo
echo "| shape | measure | nibble | ceiling beside it | ratio |"
echo "|---|---|---|---|---|"
for config in R1-Distill-Qwen-1.5B Qwen2.5-0.5B; do
    path=tests/bench/configs/$config.json
    common=(--shape "$path" --threads "$threads" --repeat "$repeat" --ctx 8448 --json)
    say "$config: decode and prefill"
    before=$(peak_now)
    "$nibble" bench "${common[@]}" --prefill 512 --decode 0 --depth 0 --batch 1 >"$folder/prefill"
    after=$(peak_now)
    "$nibble" bench "${common[@]}" --prefill 0 --decode 32 --depth "$depths" --batch 1 >"$folder/decode"
    "$nibble" bench "${common[@]}" --prefill 0 --decode 16 --depth 0 --batch 1,4,16 >"$folder/batch"
    say "$config: BF16"
    "$nibble" bench "${common[@]}" --shape-bf16 --prefill 0 --decode 8 --depth "${depths//2048,/}" --batch 1 >"$folder/bf16"

    rate=$(line prefill 0 1 "$folder/prefill" | field tok_s_median)
    done_s=$(awk -v r="$rate" -v p="$(products "$path")" 'BEGIN { printf "%.3e", r * p }')
    top=$(awk -v a="$before" -v b="$after" 'BEGIN { printf "%.3e", (a + b) / 2 }')
    echo "| $config | prefill 512 | $rate tok/s, $done_s products/s | $top products/s | $(percent "$done_s" "$top") |"
    zero=$(line decode 0 1 "$folder/decode" | field tok_s_median)
    for depth in ${depths//,/ }; do
        row=$(line decode "$depth" 1 "$folder/decode")
        rate=$(field tok_s_median <<<"$row")
        echo "| $config | decode at $depth | $rate tok/s, $(field read_gb_s <<<"$row") GB/s |" \
            "$(field membw_gb_s <<<"$row") GB/s read | $(percent "$(field read_gb_s <<<"$row")" "$(field membw_gb_s <<<"$row")") |"
        [ "$depth" = 0 ] || echo "| $config | decode at $depth against empty | $rate | $zero tok/s | $(percent "$rate" "$zero") |"
        plain=$(line decode "$depth" 1 "$folder/bf16" | field tok_s_median || true)
        [ -z "$plain" ] || echo "| $config | W4A4KV4 against BF16 at $depth | $rate | $plain tok/s | $(ratio "$rate" "$plain") x |"
    done
    one=$(line decode 0 1 "$folder/batch" | field tok_s_median)
    for batch in 4 16; do
        many=$(line decode 0 $batch "$folder/batch" | field tok_s_median)
        echo "| $config | $batch sequences against one | $many | $one tok/s | $(ratio "$many" "$one") x |"
    done
done
