#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Golden ids by the Python package `tokenizers` (0.23.3; pip install tokenizers).

    make_tokenizer_goldens.py DATA OUT

DATA is the shared data directory, OUT is tests/golden. Writes
  tokenizer_variants.jsonl  small tokenizers that together use every component nibble supports, each with cases:
                            text, ids, ids with what the post-processor adds, decoded with and without special tokens
  tokenizer_texts.jsonl     number and SHA-256 (little-endian u32) of the ids of whole files, a line of the file at a
                            time where `lines` is set (each line's ids are followed by 0xffffffff). `skip`: lines
                            left out since the package's NFC, with tables older than Unicode 13, is not Unicode's
"""
import hashlib
import json
import pathlib
import random
import struct
import sys
import unicodedata

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

MARK = "\u2581"
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
          r"|\s+(?!\S)|\s+")
CORPUS = [
    "All human beings are born free and equal in dignity and rights. They are endowed with reason and conscience "
    "and should act towards one another in a spirit of brotherhood.",
    "Tous les êtres humains naissent libres et égaux en dignité et en droits. Ils sont doués de raison.",
    "Alle Menschen sind frei und gleich an Würde und Rechten geboren. Sie sind mit Vernunft begabt.",
    "Все люди рождаются свободными и равными в своем достоинстве и правах.",
    "人人生而自由,在尊严和权利上一律平等。 すべての人間は、生まれながらにして自由である。",
    "def add(a, b):\n    return a + b  # 12345 + 67890 = 80235\n\tx = {'k': [1, 2, 3]}\r\n",
]
ODD = [
    "", " ", "  ", "\n", "\r\n", "\r\n\r\n a\r\nb", "\t", "a", "hello world", " hello", "hello ", "  hello   world  ",
    "I'm you're HE'LL we'Ve it's 'x'", "123456789 1,234.5 ½ Ⅷ ٣", "caf\u00e9 cafe\u0301 \u1e9b\u0323 \u212b \ufb01 ﷺ",
    "\u180e \u180e\u180ea \u200b\u200d\u2060", "\u00a0\u2003\u3000x\u0085y\u2028z", "👩‍👩‍👧 🇩🇪 \U0001f600\U0001f600",
    "日本語 テキスト 한국어 ภาษาไทย हिन्दी", "\ufffd\ufffd", "\u0000\u0001\u007f", "İSTANBUL ẞ ß Σς ǅ",
    "a" * 300, "ab" * 200, "=" * 77 + "\n" * 9, " " * 65 + "x", "x" + "\u0301\u0323" * 20, "क\u093c\u094d\u0937",
    MARK + "x" + MARK, "a" + MARK + " b", "<0x41><0xFF>", "one\ntwo\n\nthree\n\n\n", "!?...,;-- (x) [y] {z}",
    "<s>", "<s> x </s>", "a<s>b", " <mask> x", "x <mask> y<mask>", "x\u3000<left> y", "x <right>  y <right>\n",
    "word", "words word word's sword a word", "Norm NORM norm \u212bngst", "<mask><left><right><s>", "<think>\nx\n</think>",
    "thinking <think>", "\u00e5ngst", "<<s>>", "<s", "<s><s>",
]


def added():
    """One added token for each flag."""
    return [
        AddedToken("<unk>", special=True, normalized=False),
        AddedToken("<s>", special=True, normalized=False),
        AddedToken("</s>", special=True, normalized=False),
        AddedToken("<think>", special=False, normalized=False),
        AddedToken("</think>", special=False, normalized=False),
        AddedToken("<mask>", special=True, normalized=False, lstrip=True),
        AddedToken("<left>", special=False, normalized=False, lstrip=True),
        AddedToken("<right>", special=False, normalized=False, rstrip=True),
        AddedToken("word", special=False, normalized=False, single_word=True),
        AddedToken("Norm", special=False, normalized=True),
        AddedToken("\u212bngst", special=False, normalized=True, single_word=True),
    ]


def add_all(tokenizer):
    """add_tokens keeps each token's own `special`."""
    tokenizer.add_tokens(added())
    return tokenizer


def train(model, pre_tokenizer, normalizer=None, alphabet=(), size=420):
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.normalizer = normalizer
    trainer = trainers.BpeTrainer(vocab_size=size, initial_alphabet=list(alphabet), show_progress=False,
                                  special_tokens=["<unk>"])
    tokenizer.train_from_iterator(CORPUS, trainer)
    return tokenizer


def with_bytes(tokenizer):
    """The same model with <0xNN> tokens."""
    model = json.loads(tokenizer.to_str())["model"]
    for byte in range(256):
        model["vocab"].setdefault(f"<0x{byte:02X}>", len(model["vocab"]))
    return models.BPE(vocab=model["vocab"], merges=[tuple(m) for m in model["merges"]], unk_token="<unk>",
                      fuse_unk=True, byte_fallback=True)


def template(tokenizer, single="<s> $A"):
    return processors.TemplateProcessing(single=single, pair="$A $B", special_tokens=[
        (name, tokenizer.token_to_id(name)) for name in ("<s>", "</s>")])


def byte_level(pre=None, normalizer=None, prefix=False, regex=True, ignore_merges=False):
    base = train(models.BPE(), pre_tokenizers.ByteLevel(add_prefix_space=False), alphabet=ALPHABET)
    model = json.loads(base.to_str())["model"]
    tokenizer = Tokenizer(models.BPE(vocab=model["vocab"], merges=[tuple(m) for m in model["merges"]],
                                     ignore_merges=ignore_merges))
    last = pre_tokenizers.ByteLevel(add_prefix_space=prefix, use_regex=regex)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([*pre, last]) if pre else last
    tokenizer.normalizer = normalizer
    tokenizer.decoder = decoders.ByteLevel()
    add_all(tokenizer)
    tokenizer.post_processor = processors.Sequence([processors.ByteLevel(), template(tokenizer, "<s> $A </s>")])
    return tokenizer


def sentencepiece(pre, normalizer, decoder, fallback=True, fuse=True):
    base = train(models.BPE(unk_token="<unk>"), pre_tokenizers.Metaspace())
    tokenizer = Tokenizer(with_bytes(base))
    if not fallback:
        model = json.loads(base.to_str())["model"]
        for char in "éßдた":  # characters that are then unknown
            model["merges"] = [m for m in model["merges"] if char not in m[0] + m[1]]
            names = sorted((k for k in model["vocab"] if char not in k), key=model["vocab"].get)
            model["vocab"] = {name: i for i, name in enumerate(names)}
        tokenizer = Tokenizer(models.BPE(vocab=model["vocab"], merges=[tuple(m) for m in model["merges"]],
                                         unk_token="<unk>", fuse_unk=fuse))
    tokenizer.pre_tokenizer, tokenizer.normalizer, tokenizer.decoder = pre, normalizer, decoder
    add_all(tokenizer)
    tokenizer.post_processor = template(tokenizer)
    return tokenizer


def llama_decoder():
    return decoders.Sequence([decoders.Replace(MARK, " "), decoders.ByteFallback(), decoders.Fuse(),
                              decoders.Strip(" ", 1, 0)])


def llama_normalizer():
    return normalizers.Sequence([normalizers.Prepend(MARK), normalizers.Replace(" ", MARK)])


def splits(*behaviours):
    return [pre_tokenizers.Split(*b[:2], **(b[2] if len(b) > 2 else {})) for b in behaviours]


def variants():
    n, p, d = normalizers, pre_tokenizers, decoders
    yield "byte-level", byte_level()
    yield "byte-level-prefix-nfkc-lower", byte_level(
        normalizer=n.Sequence([n.NFKC(), n.Lowercase(), n.Strip()]), prefix=True)
    yield "llama3-ignore-merges", byte_level(splits((Regex(LLAMA3), "isolated")), regex=False, ignore_merges=True)
    yield "nfd-strip-left", byte_level(normalizer=n.Sequence([n.NFD(), n.Strip(True, False)]))
    yield "nfkd-replace-regex", byte_level(normalizer=n.Sequence([n.NFKD(), n.Replace(Regex(r"\s+"), " ")]))
    yield "nfc-removed", byte_level(splits((Regex(r"\s+"), "removed")), n.NFC())
    yield "merged-previous", byte_level(splits((Regex(r"[\s\p{P}]"), "merged_with_previous")), regex=False)
    yield "merged-next", byte_level(splits((Regex(r"[\s\p{P}]"), "merged_with_next")), regex=False)
    yield "contiguous-string", byte_level(splits((" ", "contiguous"), ("e", "isolated")), regex=False)
    yield "inverted", byte_level(splits((Regex(r"\w+"), "removed", {"invert": True})), regex=False)
    yield "inverted-next", byte_level(splits((Regex(r"\S+"), "merged_with_next", {"invert": True})), regex=False)
    yield "digits-punctuation", byte_level([p.Digits(True), p.Punctuation("merged_with_previous")], regex=False)
    yield "digits-whitespace", byte_level([p.Digits(False), p.Whitespace()], regex=False)
    yield "whitespace-split", byte_level([p.WhitespaceSplit(), p.Punctuation()], regex=False)
    yield "scripts", byte_level(splits((Regex(r"[\p{Han}]+"), "isolated"), (Regex(r"(?m:^.|.$)"), "isolated")), regex=False)
    yield "llama2", sentencepiece(None, llama_normalizer(), llama_decoder())
    yield "mistral", sentencepiece(p.Metaspace(prepend_scheme="first", split=False), None, llama_decoder())
    yield "metaspace-always", sentencepiece(p.Metaspace(), None, d.Metaspace())
    yield "metaspace-first", sentencepiece(p.Metaspace(prepend_scheme="first"), n.NFC(),
                                           d.Metaspace(prepend_scheme="first"))
    yield "metaspace-never", sentencepiece(p.Metaspace(prepend_scheme="never"), None,
                                           d.Metaspace(prepend_scheme="never"))
    yield "unknown-fused", sentencepiece(p.Metaspace(), None, d.Metaspace(), fallback=False)
    yield "unknown-each", sentencepiece(p.Metaspace(), None, d.Metaspace(), fallback=False, fuse=False)
    yield "strip-each", sentencepiece(None, n.Replace(" ", MARK), d.Sequence(
        [d.Replace(MARK, " "), d.Strip(" ", 1, 0)]))


def random_text(generator):
    parts = ODD + CORPUS[1].split(" ") + ["<s>", "</s>", "<mask>", "<left>", "<right>", "word", "Norm", " ", " ", "\n"]
    return "".join(generator.choice(parts)[:40] for _ in range(generator.randint(2, 7)))


def cases(tokenizer, texts):
    for text in texts:
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        yield {"text": text, "ids": ids, "with": tokenizer.encode(text).ids,
               "decoded": tokenizer.decode(ids, skip_special_tokens=False),
               "skipped": tokenizer.decode(ids, skip_special_tokens=True)}


def write_variants(path):
    with open(path, "w", encoding="utf-8", newline="\n") as out:
        for i, (name, tokenizer) in enumerate(variants()):
            generator = random.Random(i)
            texts = [t.replace("\0", "") for t in ODD + [random_text(generator) for _ in range(40)]]  # jansson: no zero
            line = {"name": name, "tokenizer": json.loads(tokenizer.to_str()), "cases": list(cases(tokenizer, texts))}
            print(json.dumps(line, ensure_ascii=False, separators=(",", ":")), file=out)


def digest(ids):
    return {"n": len(ids), "sha256": hashlib.sha256(struct.pack(f"<{len(ids)}I", *ids)).hexdigest()}


def other_nfc(data):
    """Numbers of the lines of which the package has another NFC than Python itself."""
    lines = [line.decode("utf-8", "replace") for line in data.split(b"\n")]
    nfc = normalizers.NFC()
    return [i for i, line in enumerate(lines) if nfc.normalize_str(line) != unicodedata.normalize("NFC", line)]


def text_ids(tokenizer, data, lines, skip):
    """Bytes that are not UTF-8 become U+FFFD before Python's package sees them."""
    if not lines:
        return tokenizer.encode(data.decode("utf-8", "replace"), add_special_tokens=False).ids
    texts = [line.decode("utf-8", "replace") for i, line in enumerate(data.split(b"\n")) if i not in skip]
    ids = []
    for encoding in tokenizer.encode_batch(texts, add_special_tokens=False):
        ids += encoding.ids + [0xffffffff]
    return ids


def write_texts(data, path):
    torture = ["utf8/UTF-8-test.txt", "utf8/utf8tests/utf8tests.bin", "utf8/utf8tests/utf8tests.txt"]
    files = sorted(f"text/udhr/{f.name}" for f in (data / "text/udhr").glob("*.txt"))
    files += ["text/frankenstein.en.txt", "text/promessi_sposi.it.txt", *[t for t in torture if (data / t).exists()]]
    with open(path, "w", encoding="utf-8", newline="\n") as out:
        for name in ("qwen3",):
            tokenizer = Tokenizer.from_file(str(data / "tokenizers" / name / "tokenizer.json"))
            for file in files + ["utf8/unicode-14.0/NormalizationTest.txt"]:
                lines = file == "utf8/unicode-14.0/NormalizationTest.txt"
                content = (data / file).read_bytes()
                skip = other_nfc(content) if lines else []
                line = {"tokenizer": name, "file": file, "lines": lines, "skip": skip}
                line.update(digest(text_ids(tokenizer, content, lines, set(skip))))
                print(json.dumps(line), file=out)


ALPHABET = pre_tokenizers.ByteLevel.alphabet()

if __name__ == "__main__":
    source, target = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    write_variants(target / "tokenizer_variants.jsonl")
    write_texts(source, target / "tokenizer_texts.jsonl")
