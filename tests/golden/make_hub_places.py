#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes hub_places.jsonl: where huggingface_hub looks for its home and its cache, by the environment; and which names
of repositories it takes, with the folder of each.

    python3 -m venv /tmp/venv && /tmp/venv/bin/pip install huggingface_hub==2.4.0
    /tmp/venv/bin/python tests/golden/make_hub_places.py"""

import itertools
import json
import os
import subprocess
import sys

HOMES = ["/srv/ada", "/srv/ada/", "/", ""]
SETTINGS = [
    {},
    {"XDG_CACHE_HOME": "/srv/xdg"},
    {"XDG_CACHE_HOME": ""},
    {"XDG_CACHE_HOME": "~/x y/"},
    {"HF_HOME": "/srv/hf"},
    {"HF_HOME": ""},
    {"HF_HOME": "~"},
    {"HF_HOME": "~/hf/"},
    {"HF_HOME": "~nobody-here/hf"},
    {"HF_HOME": "hf"},
    {"HF_HOME": "/srv/hf", "XDG_CACHE_HOME": "/srv/xdg"},
    {"HF_HUB_CACHE": "/srv/hub"},
    {"HF_HUB_CACHE": ""},
    {"HF_HUB_CACHE": "~/hub", "HF_HOME": "/srv/hf"},
    {"HF_HUB_CACHE": "$VAR/hub", "VAR": "/srv/var"},
    {"HF_HUB_CACHE": "${VAR}x/$UNSET/${UNSET}/$/${", "VAR": "~"},
    {"HF_HUB_CACHE": "/a/$VAR", "VAR": "$VAR"},
    {"HF_HUB_CACHE": "/a/${}b$VAR-c", "VAR": ""},
    {"HF_HUB_CACHE": "/a/~/b"},
    {"HUGGINGFACE_HUB_CACHE": "/srv/old"},
    {"HUGGINGFACE_HUB_CACHE": "~/old", "HF_HUB_CACHE": "~/new"},
    {"HUGGINGFACE_HUB_CACHE": "", "HF_HOME": "/srv/hf"},
]
NAMES = """gpt2 acme/tiny Qwen/Qwen2.5-0.5B a/b/c acme/ /tiny acme//tiny acme/-x acme/x- acme/.x acme/x. .x/y -x/y x-/y _x/_y
acme/a--b acme/a..b a--b acme/tiny.git tiny.git .git acme/.git acme/a.git.b acme/_ _ - . .. acme/.. ../acme a/b@c a\\b
acme/é a:b a*b""".split() + ["", "acme/a b", "x" * 96, "x" * 97, "o/" + "x" * 96, "o/" + "x" * 97, "o" * 96 + "/x",
                             "o" * 97 + "/x"]

PLACES = "from huggingface_hub import constants as c; import json; print(json.dumps([c.HF_HOME, c.HF_HUB_CACHE]))"
KEPT = {"PATH": os.environ["PATH"], "HF_HUB_OFFLINE": "1"}


def places(environment):
    result = subprocess.run([sys.executable, "-c", PLACES], env={**KEPT, **environment}, check=True, capture_output=True)
    return json.loads(result.stdout)


def folder(name):
    from huggingface_hub.file_download import repo_folder_name

    try:
        return repo_folder_name(repo_id=name, repo_type="model")
    except ValueError:
        return None


def main():
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "hub_places.jsonl")
    with open(path, "w", encoding="utf-8") as out:
        for home, setting in itertools.product(HOMES, SETTINGS):
            environment = {"HOME": home, **setting}
            where, cache = places(environment)
            print(json.dumps({"environment": environment, "home": where, "cache": cache}), file=out)
        for name in NAMES:
            print(json.dumps({"repository": name, "folder": folder(name)}), file=out)


main()
