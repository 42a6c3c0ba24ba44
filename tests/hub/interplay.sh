#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# nibble and Python's huggingface_hub with one cache, against the test Hub: each finds what the other fetched, and the
# trees they leave are the same. Outside `make test`, because it takes huggingface_hub from PyPI; `make hub-interplay`.
#
#   tests/hub/interplay.sh          environment: HUB_PYTHON, a python that has huggingface_hub (else a venv is made)
set -u

BUILD=${BUILD:-build}
nibble=$(realpath "$BUILD/nibble")
serve=$(realpath "$BUILD/tests/hub/serve_hub")
bundled=$PWD/apps/tutor/model
work=$(mktemp -d)
n=0 n_failed=0
hub_pid=
trap '[ -z "$hub_pid" ] || { kill -KILL "$hub_pid"; wait "$hub_pid"; } 2>/dev/null; rm -rf "$work"' EXIT

check() # DESCRIPTION COMMAND...
{
    n=$((n + 1))
    local description=$1
    shift
    if "$@" >"$work/log" 2>&1; then
        echo "ok $n - $description"
    else
        echo "not ok $n - $description"
        n_failed=$((n_failed + 1))
        head -n 30 "$work/log" | sed 's/^/# /'
    fi
}

if [ -z "${HUB_PYTHON:-}" ]; then
    if ! python3 -m venv "$work/venv" >/dev/null 2>&1 || ! "$work/venv/bin/pip" -q install huggingface_hub >"$work/log" 2>&1; then
        echo "1..0 # SKIP huggingface_hub cannot be installed here: $(tail -n 1 "$work/log" 2>/dev/null)"
        exit 77
    fi
    HUB_PYTHON=$work/venv/bin/python
fi

# ---- what the Hub has ----------------------------------------------------------------------------------------------

mkdir "$work/repo" && cp "$bundled"/* "$work/repo"
mixed=$work/mixed
mkdir -p "$mixed/original/deep er" "$mixed/.hidden"
cp "$bundled/config.json" "$mixed"
head -c 9000000 /dev/urandom >"$mixed/model-00001-of-00002.safetensors"
head -c 5000001 /dev/urandom >"$mixed/model-00002-of-00002.safetensors"
cp "$mixed/model-00002-of-00002.safetensors" "$mixed/original/deep er/copy of ä.safetensors" # one blob, two links
printf '{"weight_map":{}}' >"$mixed/model.safetensors.index.json"
cp "$mixed/model.safetensors.index.json" "$mixed/original/same.json"
: >"$mixed/empty.txt"
echo hidden >"$mixed/.hidden/x"
echo '*.safetensors filter=lfs' >"$mixed/.gitattributes"

# What it says goes to a file: a pipe would fill at its end, when it tells every request, and hold it for ever.
coproc HUB { exec "$serve" --page 3 acme/tiny="$work/repo" acme/mixed="$mixed" small="$work/repo" >"$work/hub" 2>&1; }
hub_pid=$HUB_PID
until grep -q '^HF_ENDPOINT=' "$work/hub" 2>/dev/null || ! kill -0 "$hub_pid" 2>/dev/null; do
    sleep 0.05
done
sed 's/^/# /' "$work/hub"
export HF_ENDPOINT=$(sed -n 's/^HF_ENDPOINT=//p' "$work/hub")
[ -n "$HF_ENDPOINT" ] || { echo 'the test Hub did not start'; exit 1; }

export HOME=$work/home NIBBLE_HOME=$work/home/nibble
mkdir "$HOME"
unset HF_HOME HF_TOKEN XDG_CACHE_HOME HF_HUB_OFFLINE HUGGINGFACE_HUB_CACHE http_proxy https_proxy all_proxy
export HF_HUB_DISABLE_TELEMETRY=1 HF_HUB_DISABLE_PROGRESS_BARS=1 HF_HUB_DISABLE_UPDATE_CHECK=1

python() # CODE ARGUMENT...: with everything of huggingface_hub
{
    local code=$1
    shift
    "$HUB_PYTHON" -c "import json, os, sys
from huggingface_hub import *
$code" "$@"
}
fresh() # NAME: an empty cache for both
{
    export HF_HUB_CACHE=$work/$1
    rm -rf "$HF_HUB_CACHE"
}
# What a cache holds, without each client's own notes.
picture() # CACHE
{
    (cd "$1" && find . \( -name .locks -o -name trees -o -name .no_exist -o -name CACHEDIR.TAG \) -prune -o \
        -printf '%P %y %l\n' | sort && find . \( -name .locks -o -name trees -o -name CACHEDIR.TAG \) -prune -o -type f -print0 |
        sort -z | xargs -0 sha256sum)
}
same_picture() # CACHE CACHE
{
    diff <(picture "$1") <(picture "$2")
}
no_warnings() # [N]: nothing in the cache puzzles the official client, which sees N snapshots
{
    python 'scan = scan_cache_dir()
assert not scan.warnings, [str(w) for w in scan.warnings]
assert not getattr(scan, "incomplete_files", None), scan.incomplete_files
found = sum(len(repo.revisions) for repo in scan.repos)
assert found == int(sys.argv[1]), f"{found} snapshots"' "$1"
}
fetches_nothing() # ARGUMENT...: of nibble pull
{
    "$nibble" pull --json "$@" | tee "$work/events" | tail -n 1 | grep -q '"event":"done".*"fetched_bytes":0[,}]' || { cat "$work/events"; return 1; }
}
python_fetches_nothing() # CODE: what it may not need the Hub's files for
{
    HF_HUB_OFFLINE=1 python "$@"
}

# ---- (a) nibble pulls, Python loads ----------------------------------------------------------------------------------

fresh a
tiny=$("$nibble" pull acme/tiny 2>"$work/err") || cat "$work/err"
check 'nibble pulls' test -f "$tiny/model.safetensors"
check 'the weights are the bytes of the Hub' cmp "$tiny/model.safetensors" "$bundled/model.safetensors"
check 'Python finds the snapshot, offline' python_fetches_nothing \
    'assert snapshot_download("acme/tiny", local_files_only=True) == sys.argv[1]' "$tiny"
check 'a file of it' python_fetches_nothing \
    'assert hf_hub_download("acme/tiny", "config.json", local_files_only=True) == sys.argv[1] + "/config.json"' "$tiny"
check 'by its commit' python_fetches_nothing \
    'assert snapshot_download("acme/tiny", revision=os.path.basename(sys.argv[1]), local_files_only=True) == sys.argv[1]' "$tiny"
check 'scan_cache_dir sees it and has no warnings' no_warnings 1
check 'and its name, ref and size' python 'repo, = scan_cache_dir().repos
assert repo.repo_id == "acme/tiny" and repo.repo_type == "model" and set(repo.refs) == {"main"}
assert repo.size_on_disk == sum(os.stat(os.path.join(sys.argv[1], f)).st_size for f in os.listdir(sys.argv[1]))' "$tiny"
check 'Python has nothing to fetch, online' python 'before = sorted(os.listdir(os.path.join(sys.argv[1], "../../blobs")))
snapshot_download("acme/tiny", allow_patterns=os.listdir(sys.argv[1]))
assert sorted(os.listdir(os.path.join(sys.argv[1], "../../blobs"))) == before' "$tiny"
hf=$(dirname "$HUB_PYTHON")/hf
if [ -x "$hf" ] && "$hf" cache verify --help >/dev/null 2>&1; then
    check 'hf cache verify' "$hf" cache verify acme/tiny
else
    echo "ok $((n += 1)) - hf cache verify # SKIP this huggingface_hub has none"
fi
check 'nibble runs it by its name, offline' env HF_HUB_OFFLINE=1 "$nibble" run acme/tiny -p 'What is 1 + 1?' -n 4
check 'a name without ORG' "$nibble" pull small
check 'is found too' python_fetches_nothing 'snapshot_download("small", local_files_only=True)'
check 'two repositories, no warnings' no_warnings 2

# ---- (b) Python pulls, nibble has nothing to do ----------------------------------------------------------------------

fresh b
check 'Python pulls' python 'snapshot_download("acme/tiny")'
check 'nibble fetches nothing' fetches_nothing acme/tiny
check 'nor offline' "$nibble" pull --offline acme/tiny
check 'nor with --verify' fetches_nothing --verify acme/tiny
check 'and lists it' sh -c "'$nibble' models --json | grep -q '\"name\":\"acme/tiny\".*\"revisions\":\\[\"main\"\\],\"format\":\"NVFP4\".*\"complete\":true,\"runs\":true'"
check 'no warnings after both' no_warnings 1
check 'Python pulls a part' python 'hf_hub_download("acme/mixed", "config.json")'
check 'nibble the rest' "$nibble" pull acme/mixed
check 'no warnings' no_warnings 2
check 'all of it is there for Python' python_fetches_nothing 'hf_hub_download("acme/mixed", "model-00002-of-00002.safetensors", local_files_only=True)'

# ---- (c) the same trees ------------------------------------------------------------------------------------------------

for repository in acme/tiny acme/mixed small; do
    fresh "nibble-${repository/\//-}" && nibbles=$HF_HUB_CACHE
    check "$repository by nibble, all of it" "$nibble" pull "$repository" --include '*'
    fresh "python-${repository/\//-}"
    check "$repository by Python" python 'snapshot_download(sys.argv[1])' "$repository"
    check "$repository: the same bytes and the same links" same_picture "$HF_HUB_CACHE" "$nibbles"
done
fresh nibble-commit && nibbles=$HF_HUB_CACHE
commit=${tiny##*/}
check 'a commit by nibble' "$nibble" pull "acme/tiny@$commit" --include '*'
fresh python-commit
check 'a commit by Python' python 'snapshot_download("acme/tiny", revision=sys.argv[1])' "$commit"
check 'the same bytes and links, and no ref' same_picture "$HF_HUB_CACHE" "$nibbles"

# ---- (d) directories -----------------------------------------------------------------------------------------------------

fresh d
check '--to DIR' "$nibble" pull acme/mixed --include '*' --to "$work/nibbles"
check 'local_dir' python 'snapshot_download("acme/mixed", local_dir=sys.argv[1])' "$work/pythons"
check 'the same files' diff -r --exclude .cache "$work/nibbles" "$work/pythons"
same_notes() # commit and hash of every file; the third line is a time
{
    local a=$work/nibbles/.cache/huggingface/download b=$work/pythons/.cache/huggingface/download
    diff <(cd "$a" && find . -name '*.metadata' | sort) <(cd "$b" && find . -name '*.metadata' | sort) || return 1
    (cd "$a" && find . -name '*.metadata') | while read -r file; do
        diff <(head -n 2 "$a/$file") <(head -n 2 "$b/$file") || exit 1
    done
}
check 'the same notes of commit and hash' same_notes
times() { find "$1" -name .cache -prune -o -type f -printf '%P %T@ %i\n' | sort; }
before=$(times "$work/nibbles")
check "Python goes on in nibble's directory" python 'snapshot_download("acme/mixed", local_dir=sys.argv[1])' "$work/nibbles"
check 'and fetches nothing' test "$(times "$work/nibbles")" = "$before"
before=$(times "$work/pythons")
check "nibble in Python's: fetches nothing" fetches_nothing acme/mixed --include '*' --to "$work/pythons"
check 'and touches nothing' test "$(times "$work/pythons")" = "$before"
check 'a stick' "$nibble" pull acme/tiny --to "$work/stick"
check 'models add' "$nibble" models add "$work/stick"
check 'its name was known' test -f "$NIBBLE_HOME/models/acme/tiny/model.safetensors"
check "a directory of Python's" sh -c "'$HUB_PYTHON' -c 'import huggingface_hub as h; h.snapshot_download(\"acme/tiny\", local_dir=\"$work/stick2\")' && '$nibble' models add '$work/stick2' --name acme/tiny2"
check 'rm' "$nibble" rm -y acme/tiny acme/tiny2

# ---- removing ------------------------------------------------------------------------------------------------------------

fresh e
check 'two models' sh -c "'$nibble' pull acme/tiny && '$nibble' pull acme/mixed"
check 'nibble rm' "$nibble" rm -y acme/mixed
check 'no warnings' no_warnings 1
check 'Python removes the other' python 'scan = scan_cache_dir()
scan.delete_revisions(*[r.commit_hash for repo in scan.repos for r in repo.revisions]).execute()'
check 'nothing is left' test "$("$nibble" models --json)" = ''
check 'and nibble pulls it again' "$nibble" pull acme/tiny
check 'no warnings' no_warnings 1
check 'half a pull' sh -c "mkdir -p '$HF_HUB_CACHE/models--acme--mixed/blobs' && head -c 1000 '$mixed/model-00001-of-00002.safetensors' >'$HF_HUB_CACHE/models--acme--mixed/blobs/$(sha256sum <"$mixed/model-00001-of-00002.safetensors" | cut -d' ' -f1).nibble.incomplete'"
check 'Python pulls over it' python 'snapshot_download("acme/mixed")'
check 'nibble fetches nothing more' fetches_nothing acme/mixed
check 'and no part is left' sh -c "! find '$HF_HUB_CACHE' -name '*.incomplete' | grep ."
check 'no warnings' no_warnings 2

exec {HUB[1]}>&- # its standard input ends, and so does it
for _ in {1..200}; do
    kill -0 "$hub_pid" 2>/dev/null || break
    sleep 0.05
done
check 'the Hub ends, having told every request' sh -c "! kill -0 $hub_pid && grep -q '^200 GET  cdn ' '$work/hub'"
echo "1..$n"
[ "$n_failed" -eq 0 ]
