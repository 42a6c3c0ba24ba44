#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs test programs and prints what came out, in the order given; the last line is "N passed, N failed[, N skipped]".
#
#   tests/run.sh PROGRAM...        environment: BUILD (logs go there), JOBS, TEST_SECONDS
#
# A program reports TAP on stdout ("ok 1 - name", "not ok 2 - name", "ok 3 - name # SKIP reason"), as cmocka does. One
# that reports none counts as a single check: exit 0 passed, 77 skipped, else failed; but a cmocka or replay program
# without a check has failed, and so has one that ends badly or reports fewer checks than it announced.
set -u

BUILD=$(realpath -m "${BUILD:-build}")
JOBS=${JOBS:-2}
LOGS=$BUILD/test-logs
# What this person's own nibble doctor stored decides nothing here.
export NIBBLE_HOME=$LOGS/home
export BUILD LOGS CMOCKA_MESSAGE_OUTPUT=TAP TEST_SECONDS=${TEST_SECONDS:-300}

# The log of a program; distinct for distinct programs.
log_of()
{
    local path=${1#"$BUILD"/}
    echo "$LOGS/$(tr '/ ' '__' <<<"$path")"
}

run_one()
{
    local log
    log=$(log_of "$1")
    local program=$1
    case $program in */*) ;; *) program=./$program ;; esac
    env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS timeout -k 10 "$TEST_SECONDS" "$program" >"$log.log" 2>&1 </dev/null
    echo $? >"$log.rc.new"
    mv "$log.rc.new" "$log.rc"
}
export -f log_of run_one

# Reads a log; prints "passed failed skipped", then the names of what failed ("- ") and was skipped ("s ").
count='
/^1\.\.[0-9]+/ { planned += substr($1, 4) }
/^(not )?ok( |$)/ {
    seen++
    name = $0; sub(/^(not )?ok *[0-9]* *-? */, "", name)
    if ($0 ~ /# *[Ss][Kk][Ii][Pp]/) { skipped++; sub(/ *# *[Ss][Kk][Ii][Pp] */, name ~ /^#/ ? "" : ": ", name)
        list = list "\ns " name (last ~ /^(ok|not ok|1\.\.|$)/ ? "" : ": " last) }
    else if ($1 == "not") { failed++; list = list "\n- " name }
    else passed++
}
{ last = $0 }
END {
    if (seen == 0 && !is_program) {
        if (rc == 0) passed++
        else if (rc == 77) { skipped++; list = list "\ns " last }
        else failed++
    } else if (seen == 0) { failed++; list = list "\n- ran no test" }
    else if (seen < planned) { failed++; list = list "\n- reported " seen " of " planned " checks" }
    else if (rc != 0 && failed == 0) failed++
    if (rc == 124 || rc == 137) list = list "\n- stopped after " seconds " seconds"
    else if (rc > 128) list = list "\n- ended by signal " rc - 128
    else if (rc != 0 && rc != 77 && failed <= 1) list = list "\n- exit status " rc
    print passed + 0, failed + 0, skipped + 0 list
}'

mkdir -p "$LOGS"
programs=()
for program in "$@"; do
    rm -f "$(log_of "$program").rc"
    programs+=("$program")
done
[ ${#programs[@]} -gt 0 ] && printf '%s\0' "${programs[@]}" | xargs -0 -P "$JOBS" -I{} bash -c 'run_one "$1"' run {} 2>/dev/null &
runner=$!

passed=0 failed=0 skipped=0
for program in "${programs[@]}"; do
    log=$(log_of "$program")
    until [ -e "$log.rc" ]; do
        if ! kill -0 "$runner" 2>/dev/null && [ ! -e "$log.rc" ]; then
            echo 'the runner was stopped' >"$log.log"
            echo 1 >"$log.rc"
        fi
        sleep 0.05
    done
    is_program=1
    case $program in *.sh) is_program=0 ;; esac
    result=$(awk -v rc="$(cat "$log.rc")" -v is_program=$is_program -v seconds="$TEST_SECONDS" "$count" "$log.log")
    read -r p f s <<<"$(head -n 1 <<<"$result")"
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
    name=${program#"$BUILD"/}
    name=${name#build*/}
    detail="$p passed"
    [ "$f" -gt 0 ] && detail="$detail, $f failed"
    [ "$s" -gt 0 ] && detail="$detail, $s skipped"
    if [ "$f" -gt 0 ]; then
        printf 'FAIL  %-48s %s\n' "$name" "$detail"
        tail -n +2 <<<"$result" | sed -n 's/^- /      failed: /p'
        echo "      --- the end of ${log#"$PWD"/}.log:"
        tail -n 40 "$log.log" | sed 's/^/      | /'
    else
        [ "$p" -gt 0 ] && verdict=PASS || verdict=SKIP
        printf '%s  %-48s %s\n' "$verdict" "$name" "$detail"
    fi
    tail -n +2 <<<"$result" | sed -n 's/^s /      SKIPPED: /p'
done
wait "$runner" 2>/dev/null

if [ $((passed + failed + skipped)) -eq 0 ]; then
    echo 'no test was run'
    failed=1
fi
line="$passed passed, $failed failed"
[ "$skipped" -gt 0 ] && line="$line, $skipped skipped"
echo "$line"
[ "$failed" -eq 0 ]
