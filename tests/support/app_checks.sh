# SPDX-License-Identifier: Apache-2.0
# What the shell tests of the programs start from; sourced at the root of the tree. Reports TAP.
set -u
BUILD=${BUILD:-build}
nibble=$(realpath "$BUILD/nibble")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# No model, cache or history of the person who runs the tests.
export NIBBLE_HOME=$work/home HF_HUB_CACHE=$work/hub
n=0 n_failed=0

report() # OK DESCRIPTION: OK is 0 or not; what a command wrote follows a failure
{
    n=$((n + 1))
    if [ "$1" -eq 0 ]; then
        echo "ok $n - $2"
        return
    fi
    n_failed=$((n_failed + 1))
    echo "not ok $n - $2"
    for stream in out err; do
        [ -s "$work/$stream" ] && head -c 2000 "$work/$stream" | sed "s/^/# $stream: /" | tr -d '\000-\010\016-\037'
    done
}

skip() # DESCRIPTION REASON
{
    n=$((n + 1))
    echo "ok $n - $1 # SKIP $2"
}

check() # DESCRIPTION COMMAND...
{
    local description=$1
    shift
    "$@"
    report $? "$description"
}

# Runs a command without input; its streams go to $work/out and $work/err, its exit code to $code.
try() # COMMAND...
{
    "$@" >"$work/out" 2>"$work/err" </dev/null
    code=$?
}

ends() # CODE DESCRIPTION COMMAND...
{
    local expected=$1 description=$2
    shift 2
    try "$@"
    [ "$code" -eq "$expected" ]
    report $? "$description (exit $expected, found $code)"
}

# Starts a command in the background, its streams as above, and returns once it has printed something; its id is $pid.
start() # COMMAND...
{
    rm -f "$work/out" "$work/err"
    "$@" >"$work/out" 2>"$work/err" </dev/null &
    pid=$!
    for _ in $(seq 400); do
        [ -s "$work/out" ] && break
        sleep 0.05
    done
}

# Waits for what was started; its exit code goes to $code.
wait_for_it()
{
    wait "$pid"
    code=$?
}

# As ends, and what an error must look like: one line on stderr with the prefix, nothing on stdout.
refuses() # CODE DESCRIPTION COMMAND...
{
    local expected=$1 description=$2
    shift 2
    try "$@"
    [ "$code" -eq "$expected" ] && [ ! -s "$work/out" ] && [ "$(wc -l <"$work/err")" -eq 1 ] &&
        grep -q '^nibble: error: ' "$work/err"
    report $? "$description (exit $expected, found $code)"
}

says() # DESCRIPTION TEXT: the last command's stdout or stderr has it
{
    grep -qF -- "$2" "$work/out" "$work/err"
    report $? "$1"
}

# Whether the screen shows what the next keys wait for; #N is the N-th prompt.
shows() # EXPECTED
{
    case $1 in
        '#'*) [ "$(grep -c '^> ' "$work/screen")" -ge "${1#?}" ] ;;
        *) grep -qF -- "$1" "$work/screen" ;;
    esac
}

# Runs a command in a pseudo-terminal and types what stdin says: each line's keys once the screen shows what stands
# before the colon. What was shown goes to $work/screen, the exit code to $code.
types() # COMMAND...
{
    : >"$work/screen"
    while IFS=: read -r expected keys; do
        for _ in $(seq 100); do
            shows "$expected" && break
            sleep 0.05
        done
        sleep 0.1
        printf '%b' "$keys"
    done | TERM=xterm timeout 60 script -qec "exec $(printf '%q ' "$@")" "$work/log" >"$work/screen" 2>&1
    code=${PIPESTATUS[1]}
    cp "$work/screen" "$work/out"
    : >"$work/err"
}

# Ends the test program, skipped, where there is no script(1) to make a terminal.
needs_terminal() # DESCRIPTION
{
    script -qec true /dev/null </dev/null >/dev/null 2>&1 && return
    skip "$1" 'no script(1) to make a terminal'
    finish
}

finish()
{
    echo "1..$n"
    [ "$n_failed" -eq 0 ]
    exit
}
