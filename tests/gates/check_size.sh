#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Source files have at most 500 lines, functions at most 70 (from the opening to the closing brace), lines at most 120
# columns; every source file starts with its licence.
. tests/gates/gate.sh

violations_from < <(files '\.(c|h|cu|cuh)$' | xargs -r awk '
function close_file() { if (lines > 500) printf "%s: %d lines; at most 500\n", file, lines }
FNR == 1 {
    close_file(); file = FILENAME
    if ($0 != "// SPDX-License-Identifier: Apache-2.0") printf "%s:1: the first line is not the licence\n", file
}
{ lines = FNR }
/^{/ { start = FNR }
/^}/ && start { if (FNR - start - 1 > 70) printf "%s:%d: a function of %d lines; at most 70\n", FILENAME, start, FNR - start - 1; start = 0 }
END { close_file() }')
violations_from < <(files '\.(c|h|cu|cuh)$' | LC_ALL=C.UTF-8 xargs -r grep -nEH '^.{121,}' | sed -E 's/^([^:]*:[0-9]*):.*/\1: more than 120 columns/')
violations_from < <(files '\.(sh|py)$' | xargs -r awk '
    FNR <= 2 && /^# SPDX-License-Identifier: Apache-2.0$/ { licensed[FILENAME] = 1 }
    FNR == 1 { all[FILENAME] = 1 }
    END { for (f in all) if (!(f in licensed)) print f ": the licence line is missing" }')
finish
