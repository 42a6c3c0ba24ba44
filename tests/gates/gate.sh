# SPDX-License-Identifier: Apache-2.0
# What every gate starts from. A gate runs at the root of the tree with BUILD naming the build directory, prints one line
# for each violation and exits 1 when there is any; exit 77 means it could not be run here.
set -u
export LC_ALL=C
BUILD=${BUILD:-build}
violations=0

# The project's files: what git tracks or would track, or, outside a repository, every file but the builds'.
files() # [PATTERN]: an extended regular expression the path must match
{
    { git ls-files -co --exclude-standard 2>/dev/null | grep . ||
        find . -name '.?*' -prune -o -path './build*' -prune -o -type f -print | sed 's|^\./||'; } |
        grep -E "${1:-.}" | while read -r file; do [ -f "$file" ] && echo "$file"; done | sort
}

violation()
{
    echo "$*"
    violations=$((violations + 1))
}

# Reads violations, one a line.
violations_from()
{
    while read -r line; do violation "$line"; done
}

finish()
{
    [ "$violations" -eq 0 ]
    exit
}
