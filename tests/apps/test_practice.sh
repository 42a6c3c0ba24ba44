#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# nibble tutor --practice, typed into a pseudo-terminal: Ctrl-C ends the line, not the practice, and no record is lost.
. tests/support/app_checks.sh
needs_terminal 'nibble tutor --practice in a terminal'

practice() # OPTION...
{
    types "$nibble" tutor --practice addition --seed 5 --learner Mia "$@"
}

records() # N: so many answers were recorded since the start
{
    "$nibble" tutor --export "$work/records.csv" --learner Mia >"$work/out" 2>"$work/err" || : >"$work/records.csv"
    [ "$(wc -l <"$work/records.csv")" -eq $(($1 + 1)) ]
}

practice --problems 2 <<'E1'
#1:0\r
#2:12 and a half
12 and a half:\003
#3:0\r
E1
check "Ctrl-C in a line: the practice goes on to its end (found $code)" test "$code" -eq 0
says 'and says so' 'The question is still open'
says 'both problems were answered' '2 answered, 0 right'
check 'and recorded; what was dropped was not' records 2

practice <<'E2'
#1:0\r
#2:\003
#3:\003
E2
check "Ctrl-C at an empty prompt, and again: leaves with 0 (found $code)" test "$code" -eq 0
says 'as /quit does' '1 answered, 0 right'
check 'the answer before it is recorded' records 3

practice <<'E3'
#1:\003
#2:123
> 123:\003
#3:/hint\r
#4:\003
#5:0\r
#6:\003
#7:\004
E3
check "only the second in a row leaves; Ctrl-D does (found $code)" test "$code" -eq 0
says 'what stands between counts' '1 answered, 0 right'
check 'recorded' records 4
finish
