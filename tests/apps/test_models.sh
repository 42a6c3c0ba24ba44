#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# nibble models, models add and rm on stores and caches made here: sound ones, damaged ones, hostile ones.
. tests/support/app_checks.sh

# Seven files that nibble reads, whatever else lies beside the bundled model.
bundled=$work/bundled
mkdir "$bundled"
for file in README.md config.json generation_config.json hf_quant_config.json model.safetensors tokenizer.json \
    tokenizer_config.json; do
    cp "apps/tutor/model/$file" "$bundled"
done
a=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa b=bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb
c=cccccccccccccccccccccccccccccccccccccccc
hub=$HF_HUB_CACHE
store=$NIBBLE_HOME/models
outside=$work/outside
mkdir -p "$outside"
echo precious >"$outside/file"

# What git calls a file's content, as the Hub calls a file that is not in LFS.
hash_of()
{
    { printf 'blob %s\0' "$(stat -c %s "$1")"; cat "$1"; } | sha1sum | cut -d' ' -f1
}
# A snapshot in the layout of the official client: its files are those of a directory.
snapshot() # ORG/NAME COMMIT DIRECTORY [REVISION...]
{
    local folder=$hub/models--${1/\//--} commit=$2 file hash
    mkdir -p "$folder/blobs" "$folder/refs" "$folder/snapshots/$commit"
    for file in "$3"/*; do
        hash=$(hash_of "$file")
        cp "$file" "$folder/blobs/$hash"
        ln -sfn "../../blobs/$hash" "$folder/snapshots/$commit/${file##*/}"
    done
    shift 3
    for revision in "$@"; do
        mkdir -p "$(dirname "$folder/refs/$revision")"
        printf %s "$commit" >"$folder/refs/$revision"
    done
}
row() # DESCRIPTION NAME PATTERN: the table's line of this name and what follows it below
{
    check "$1" sh -c "awk -v name='$2' '/^[^ ]/ { on = \$1 == name } on' '$work/out' | grep -qE -- '$3'"
}
tree() # a picture of everything below a folder
{
    (cd "$1" && find . -printf '%P %y %l\n' | sort && find . -type f -exec sha1sum {} + | sort)
}
unchanged()
{
    check "$1: what is outside stays" test "$(cat "$outside/file")" = precious
}
# Another model: one more file than the bundled one, and one that differs.
other=$work/other
cp -r "$bundled" "$other"
echo more >"$other/NOTICE"
echo changed >"$other/README.md"

# ---- the table ---------------------------------------------------------------------------------------------------

ends 0 'no model at all' "$nibble" models
check 'prints nothing' sh -c "! [ -s '$work/out' ]"
says 'says what to do' 'nibble pull ORG/NAME'
snapshot acme/tiny $a "$bundled" main v1
snapshot acme/tiny $b "$other" refs/pr/1
snapshot small $c "$bundled" main
mkdir -p "$store/own" "$hub/models--acme--half/snapshots" "$hub/models--acme--half/blobs"
cp -r "$bundled" "$store/own/model"
cp -r "$bundled" "$store/alone"
head -c 3000 /dev/zero >"$hub/models--acme--half/blobs/abc.nibble.incomplete"
mkdir -p "$work/text" && echo hello >"$work/text/hello.txt"
snapshot acme/text $a "$work/text" main
mkdir -p "$hub/datasets--acme--data/snapshots/$a" "$hub/.locks/models--acme--tiny" "$hub/models--" "$hub/models----x"
ends 0 'a table' "$nibble" models
row 'the revisions of a snapshot' acme/tiny "NVFP4 +[0-9.]+ M +[0-9.]+ MB +aaaaaaaa +- +Hub cache \(main v1\)$"
row 'another snapshot' acme/tiny "bbbbbbbb +- +Hub cache \(refs/pr/1\)$"
row 'a name without ORG' small 'Hub cache \(main\)$'
row 'the store' own/model 'NVFP4 .* store$'
row 'a short name in the store' alone 'store$'
row 'a pull that has not ended' acme/half '3.0 kB .*Hub cache'
row 'says how to go on' acme/half 'incomplete; nibble pull acme/half'
row 'no model: says why' acme/text 'not a model nibble runs: cannot read config.json'
check 'datasets and other folders are none' sh -c "! grep -q -e data -e '^ *x ' '$work/out'"
ends 0 'as JSON' "$nibble" models --json
check 'a line a model, each with all keys' test "$(grep -c '"name":.*"commit":.*"revisions":.*"format":.*"family":.*"parameters":.*"bytes":.*"last_use":.*"where":.*"complete":.*"runs":.*"why":.*"directory":' "$work/out")" -eq 7
check 'JSON: a snapshot' grep -q "\"name\":\"acme/tiny\",\"commit\":\"$a\",\"revisions\":\[\"main\",\"v1\"\],\"format\":\"NVFP4\",\"family\":\"qwen2\",\"parameters\":[0-9]*," "$work/out"
check 'JSON: incomplete' grep -q '"name":"acme/half","commit":null,.*"complete":false,"runs":false' "$work/out"
whole=$(du -bc $(find "$hub" "$store" -type f) | tail -n 1 | cut -f1)
"$nibble" models >/dev/null 2>"$work/err"
check 'the sum counts shared bytes once' grep -qF "nibble: $(awk -v b="$whole" 'BEGIN { printf "%.1f MB", b / 1e6 }') in " "$work/err"

# ---- names, wherever a MODEL is asked for ------------------------------------------------------------------------

for name in acme/tiny acme/tiny@main acme/tiny@refs/pr/1 acme/tiny@$a acme/tiny@bbbb small own/model model alone; do
    ends 0 "info $name" "$nibble" info "$name"
done
check 'a use is noted' test -e "$NIBBLE_HOME/used/acme--tiny--$a" -a -e "$NIBBLE_HOME/used/own--model" -a -e "$NIBBLE_HOME/used/--alone"
touch -d '3 days ago' "$NIBBLE_HOME/used/own--model"
try "$nibble" models
row 'and shown' own/model '3 days ago'
row 'just now' acme/tiny 'just now'
rm -rf "${NIBBLE_HOME:?}/used" && echo >"$NIBBLE_HOME/used"
ends 0 'where the use cannot be noted nothing fails' "$nibble" info acme/tiny
rm "$NIBBLE_HOME/used"
for name in acme/tiny@v2 acme/tiny@aaab acme/tiny@aaa acme/none acme/half tiny@main2; do
    refuses 3 "info $name" "$nibble" info "$name"
    says "$name: says nibble pull" 'nibble pull '
done
refuses 3 'a name that is nearly there' "$nibble" info acme/tniy
says 'is suggested' 'try acme/tiny'
refuses 3 'a part of a name' "$nibble" info ACME/TIN
says 'is suggested too' 'try acme/tiny'
ends 0 'the Hub need not be asked, nor may it' env HF_HUB_OFFLINE=1 HF_ENDPOINT=http://127.0.0.1:1 "$nibble" info acme/tiny
mkdir -p "$hub/models--acme--both" "$store/acme" && cp -r "$bundled" "$store/acme/both"
snapshot acme/both $a "$work/text" main
ends 0 'the store goes before the cache' "$nibble" info acme/both
refuses 3 'but @REVISION is of the cache' "$nibble" info acme/both@main

question='What is 347 + 285?'
echo "$question" >"$work/text.txt"
echo '1 2 3' >"$work/ids.txt"
seq -s " " 2 99 >"$work/calib.txt"
echo '1 1 1' >"$work/mask.txt"
ends 0 'run by name' "$nibble" run acme/tiny -p "$question" -n 1
ends 0 'score by name' "$nibble" score acme/tiny --text "$work/text.txt"
ends 0 'tokenize by name' "$nibble" tokenize acme/tiny
ends 0 'bench by name' "$nibble" bench acme/tiny --prefill 4 --decode 2 --depth 0 --batch 1 --repeat 1
ends 0 'tutor by name' "$nibble" tutor --model acme/tiny -p "$question"

qat=$(realpath "$BUILD/nibble-qat")
oracle=${NB_TEST_DATA:-../shared/data}/models/oracle/qwen2
if [ -d "$oracle" ]; then
    snapshot acme/plain $a "$oracle" main
    ends 0 'quantize by name' "$qat" quantize acme/plain "$work/nvfp4"
    ends 0 'what it wrote runs' "$nibble" score "$work/nvfp4" --ids "$work/ids.txt"
    check 'and holds files, not links' sh -c "! find '$work/nvfp4' -type l | grep -q ."
    ends 0 'qfit by name' "$qat" qfit acme/plain "$work/fit" --calib-ids "$work/calib.txt"
    ends 0 'grad by name' "$qat" grad acme/plain --ids "$work/ids.txt" --mask "$work/mask.txt" --out "$work/g.safetensors"
    echo '{"prompt":"1 + 1","response":"2"}' >"$work/traces.jsonl"
    ends 0 'sft by name' "$qat" sft --model acme/plain --traces "$work/traces.jsonl" --out "$work/sft" --steps 1 --batch 1
    ends 0 'qat by name' "$qat" qat --model acme/plain --traces "$work/traces.jsonl" --out "$work/qat" --steps 1 --batch 1
    ends 0 'init with a tokenizer by name' "$qat" init --tokenizer acme/plain --out "$work/init" --hidden 64 --layers 1 --heads 2 --kv-heads 1
    ends 0 'entropy by name' "$qat" entropy acme/plain --traces "$work/traces.jsonl" --against acme/plain
    rm -rf "$hub/models--acme--plain"
else
    skip 'nibble-qat by name' 'a plain model is not here'
fi
echo '{"question":"What is 2 + 2?","answer":"4"}' >"$work/task.jsonl"
ends 0 'eval by name' "$qat" eval acme/tiny --task "$work/task.jsonl" --max-tokens 4
refuses 3 'quantize of a name that is not here' "$qat" quantize acme/nothing "$work/none"
says 'says nibble pull' 'nibble pull acme/nothing'

# ---- add -----------------------------------------------------------------------------------------------------------

rm -rf "$store/alone" "$store/acme"
ends 0 'add' "$nibble" models add "$bundled" --name acme/copied
check 'says so' grep -qE '^acme/copied: [0-9.]+ MB in the store$' "$work/out"
check 'the same bytes' sh -c "cd '$bundled' && for f in *; do cmp \"\$f\" '$store/acme/copied/'\"\$f\" || exit 1; done"
ends 0 'runs by its name' "$nibble" run acme/copied -p "$question" -n 1
refuses 3 'a name that is taken' "$nibble" models add "$bundled" --name acme/copied
refuses 2 'a name that is none' "$nibble" models add "$bundled" --name ../x
refuses 2 'two ways' "$nibble" models add "$bundled" --move --link
refuses 2 'no directory given' "$nibble" models add
refuses 3 'no directory there' "$nibble" models add "$work/nothing"
refuses 3 'no model' "$nibble" models add "$work/text" --name acme/text2
cp -r "$bundled" "$work/cut" && truncate -s -1 "$work/cut/model.safetensors"
refuses 3 'a file cut short' "$nibble" models add "$work/cut" --name acme/cut
check 'leaves nothing' test ! -e "$store/acme/cut" -a ! -e "$store/.adding-acme--cut"
ends 0 'a link' "$nibble" models add "$bundled" --name acme/linked --link
try "$nibble" models
row 'is shown as one' acme/linked 'NVFP4 .* link$'
ends 0 'rm of a link' "$nibble" rm -y acme/linked
check 'leaves the directory' cmp "$bundled/config.json" apps/tutor/model/config.json
cp -r "$bundled" "$work/moving"
ends 0 'move' "$nibble" models add "$work/moving" --move
check 'the name is the directory, which is gone' test -e "$store/moving/config.json" -a ! -e "$work/moving"
snapshot acme/tiny2 $a "$bundled" main
ends 0 'a snapshot of the cache, links and all' "$nibble" models add "$hub/models--acme--tiny2/snapshots/$a" --name acme/files
check 'becomes files' test -f "$store/acme/files/model.safetensors" -a ! -h "$store/acme/files/model.safetensors"
refuses 3 'move of links' "$nibble" models add "$hub/models--acme--tiny2/snapshots/$a" --name acme/gone --move
check 'leaves them where they lead to files' test -f "$hub/models--acme--tiny2/snapshots/$a/config.json" -a ! -e "$store/acme/gone"
cp -r "$bundled" "$work/more" && mkdir "$work/more/original" && touch "$work/more/pytorch_model.bin" "$work/more/.hidden"
ends 0 'what nibble does not read' "$nibble" models add "$work/more" --name acme/more
check 'is not copied' test ! -e "$store/acme/more/pytorch_model.bin" -a ! -e "$store/acme/more/original" -a ! -e "$store/acme/more/.hidden"

# What came by pull --to: with the hashes that it wrote down.
pulled() # DIRECTORY: as `nibble pull acme/usb --to DIRECTORY` leaves it
{
    local file files=
    rm -rf "$1" && cp -r "$bundled" "$1" && mkdir -p "$1/.cache/huggingface/download"
    for file in "$1"/*; do
        files="$files,{\"path\":\"${file##*/}\",\"bytes\":$(stat -c %s "$file"),\"etag\":\"$(hash_of "$file")\"}"
        printf '%s\n%s\n%s\n' $c "$(hash_of "$file")" "$(date +%s)" >"$1/.cache/huggingface/download/${file##*/}.metadata"
    done
    echo "{\"repository\":\"acme/usb\",\"revision\":\"main\",\"commit\":\"$c\",\"files\":[${files#,}]}" >"$1/.cache/huggingface/nibble.json"
}
usb=$work/usb
pulled "$usb"
ends 0 'from a stick, its name known' "$nibble" models add "$usb"
try "$nibble" models
row 'and its commit' acme/usb 'cccccccc .* store$'
flip() # FILE: one bit
{
    local at=$(($(stat -c %s "$1") - 3))
    local byte
    byte=$(od -An -tu1 -j $at -N 1 "$1")
    printf '%b' "\\0$(printf %o $((byte ^ 1)))" | dd of="$1" bs=1 seek=$at conv=notrunc 2>/dev/null
}
flip "$usb/model.safetensors"
refuses 3 'a bit that fell over' "$nibble" models add "$usb" --name acme/usb2
says 'the file is named' 'model.safetensors is not what was pulled'
check 'it is not a model' test ! -e "$store/acme/usb2"
refuses 3 'nor by a link' "$nibble" models add "$usb" --name acme/usb2 --link
refuses 3 'nor moved' "$nibble" models add "$usb" --name acme/usb2 --move
flip "$usb/model.safetensors"
try "$nibble" models
row 'what was begun is shown' acme/usb2 'a copy that has not ended'
refuses 3 'and is no model' "$nibble" info acme/usb2
cp -p "$store/.adding-acme--usb2/config.json" "$work/begun"
ends 0 'and goes on' "$nibble" models add "$usb" --name acme/usb2
check 'with what was there' test "$(stat -c %Y "$store/acme/usb2/config.json")" = "$(stat -c %Y "$work/begun")" -a ! -e "$store/.adding-acme--usb2"
rm "$usb/generation_config.json"
refuses 3 'a file that did not come along' "$nibble" models add "$usb" --name acme/usb3
pulled "$usb" && rm "$usb/.cache/huggingface/nibble.json" && flip "$usb/README.md"
refuses 3 'by the notes of the official client' "$nibble" models add "$usb" --name acme/usb3
ends 0 'rm of what was begun' "$nibble" rm -y acme/usb3
check 'removes it' test ! -e "$store/.adding-acme--usb3"
pulled "$usb" && rm "$usb/.cache/huggingface/nibble.json" && touch "$usb/.cache/huggingface/nibble.lock"
refuses 3 'a pull that has not ended' "$nibble" models add "$usb" --name acme/usb3
says 'goes on by nibble pull' 'nibble pull'
for junk in '' '[]' '{"repository":1}' '{"repository":"../../x","commit":"a","files":[]}' "$(head -c 3000 /dev/zero | tr '\0' '[')"; do
    pulled "$usb" && echo "$junk" >"$usb/.cache/huggingface/nibble.json"
    ends 0 "a mark that is none: ${junk:0:30}" "$nibble" models add "$usb" --name acme/junk
    "$nibble" rm -y acme/junk >/dev/null 2>&1
done
# Killed at any moment, then again: whole, and never half.
big=$work/big
cp -r "$bundled" "$big" && head -c 60000000 /dev/urandom >"$big/NOTICE"
n_bad=0 n_early=0
for round in $(seq 8); do
    "$nibble" models add "$big" --name acme/big >/dev/null 2>&1 &
    pid=$!
    sleep "0.0$((round % 8))"
    kill -9 $pid 2>/dev/null
    wait $pid 2>/dev/null
    [ -e "$store/acme/big" ] && ! cmp -s "$big/NOTICE" "$store/acme/big/NOTICE" && n_bad=$((n_bad + 1))
    [ -e "$store/acme/big" ] || n_early=$((n_early + 1))
    "$nibble" models add "$big" --name acme/big >/dev/null 2>&1
    cmp -s "$big/NOTICE" "$store/acme/big/NOTICE" || n_bad=$((n_bad + 1))
    "$nibble" rm -y acme/big >/dev/null 2>&1 || n_bad=$((n_bad + 1))
done
check "killed at any moment ($n_early of 8 early, $n_bad wrong)" test $n_bad -eq 0
if mkdir "$work/small" 2>/dev/null && mount -t tmpfs -o size=20m none "$work/small" 2>/dev/null; then
    trap 'umount "$work/small"; rm -rf "$work"' EXIT
    refuses 4 'no room' env NIBBLE_HOME="$work/small" "$nibble" models add "$big" --name acme/big
    check 'how much is needed' grep -qE 'expected (7[0-9]|8[0-9])\.[0-9] MB free' "$work/err"
    check 'nothing is left' test ! -e "$work/small/models/.adding-acme--big"
    ends 0 'moved to another disk' env NIBBLE_HOME="$work/small" "$nibble" models add "$store/moving" --name acme/m --move
    check 'is there and no longer here' test -e "$work/small/models/acme/m/config.json" -a ! -e "$store/moving"
else
    skip 'no room' 'a file system of its own cannot be mounted here'
fi
rm -rf "$store" && mkdir -p "$store/own" && cp -r "$bundled" "$store/own/model" && cp -r "$bundled" "$store/alone"
rm -rf "$hub/models--acme--tiny2"

# ---- rm ------------------------------------------------------------------------------------------------------------

before=$(tree "$hub"; tree "$store")
ends 0 'rm --dry-run' "$nibble" rm --dry-run acme/tiny acme/tiny@v1 own/model acme/half
says 'names the revisions' 'all 2 revisions; revision main, refs/pr/1, v1'
check 'changes nothing' test "$(tree "$hub"; tree "$store")" = "$before"
refuses 2 'without a terminal it does not ask' "$nibble" rm acme/tiny
refuses 3 'a name that is not there' "$nibble" rm --yes own/model acme/nothing
check 'changes nothing, also of the names before' test "$(tree "$hub"; tree "$store")" = "$before"
says 'with advice' 'nibble pull acme/nothing'
refuses 2 'no name' "$nibble" rm
refuses 3 'a revision that is not there' "$nibble" rm --yes acme/tiny@v9

unique=$(du -bc "$(readlink -f "$hub/models--acme--tiny/snapshots/$b/NOTICE")" "$(readlink -f "$hub/models--acme--tiny/snapshots/$b/README.md")" | tail -n 1 | cut -f1)
ends 0 'one revision of two' "$nibble" rm --yes acme/tiny@refs/pr/1
says 'frees what only it needed' "acme/tiny@bbbbbbbbbbbb: $unique B came free"
check 'its name and its snapshot are gone' test ! -e "$hub/models--acme--tiny/refs/refs" -a ! -e "$hub/models--acme--tiny/snapshots/$b"
check 'nothing of it is left' test ! -e "$hub/models--acme--tiny/.nibble"
ends 0 'the other one is whole' "$nibble" run acme/tiny -p "$question" -n 1
ends 0 'the last revision' "$nibble" rm --yes acme/tiny@aaaaaa
check 'takes the folder with it' test ! -e "$hub/models--acme--tiny"
ends 0 'of the store' "$nibble" rm -y own/model
check 'takes the empty ORG with it' test ! -e "$store/own"
ends 0 'what a pull left' "$nibble" rm -y acme/half
check 'is gone' test ! -e "$hub/models--acme--half"
snapshot acme/tiny $a "$bundled" main
snapshot acme/tiny $b "$other" next
ends 0 'two of the same repository at once' "$nibble" rm -y acme/tiny@main acme/tiny@next
check 'are both gone' test ! -e "$hub/models--acme--tiny"
ends 0 'the same one twice' "$nibble" rm -y small small

# A pull that is at work, by its lock file: process, start time, boot.
snapshot acme/tiny $a "$bundled" main
mkdir -p "$hub/.locks/models--acme--tiny"
lock=$hub/.locks/models--acme--tiny/nibble.lock
sleep 1000 &
sleeper=$!
owner="$sleeper $(sed 's/.*) //' /proc/$sleeper/stat | cut -d' ' -f20) $(cat /proc/sys/kernel/random/boot_id)"
echo "$owner" >"$lock"
refuses 1 'while another pulls' "$nibble" rm -y acme/tiny
says 'its process is named' "process $sleeper"
check 'the model stays' test -e "$hub/models--acme--tiny/refs/main"
kill $sleeper
wait $sleeper 2>/dev/null
ends 0 'a dead owner does not count' "$nibble" rm -y acme/tiny

# ---- hostile caches ------------------------------------------------------------------------------------------------

fresh_hub()
{
    chmod -R u+rwx "$hub" 2>/dev/null
    rm -rf "$hub"
    snapshot acme/evil $a "$bundled" main
    evil=$hub/models--acme--evil
}
fresh_hub
rm -rf "$evil/snapshots" && ln -s "$outside" "$evil/snapshots"
ends 0 'snapshots/ is a link: models' "$nibble" models
refuses 1 'rm' "$nibble" rm -y acme/evil
unchanged 'snapshots/ is a link'
fresh_hub
rm -rf "$evil/blobs" && ln -s "$outside" "$evil/blobs"
ends 0 'blobs/ is a link: models' "$nibble" models
refuses 1 'rm' "$nibble" rm -y acme/evil
unchanged 'blobs/ is a link'
fresh_hub
mv "$evil" "$work/moved" && ln -s "$work/moved" "$evil"
ends 0 'the repository is a link: models' "$nibble" models
refuses 1 'rm' "$nibble" rm -y acme/evil
check 'and stays' test -e "$work/moved/refs/main"
rm -rf "$work/moved"
fresh_hub
ln -s "$outside" "$evil/snapshots/$b"
ln -s "$outside/file" "$evil/snapshots/$a/stolen"
ln -s "$outside" "$evil/snapshots/$a/folder"
ln -s loop "$evil/snapshots/$a/loop"
ln -s ../../blobs/nothing "$evil/snapshots/$a/hole"
ln -s "$outside/file" "$evil/blobs/$c"
mkdir "$evil/.nibble" && ln -s "$outside" "$evil/.nibble/removed-$b"
ends 0 'links that lead out of a snapshot: models' "$nibble" models
row 'are said' acme/evil 'not a model nibble runs: 4 of its 11 files lead nowhere or out of the cache'
ends 0 'rm' "$nibble" rm -y acme/evil
check 'removes the links' test ! -e "$evil"
unchanged 'links that lead out'
fresh_hub
ln -s "$outside" "$evil/.nibble"
refuses 1 '.nibble is a link: rm' "$nibble" rm -y acme/evil
unchanged '.nibble is a link'
fresh_hub
printf '../../../outside' >"$evil/refs/up"
head -c 5000000 /dev/zero >"$evil/refs/huge"
printf '\377\376\n' >"$evil/refs/bytes"
mkfifo "$evil/refs/pipe" 2>/dev/null
ln -s "$outside/file" "$evil/refs/link"
mkdir -p "$evil/refs/deep" && ln -s .. "$evil/refs/deep/up"
printf %s $c >"$evil/refs/dangling"
printf %s $a >"$evil/refs/"$'not\377utf'
printf %s $a >"$evil/refs/"$'\033[2Jscreen'
ends 0 'refs of all kinds: models' "$nibble" models
row 'only sound ones are shown' acme/evil '\(main\)$'
check 'no escape sequence' sh -c "! grep -q \"\$(printf '\\033')\" '$work/out' '$work/err'"
for revision in up huge bytes pipe link dangling; do
    refuses 3 "info acme/evil@$revision" timeout 20 "$nibble" info "acme/evil@$revision"
done
ends 0 'refs of all kinds: JSON' "$nibble" models --json
ends 0 'rm' timeout 20 "$nibble" rm -y acme/evil
check 'nothing is left' test ! -e "$evil"
unchanged 'refs of all kinds'
fresh_hub
mkdir "$hub/models--acme--"$'b\377d' "$hub/models--acme--"$'\033[2J' "$store/"$'b\377d' "$hub/models--..--.." "$hub/models--acme--x--y"
cp "$bundled/config.json" "$store/"$'b\377d/'
ends 0 'names that are none: models' "$nibble" models --json
check 'are not shown' test "$(grep -c . "$work/out")" -eq "$(grep -cE '"name":"(acme/evil|alone)"' "$work/out")"
rm -rf "$store/"$'b\377d'
fresh_hub
deep=$evil/snapshots/$a
for _ in $(seq 40); do deep=$deep/d; done
mkdir -p "$deep"
ends 0 'a deep tree: models' "$nibble" models
refuses 1 'rm does not guess' "$nibble" rm -y acme/evil
check 'and changes nothing' test -e "$evil/refs/main"
if [ "$(id -u)" -ne 0 ]; then
    fresh_hub
    snapshot acme/evil $b "$other" next
    chmod 0 "$evil/snapshots/$b"
    ends 0 'an unreadable snapshot: models' "$nibble" models
    refuses 1 'rm does not guess what it needs' "$nibble" rm -y acme/evil@main
    check 'and changes nothing' test -e "$evil/refs/main"
else
    skip 'an unreadable snapshot' 'nothing is unreadable for root'
fi
fresh_hub
mkdir -p "$hub/blobs/ab" && cp "$bundled/model.safetensors" "$hub/blobs/ab/abcd" && touch "$hub/blobs/.huggingface-shared-blobs"
rm "$evil/snapshots/$a/model.safetensors" && ln -sf ../../blobs/ab/abcd "$evil/blobs/shared" &&
    ln -s ../../blobs/shared "$evil/snapshots/$a/model.safetensors"
try "$nibble" models
row 'a blob in the shared store is a blob' acme/evil 'NVFP4 .* [0-9.]+ MB'
ends 0 'rm' "$nibble" rm -y acme/evil
check 'leaves the shared store to its owner' test -e "$hub/blobs/ab/abcd"
fresh_hub
rm "$evil/snapshots/$a/"* && cp "$bundled"/* "$evil/snapshots/$a"
try "$nibble" models
row 'a cache without links' acme/evil 'NVFP4 .* [0-9.]+ MB'
ends 0 'rm' "$nibble" rm -y acme/evil
says 'frees its files' 'came free'

# Killed at any moment: what is left is shown as what it is, and the next rm ends it.
n_whole=0 n_gone=0 n_between=0 n_bad=0
for round in $(seq 24); do
    fresh_hub
    snapshot acme/evil $b "$other" next
    for i in $(seq 60); do head -c 64 /dev/urandom >"$evil/blobs/blob$i" && ln -s "../../blobs/blob$i" "$evil/snapshots/$b/f$i"; done
    "$nibble" rm -y acme/evil@next >/dev/null 2>&1 &
    pid=$!
    sleep "0.00$((round % 8))"
    kill -9 $pid 2>/dev/null
    wait $pid 2>/dev/null
    "$nibble" models --json >"$work/out" 2>/dev/null
    if grep -q "\"commit\":\"$b\".*\"runs\":true" "$work/out"; then
        n_whole=$((n_whole + 1))
        find "$evil/snapshots/$b/" -xtype l | grep -q . && n_bad=$((n_bad + 1))
    elif grep -q "\"commit\":\"$b\".*\"complete\":false" "$work/out"; then
        n_between=$((n_between + 1))
        "$nibble" info acme/evil@next >/dev/null 2>&1 && n_bad=$((n_bad + 1))
        "$nibble" rm -y "acme/evil@$b" >/dev/null 2>&1 || n_bad=$((n_bad + 1))
    else
        n_gone=$((n_gone + 1))
    fi
    [ -e "$evil/refs/next" ] && [ ! -e "$evil/snapshots/$b" ] && n_bad=$((n_bad + 1))
    grep -q "\"commit\":\"$a\".*\"runs\":true" "$work/out" || n_bad=$((n_bad + 1))
    if ! [ -e "$evil/snapshots/$b" ]; then
        find "$evil" -name 'blob*' -path '*/blobs/blob*' | grep -q . && n_bad=$((n_bad + 1))
    fi
done
check "killed at any moment ($n_whole before, $n_between between, $n_gone after; $n_bad wrong)" test $n_bad -eq 0
finish
