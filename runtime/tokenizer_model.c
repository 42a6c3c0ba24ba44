// SPDX-License-Identifier: Apache-2.0
// tokenizer.json's `model` (vocabulary and merges), `added_tokens` and `post_processor`.
#include <stdlib.h>
#include <string.h>

#include "runtime/tokenizer_parts.h"

enum { MERGES_MAX = 1 << 24 }; // far beyond any vocabulary

// ---- vocabulary ---------------------------------------------------------------------------------------------

static nb_status read_id(const nb_json_reader *reader, const char *key, const json_t *value, uint32_t *id)
{
    json_int_t number = json_is_integer(value) ? json_integer_value(value) : -1;
    *id = 0;
    if (number < 0 || number >= NB_VOCAB_IDS_MAX)
        return nb_json_unexpected(reader, key, "an id below 4194304", value);
    *id = (uint32_t)number;
    return NB_OK;
}

// Ids lie near 0 to the number of tokens: memory follows the ids, not the file, so an id far beyond is a mistake or
// worse.
typedef struct vocab_loader {
    nb_vocab *vocab;
    uint32_t n_tokens; // of the vocabulary and added ones
    uint32_t n_ids;    // highest id so far + 1
} vocab_loader;

static nb_status make_room(vocab_loader *loader, uint32_t id, nb_error *error)
{
    uint32_t limit = 2 * loader->n_tokens + 4096;
    if (id >= limit)
        return nb_error_set(error, NB_ERR_INPUT, "tokenizer.json: model.vocab; expected ids near 0 to %u, found %u",
                            loader->n_tokens, id);
    loader->n_ids = (uint32_t)nb_max(loader->n_ids, id + 1);
    if (id < loader->vocab->n_ids)
        return NB_OK;
    return nb_vocab_resize(loader->vocab, (uint32_t)nb_min(limit, id + 1 + id / 4), error);
}

static nb_status add_names(void *user, json_t *names, nb_error *error)
{
    vocab_loader *loader = user;
    nb_json_reader reader = {names, "tokenizer.json: model: vocab", error};
    const char *name;
    json_t *value;
    uint32_t id;
    json_object_foreach(names, name, value)
    {
        NB_TRY(read_id(&reader, name, value, &id));
        NB_TRY(make_room(loader, id, error));
        NB_TRY(nb_vocab_add(loader->vocab, id, name, strlen(name), error));
    }
    return NB_OK;
}

static nb_status load_vocab(nb_tokenizer *tokenizer, const nb_json_span *names, const json_t *added, nb_error *error)
{
    size_t n_tokens = names->n_members + json_array_size(added);
    if (n_tokens > NB_VOCAB_IDS_MAX)
        return nb_error_set(error, NB_ERR_INPUT, "tokenizer.json: model.vocab; expected at most %d tokens, found %zu",
                            NB_VOCAB_IDS_MAX, n_tokens);
    vocab_loader loader = {.vocab = &tokenizer->vocab, .n_tokens = (uint32_t)n_tokens};
    NB_TRY(nb_vocab_create(&tokenizer->vocab, loader.n_tokens, error));
    NB_TRY(nb_json_each_batch(names, "tokenizer.json", add_names, &loader, error));
    for (size_t i = 0; i < json_array_size(added); i++) {
        nb_json_reader reader = {json_array_get(added, i), "tokenizer.json: added_tokens", error};
        uint32_t id;
        NB_TRY(read_id(&reader, "id", nb_json_find(&reader, "id"), &id));
        NB_TRY(make_room(&loader, id, error));
    }
    return nb_vocab_resize(&tokenizer->vocab, loader.n_ids, error);
}

// ---- merges -------------------------------------------------------------------------------------------------

// "a b", the older spelling.
static nb_status add_joined(nb_bpe *bpe, nb_buffer *joined, const json_t *merge, const nb_json_reader *model)
{
    const char *text = json_string_value(merge), *space = strchr(text, ' ');
    if (!space || strchr(space + 1, ' '))
        return nb_json_unexpected(model, "merges", "two tokens with one space between", merge);
    return nb_bpe_add_merge(bpe, joined, text, (size_t)(space - text), space + 1, strlen(space + 1), model->error);
}

static nb_status add_merge(nb_bpe *bpe, nb_buffer *joined, const json_t *merge, const nb_json_reader *model)
{
    if (json_is_string(merge))
        return add_joined(bpe, joined, merge, model);
    const json_t *left = json_array_get(merge, 0), *right = json_array_get(merge, 1);
    if (json_array_size(merge) != 2 || !json_is_string(left) || !json_is_string(right))
        return nb_json_unexpected(model, "merges", "\"a b\" or [\"a\", \"b\"]", merge);
    return nb_bpe_add_merge(bpe, joined, json_string_value(left), json_string_length(left), json_string_value(right),
                            json_string_length(right), model->error);
}

typedef struct merges_loader {
    nb_bpe *bpe;
    nb_buffer joined;
} merges_loader;

static nb_status add_merges(void *user, json_t *merges, nb_error *error)
{
    merges_loader *loader = user;
    nb_json_reader model = {NULL, "tokenizer.json: model", error};
    for (size_t i = 0; i < json_array_size(merges); i++)
        NB_TRY(add_merge(loader->bpe, &loader->joined, json_array_get(merges, i), &model));
    return NB_OK;
}

static nb_status load_merges(nb_tokenizer *tokenizer, const nb_json_reader *model, const nb_json_span *span)
{
    const json_t *merges;
    NB_TRY(nb_json_array(model, "merges", NB_JSON_REQUIRED, &merges));
    if (!span->text || span->n_members > MERGES_MAX)
        return nb_error_set(model->error, NB_ERR_INPUT, "tokenizer.json: model.merges; expected at most %d, found %zu",
                            MERGES_MAX, span->n_members);
    NB_TRY(nb_bpe_create(&tokenizer->bpe, &tokenizer->vocab, (uint32_t)span->n_members, model->error));
    merges_loader loader = {.bpe = &tokenizer->bpe};
    nb_status status = nb_json_each_batch(span, "tokenizer.json", add_merges, &loader, model->error);
    nb_buffer_free(&loader.joined);
    return status;
}

// ---- the model ----------------------------------------------------------------------------------------------

static nb_status check_kind(const nb_json_reader *model)
{
    const char *type = "BPE"; // older files leave it out
    NB_TRY(nb_json_string(model, "type", NB_JSON_OPTIONAL, &type));
    if (strcmp(type, "BPE") != 0)
        return nb_json_unexpected(model, "type", "BPE", nb_json_find(model, "type"));
    static const char *const affixes[] = {"continuing_subword_prefix", "end_of_word_suffix"};
    for (size_t i = 0; i < NB_COUNT(affixes); i++) {
        const char *affix = "";
        NB_TRY(nb_json_string(model, affixes[i], NB_JSON_OPTIONAL, &affix));
        if (*affix)
            return nb_json_unexpected(model, affixes[i], "null or an empty string", nb_json_find(model, affixes[i]));
    }
    double dropout = 0.0; // more than 0 makes ids random
    return nb_json_number(model, "dropout", NB_JSON_OPTIONAL, 0.0, 0.0, &dropout);
}

static nb_status load_flags(nb_tokenizer *tokenizer, const nb_json_reader *model)
{
    nb_bpe *bpe = &tokenizer->bpe;
    NB_TRY(nb_json_bool(model, "ignore_merges", NB_JSON_OPTIONAL, &bpe->ignores_merges));
    NB_TRY(nb_json_bool(model, "fuse_unk", NB_JSON_OPTIONAL, &bpe->fuses_unk));
    NB_TRY(nb_json_bool(model, "byte_fallback", NB_JSON_OPTIONAL, &bpe->has_byte_fallback));
    const char *unk = NULL;
    NB_TRY(nb_json_string(model, "unk_token", NB_JSON_OPTIONAL, &unk));
    if (!unk)
        return NB_OK;
    bpe->unk_id = nb_vocab_find(&tokenizer->vocab, unk, strlen(unk));
    if (bpe->unk_id < 0)
        return nb_json_unexpected(model, "unk_token", "a token of the vocabulary", nb_json_find(model, "unk_token"));
    return NB_OK;
}

nb_status nb_tokenizer_load_model(nb_tokenizer *tokenizer, const json_t *root, const nb_json_span *names,
                                  const nb_json_span *merges, nb_error *error)
{
    nb_json_reader top = {root, "tokenizer.json", error}, model = {NULL, "tokenizer.json: model", error};
    const json_t *added = NULL;
    NB_TRY(nb_json_object(&top, "model", NB_JSON_REQUIRED, &model.object));
    NB_TRY(nb_json_array(&top, "added_tokens", NB_JSON_OPTIONAL, &added));
    NB_TRY(check_kind(&model));
    const json_t *vocab = json_object_get(model.object, "vocab"); // empty: its members are in `names`
    if (!json_is_object(vocab) || names->n_members == 0)
        return nb_json_unexpected(&model, "vocab", "an object of tokens", vocab);
    NB_TRY(load_vocab(tokenizer, names, added, error));
    NB_TRY(load_merges(tokenizer, &model, merges));
    return load_flags(tokenizer, &model);
}

// ---- added tokens -------------------------------------------------------------------------------------------

// The normalised content is what is matched and, in the Python package, what decoding gives.
static nb_status set_source(nb_tokenizer *tokenizer, const nb_marked *content, int32_t id, nb_error *error)
{
    nb_vocab *vocab = &tokenizer->vocab;
    size_t offset = vocab->blob.bytes;
    if (offset + content->bytes > NB_VOCAB_BLOB_MAX || !nb_buffer_append(&vocab->blob, content->text, content->bytes))
        return nb_error_set(error, NB_ERR_SYSTEM, "token names do not fit memory");
    vocab->tokens[id].source_offset = (uint32_t)offset;
    vocab->tokens[id].source_bytes = (uint32_t)content->bytes;
    return NB_OK;
}

static nb_status insert_normalized(nb_tokenizer *tokenizer, const char *content, size_t bytes, nb_added_token token,
                                   nb_error *error)
{
    nb_normalize_scratch scratch = {0};
    nb_marked in = {content, bytes, NULL}, out = in;
    nb_status status = nb_matcher_create(&scratch.matcher, error);
    if (status == NB_OK)
        status = nb_normalize(&tokenizer->normalizer, &scratch, in, &out, NB_ADDED_BYTES_MAX, error);
    if (status == NB_OK && out.bytes > 0)
        status = nb_added_insert(&tokenizer->normalized_added, out.text, out.bytes, token, error);
    if (status == NB_OK)
        status = set_source(tokenizer, &out, token.id, error);
    nb_matcher_free(scratch.matcher);
    nb_normalize_scratch_release(&scratch);
    return status;
}

static nb_status read_added(const nb_json_reader *reader, const char **content, nb_added_token *token,
                            bool *is_normalized)
{
    uint32_t id = 0;
    NB_TRY(nb_json_string(reader, "content", NB_JSON_REQUIRED, content));
    NB_TRY(read_id(reader, "id", nb_json_find(reader, "id"), &id));
    NB_TRY(nb_json_bool(reader, "special", NB_JSON_OPTIONAL, &token->is_special));
    *is_normalized = !token->is_special;
    NB_TRY(nb_json_bool(reader, "normalized", NB_JSON_OPTIONAL, is_normalized));
    NB_TRY(nb_json_bool(reader, "single_word", NB_JSON_OPTIONAL, &token->is_single_word));
    NB_TRY(nb_json_bool(reader, "lstrip", NB_JSON_OPTIONAL, &token->strips_left));
    NB_TRY(nb_json_bool(reader, "rstrip", NB_JSON_OPTIONAL, &token->strips_right));
    size_t bytes = strlen(*content);
    if (bytes == 0 || bytes > NB_ADDED_BYTES_MAX)
        return nb_json_unexpected(reader, "content", "1 to 512 bytes", nb_json_find(reader, "content"));
    token->id = (int32_t)id;
    return NB_OK;
}

static nb_status load_one_added(nb_tokenizer *tokenizer, const json_t *json, nb_error *error)
{
    nb_json_reader reader = {json, "tokenizer.json: added_tokens", error};
    const char *content;
    nb_added_token token = {0};
    bool is_normalized;
    NB_TRY(read_added(&reader, &content, &token, &is_normalized));
    size_t bytes = strlen(content);
    if (nb_vocab_find(&tokenizer->vocab, content, bytes) != token.id) { // a token of the model may be listed again
        NB_TRY(nb_vocab_add(&tokenizer->vocab, (uint32_t)token.id, content, bytes, error));
        tokenizer->vocab.tokens[token.id].is_outside = true;
    }
    tokenizer->vocab.tokens[token.id].is_added = true;
    tokenizer->vocab.tokens[token.id].is_special = token.is_special;
    if (is_normalized)
        return insert_normalized(tokenizer, content, bytes, token, error);
    return nb_added_insert(&tokenizer->raw_added, content, bytes, token, error);
}

nb_status nb_tokenizer_load_added(nb_tokenizer *tokenizer, const json_t *root, nb_error *error)
{
    const json_t *added = json_object_get(root, "added_tokens");
    for (size_t i = 0; i < json_array_size(added); i++)
        NB_TRY(load_one_added(tokenizer, json_array_get(added, i), error));
    return NB_OK;
}

// ---- post-processor -----------------------------------------------------------------------------------------

static nb_status put_special(const nb_tokenizer *tokenizer, const nb_json_reader *processor, const json_t *item,
                             nb_buffer *out)
{
    nb_json_reader special = {json_object_get(item, "SpecialToken"), processor->file, processor->error};
    const char *name;
    NB_TRY(nb_json_string(&special, "id", NB_JSON_REQUIRED, &name));
    const json_t *named = json_object_get(json_object_get(processor->object, "special_tokens"), name);
    const json_t *ids = json_object_get(named, "ids");
    if (!json_is_array(ids))
        return nb_json_unexpected(processor, "special_tokens", "an object with the ids of each special token", ids);
    for (size_t i = 0; i < json_array_size(ids); i++) {
        uint32_t id = 0;
        NB_TRY(read_id(processor, "special_tokens", json_array_get(ids, i), &id));
        if (id >= tokenizer->vocab.n_ids || !tokenizer->vocab.tokens[id].is_used)
            return nb_json_unexpected(processor, "special_tokens", "ids of the vocabulary", json_array_get(ids, i));
        if (!nb_buffer_append(out, &(int32_t){(int32_t)id}, sizeof(int32_t)))
            return nb_error_set(processor->error, NB_ERR_SYSTEM, "post-processor does not fit memory");
    }
    return NB_OK;
}

// The ids before and after "Sequence" in a template.
static nb_status read_template(const nb_tokenizer *tokenizer, const nb_json_reader *processor, nb_buffer sides[2])
{
    const json_t *items = json_object_get(processor->object, "single");
    size_t n_texts = 0;
    for (size_t i = 0; i < json_array_size(items); i++) {
        const json_t *item = json_array_get(items, i);
        if (json_object_get(item, "Sequence"))
            n_texts++;
        else
            NB_TRY(put_special(tokenizer, processor, item, &sides[n_texts > 0]));
    }
    if (n_texts != 1)
        return nb_json_unexpected(processor, "single", "a list with one Sequence", items);
    return NB_OK;
}

// A later processor wraps what the earlier ones made.
static nb_status wrap(nb_tokenizer *tokenizer, nb_buffer sides[2], nb_error *error)
{
    if (!nb_buffer_append(&sides[0], tokenizer->prefix.data, tokenizer->prefix.bytes) ||
        !nb_buffer_append(&tokenizer->suffix, sides[1].data, sides[1].bytes))
        return nb_error_set(error, NB_ERR_SYSTEM, "post-processor does not fit memory");
    nb_buffer swap = tokenizer->prefix;
    tokenizer->prefix = sides[0];
    sides[0] = swap;
    return NB_OK;
}

static nb_status load_processor(nb_tokenizer *tokenizer, const nb_json_reader *reader, const char *type, void *user)
{
    (void)user;
    if (strcmp(type, "ByteLevel") == 0) // changes offsets only
        return NB_OK;
    if (strcmp(type, "TemplateProcessing") != 0)
        return nb_json_unexpected(reader, "type", "TemplateProcessing, ByteLevel or Sequence",
                                  nb_json_find(reader, "type"));
    nb_buffer sides[2] = {{0}, {0}};
    nb_status status = read_template(tokenizer, reader, sides);
    if (status == NB_OK)
        status = wrap(tokenizer, sides, reader->error);
    nb_buffer_free(&sides[0]);
    nb_buffer_free(&sides[1]);
    return status;
}

nb_status nb_tokenizer_load_post(nb_tokenizer *tokenizer, const json_t *root, nb_error *error)
{
    return nb_tokenizer_each_component(tokenizer, json_object_get(root, "post_processor"),
                                       "tokenizer.json: post_processor", "processors", load_processor, NULL, error);
}
