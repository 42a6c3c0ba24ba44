#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# nibble score, tokenize and info: files in and out, and what they refuse. (Their numbers: test_app_results.)
. tests/support/app_checks.sh

model=$(realpath apps/tutor/model)
vocabulary=$(sed -nE 's/.*"vocab_size": *([0-9]+).*/\1/p' "$model/config.json")
printf '10 20 30 40\n7\n\n10 20 30 40\n' >"$work/ids"

ends 0 'a table' "$nibble" score "$model" --ids "$work/ids"
check 'has a head, four rows and the whole' test "$(wc -l <"$work/out")" -eq 6
ends 0 'ids from standard input' sh -c "'$nibble' score '$model' --ids - --json <'$work/ids'"
check 'one token or none has no likelihood' test "$(grep -c '"nll":null,"ppl":null' "$work/out")" -eq 2
check 'equal sequences score alike' sh -c "sed -n '1s/.*tokens//p' '$work/out' >'$work/a'; sed -n '4s/.*tokens//p' '$work/out' | cmp - '$work/a'"
cp "$work/out" "$work/whole"
ends 0 'scalar, one thread' "$nibble" score "$model" --ids "$work/ids" --json --isa scalar --threads 1
check 'gives the same bits' cmp "$work/out" "$work/whole"

ends 0 '--logits' "$nibble" score "$model" --ids "$work/ids" --logits "$work/logits"
check 'has all positions times the vocabulary' test "$(stat -c %s "$work/logits")" -eq $((9 * vocabulary * 4))
check 'leaves nothing beside' test "$(ls "$work"/logits* | wc -l)" -eq 1
refuses_after() # DESCRIPTION CODE COMMAND...: results may have come before
{
    try "${@:3}"
    [ "$code" -eq "$2" ] && [ "$(wc -l <"$work/err")" -eq 1 ] && grep -q '^nibble: error: ' "$work/err"
    report $? "$1 (exit $2, found $code)"
}
refuses_after '--logits where nothing can be written' 1 "$nibble" score "$model" --ids "$work/ids" --logits "$work/none/logits"
if [ -w /dev/full ]; then
    seq 0 200 | tr '\n' ' ' >"$work/long"
    refuses_after '--logits onto a full disk' 1 "$nibble" score "$model" --ids "$work/long" --logits /dev/full
    check 'the device is still one' test -c /dev/full
fi

seq 0 99 | tr '\n' ' ' >"$work/long"
ends 0 'a sequence longer than --ctx' "$nibble" score "$model" --ids "$work/long" --ctx 32 --json
says 'is scored in a window, and said so' 'window of --ctx 32'
seq 0 510 | tr '\n' ' ' >"$work/long"
ends 0 "the model's longest sequence" "$nibble" score "$model" --ids "$work/long" --json
{ cat "$work/long"; echo '1 2 3'; } | tr '\n' ' ' >"$work/longer"
refuses 4 'one longer' "$nibble" score "$model" --ids "$work/longer"

for _ in $(seq 3000); do cat "$work/longer"; echo; done | sed 's/ 1 2 3 *$//' >"$work/many"
start "$nibble" score "$model" --ids "$work/many" --logits "$work/stopped" --json
kill -INT "$pid"
wait_for_it
[ $code -eq 130 ] && [ ! -s "$work/err" ]
report $? "an interrupt ends it (exit 130, found $code)"
check 'and leaves no file of logits' sh -c "! ls '$work'/stopped* 2>/dev/null"
rm -f "$work/many"

# NaN in the embedding of token 30: found where its logit is summed.
mkdir -p "$work/nan"
cp "$model"/* "$work/nan/"
range=$("$nibble" info "$model" --json | sed -E 's/.*"model.embed_tokens.weight"[^}]*"begin":([0-9]*),"end":([0-9]*).*/\1 \2/')
row_bytes=$(((${range#* } - ${range% *}) / vocabulary))
printf '\300\177\300\177' | # one number of F32 or two of BF16
    dd of="$work/nan/model.safetensors" bs=1 seek=$((${range% *} + 30 * row_bytes)) conv=notrunc status=none
echo '10 20 40' >"$work/three"
refuses 3 'logits that are not finite' "$nibble" score "$work/nan" --ids "$work/three" --json --logits "$work/nan.f32"
says 'is told from a single token' 'expected finite logits'
check 'and leaves no file of logits' test ! -e "$work/nan.f32"

printf 'What is 2 + 3?\n\nTom has 5 apples.' >"$work/text"
ends 0 '--text' "$nibble" score "$model" --text "$work/text" --json
check 'a line is a sequence' test "$(wc -l <"$work/out")" -eq 3
refuses 3 '--text of nothing' "$nibble" score "$model" --text /dev/null
refuses 3 'a text that is not there' "$nibble" score "$model" --text "$work/none"

# tokenize
printf 'What is 2 + 3?\n\n<|im_end|>\n' >"$work/lines"
ends 0 'tokenize' sh -c "'$nibble' tokenize '$model' <'$work/lines'"
check 'a line each' test "$(wc -l <"$work/out")" -eq 3
check 'an empty line stays empty' test "$(sed -n 2p "$work/out")" = ''
check 'a special token is one id' test "$(sed -n 3p "$work/out")" = $((vocabulary - 3))
cp "$work/out" "$work/ids"
ends 0 'decode' sh -c "'$nibble' tokenize '$model' --decode <'$work/ids'"
check 'gives the text back' cmp "$work/out" "$work/lines"
ends 0 '--no-special' sh -c "'$nibble' tokenize '$model' --no-special <'$work/lines'"
check 'makes text of it' sh -c "[ \$(sed -n 3p '$work/out' | wc -w) -gt 1 ] && ! grep -qw 509 '$work/out'"
mkdir -p "$work/tokens"
cp "$model"/tokenizer*.json "$work/tokens/"
ends 0 'without weights' sh -c "echo hi | '$nibble' tokenize '$work/tokens'"
feed() # TEXT OPTION...: tokenize with this on standard input
{
    printf '%s' "$1" >"$work/fed"
    shift
    sh -c '"$@" <"$0"' "$work/fed" "$nibble" tokenize "$model" "$@"
}
printf '"a\342\200\250b\303\251"\n' >"$work/separator"
ends 0 'a text with a line separator' sh -c "'$nibble' tokenize '$model' --json <'$work/separator' | '$nibble' tokenize '$model' --json --decode"
check 'comes back in ASCII, one line to any reader' test "$(cat "$work/out")" = '"a\u2028b\u00E9"'
refuses 3 'ids that are none' feed '1 x 2' --decode
refuses 3 'ids outside the vocabulary' feed '1 99999' --decode
refuses 3 'a line that is not JSON' feed 'What?' --json
refuses 3 'JSON that is no string' feed '17' --json
refuses 3 'JSON that is no list of ids' feed '[1,"a"]' --json --decode
refuses 3 'messages that are none' feed '{"role":1}' --template

# info
ends 0 'info' "$nibble" info "$model"
says 'the family' 'qwen2'
says 'the plan' 'KV ring'
says 'the tensors' 'model.layers.0.self_attn.q_proj.weight'
ends 0 'info of a file' "$nibble" info "$model/model.safetensors"
refuses 3 'info of what is no safetensors file' "$nibble" info "$model/config.json"
mkdir -p "$work/cut"
cp "$model"/*.json "$work/cut/"
head -c 300000 "$model/model.safetensors" >"$work/cut/model.safetensors"
refuses 3 'info of a truncated model' "$nibble" info "$work/cut"
refuses 3 'run of a truncated model' "$nibble" run "$work/cut" -p x

# A folder that its user may not enter.
mkdir -p "$work/closed/model"
chmod 755 "$work"
as=()
[ "$(id -u)" -eq 0 ] && as=(setpriv --reuid 65534 --regid 65534 --clear-groups)
if "${as[@]}" "$nibble" --version >"$work/out" 2>&1; then
    chmod 000 "$work/closed"
    refuses 3 'a model behind a closed folder' "${as[@]}" "$nibble" run "$work/closed/model" -p x
    says 'is told from a missing one' 'expected permission'
    refuses 3 'a file behind a closed folder' "${as[@]}" "$nibble" info "$work/closed/model.safetensors"
    says 'likewise' 'expected permission'
    chmod 755 "$work/closed"
else
    skip 'a model behind a closed folder' 'the program cannot be run as another user'
fi

# By name.
mkdir -p "$work/home/models/acme" "$work/hub/models--acme--cached/refs" "$work/hub/models--acme--cached/snapshots"
ln -s "$model" "$work/home/models/acme/tiny"
ln -s "$model" "$work/hub/models--acme--cached/snapshots/0123"
echo 0123 >"$work/hub/models--acme--cached/refs/main"
for name in acme/tiny tiny acme/cached cached acme/cached@main acme/cached@0123; do
    ends 0 "the model $name" "$nibble" info $name
done
refuses 3 'a revision that is not there' "$nibble" info acme/cached@v2
finish
