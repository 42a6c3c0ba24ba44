#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# nibble tutor --practice, typed into a pseudo-terminal and piped: Ctrl-C ends the line, not the practice, and no record is
# lost, also while another program has the database locked.
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

# ---- a locked database ----------------------------------------------------------------------------------------------

"${CC:-gcc}" -x c - -o "$work/hold" -lsqlite3 <<'E4'
#include <sqlite3.h>
#include <stdio.h>

// Locks a database from the word "held" until its input ends.
int main(int argc, char **argv)
{
    sqlite3 *db;
    if (argc != 2 || sqlite3_open(argv[1], &db) != SQLITE_OK ||
        sqlite3_exec(db, "BEGIN EXCLUSIVE", NULL, NULL, NULL) != SQLITE_OK)
        return 1;
    puts("held");
    fflush(stdout);
    while (getchar() != EOF)
        ;
    return sqlite3_close(db);
}
E4
mkfifo "$work/answers" "$work/told"

lock()
{
    coproc HOLD { exec "$work/hold" "$NIBBLE_HOME/learners.db"; }
    read -r held <&"${HOLD[0]}" && [ "$held" = held ]
}

unlock()
{
    local end=${HOLD[1]} holder=$HOLD_PID
    exec {end}>&-
    wait "$holder"
}

# Starts a practice whose answers are written to descriptor 3 and whose stderr is read from 4.
begin() # OPTION...
{
    "$nibble" tutor --practice addition --seed 5 --learner Mia "$@" <"$work/answers" >"$work/shown" 2>"$work/told" &
    practice_pid=$!
    exec 3>"$work/answers" 4<"$work/told"
    : >"$work/err"
}

# Reads what is told until it has TEXT; all of it goes to $work/err.
hears() # TEXT
{
    local line
    while IFS= read -r line <&4; do
        printf '%s\n' "$line" >>"$work/err"
        [[ $line == *"$1"* ]] && return
    done
    return 1
}

# Waits for the practice; its exit code goes to $code.
end()
{
    exec 3>&-
    cat <&4 >>"$work/err"
    wait "$practice_pid"
    code=$?
    exec 4<&-
    cp "$work/shown" "$work/out"
}

check 'another program locks the records' lock
begin --problems 3
echo 0 >&3
check 'an answer that cannot be written is told about' hears 'not written yet: 1 of your answers'
says 'with the reason' 'learners.db is locked; expected it free, found another program writing to it'
echo 0 >&3
check 'the next one waits with it' hears 'not written yet: 2 of your answers'
check 'so far nothing is recorded' records 4
unlock
echo 0 >&3
check 'both are written with the one after them' hears 'all your answers are written now'
end
check "and the practice ends well (found $code)" test "$code" -eq 0
says 'as without the lock' '3 answered, 0 right. nibble tutor --progress shows the records.'
check 'no record is lost' records 7

lock
begin --problems 2
echo 0 >&3
check 'locked again' hears 'not written yet: 1 of'
unlock
end
check "the end of the input tries once more (found $code)" test "$code" -eq 0
says 'and counts it' '1 answered, 0 right. nibble'
check 'recorded' records 8

lock
begin
echo 0 >&3
check 'and locked again' hears 'not written yet: 1 of'
unlock
kill -INT "$practice_pid"
end
check "so does Ctrl-C (found $code)" test "$code" -eq 130
check 'which loses nothing either' records 9

lock
begin --problems 2
printf '0\n/skip\n' >&3
end
check "locked to the end: a failure (found $code)" test "$code" -eq 1
says 'only what was written counts as recorded' '1 answered, 0 right; recorded: 0 of 2.'
check 'one error' test "$(grep -c '^nibble: error: ' "$work/err")" -eq 1
says 'which names what is lost' '2 answers are lost, not written: addition 0 wrong, addition skipped; '
refuses 1 'deleting a learner waits, and is refused' "$nibble" tutor --delete-learner Mia --yes
says 'with the reason' 'learners.db is locked'
unlock
check 'the records before it are there' records 9
finish
