#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs fuzz targets one after another, each from its corpus tests/fuzz/corpus/NAME and with the dictionary
# tests/fuzz/NAME.dict where there is one. What is found goes to $BUILD/fuzz/NAME, the seeds are only read.
#
#   BUILD=DIR tests/fuzz/fuzz.sh SECONDS TARGET...
set -u

seconds=$1
shift
passed=0 failed=0
for target in "$@"; do
    name=$(basename "$target")
    name=${name#fuzz_}
    found=$BUILD/fuzz/$name
    mkdir -p "$found/new" "$found/crashes"
    arguments=(-max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 -artifact_prefix="$found/crashes/")
    [ -f "tests/fuzz/$name.dict" ] && arguments+=(-dict="tests/fuzz/$name.dict")
    [ -d "tests/fuzz/corpus/$name" ] && corpus=("tests/fuzz/corpus/$name") || corpus=()
    if "$target" "${arguments[@]}" "$found/new" "${corpus[@]}" >"$found/log" 2>&1 </dev/null; then
        passed=$((passed + 1))
        printf 'PASS  fuzz_%-24s %s runs, coverage %s\n' "$name" \
            "$(awk '/number_of_executed_units/ { print $2 }' "$found/log")" \
            "$(awk '/ cov: / { for (i = 1; i < NF; i++) if ($i == "cov:") c = $(i + 1) } END { print c }' "$found/log")"
    else
        failed=$((failed + 1))
        printf 'FAIL  fuzz_%-24s the input is in %s\n' "$name" "$found/crashes"
        tail -n 40 "$found/log" | sed 's/^/      | /'
    fi
done
if [ $((passed + failed)) -eq 0 ]; then
    echo 'no fuzz target'
    failed=1
fi
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
