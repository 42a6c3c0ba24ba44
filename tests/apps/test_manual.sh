#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Manual pages and completion against --help: every command and every option is in both, and no page names another.
. tests/support/app_checks.sh

options_of() # COMMAND: the long options of --help
{
    { "$nibble" "$1" --help; [ "$1" != models ] || "$nibble" models add --help; } | grep -oE '^ +(-[a-z], )? *--[a-z-]+' | grep -oE '[a-z][a-z-]+$' | sort -u
}

for command in run tutor score tokenize info bench doctor pull models rm; do
    page=docs/man/nibble-$command.1
    check "$command has a page" test -f "$page"
    # mdoc writes --name as "Fl -name".
    documented=$(grep -oE 'Fl -[a-z][a-z-]+' "$page" | sed 's/Fl -//' | sort -u)
    missing=$(comm -23 <(options_of $command) <(echo "$documented"))
    check "$command: every option is in its page${missing:+ (missing: $missing)}" test -z "$missing"
    stale=$(grep -oE '^\.It Fl ([a-z] , Fl )?-[a-z][a-z-]+' "$page" | grep -oE '[a-z][a-z-]+$' | sort -u | comm -23 - <(options_of $command))
    check "$command: its page lists no other option${stale:+ (stale: $stale)}" test -z "$stale"
    check "$command: nibble.1 names it" grep -q "nibble-$command 1" docs/man/nibble.1
done

options_of_qat() # COMMAND: the long options of --help
{
    "$nibble-qat" "$1" --help | grep -oE '^ +(-[a-z], )? *--[a-z0-9-]+' | grep -oE '[a-z][a-z0-9-]*$' | sort -u
}

commands=$("$nibble-qat" --help | sed -nE 's/^  ([a-z]+) .*/\1/p')
check 'nibble-qat --help names its commands' test "$(wc -w <<<"$commands")" -ge 10
for command in $commands; do
    page=docs/man/nibble-qat-$command.1
    check "nibble-qat $command has a page" test -f "$page"
    shared=$(sed -n 's/^\.so man1\///p' "$page") # sft and qat share one
    page=docs/man/${shared:-nibble-qat-$command.1}
    check "nibble-qat $command: its page names it" grep -qE "^\.Nm nibble-qat-$command\b" "$page"
    documented=$(grep -oE 'Fl -[a-z][a-z0-9-]*' "$page" | sed 's/Fl -//' | sort -u)
    missing=$(comm -23 <(options_of_qat "$command") <(echo "$documented"))
    check "nibble-qat $command: every option is in its page${missing:+ (missing: $missing)}" test -z "$missing"
    known=$(for named in $(sed -nE 's/^\.Nm nibble-qat-([a-z]+).*/\1/p' "$page"); do options_of_qat "$named"; done | sort -u)
    stale=$(grep -oE '^\.It Fl ([a-z] , Fl )?-[a-z][a-z0-9-]*' "$page" | grep -oE '[a-z][a-z0-9-]*$' | sort -u | comm -23 - <(echo "$known"))
    check "nibble-qat $command: its page lists no other option${stale:+ (stale: $stale)}" test -z "$stale"
    check "nibble-qat $command: nibble-qat.1 names its page" grep -q "^\.Xr nibble-qat-$command 1" docs/man/nibble-qat.1
done
for named in $(grep -hoE '^\.Xr nibble-qat[a-z-]* 1' docs/man/*.1 | awk '{ print $2 }' | sort -u); do
    check "$named, which a page names, is a page" test -f "docs/man/$named.1"
done

check 'the completion loads' bash -c '. docs/completion/nibble && complete -p nibble nibble-qat'
complete_words() # WORD...: completes the last one
{
    bash -c '. docs/completion/nibble; program=$1; shift; COMP_WORDS=("$program" "$@"); COMP_CWORD=$#; COMP_LINE="$program $*"; COMP_POINT=${#COMP_LINE}; _nibble "$program" "${!#}"; printf "%s\n" "${COMPREPLY[@]}"' \
        complete "$nibble" "$@"
}
check 'commands are completed' test "$(complete_words sc)" = score
check 'options are completed' test "$(complete_words run --repeat)" = --repeat-penalty
check 'values are completed' test "$(complete_words run --kv f)" = f32
mkdir -p "$work/home/models/acme/tiny" "$work/hub/models--acme--large/snapshots/c" "$work/hub/models--acme--half/snapshots"
touch "$work/home/models/acme/tiny/config.json"
check 'models are completed' test "$(complete_words run acme/ | sort | tr '\n' ' ')" = 'acme/large acme/tiny '
check 'for rm also what is not whole' test "$(complete_words rm acme/ | sort | tr '\n' ' ')" = 'acme/half acme/large acme/tiny '
check 'models add is completed' test "$(complete_words models a)" = add
check 'the options of models add' test "$(complete_words models add --mo)" = --move
check 'pull completes what is begun' test "$(complete_words pull acme/h)" = acme/half
mkdir -p "$work/hub/models--acme--large/refs/refs/pr" && touch "$work/hub/models--acme--large/refs/main" "$work/hub/models--acme--large/refs/refs/pr/1"
check 'revisions are completed' test "$(complete_words run acme/large@ | sort | tr '\n' ' ')" = 'acme/large@main acme/large@refs/pr/1 '
finish
