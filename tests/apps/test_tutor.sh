#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# nibble tutor with the bundled model: answers, figures, JSON, votes, hints, practice, and what cannot be asked.
. tests/support/app_checks.sh

shells='Mia had 58 shells and bought 6 boxes of 24 shells. How many shells does Mia have now?'
ends 0 'a question' "$nibble" tutor -p "$shells"
says 'a step with its mark' '20 * 6 = 120                      ✓'
says 'the answer' 'The answer is 202.                ✓ the last step'
check 'one line of figures' grep -qE '^  6 steps checked, 0 redone, [0-9]+ tokens, [0-9]+ tok/s$' "$work/out"
check 'no escape sequence in a file' sh -c "! grep -q \"\$(printf '\\033')\" '$work/out'"
ends 0 'a calculation' "$nibble" tutor -p 'What is 347 + 285?'
says 'compared with its value' '✓ exactly: 347 + 285 is 632'
ends 0 'a calculation typed without spaces' "$nibble" tutor -p '347+285='
says 'is understood' '✓ exactly: 347+285 is 632'
ends 0 'numbers in words' "$nibble" tutor -p 'What is two plus three?'
check 'are numbers' sh -c "! [ -s '$work/err' ]"

ends 0 'JSON' "$nibble" tutor --json --seed 1 -p "$shells"
check 'JSON: a line a step' grep -q '^{"step":2,"text":"20 \* 6 = 120","kind":"step","verdict":"right","redone":0}$' "$work/out"
check 'JSON: the end' sh -c "tail -n 1 '$work/out' | grep -q '\"answer\":\"202\",\"checked\":true,\"steps\":6'"
ends 0 'votes' "$nibble" tutor --json --vote 3 --seed 1 -p 'What is 347 + 285?'
check 'votes are told' sh -c "tail -n 1 '$work/out' | grep -q '\"votes\":{\"632\":3}'"
cp "$work/out" "$work/first"
ends 0 'the same seed' "$nibble" tutor --json --vote 3 --seed 1 --threads 1 -p 'What is 347 + 285?'
check 'the same seed: the same answer, whatever the threads' sh -c \
    "sed 's/\"decode_tok_s\":[^,]*//' '$work/first' >'$work/a'; sed 's/\"decode_tok_s\":[^,]*//' '$work/out' | cmp - '$work/a'"

printf 'What is 3 + 4?\n\nWhat is 5 / 0?\nWhat is 80 - 9?\n' >"$work/questions"
"$nibble" tutor <"$work/questions" >"$work/out" 2>"$work/err"
code=$?
check "a bad line of several: the others are answered, exit 3 (found $code)" test "$code" -eq 3
says 'the first' 'The answer is 7.'
says 'the last' 'The answer is 71.'
"$nibble" tutor </dev/null >"$work/out" 2>"$work/err"
check 'no question at all' test $? -eq 3

refuses 3 'an empty question' "$nibble" tutor -p ''
refuses 3 'a blank question' "$nibble" tutor -p '  '
refuses 3 'a division by zero' "$nibble" tutor -p 'What is 5 / 0?'
refuses 3 'a division by zero in words' "$nibble" tutor -p 'What is 5 divided by zero?'
refuses 3 'a division by zero in an order' "$nibble" tutor -p 'Divide 8 by 0.'
refuses 3 'control characters' "$nibble" tutor -p $'What is \033[2J 3 + 4?'
check 'they are not printed' sh -c "! grep -q \"\$(printf '\\033')\" '$work/err'"
refuses 3 'no UTF-8' "$nibble" tutor -p $'What is \xff?'
refuses 3 '10 kB' "$nibble" tutor -p "$(head -c 10000 /dev/zero | tr '\0' a)"
refuses 4 'a number of a thousand digits' "$nibble" tutor -p "What is $(head -c 1000 /dev/zero | tr '\0' 7) + 1?"
ends 0 'nonsense' "$nibble" tutor -p 'flim flam'
says 'nonsense: a word about it' 'no number in it'
check 'nonsense: nothing is called right' sh -c "! grep -q 'last step' '$work/out'"
refuses 3 'no model' "$nibble" tutor --model nothing -p 'What is 3 + 4?'
refuses 2 'two things at once' "$nibble" tutor --practice --progress
refuses 2 'a topic without practice' "$nibble" tutor joining
refuses 2 'an unknown topic' "$nibble" tutor --practice nonsense

printf '6 * 24 = 134\n20 * 6 = 120\n/hint\n/next\n203\n202\n' >"$work/steps"
"$nibble" tutor --hint -p "$shells" <"$work/steps" >"$work/out" 2>"$work/err"
check 'hints' test $? -eq 0
says 'where the mistake is' '6 * 24 is not 134; look at the tens'
says 'the next calculation' '4 * 6 = ?'
says 'the next step' '4 * 6 = 24'
says 'a number that is no step' 'comes to 203'
says 'the answer is known' 'that is the answer'

printf '22\n21\n' | "$nibble" tutor --hint -p '(3 + 4) * (2 + 1)' >"$work/out" 2>"$work/err"
says 'hints: a value that is known is the answer, whatever the model came to' '✓ that is the answer'
check 'and no other' grep -q '? no step of the way I know comes to 22' "$work/out"

refuses 3 'no records yet' "$nibble" tutor --progress --learner Mia
printf '/hint\nword\n/skip\n0\n' | "$nibble" tutor --practice joining,taking --seed 3 --learner Mia >"$work/out" 2>"$work/err"
check 'practice' test $? -eq 0
says 'no number is not counted' 'nothing was counted'
says 'a wrong answer is explained' 'this is one way'
ends 0 'export' "$nibble" tutor --export "$work/records.csv"
check 'export: heading and two records' test "$(wc -l <"$work/records.csv")" -eq 3
question=$("$nibble" tutor --practice addition --seed 5 --problems 1 --learner Ben </dev/null | sed -n 4p)
check 'a seed repeats a problem' test -n "$question" -a "$question" = \
    "$("$nibble" tutor --practice addition --seed 5 --problems 1 --learner Ben </dev/null | sed -n 4p)"
ends 0 'progress' "$nibble" tutor --progress --learner Mia
says 'progress: a plot' 'answers'
refuses 2 'deleting asks' "$nibble" tutor --delete-learner Mia
ends 0 'deleting' "$nibble" tutor --delete-learner Mia --yes
refuses 3 'nothing is left' "$nibble" tutor --progress --learner Mia
printf 'no database' >"$work/home/learners.db"
rm -f "$work/home/learners.db-wal" "$work/home/learners.db-shm"
head -c 4096 /dev/zero | tr '\0' x >>"$work/home/learners.db"
cp "$work/home/learners.db" "$work/before"
refuses 3 'a damaged database' "$nibble" tutor --practice --learner Mia
check 'it is left as it is' cmp "$work/before" "$work/home/learners.db"
: >"$work/file"
NIBBLE_HOME=$work/file/home refuses 1 'a home that cannot be written' "$nibble" tutor --practice
finish
