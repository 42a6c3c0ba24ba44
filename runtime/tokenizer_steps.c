// SPDX-License-Identifier: Apache-2.0
// tokenizer.json's `normalizer` and `pre_tokenizer`, and what all its components share.
#include <string.h>

#include "runtime/tokenizer_parts.h"
#include "runtime/utf8.h"

nb_status nb_tokenizer_read_char(const nb_json_reader *reader, const char *key, char value[5])
{
    const char *text;
    NB_TRY(nb_json_string(reader, key, NB_JSON_REQUIRED, &text));
    size_t bytes = strlen(text);
    if (bytes == 0 || nb_utf8_read(text, bytes).bytes != bytes)
        return nb_json_unexpected(reader, key, "one character", nb_json_find(reader, key));
    memcpy(value, text, bytes + 1);
    return NB_OK;
}

nb_status nb_tokenizer_read_pattern(const nb_json_reader *reader, nb_pattern **pattern, const char *where)
{
    const json_t *found = nb_json_find(reader, "pattern");
    const json_t *literal = json_object_get(found, "String"), *regex = json_object_get(found, "Regex");
    if (json_is_string(literal))
        return nb_pattern_literal(pattern, json_string_value(literal), json_string_length(literal), where,
                                  reader->error);
    if (json_is_string(regex))
        return nb_pattern_regex(pattern, json_string_value(regex), json_string_length(regex), where, reader->error);
    return nb_json_unexpected(reader, "pattern", "{\"String\": ...} or {\"Regex\": ...}", found);
}

nb_status nb_tokenizer_each_component(nb_tokenizer *tokenizer, const json_t *component, const char *part,
                                      const char *list_key, nb_component_fn on_component, void *user, nb_error *error)
{
    if (!component || json_is_null(component))
        return NB_OK;
    nb_json_reader reader = {component, part, error};
    const char *type;
    NB_TRY(nb_json_string(&reader, "type", NB_JSON_REQUIRED, &type));
    if (strcmp(type, "Sequence") != 0)
        return on_component(tokenizer, &reader, type, user);
    const json_t *list;
    NB_TRY(nb_json_array(&reader, list_key, NB_JSON_REQUIRED, &list));
    for (size_t i = 0; i < json_array_size(list); i++) // the depth of the whole file is limited, so is this recursion
        NB_TRY(
            nb_tokenizer_each_component(tokenizer, json_array_get(list, i), part, list_key, on_component, user, error));
    return NB_OK;
}

// ---- normaliser ---------------------------------------------------------------------------------------------

static nb_status read_content(const nb_json_reader *reader, const char *key, nb_normal *step)
{
    const char *content;
    NB_TRY(nb_json_string(reader, key, NB_JSON_REQUIRED, &content));
    step->content_bytes = strlen(content);
    if (step->content_bytes > NB_NORMAL_CONTENT_MAX)
        return nb_json_unexpected(reader, key, "at most 64 bytes", nb_json_find(reader, key));
    step->content = strdup(content);
    return step->content ? NB_OK : nb_error_set(reader->error, NB_ERR_SYSTEM, "normaliser does not fit memory");
}

static nb_status load_normal(nb_tokenizer *tokenizer, const nb_json_reader *reader, const char *type, void *user)
{
    static const char *const names[] = {"NFC", "NFD", "NFKC", "NFKD", "Lowercase", "Strip", "Prepend", "Replace"};
    nb_normalizer *normalizer = &tokenizer->normalizer;
    uint32_t kind = 0;
    (void)user;
    while (kind < NB_COUNT(names) && strcmp(type, names[kind]) != 0)
        kind++;
    if (kind == NB_COUNT(names))
        return nb_json_unexpected(reader, "type",
                                  "NFC, NFD, NFKC, NFKD, Lowercase, Strip, Prepend, Replace or Sequence",
                                  nb_json_find(reader, "type"));
    if (normalizer->n_steps == NB_NORMALS_MAX)
        return nb_json_unexpected(reader, "normalizers", "at most 16 steps", NULL);
    nb_normal *step = &normalizer->steps[normalizer->n_steps++];
    *step = (nb_normal){.kind = (nb_normal_kind)kind, .strips_left = true, .strips_right = true};
    if (step->kind == NB_NORMAL_STRIP) {
        NB_TRY(nb_json_bool(reader, "strip_left", NB_JSON_OPTIONAL, &step->strips_left));
        NB_TRY(nb_json_bool(reader, "strip_right", NB_JSON_OPTIONAL, &step->strips_right));
    }
    if (step->kind == NB_NORMAL_PREPEND)
        NB_TRY(read_content(reader, "prepend", step));
    if (step->kind == NB_NORMAL_REPLACE) {
        NB_TRY(read_content(reader, "content", step));
        NB_TRY(nb_tokenizer_read_pattern(reader, &step->pattern, "normalizer.pattern"));
    }
    return NB_OK;
}

nb_status nb_tokenizer_load_normalizer(nb_tokenizer *tokenizer, const json_t *root, nb_error *error)
{
    return nb_tokenizer_each_component(tokenizer, json_object_get(root, "normalizer"), "tokenizer.json: normalizer",
                                       "normalizers", load_normal, NULL, error);
}

// ---- pre-tokeniser ------------------------------------------------------------------------------------------

// GPT-2's own pattern: what ByteLevel with use_regex splits by.
static const char GPT2_PATTERN[] = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

static nb_status add_step(nb_tokenizer *tokenizer, const nb_json_reader *reader, nb_step **step)
{
    nb_pretokenizer *pretokenizer = &tokenizer->pretokenizer;
    if (pretokenizer->is_byte_level)
        return nb_json_unexpected(reader, "type", "nothing after ByteLevel", nb_json_find(reader, "type"));
    if (pretokenizer->n_steps == NB_STEPS_MAX)
        return nb_json_unexpected(reader, "pretokenizers", "at most 16 steps", NULL);
    *step = &pretokenizer->steps[pretokenizer->n_steps++];
    **step = (nb_step){0};
    return NB_OK;
}

static nb_status read_behaviour(const nb_json_reader *reader, nb_json_need need, nb_behaviour *behaviour)
{
    static const char *const names[] = {"Isolated", "Removed", "MergedWithPrevious", "MergedWithNext", "Contiguous"};
    const char *name = names[0];
    NB_TRY(nb_json_string(reader, "behavior", need, &name));
    for (uint32_t i = 0; i < NB_COUNT(names); i++) {
        if (strcmp(name, names[i]) == 0) {
            *behaviour = (nb_behaviour)i;
            return NB_OK;
        }
    }
    return nb_json_unexpected(reader, "behavior", "Isolated, Removed, MergedWithPrevious, MergedWithNext or Contiguous",
                              nb_json_find(reader, "behavior"));
}

static nb_status add_regex(nb_tokenizer *tokenizer, const nb_json_reader *reader, const char *regex,
                           nb_behaviour behaviour)
{
    nb_step *step = NULL;
    NB_TRY(add_step(tokenizer, reader, &step));
    step->behaviour = behaviour;
    return nb_pattern_regex(&step->pattern, regex, strlen(regex), "pre_tokenizer", reader->error);
}

static nb_status load_split(nb_tokenizer *tokenizer, const nb_json_reader *reader)
{
    nb_step *step = NULL;
    NB_TRY(add_step(tokenizer, reader, &step));
    NB_TRY(read_behaviour(reader, NB_JSON_REQUIRED, &step->behaviour));
    NB_TRY(nb_json_bool(reader, "invert", NB_JSON_OPTIONAL, &step->inverts));
    return nb_tokenizer_read_pattern(reader, &step->pattern, "pre_tokenizer.pattern");
}

static nb_status load_byte_level(nb_tokenizer *tokenizer, const nb_json_reader *reader)
{
    bool prefixes = true, uses_regex = true;
    nb_step *step = NULL;
    NB_TRY(nb_json_bool(reader, "add_prefix_space", NB_JSON_OPTIONAL, &prefixes));
    NB_TRY(nb_json_bool(reader, "use_regex", NB_JSON_OPTIONAL, &uses_regex));
    if (prefixes) {
        NB_TRY(add_step(tokenizer, reader, &step));
        *step = (nb_step){.mark = " ", .prepend = NB_PREPEND_ALWAYS};
    }
    if (uses_regex)
        NB_TRY(add_regex(tokenizer, reader, GPT2_PATTERN, NB_ISOLATED));
    if (tokenizer->pretokenizer.is_byte_level)
        return nb_json_unexpected(reader, "type", "nothing after ByteLevel", nb_json_find(reader, "type"));
    tokenizer->pretokenizer.is_byte_level = true;
    return NB_OK;
}

static nb_status load_metaspace(nb_tokenizer *tokenizer, const nb_json_reader *reader)
{
    bool prefixes = true, splits = true;
    nb_step *step = NULL;
    NB_TRY(nb_json_bool(reader, "add_prefix_space", NB_JSON_OPTIONAL, &prefixes)); // the older spelling
    const char *scheme = prefixes ? "always" : "never";
    NB_TRY(nb_json_string(reader, "prepend_scheme", NB_JSON_OPTIONAL, &scheme));
    NB_TRY(nb_json_bool(reader, "split", NB_JSON_OPTIONAL, &splits));
    NB_TRY(add_step(tokenizer, reader, &step));
    NB_TRY(nb_tokenizer_read_char(reader, "replacement", step->mark));
    static const char *const schemes[] = {"never", "first", "always"};
    uint32_t i = 0;
    while (i < NB_COUNT(schemes) && strcmp(scheme, schemes[i]) != 0)
        i++;
    if (i == NB_COUNT(schemes))
        return nb_json_unexpected(reader, "prepend_scheme", "never, first or always",
                                  nb_json_find(reader, "prepend_scheme"));
    step->prepend = (nb_prepend)i;
    if (!splits)
        return NB_OK;
    const char *mark = step->mark;
    NB_TRY(add_step(tokenizer, reader, &step));
    step->behaviour = NB_MERGED_WITH_NEXT;
    return nb_pattern_literal(&step->pattern, mark, strlen(mark), "pre_tokenizer.replacement", reader->error);
}

static nb_status load_digits(nb_tokenizer *tokenizer, const nb_json_reader *reader)
{
    bool individual = false;
    NB_TRY(nb_json_bool(reader, "individual_digits", NB_JSON_OPTIONAL, &individual));
    return add_regex(tokenizer, reader, "\\p{N}", individual ? NB_ISOLATED : NB_CONTIGUOUS);
}

static nb_status load_pretoken(nb_tokenizer *tokenizer, const nb_json_reader *reader, const char *type, void *user)
{
    (void)user;
    if (strcmp(type, "Split") == 0)
        return load_split(tokenizer, reader);
    if (strcmp(type, "ByteLevel") == 0)
        return load_byte_level(tokenizer, reader);
    if (strcmp(type, "Metaspace") == 0)
        return load_metaspace(tokenizer, reader);
    if (strcmp(type, "Digits") == 0)
        return load_digits(tokenizer, reader);
    if (strcmp(type, "WhitespaceSplit") == 0)
        return add_regex(tokenizer, reader, "\\s", NB_REMOVED);
    if (strcmp(type, "Punctuation") == 0) {
        nb_behaviour behaviour = NB_ISOLATED;
        NB_TRY(read_behaviour(reader, NB_JSON_OPTIONAL, &behaviour));
        return add_regex(tokenizer, reader, "[\\p{P}!-/:-@\\[-`{-~]", behaviour);
    }
    if (strcmp(type, "Whitespace") == 0) {
        NB_TRY(
            add_regex(tokenizer, reader, "[" NB_PATTERN_WORD_ITEMS "]+|[^" NB_PATTERN_WORD_ITEMS "\\s]+", NB_REMOVED));
        tokenizer->pretokenizer.steps[tokenizer->pretokenizer.n_steps - 1].inverts = true;
        return NB_OK;
    }
    return nb_json_unexpected(
        reader, "type", "Split, ByteLevel, Metaspace, Digits, Punctuation, Whitespace, WhitespaceSplit or Sequence",
        nb_json_find(reader, "type"));
}

nb_status nb_tokenizer_load_pretokenizer(nb_tokenizer *tokenizer, const json_t *root, nb_error *error)
{
    NB_TRY(nb_tokenizer_each_component(tokenizer, json_object_get(root, "pre_tokenizer"),
                                       "tokenizer.json: pre_tokenizer", "pretokenizers", load_pretoken, NULL, error));
    tokenizer->bpe.is_byte_level = tokenizer->pretokenizer.is_byte_level;
    nb_bpe_find_bytes(&tokenizer->bpe);
    return NB_OK;
}
