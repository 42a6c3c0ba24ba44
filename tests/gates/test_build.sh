#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The Makefile on a tree of three small files: what is rebuilt after each kind of change, and that the result does not
# depend on the folder it is built in.
set -u

CC=${CC:-gcc}
unset BUILD MAKEFLAGS # the small trees have builds of their own
root=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
n=0

small_tree() # FOLDER
{
    mkdir -p "$1/platform" "$1/runtime"
    cp "$root/Makefile" "$1/"
    echo '#define NB_VERSION "9.8.7"' >"$1/runtime/nibble.h"
    printf 'int nb_one(void);\nint nb_two(void);\n' >"$1/platform/numbers.h"
    printf '#include "platform/numbers.h"\nint nb_one(void)\n{\n    return 1 + (__FILE__[0] == 0);\n}\n' >"$1/platform/one.c"
    printf '#include "platform/numbers.h"\nint nb_two(void)\n{\n    return 2;\n}\n' >"$1/platform/two.c"
    printf 'int nb_alone(void);\nint nb_alone(void)\n{\n    return 3;\n}\n' >"$1/platform/alone.c"
}
# What a make compiled, as "one two".
compiled()
{
    make CC="$CC" "$@" 2>&1 | awk '$1 == "cc" { sub(/.*\//, "", $2); sub(/\.o$/, "", $2); print $2 }
        / Error |^make.*\*\*\*/ { print "error" }' | sort | tr '\n' ' '
}
expect() # DESCRIPTION FOUND EXPECTED
{
    n=$((n + 1))
    if [ "$2" = "$3" ]; then
        echo "ok $n - $1"
    else
        echo "not ok $n - $1"
        echo "# found '$2', expected '$3'"
    fi
}
symbols()
{
    nm --defined-only build/libnibble.a | awk 'NF == 3 { print $3 }' | sort | tr '\n' ' '
}

small_tree "$work/a"
cd "$work/a" || exit 1
expect 'the first build compiles everything' "$(compiled)" 'alone one two '
expect 'the second nothing' "$(compiled)" ''
sleep 0.01 && touch platform/one.c
expect 'a changed source' "$(compiled)" 'one '
sleep 0.01 && touch platform/numbers.h
expect 'a changed header' "$(compiled)" 'one two '
sleep 0.01 && touch platform/numbers.h
expect 'and where the folder is named in full' "$(compiled BUILD="$PWD/build")" 'one two '
expect 'the same folder by its short name' "$(compiled BUILD=build/)" ''
expect 'changed options' "$(compiled OPT=-O1)" 'alone one two '
expect 'the same options again' "$(compiled OPT=-O1)" ''
expect 'the options of before' "$(compiled)" 'alone one two '
sleep 0.01 && touch Makefile
expect 'a changed Makefile' "$(compiled)" 'alone one two '
echo '#include "platform/more.h"' >>platform/one.c && echo 'int nb_more(void);' >platform/more.h
expect 'a new header' "$(compiled)" 'one '
sed -i '/more.h/d' platform/one.c && rm platform/more.h
expect 'a header that is gone' "$(compiled)" 'one '
printf 'int nb_four(void);\nint nb_four(void)\n{\n    return 4;\n}\n' >platform/four.c
expect 'a new source' "$(compiled)" 'four '
expect 'it is in the library' "$(symbols)" 'nb_alone nb_four nb_one nb_two '
rm platform/four.c
expect 'a source that is gone' "$(compiled)" ''
expect 'it is not in the library' "$(symbols)" 'nb_alone nb_one nb_two '
mkdir -p tests/fuzz && echo 'int nb_fuzz(void) { return 5; }' >tests/fuzz/fuzz_case.c
expect 'one object alone, with flags of its own' "$(compiled build/tests/fuzz/fuzz_case.o)" 'fuzz_case '
expect 'changes nothing for the others' "$(compiled)" ''
rm -r tests
echo 'int broken(' >>platform/two.c
expect 'an error stops the build' "$(compiled)" 'error two '
sed -i '/broken/d' platform/two.c
expect 'and is mended' "$(compiled)" 'two '

small_tree "$work/another"
cd "$work/another" || exit 1
compiled >/dev/null
expect 'the same archive in another folder' "$(cmp "$work/a/build/libnibble.a" build/libnibble.a 2>&1)" ''
expect 'the same shared library' "$(cmp "$work/a/build/libnibble.so" build/libnibble.so 2>&1)" ''
echo "1..$n"
