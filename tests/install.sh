#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The work of `make install` and `make uninstall`; both walk the same list of files.
#
#   BUILD, PREFIX, LIBDIR, DESTDIR, VERSION, ABI (environment)    tests/install.sh install|uninstall
set -eu

action=$1
D=${DESTDIR:-}
SHARE=$PREFIX/share

# put MODE SOURCE TARGET
put()
{
    if [ "$action" = uninstall ]; then
        rm -f "$D$3"
    else
        install -D -m "$1" "$2" "$D$3"
    fi
}
link() # TEXT TARGET
{
    if [ "$action" = uninstall ]; then
        rm -f "$D$2"
    else
        ln -sf "$1" "$D$2"
    fi
}

if [ "$action" = install ]; then
    # The public header stands alone: the status codes are folded in.
    sed -e '/^#include "platform\/status.h"/ { r platform/status.h
        d }' runtime/nibble.h >"$BUILD/nibble.h"
    sed -e "s|@PREFIX@|$PREFIX|; s|@LIBDIR@|$LIBDIR|; s|@VERSION@|$VERSION|" nibble.pc.in >"$BUILD/nibble.pc"
fi

for program in nibble nibble-qat; do
    [ "$action" = install ] && [ ! -f "$BUILD/$program" ] || put 755 "$BUILD/$program" "$PREFIX/bin/$program"
done
put 644 "$BUILD/nibble.h" "$PREFIX/include/nibble.h"
put 644 "$BUILD/libnibble.a" "$LIBDIR/libnibble.a"
put 755 "$BUILD/libnibble.so" "$LIBDIR/libnibble.so.$VERSION"
link "libnibble.so.$VERSION" "$LIBDIR/libnibble.so.$ABI"
link "libnibble.so.$ABI" "$LIBDIR/libnibble.so"
put 644 "$BUILD/nibble.pc" "$LIBDIR/pkgconfig/nibble.pc"
for page in docs/man/*.1; do
    [ ! -f "$page" ] || put 644 "$page" "$SHARE/man/man1/$(basename "$page")"
done
if [ -f docs/completion/nibble ]; then
    put 644 docs/completion/nibble "$SHARE/bash-completion/completions/nibble"
    link nibble "$SHARE/bash-completion/completions/nibble-qat"
fi
for file in apps/tutor/model/*; do
    [ ! -f "$file" ] || put 644 "$file" "$SHARE/nibble/model/$(basename "$file")"
done
if [ "$action" = uninstall ]; then
    rmdir "$D$SHARE/nibble/model" "$D$SHARE/nibble" 2>/dev/null || true
fi
# The loader's cache, where this is a folder it looks into.
case $D$PREFIX in
    /usr | /usr/local) [ "$(id -u)" -ne 0 ] || ! command -v ldconfig >/dev/null || ldconfig ;;
esac
