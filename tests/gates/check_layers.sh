#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Includes are paths from the root and point strictly downward: apps -> runtime -> kernels -> platform.
. tests/gates/gate.sh

violations_from < <(files '^(platform|kernels|runtime|apps|tests)/.*\.(c|h|cu|cuh)$' | xargs -r awk '
function level(path) { return path ~ /^platform\// ? 0 : path ~ /^kernels\// ? 1 : path ~ /^runtime\// ? 2 : path ~ /^apps\// ? 3 : 4 }
function bad(why) { printf "%s:%d: %s: %s\n", FILENAME, FNR, included, why }
function folder(path) { sub(/\/[^\/]*$/, "", path); return path }
/^[ \t]*#[ \t]*include[ \t]*[<"]/ {
    included = $0; sub(/^[^<"]*[<"]/, "", included); sub(/[>"].*/, "", included)
    angled = $0 ~ /include[ \t]*</
    if (angled) {
        if (included ~ /^(platform|kernels|runtime|apps|tests)\//) bad("project headers are included with quotes")
        next
    }
    if (FILENAME ~ /^apps\/example\//) { bad("the example includes what is installed: <nibble.h>"); next }
    if (included !~ /^(platform|kernels|runtime|apps|tests)\// || included ~ /(^|\/)\.\.?\//)
        { bad("not a path from the root"); next }
    if (included ~ /\.(c|cu)$/) bad("a source file is not included")
    if (system("test -f \"" included "\"") != 0) bad("there is no such file")
    if (FILENAME ~ /^tests\//) next
    if (included ~ /^tests\//) bad("only tests include tests")
    if (level(included) > level(FILENAME)) bad("points upward")
    if (included ~ /^kernels\/grad\// && FILENAME !~ /^(apps\/qat|kernels\/grad)\//) bad("kernels/grad is for apps/qat alone")
    if (FILENAME ~ /^apps\// && FILENAME !~ /^apps\/qat\// && included !~ /^apps\// && included != "runtime/nibble.h")
        bad("apps see runtime/nibble.h alone")
    if (FILENAME ~ /^apps\// && FILENAME !~ /^apps\/qat\// && included ~ /^apps\/qat\//) bad("apps/qat is included by apps/qat alone")
}')
finish
