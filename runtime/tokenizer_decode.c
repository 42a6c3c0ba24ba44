// SPDX-License-Identifier: Apache-2.0
// tokenizer.json's `decoder`: read into one string of bytes for each token, so that decoding is joining.
//
// Byte tokens ("<0xE2>") become their bytes. Where a run of them is not valid UTF-8 the Python package writes U+FFFD
// for each byte of the whole run; here, as everywhere, each maximal subpart gives one. A stream could not do otherwise:
// a run may go on without end.
#include <string.h>

#include "runtime/bytelevel.h"
#include "runtime/nibble.h"
#include "runtime/tokenizer_parts.h"
#include "runtime/utf8.h"

typedef enum rule_kind { RULE_BYTE_LEVEL, RULE_REPLACE, RULE_BYTE_FALLBACK, RULE_STRIP } rule_kind;

typedef struct rule {
    rule_kind kind;
    const char *from, *to; // replace; of the document
    char from_char[5];     // replace of one character (Metaspace), strip
    uint32_t n_start, n_stop;
} rule;

enum { RULES_MAX = 16 };

// The rules of the file, in order. After `is_fused` (the tokens are one string by then) only a strip may come.
typedef struct rules {
    rule list[RULES_MAX];
    uint32_t n;
    bool is_fused, has_bytes, is_any;
} rules;

// ---- reading the rules --------------------------------------------------------------------------------------

static nb_status add_rule(rules *all, const nb_json_reader *reader, rule_kind kind, rule **added)
{
    // After these the tokens are no longer what the file's order supposes.
    if (all->is_fused || all->has_bytes || all->n == RULES_MAX)
        return nb_json_unexpected(reader, "decoders", "Replace, ByteFallback, Fuse, Strip in this order",
                                  nb_json_find(reader, "type"));
    *added = &all->list[all->n++];
    **added = (rule){.kind = kind};
    all->has_bytes = kind == RULE_BYTE_FALLBACK;
    return NB_OK;
}

static nb_status read_replace(rules *all, const nb_json_reader *reader)
{
    rule *added = NULL;
    NB_TRY(add_rule(all, reader, RULE_REPLACE, &added));
    const json_t *pattern = json_object_get(nb_json_find(reader, "pattern"), "String");
    if (!json_is_string(pattern) || json_string_length(pattern) == 0)
        return nb_json_unexpected(reader, "pattern", "{\"String\": ...} in a decoder", nb_json_find(reader, "pattern"));
    added->from = json_string_value(pattern);
    NB_TRY(nb_json_string(reader, "content", NB_JSON_REQUIRED, &added->to));
    if (strlen(added->to) > NB_NORMAL_CONTENT_MAX)
        return nb_json_unexpected(reader, "content", "at most 64 bytes", nb_json_find(reader, "content"));
    return NB_OK;
}

static nb_status read_metaspace(nb_tokenizer *tokenizer, rules *all, const nb_json_reader *reader)
{
    rule *added = NULL;
    bool prefixes = true;
    if (all->n > 0)
        return nb_json_unexpected(reader, "decoders", "Metaspace first", nb_json_find(reader, "type"));
    NB_TRY(add_rule(all, reader, RULE_REPLACE, &added));
    NB_TRY(nb_json_bool(reader, "add_prefix_space", NB_JSON_OPTIONAL, &prefixes));
    const char *scheme = prefixes ? "always" : "never";
    NB_TRY(nb_json_string(reader, "prepend_scheme", NB_JSON_OPTIONAL, &scheme));
    NB_TRY(nb_tokenizer_read_char(reader, "replacement", added->from_char));
    added->from = added->from_char;
    added->to = " ";
    if (strcmp(scheme, "never") != 0)
        memcpy(tokenizer->decoder.first_mark, added->from_char, sizeof added->from_char);
    return NB_OK;
}

static nb_status read_strip(nb_tokenizer *tokenizer, rules *all, const nb_json_reader *reader)
{
    rule strip = {.kind = RULE_STRIP}, *added = NULL;
    NB_TRY(nb_tokenizer_read_char(reader, "content", strip.from_char));
    NB_TRY(nb_json_u32(reader, "start", NB_JSON_REQUIRED, 0, 1024, &strip.n_start));
    NB_TRY(nb_json_u32(reader, "stop", NB_JSON_REQUIRED, 0, 1024, &strip.n_stop));
    if (!all->is_fused) {
        NB_TRY(add_rule(all, reader, RULE_STRIP, &added));
        *added = strip;
        return NB_OK;
    }
    // Of the whole text: what a stream can do while the text still comes.
    if (strip.n_stop > 0)
        return nb_json_unexpected(reader, "stop", "0 after Fuse", nb_json_find(reader, "stop"));
    if ((unsigned char)strip.from_char[0] >= 0x80 || tokenizer->decoder.n_strip > 0)
        return nb_json_unexpected(reader, "content", "one ASCII character, once", nb_json_find(reader, "content"));
    tokenizer->decoder.strip = strip.from_char[0];
    tokenizer->decoder.n_strip = strip.n_start;
    return NB_OK;
}

static nb_status read_rule(nb_tokenizer *tokenizer, const nb_json_reader *reader, const char *type, void *user)
{
    rules *all = user;
    rule *added = NULL;
    all->is_any = true;
    if (strcmp(type, "Replace") == 0)
        return read_replace(all, reader);
    if (strcmp(type, "Metaspace") == 0)
        return read_metaspace(tokenizer, all, reader);
    if (strcmp(type, "Strip") == 0)
        return read_strip(tokenizer, all, reader);
    if (strcmp(type, "ByteFallback") == 0)
        return add_rule(all, reader, RULE_BYTE_FALLBACK, &added);
    if (strcmp(type, "Fuse") == 0) {
        all->is_fused = true;
        return NB_OK;
    }
    if (strcmp(type, "ByteLevel") != 0)
        return nb_json_unexpected(reader, "type",
                                  "ByteLevel, Metaspace, Replace, ByteFallback, Fuse, Strip or Sequence",
                                  nb_json_find(reader, "type"));
    NB_TRY(add_rule(all, reader, RULE_BYTE_LEVEL, &added));
    all->is_fused = true; // ByteLevel makes one string of all tokens
    return NB_OK;
}

// ---- one token's bytes --------------------------------------------------------------------------------------

// A token of alphabet characters becomes their bytes; any other (an added token) stays as it is.
static bool decode_byte_level(nb_buffer *out, const char *text, size_t bytes)
{
    size_t before = out->bytes;
    for (size_t i = 0; i < bytes;) {
        nb_utf8 c = nb_utf8_read(text + i, bytes - i);
        int byte = nb_bytelevel_byte(c.code);
        if (byte < 0) {
            out->bytes = before;
            return nb_buffer_append(out, text, bytes);
        }
        if (!nb_buffer_append(out, &(char){(char)byte}, 1))
            return false;
        i += c.bytes;
    }
    return true;
}

static bool decode_replace(nb_buffer *out, const char *text, size_t bytes, const rule *by)
{
    size_t n = strlen(by->from);
    for (;;) {
        const char *hit = bytes < n ? NULL : memmem(text, bytes, by->from, n);
        size_t run = hit ? (size_t)(hit - text) : bytes;
        if (!nb_buffer_append(out, text, run))
            return false;
        if (!hit)
            return true;
        if (!nb_buffer_append(out, by->to, strlen(by->to)))
            return false;
        text += run + n;
        bytes -= run + n;
    }
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
}

static bool decode_byte_fallback(nb_buffer *out, const char *text, size_t bytes)
{
    if (bytes != 6 || memcmp(text, "<0x", 3) != 0 || text[5] != '>' || hex_digit(text[3]) < 0 || hex_digit(text[4]) < 0)
        return nb_buffer_append(out, text, bytes);
    return nb_buffer_append(out, &(char){(char)(hex_digit(text[3]) << 4 | hex_digit(text[4]))}, 1);
}

static bool decode_strip(nb_buffer *out, const char *text, size_t bytes, const rule *by)
{
    size_t n = strlen(by->from_char);
    for (uint32_t i = 0; i < by->n_start && bytes >= n && memcmp(text, by->from_char, n) == 0; i++) {
        text += n;
        bytes -= n;
    }
    for (uint32_t i = 0; i < by->n_stop && bytes >= n && memcmp(text + bytes - n, by->from_char, n) == 0; i++)
        bytes -= n;
    return nb_buffer_append(out, text, bytes);
}

static bool apply_rule(nb_buffer *out, const char *text, size_t bytes, const rule *by)
{
    switch (by->kind) {
    case RULE_BYTE_LEVEL:
        return decode_byte_level(out, text, bytes);
    case RULE_REPLACE:
        return decode_replace(out, text, bytes, by);
    case RULE_BYTE_FALLBACK:
        return decode_byte_fallback(out, text, bytes);
    case RULE_STRIP:
        break;
    }
    return decode_strip(out, text, bytes, by);
}

// Appends the token's bytes to vocab->decoded; `work` holds what the rules pass on.
static bool decode_token(nb_vocab *vocab, nb_token *token, const rules *all, nb_buffer work[2])
{
    const char *text = vocab->blob.data + token->source_offset;
    size_t bytes = token->source_bytes;
    for (uint32_t i = 0; i < all->n; i++) {
        nb_buffer *out = &work[i % 2];
        out->bytes = 0;
        if (!apply_rule(out, text, bytes, &all->list[i]))
            return false;
        text = out->data;
        bytes = out->bytes;
    }
    token->decoded_offset = (uint32_t)vocab->decoded.bytes;
    token->decoded_bytes = (uint32_t)bytes;
    return nb_buffer_append(&vocab->decoded, text, bytes);
}

static nb_status decode_all(nb_tokenizer *tokenizer, const rules *all, nb_buffer work[2], nb_error *error)
{
    nb_vocab *vocab = &tokenizer->vocab;
    for (uint32_t id = 0; id < vocab->n_ids; id++) {
        nb_token *token = &vocab->tokens[id];
        if (!token->is_used)
            continue;
        if (!decode_token(vocab, token, all, work))
            return nb_error_set(error, NB_ERR_SYSTEM, "decoded tokens do not fit memory");
        if (vocab->decoded.bytes > NB_VOCAB_BLOB_MAX)
            return nb_error_set(error, NB_ERR_INPUT,
                                "tokenizer.json: decoded tokens; expected at most %d bytes in all, found more",
                                NB_VOCAB_BLOB_MAX);
        size_t most = nb_max(token->source_bytes, token->decoded_bytes);
        tokenizer->decoder.piece_bytes_max = nb_max(tokenizer->decoder.piece_bytes_max, most);
    }
    return NB_OK;
}

nb_status nb_tokenizer_load_decoder(nb_tokenizer *tokenizer, const json_t *root, nb_error *error)
{
    rules all = {.n = 0};
    NB_TRY(nb_tokenizer_each_component(tokenizer, json_object_get(root, "decoder"), "tokenizer.json: decoder",
                                       "decoders", read_rule, &all, error));
    if (!all.is_any) {
        nb_json_reader top = {root, "tokenizer.json", error};
        return nb_json_unexpected(&top, "decoder", "a decoder (without one, tokens can't be joined to text)",
                                  json_object_get(root, "decoder"));
    }
    nb_buffer work[2] = {{0}, {0}};
    nb_status status = decode_all(tokenizer, &all, work, error);
    nb_buffer_free(&work[0]);
    nb_buffer_free(&work[1]);
    return status;
}

// ---- decoding -----------------------------------------------------------------------------------------------

nb_decode_state nb_tokenizer_decode_begin(const nb_tokenizer *tokenizer)
{
    return (nb_decode_state){tokenizer->decoder.n_strip, true};
}

// The first token loses its marks instead of turning them into spaces.
static size_t copy_without_mark(const nb_vocab *vocab, const nb_token *token, const char *mark, char *out)
{
    const char *text = vocab->blob.data + token->source_offset;
    size_t mark_bytes = strlen(mark), n = 0;
    for (size_t i = 0; i < token->source_bytes;) {
        if (token->source_bytes - i >= mark_bytes && memcmp(text + i, mark, mark_bytes) == 0)
            i += mark_bytes;
        else
            out[n++] = text[i++];
    }
    return n;
}

size_t nb_tokenizer_decode_id(const nb_tokenizer *tokenizer, nb_decode_state *state, int32_t id, unsigned flags,
                              char *out)
{
    const nb_vocab *vocab = &tokenizer->vocab;
    const nb_decoder *decoder = &tokenizer->decoder;
    if (id < 0 || (uint32_t)id >= vocab->n_ids)
        return 0;
    const nb_token *token = &vocab->tokens[id];
    if (!token->is_used || (token->is_special && (flags & NB_TEXT_SKIP)))
        return 0;
    bool is_first = state->is_first;
    state->is_first = false;
    const char *mark = decoder->first_mark;
    size_t n = token->decoded_bytes;
    if (is_first && *mark && memmem(vocab->blob.data + token->source_offset, token->source_bytes, mark, strlen(mark)))
        n = copy_without_mark(vocab, token, mark, out);
    else if (n > 0)
        memcpy(out, vocab->decoded.data + token->decoded_offset, n);
    size_t n_dropped = 0;
    while (state->n_strip > 0 && n_dropped < n && out[n_dropped] == decoder->strip) {
        n_dropped++;
        state->n_strip--;
    }
    if (n_dropped < n)
        state->n_strip = 0;
    if (n_dropped > 0)
        memmove(out, out + n_dropped, n - n_dropped);
    return n - n_dropped;
}
