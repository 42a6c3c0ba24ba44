# SPDX-License-Identifier: Apache-2.0
# For the Arm tests, sourced at the root of the tree: a cross-compiled build in $arm, with Debian's arm64 libraries in
# $root, whose programs run under qemu.

BUILD=$(realpath -m "${BUILD:-build}")
arm=$BUILD-arm64
root=$arm/root
packages=libc6-dev,libgcc-12-dev,libjansson-dev,libpcre2-dev,libutf8proc-dev,libssl-dev,libedit-dev,libgmp-dev,libsqlite3-dev,libcurl4-openssl-dev,libmimalloc-dev
packages=$packages,libdnnl-dev,libcmocka-dev

# Prints why there can be no Arm tests here; false when there can.
arm_is_missing()
{
    [ "$(uname -m)" = x86_64 ] || { echo 'this machine is not an x86-64'; return; }
    for tool in aarch64-linux-gnu-gcc qemu-aarch64 mmdebstrap; do
        command -v $tool >/dev/null || { echo "$tool is not installed"; return; }
    done
    arm_is_fetched || arm_fetch >&2 || { echo 'the Arm libraries could not be fetched'; return; }
    false
}

# Whether what is there was fetched by this list of packages.
arm_is_fetched()
{
    [ "$(cat "$root/done" 2>/dev/null)" = "$packages" ]
}

# One at a time: two tests may want it at once.
arm_fetch()
{
    mkdir -p "$arm"
    (
        flock 9
        arm_is_fetched && exit
        rm -rf "$root"
        mmdebstrap --quiet --variant=extract --mode=chrootless --architectures=arm64 --include=$packages \
            bookworm "$root" http://deb.debian.org/debian || exit
        # Links such as libm.so are absolute; the cross-linker would follow them out of the folder.
        find "$root" -type l -lname '/*' -exec sh -c \
            'for link; do ln -sfnr "$0$(readlink "$link")" "$link"; done' "$root" {} +
        echo "$packages" >"$root/done"
    ) 9>"$arm/lock"
}

arm_make() # TARGET...
{
    (
        flock 9
        libraries=$root/usr/lib/aarch64-linux-gnu/pkgconfig:$root/usr/share/pkgconfig
        PKG_CONFIG_SYSROOT_DIR=$root PKG_CONFIG_LIBDIR=$libraries exec env -u MAKEFLAGS -u MAKELEVEL \
            make --no-print-directory -j"${JOBS:-2}" CC="aarch64-linux-gnu-gcc --sysroot=$root" BUILD="$arm" \
            "${@#"$(pwd -P)"/}" >&2 # as the Makefile names them: from the root of the tree
    ) 9>"$arm/lock"
}

# Every instruction that qemu knows: dot product and i8mm among them.
arm_run() # PROGRAM [ARGUMENT...]
{
    qemu-aarch64 -cpu max -L "$root" "$@"
}
