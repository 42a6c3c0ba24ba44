#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# make install into a staging folder: the files, the header alone as C11 and C++17, a program built with pkg-config against
# the shared and the static library, and uninstall leaving nothing behind.
set -u

CC=${CC:-gcc}
BUILD=${BUILD:-build}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
stage=$work/stage
n=0

check() # DESCRIPTION COMMAND...
{
    local description=$1
    shift
    n=$((n + 1))
    if "$@" >"$work/log" 2>&1; then
        echo "ok $n - $description"
    else
        echo "not ok $n - $description"
        sed 's/^/# /' "$work/log"
    fi
}
skip() # DESCRIPTION REASON
{
    n=$((n + 1))
    echo "ok $n - $1 # SKIP $2"
}

# `-o all`: what is built is installed as it is, whatever options it was built with.
quiet_make()
{
    make --no-print-directory -o all BUILD="$BUILD" CC="$CC" "$@"
}
check 'install with DESTDIR' quiet_make install DESTDIR="$stage" PREFIX=/usr
for file in include/nibble.h lib/libnibble.a lib/libnibble.so lib/libnibble.so.0 lib/pkgconfig/nibble.pc bin/nibble bin/nibble-qat; do
    check "installs $file" test -e "$stage/usr/$file"
done
check 'the soname is libnibble.so.0' sh -c "readelf -d '$stage/usr/lib/libnibble.so' | grep -q 'soname: \[libnibble.so.0\]'"
for page in docs/man/*.1; do
    [ -f "$page" ] && check "installs ${page##*/}" cmp "$page" "$stage/usr/share/man/man1/${page##*/}"
done

strict='-Wall -Wextra -Wpedantic -Werror -fsyntax-only'
echo '#include <nibble.h>' >"$work/header.c"
check 'the header compiles alone as C11' $CC -std=c11 $strict -I"$stage/usr/include" "$work/header.c"
if echo 'int main() {}' | $CC -x c++ -fsyntax-only - 2>/dev/null; then
    check 'the header compiles alone as C++17' $CC -x c++ -std=c++17 $strict -I"$stage/usr/include" "$work/header.c"
else
    skip 'the header compiles alone as C++17' "$CC has no C++"
fi
check 'uninstall' quiet_make uninstall DESTDIR="$stage" PREFIX=/usr
check 'nothing is left behind' sh -c "! find '$stage' -type f -o -type l | grep ."

# As a user would: a prefix of one's own, and pkg-config.
check 'install with PREFIX' quiet_make install PREFIX="$work/prefix"
export PKG_CONFIG_PATH=$work/prefix/lib/pkgconfig LD_LIBRARY_PATH=$work/prefix/lib
version=$(sed -n 's/^#define NB_VERSION "\(.*\)"/\1/p' runtime/nibble.h)
check 'pkg-config knows the version' test "$(pkg-config --modversion nibble)" = "$version"
cat >"$work/version.c" <<'END'
#include <nibble.h>
#include <stdio.h>
int main(void)
{
    return puts(nb_version()) < 0;
}
END
shared=$(pkg-config --cflags --libs nibble)
static=$(pkg-config --cflags --static --libs nibble | sed 's/-lnibble/-l:libnibble.a/')
example=$(find apps/example -name '*.c' 2>/dev/null | sort | tr '\n' ' ')
for program in version example; do
    sources=$work/version.c
    [ $program = example ] && sources=$example
    [ -n "$sources" ] || continue
    check "$program builds against the shared library" $CC -std=c11 $sources -o "$work/$program-shared" $shared
    check "$program builds against the static library" $CC -std=c11 $sources -o "$work/$program-static" $static
done
for kind in shared static; do
    check "the $kind library says its version" test "$("$work/version-$kind" 2>&1)" = "$version"
    if [ -n "$example" ] && [ -d apps/tutor/model ]; then
        check "the example runs with the $kind library" "$work/example-$kind" apps/tutor/model 'What is 2 + 3?'
        cp "$work/log" "$work/$kind.out"
    fi
done
if [ -n "$example" ] && [ -d apps/tutor/model ]; then
    check 'both say the same, and something' sh -c "test -s '$work/shared.out' && cmp '$work/shared.out' '$work/static.out'"
fi
echo "1..$n"
