// SPDX-License-Identifier: Apache-2.0
#include "apps/qat/tokenizer_write.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/qat/json_file.h"
#include "runtime/bytelevel.h"

const char *const nb_special_tokens[NB_N_SPECIAL] = {"<|endoftext|>", "<|im_start|>", "<|im_end|>", "<think>",
                                                     "</think>"};

// Earlier answers are shown without their reasoning; the prompt ends inside an open <think>.
static const char chat_template[] =
    "{%- for message in messages %}"
    "{%- if message.role == 'assistant' and not loop.last and '</think>' in message.content %}"
    "{{- '<|im_start|>assistant\\n' + message.content.split('</think>')[-1].lstrip('\\n') + '<|im_end|>\\n' }}"
    "{%- else %}"
    "{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}"
    "{%- endif %}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n<think>\\n' }}{%- endif %}";

enum { MAX_NAME_BYTES = 2 * NB_TRAIN_MAX_WORD_BYTES + 1 };

// The name of a token: its bytes, spelt in GPT-2's alphabet (at most two bytes of UTF-8 each).
static void add_name(const nb_bpe_trainer *trainer, uint32_t id, char name[MAX_NAME_BYTES], size_t *bytes)
{
    if (id >= NB_TRAIN_BYTES) {
        nb_bpe_train_pair pair = trainer->merges[id - NB_TRAIN_BYTES];
        add_name(trainer, pair.left, name, bytes);
        add_name(trainer, pair.right, name, bytes);
        return;
    }
    uint32_t code = nb_bytelevel_char(nb_bpe_train_byte(id));
    if (code < 0x80) {
        name[(*bytes)++] = (char)code;
    } else {
        name[(*bytes)++] = (char)(0xc0 | (code >> 6));
        name[(*bytes)++] = (char)(0x80 | (code & 0x3f));
    }
}

static const char *name_of(const nb_bpe_trainer *trainer, uint32_t id, char name[MAX_NAME_BYTES])
{
    size_t bytes = 0;
    add_name(trainer, id, name, &bytes);
    name[bytes] = '\0';
    return name;
}

static json_t *vocabulary(const nb_bpe_trainer *trainer)
{
    json_t *vocab = json_object();
    char name[MAX_NAME_BYTES];
    uint32_t n = NB_TRAIN_BYTES + trainer->n_merges;
    for (uint32_t id = 0; id < n; id++)
        json_object_set_new(vocab, name_of(trainer, id, name), json_integer(id));
    return vocab;
}

static json_t *merges(const nb_bpe_trainer *trainer)
{
    json_t *list = json_array();
    char left[MAX_NAME_BYTES], right[MAX_NAME_BYTES];
    for (uint32_t i = 0; i < trainer->n_merges; i++)
        json_array_append_new(list, json_pack("[s, s]", name_of(trainer, trainer->merges[i].left, left),
                                              name_of(trainer, trainer->merges[i].right, right)));
    return list;
}

static json_t *added_tokens(const nb_bpe_trainer *trainer)
{
    json_t *list = json_array();
    for (int i = 0; i < NB_N_SPECIAL; i++)
        json_array_append_new(list, json_pack("{s:i, s:s, s:b, s:b, s:b, s:b, s:b}", "id",
                                              (int)(NB_TRAIN_BYTES + trainer->n_merges) + i, "content",
                                              nb_special_tokens[i], "single_word", 0, "lstrip", 0, "rstrip", 0,
                                              "normalized", 0, "special", i < NB_TOKEN_THINK));
    return list;
}

static json_t *pre_tokenizer(void)
{
    return json_pack("{s:s, s:[{s:s, s:{s:s}, s:s, s:b}, {s:s, s:b, s:b, s:b}]}", "type", "Sequence", "pretokenizers",
                     "type", "Split", "pattern", "Regex", NB_TRACES_PATTERN, "behavior", "Isolated", "invert", 0,
                     "type", "ByteLevel", "add_prefix_space", 0, "trim_offsets", 1, "use_regex", 0);
}

static json_t *tokenizer_object(const nb_bpe_trainer *trainer)
{
    json_t *model =
        json_pack("{s:s, s:n, s:n, s:n, s:n, s:b, s:b, s:b, s:o, s:o}", "type", "BPE", "dropout", "unk_token",
                  "continuing_subword_prefix", "end_of_word_suffix", "fuse_unk", 0, "byte_fallback", 0, "ignore_merges",
                  0, "vocab", vocabulary(trainer), "merges", merges(trainer));
    json_t *decoder = json_pack("{s:s, s:b, s:b, s:b}", "type", "ByteLevel", "add_prefix_space", 1, "trim_offsets", 1,
                                "use_regex", 1);
    return json_pack("{s:s, s:n, s:n, s:o, s:{s:s}, s:o, s:n, s:o, s:o}", "version", "1.0", "truncation", "padding",
                     "added_tokens", added_tokens(trainer), "normalizer", "type", "NFC", "pre_tokenizer",
                     pre_tokenizer(), "post_processor", "decoder", decoder, "model", model);
}

static json_t *config_object(uint32_t n_max_positions)
{
    return json_pack("{s:s, s:n, s:s, s:s, s:i, s:s, s:b}", "tokenizer_class", "PreTrainedTokenizerFast", "bos_token",
                     "eos_token", nb_special_tokens[NB_TOKEN_IM_END], "pad_token",
                     nb_special_tokens[NB_TOKEN_END_OF_TEXT], "model_max_length", (int)n_max_positions, "chat_template",
                     chat_template, "clean_up_tokenization_spaces", 0);
}

nb_status nb_tokenizer_write(const nb_bpe_trainer *trainer, uint32_t n_max_positions, const char *directory,
                             nb_error *error)
{
    NB_TRY(nb_json_file_write(directory, "tokenizer.json", tokenizer_object(trainer), error));
    return nb_json_file_write(directory, "tokenizer_config.json", config_object(n_max_positions), error);
}
