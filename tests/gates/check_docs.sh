#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What the documents name exists: links between them, paths and nb_ names in backquotes, make targets.
. tests/gates/gate.sh

sources=$(files '^(platform|kernels|runtime|apps|tests)/.*\.(c|h)$')
while read -r page; do
    folder=$(dirname "$page")
    while read -r link; do
        [ -e "$folder/$link" ] || violation "$page: a link to $link"
    done < <(grep -oE '\]\([^)#:]+[)#]' "$page" | sed -E 's/^\]\(//; s/[)#]$//' | sort -u)
    while read -r name; do
        case $name in
            nb_*) grep -qw "$name" $sources || violation "$page: $name is nowhere in the sources" ;;
            # A pattern or a placeholder in capitals names a kind of file; one such file is enough for a pattern.
            *[A-Z]*) ;;
            *) compgen -G "$name" >/dev/null || violation "$page: there is no $name" ;;
        esac
    done < <(grep -oE '`[^` ]+`' "$page" | tr -d '`' | sed 's/()$//' |
        grep -E '^(nb_[a-z0-9_]+|(platform|kernels|runtime|apps|tests|docs)/[A-Za-z0-9_./*-]+)$' | sort -u)
    while read -r target; do
        grep -qE "^$target:" Makefile || [ -f "tests/gates/check_${target#check-}.sh" ] ||
            violation "$page: there is no make $target"
    done < <(grep -oE '(`|^ *)make [a-z-]+' "$page" | sed 's/.*make //' | sort -u)
done < <(files '\.md$')
finish
