#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs the Debian/Ubuntu packages that building, running and testing need, if any is missing; silent otherwise.
#
#   tests/deps.sh [--arm | --develop]      --arm: also what the Arm tests need (a cross-compiler and qemu)
#                                          --develop: and what CI uses besides (clang, clang-format)
set -u

missing=()
need() # PACKAGE TEST...: the package is missing when the test fails
{
    local package=$1
    shift
    "$@" >/dev/null 2>&1 || missing+=("$package")
}
linkable() # FILE: the C compiler finds it among its libraries
{
    case $(gcc -print-file-name="$1" 2>/dev/null) in /*) ;; *) false ;; esac
}
look_for()
{
    missing=()
    need gcc command -v gcc
    need libc6-dev linkable crt1.o
    need make command -v make
    need pkg-config command -v pkg-config
    need libjansson-dev pkg-config --exists jansson
    need libpcre2-dev pkg-config --exists libpcre2-8
    need libutf8proc-dev pkg-config --exists libutf8proc
    need libssl-dev pkg-config --exists libcrypto libssl
    need libedit-dev pkg-config --exists libedit
    need libgmp-dev pkg-config --exists gmp
    need libsqlite3-dev pkg-config --exists sqlite3
    need libcurl4-openssl-dev pkg-config --exists libcurl
    need ca-certificates test -s /etc/ssl/certs/ca-certificates.crt
    need libmimalloc-dev linkable libmimalloc.so
    need libdnnl-dev linkable libdnnl.so
    need libcmocka-dev pkg-config --exists cmocka
    need libmicrohttpd-dev pkg-config --exists libmicrohttpd
    if [ "$develop" = --develop ]; then
        need clang command -v clang
        need clang-format command -v clang-format
    fi
    if [ -n "$develop" ] && [ "$(uname -m)" = x86_64 ]; then
        need gcc-aarch64-linux-gnu command -v aarch64-linux-gnu-gcc
        need qemu-user command -v qemu-aarch64
        need mmdebstrap command -v mmdebstrap
    fi
}

develop=${1:-}
look_for
[ ${#missing[@]} -eq 0 ] && exit 0

fail()
{
    echo "nibble: error: packages are missing: ${missing[*]}; $1" >&2
    exit 1
}
command -v apt-get >/dev/null || fail 'this system has no apt-get; install what they contain by its own means'
as_root=()
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || fail "as root: apt-get install ${missing[*]}"
    as_root=(sudo)
fi
echo "nibble: installing ${missing[*]}" >&2
apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=120)
"${apt[@]}" update >/dev/null || echo 'nibble: warning: apt-get update failed, going on with the lists at hand' >&2
"${apt[@]}" install --no-install-recommends "${missing[@]}" >&2 || fail 'apt-get could not install them'
look_for
[ ${#missing[@]} -eq 0 ] || fail 'apt-get installed them, but they are not found'
