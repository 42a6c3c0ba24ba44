#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The chat, typed into a pseudo-terminal: answers, orders, history, Ctrl-C, Ctrl-D, a ring that overflows.
. tests/support/app_checks.sh

model=$(realpath apps/tutor/model)
needs_terminal 'nibble run as a chat'

chat() # OPTION...
{
    types "$nibble" run "$model" --temperature 0 "$@"
}

has_lines() # N PATTERN: the screen has at least N lines with it
{
    [ "$(grep -c -- "$2" "$work/screen")" -ge "$1" ]
}

chat <<'E1'
#1:What is 34 + 21?\r
#2:What is 80 - 9?\r
#3:/stats\r
#4:/help\r
#5:/nonsense\r
#6:two\rlines\r
#7:/quit\r
E1
check "leaves with 0 (found $code)" test "$code" -eq 0
says 'answers' 'The answer is 55.'
check 'answers again' has_lines 2 'The answer is'
says '/stats' 'last answer:'
says '/help' '/load FILE'
says 'what is no order' 'no such order'
check 'lines typed together are one message' has_lines 1 '^\. lines'
check 'the reasoning is dimmed' grep -q "$(printf '\033\\[2m')[0-9]" "$work/screen"
check 'the history is kept for its owner alone' test "$(stat -c %a "$work/home/history")" = 600
check 'the history has the lines' grep -q '80' "$work/home/history"

mkfifo "$work/fifo"
chat <<E7
#1:What is 34 + 21?\r
#2:/save $work/fifo\r
#3:/save $work\r
#4:/load $work/fifo\r
#5:/quit\r
E7
says '/load of a pipe does not wait' "cannot load $work/fifo"
says '/save onto something that is no file' "cannot write $work/fifo"
check 'leaves it what it was' test -p "$work/fifo"
says '/save onto a folder' "cannot write $work: Is a directory"

NO_COLOR=1 chat <<E2
#1:What is 34 + 21?\r
#2:/save $work/talk\r
#3:/reset\r
#4:/load $work/talk\r
#5:/stats\r
#6:\004
E2
check "Ctrl-D leaves with 0 (found $code)" test "$code" -eq 0
says '/save' "saved to $work/talk"
says '/load' 'loaded 2 messages with their KV ring'
check 'the conversation is JSON' grep -q '"role": "user"' "$work/talk"
check 'NO_COLOR: no dimming' sh -c "! grep -q \"\$(printf '\\033\\\\[2m')\" '$work/screen'"

chat --think hide --system 'Be brief.' <<'E3'
#1:What is 34 + 21?\r
#2:/system\r
#3:half a line
half a line:\003
#4:What is 80 - 9?\r
#5:/quit\r
E3
check "Ctrl-C at the prompt drops the line, not the chat (found $code)" test "$code" -eq 0
check 'and the next line is answered' has_lines 2 'The answer is'

chat --ctx 70 <<'E4'
#1:What is 34 + 21?\r
#2:What is 80 - 9?\r
#3:What is 12 + 30?\r
#4:What is 11 + 30?\r
#5:/quit\r
E4
says 'a conversation that outgrows the ring says so' 'forgotten'
check 'and goes on' has_lines 4 'The answer is'
chat --ctx 30 <<'E5'
#1:What is 34 + 21 and then some more, and more, and more, and more, and more?\r
#2:/quit\r
E5
says 'a message that does not fit is refused' 'the message does not fit'
check "and the chat goes on (found $code)" test "$code" -eq 0

chat --ignore-eos -n 100000 --temperature 2 --stop zzzz <<'E6'
#1:What is 34 + 21?\r
What is 34:\003
#2:/quit\r
E6
check "Ctrl-C in an answer leaves the chat alive (found $code)" test "$code" -eq 0
finish
