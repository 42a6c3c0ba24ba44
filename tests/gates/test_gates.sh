#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every gate fails on a violation: each case puts one violation into a copy of the tree, or of what was built, and expects
# the gate to fail naming it. The copy without a violation must not be named.
set -u

CC=${CC:-gcc}
built=$(realpath "${BUILD:-build}")
source_tree=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
n=0
cased=' '

. tests/gates/gate.sh
files >"$work/list"

# A fresh copy of the tree in $work/tree, with what was built in its build/.
fresh()
{
    rm -rf "$work/tree"
    mkdir -p "$work/tree/build"
    tar -C "$source_tree" -cf - -T "$work/list" | tar -C "$work/tree" -xf -
    cp "$built/libnibble.a" "$built/libnibble.so" "$work/tree/build/"
    cp "$built/nibble" "$work/tree/build/" 2>/dev/null
    cd "$work/tree" || exit 1
}

# expect GATE WORD DESCRIPTION: the gate, run in the copy, fails, and a line of it has WORD; on the tree itself none has.
expect()
{
    n=$((n + 1))
    cased="$cased$1 "
    local output before status
    output=$(BUILD=build "tests/gates/check_$1.sh" 2>&1)
    status=$?
    before=$(cd "$source_tree" && BUILD=$built "tests/gates/check_$1.sh" 2>&1)
    if [ $status -eq 77 ]; then
        echo "ok $n - $1: $3 # SKIP $output"
    elif [ $status -eq 1 ] && grep -qF -- "$2" <<<"$output" && ! grep -qF -- "$2" <<<"$before"; then
        echo "ok $n - $1: $3"
    else
        echo "not ok $n - $1: $3"
        echo "# status $status, expected 1 and '$2' in: $output"
    fi
}

source_case() # GATE FILE DESCRIPTION: a new file, its text on stdin behind the licence line
{
    fresh
    mkdir -p "$(dirname "$2")"
    { [ -n "${BARE:-}" ] || echo '// SPDX-License-Identifier: Apache-2.0'; cat; } >"$2"
    expect "$1" "$2" "$3"
}

object_case() # GATE NAME DESCRIPTION: a new object in the library, its source on stdin
{
    fresh
    mkdir -p runtime
    cat >"runtime/$2.c"
    $CC -w -O1 -fPIC -fvisibility=hidden -I. -c "runtime/$2.c" -o "$2.o" && ar r build/libnibble.a "$2.o" 2>/dev/null
    expect "$1" "$2.o" "$3"
}

source_case layers platform/gate_case.c 'platform includes kernels' <<<'#include "kernels/nvfp4.h"'
source_case layers kernels/gate_case.h 'kernels includes runtime' <<<'#include "runtime/nibble.h"'
source_case layers apps/gate_case/gate_case.c 'an app looks below nibble.h' <<<'#include "platform/base.h"'
source_case layers runtime/gate_case.c 'an include that is not a path from the root' <<<'#include "nibble.h"'
source_case layers runtime/gate_case.c 'an include with a step up' <<<'#include "runtime/../kernels/nvfp4.h"'
source_case layers runtime/gate_case.c 'a source file is included' <<<'#include "platform/base.c"'
source_case layers runtime/gate_case.c 'a header that is not there' <<<'#include "platform/gate_nothing.h"'
fresh
mkdir -p kernels/grad && echo '// SPDX-License-Identifier: Apache-2.0' >kernels/grad/gate_grad.h
echo '#include "kernels/grad/gate_grad.h"' >runtime/gate_case.c
expect layers 'runtime/gate_case.c' 'the runtime includes kernels/grad'

source_case names apps/gate_case/base.c 'a file name used twice' <<<''
object_case names gate_case 'a name without the prefix' <<<'int gate_case(void) { return 1; }'

object_case globals gate_case 'a global variable' <<<'int nb_gate_variable = 3;'
object_case globals gate_case 'a static that changes' <<<'int nb_gate(void) { static int n; return n++; }'
object_case globals gate_case 'a thread-local variable' <<<'_Thread_local int nb_gate_variable;'
object_case globals gate_case 'a table of pointers that is not const' <<<'const char *nb_gate_table[] = {"a", "b"};'
fresh
echo 'const char *const nb_gate_table[] = {"a", "b"}; const int nb_gate_numbers[] = {1, 2};' >gate_case.c
$CC -fPIC -c gate_case.c -o gate_case.o && ar r build/libnibble.a gate_case.o 2>/dev/null
n=$((n + 1))
BUILD=build tests/gates/check_globals.sh | grep -q gate_case && echo "not ok $n - globals: constant tables are let through" ||
    echo "ok $n - globals: constant tables are let through"

object_case exits gate_case 'calls exit' <<<'void exit(int); void nb_gate(void) { exit(1); }'
object_case exits gate_case 'calls abort' <<<'void abort(void); void nb_gate(void) { abort(); }'
object_case exits gate_case 'prints' <<<'int printf(const char *, ...); void nb_gate(int n) { printf("%d", n); }'
object_case exits gate_case 'prints to stderr' <<<'#include <stdio.h>
void nb_gate(int n) { fprintf(stderr, "%d", n); }'
object_case exits gate_case 'reads the environment' <<<'char *getenv(const char *); char *nb_gate(void) { return getenv("HOME"); }'
object_case libm gate_case 'calls expf' <<<'#include <math.h>
float nb_gate(float x) { return expf(x); }'

fresh
mkdir -p kernels/grad
echo 'int nb_gate_grad(void); int nb_gate_grad(void) { return 1; } int main(void) { return nb_gate_grad(); }' >kernels/grad/gate_grad.c
$CC kernels/grad/gate_grad.c -o build/nibble
expect lean gate_grad.c 'a program with an object of kernels/grad'
fresh
mkdir -p kernels/grad
echo 'int nb_gate_grad(void); int nb_gate_grad(void) { return 1; }' >kernels/grad/gate_grad.c
$CC -c kernels/grad/gate_grad.c -o gate_grad.o && ar r build/libnibble.a gate_grad.o 2>/dev/null
expect lean gate_grad.c 'the library with an object of kernels/grad'

fresh
echo 'int nb_gate_extra(void) { return 1; }' >gate_case.c
$CC -shared -fPIC gate_case.c -o build/libnibble.so
expect exports nb_gate_extra 'a function that nibble.h does not declare'
expect exports nb_engine_open 'a declared function that is not there'
fresh
for i in $(seq 41); do echo "NB_API void nb_gate_extra_$i(void);"; done >>runtime/nibble.h
expect exports 'at most 40' 'more than 40 functions'

source_case format runtime/gate_case.c 'a file that is not formatted' <<<'int   nb_gate( void );'
source_case size runtime/gate_case.c 'a file of 501 lines' < <(for _ in $(seq 500); do echo; done)
source_case size runtime/gate_case.c 'a function of 71 lines' < <(
    printf 'void nb_gate(void)\n{\n'; for _ in $(seq 71); do echo '    nb_gate();'; done; echo '}')
source_case size runtime/gate_case.c 'a line of 123 columns' < <(printf '// %0120d\n' 0)
BARE=1 source_case size runtime/gate_case.c 'a file without its licence' <<<'int nb_gate(void);'
source_case mirror runtime/gate_case.c 'a source without a test' <<<''
fresh
echo 'runtime/gate_gone.c tested somewhere' >>tests/gates/mirror_exceptions.txt
expect mirror runtime/gate_gone.c 'an exception for a file that is gone'
source_case words runtime/gate_case.c 'a path of the machine' <<<"// see /wor""k/notes"
source_case words docs/gate_case.md 'a note of unfinished work' <<<"TO""DO: later"
for mention in 'see `runtime/gate_gone.c`' 'see `nb_gate_gone`' '[see](gate_gone.md)' '`make gate-gone`'; do
    fresh
    echo "$mention" >docs/gate_case.md
    expect docs docs/gate_case.md "$mention"
done

cd "$source_tree" || exit 1
for gate in tests/gates/check_*.sh; do
    n=$((n + 1))
    name=$(basename "$gate" .sh)
    name=${name#check_}
    case $cased in *" $name "*) echo "ok $n - $name: has a case" ;; *) echo "not ok $n - $name: has no case" ;; esac
done
echo "1..$n"
