#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The library does not end the process, print, or read the environment: no object refers to a function that would.
# platform/base.o may print to stderr and abort: a broken invariant must not compute on.
. tests/gates/gate.sh

violations_from < <(nm -A -u "$BUILD/libnibble.a" | awk '
BEGIN {
    n = split("exit _exit _Exit quick_exit abort __assert_fail err errx verr verrx warn warnx error " \
              "printf vprintf puts putchar putc fputc_stdout perror psignal __printf_chk __vprintf_chk stdout stderr " \
              "syslog getenv secure_getenv __secure_getenv setenv putenv unsetenv environ __environ system popen fork " \
              "vfork execv execve execvp execl execlp posix_spawn raise kill setlocale", names, " ")
    for (i = 1; i <= n; i++) forbidden[names[i]] = 1
}
{
    name = $NF; sub(/@.*/, "", name)
    object = $1; sub(/:$/, "", object)
    if (!(name in forbidden)) next
    if (object ~ /:base\.o$/ && (name == "abort" || name == "stderr")) next
    print object ": refers to " name
}')
finish
