// SPDX-License-Identifier: Apache-2.0
#include "runtime/tokenizer.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/nibble.h"
#include "runtime/tokenizer_parts.h"
#include "runtime/utf8.h"

enum {
    VALUES_MAX = 4 << 20, // JSON values beside vocabulary and merges
    NORMALIZED_BYTES_MAX = 4 * NB_TOKENIZER_TEXT_BYTES_MAX,
};

// ---- building -----------------------------------------------------------------------------------------------

static nb_status load(nb_tokenizer *tokenizer, const json_t *root, const nb_json_span spans[2], nb_error *error)
{
    NB_TRY(nb_tokenizer_load_model(tokenizer, root, &spans[0], &spans[1], error));
    NB_TRY(nb_tokenizer_load_normalizer(tokenizer, root, error));
    NB_TRY(nb_tokenizer_load_added(tokenizer, root, error));
    NB_TRY(nb_tokenizer_load_pretokenizer(tokenizer, root, error));
    NB_TRY(nb_tokenizer_load_post(tokenizer, root, error));
    return nb_tokenizer_load_decoder(tokenizer, root, error);
}

static nb_status parse(nb_tokenizer **tokenizer, const char *json, size_t json_bytes, const nb_map *file,
                       nb_error *error)
{
    *tokenizer = NULL;
    json_t *root = NULL;
    nb_buffer rest = {0};
    nb_json_span spans[2] = {{.key = "vocab", .file = file}, {.key = "merges", .file = file}};
    nb_status status = nb_json_cut(json, json_bytes, "model", spans, NB_COUNT(spans), &rest, error);
    if (status == NB_OK)
        status = nb_json_parse(&root, rest.data ? rest.data : "", rest.bytes, VALUES_MAX, "tokenizer.json", error);
    nb_buffer_free(&rest);
    NB_TRY(status);
    nb_tokenizer *made = calloc(1, sizeof *made);
    status =
        made ? load(made, root, spans, error) : nb_error_set(error, NB_ERR_SYSTEM, "tokenizer does not fit memory");
    json_decref(root);
    if (status == NB_OK)
        *tokenizer = made;
    else
        nb_tokenizer_free(made);
    return status;
}

nb_status nb_tokenizer_parse(nb_tokenizer **tokenizer, const char *json, size_t json_bytes, nb_error *error)
{
    return parse(tokenizer, json, json_bytes, NULL, error);
}

nb_status nb_tokenizer_parse_file(nb_tokenizer **tokenizer, const nb_map *file, nb_error *error)
{
    return parse(tokenizer, (const char *)file->data, file->bytes, file, error);
}

void nb_tokenizer_free(nb_tokenizer *tokenizer)
{
    if (!tokenizer)
        return;
    nb_vocab_release(&tokenizer->vocab);
    nb_bpe_release(&tokenizer->bpe);
    nb_added_release(&tokenizer->raw_added);
    nb_added_release(&tokenizer->normalized_added);
    nb_normalizer_release(&tokenizer->normalizer);
    nb_pretokenizer_release(&tokenizer->pretokenizer);
    nb_buffer_free(&tokenizer->prefix);
    nb_buffer_free(&tokenizer->suffix);
    free(tokenizer);
}

size_t nb_tokenizer_bytes(const nb_tokenizer *tokenizer)
{
    const nb_vocab *vocab = &tokenizer->vocab;
    const nb_bpe *bpe = &tokenizer->bpe;
    const nb_buffer *buffers[] = {&vocab->blob,
                                  &vocab->decoded,
                                  &tokenizer->raw_added.tokens,
                                  &tokenizer->raw_added.nodes,
                                  &tokenizer->normalized_added.tokens,
                                  &tokenizer->normalized_added.nodes};
    size_t bytes = sizeof *tokenizer + vocab->n_ids * sizeof *vocab->tokens +
                   ((size_t)vocab->mask + 1) * sizeof *vocab->slots + bpe->n_merges * sizeof *bpe->merges +
                   ((size_t)bpe->mask + 1) * sizeof *bpe->slots;
    for (size_t i = 0; i < NB_COUNT(buffers); i++)
        bytes += buffers[i]->capacity;
    return bytes;
}

uint32_t nb_tokenizer_count(const nb_tokenizer *tokenizer)
{
    return tokenizer->vocab.n_ids;
}

int32_t nb_tokenizer_find(const nb_tokenizer *tokenizer, const char *content, size_t bytes)
{
    return nb_vocab_find(&tokenizer->vocab, content, bytes);
}

int32_t nb_tokenizer_find_added(const nb_tokenizer *tokenizer, const char *content, size_t bytes)
{
    int32_t id = nb_vocab_find(&tokenizer->vocab, content, bytes);
    return id >= 0 && tokenizer->vocab.tokens[id].is_added ? id : -1;
}

bool nb_tokenizer_is_special(const nb_tokenizer *tokenizer, int32_t id)
{
    return id >= 0 && (uint32_t)id < tokenizer->vocab.n_ids && tokenizer->vocab.tokens[id].is_special;
}

size_t nb_tokenizer_piece_bytes_max(const nb_tokenizer *tokenizer)
{
    return tokenizer->decoder.piece_bytes_max;
}

// ---- encoding -----------------------------------------------------------------------------------------------

// One call's working memory.
typedef struct encoding {
    const nb_tokenizer *tokenizer;
    nb_matcher *matcher;
    nb_normalize_scratch normal;
    nb_pretokenize_scratch pretokenize;
    nb_bpe_scratch bpe;
    nb_buffer clean_text, clean_marks; // without invalid UTF-8
    nb_buffer ids;                     // int32_t
    bool matches_added;
    nb_error *error;
} encoding;

static void release_encoding(encoding *e)
{
    nb_matcher_free(e->matcher);
    nb_normalize_scratch_release(&e->normal);
    nb_pretokenize_scratch_release(&e->pretokenize);
    nb_bpe_scratch_release(&e->bpe);
    nb_buffer_free(&e->clean_text);
    nb_buffer_free(&e->clean_marks);
    nb_buffer_free(&e->ids);
}

static nb_status no_memory(const encoding *e)
{
    return nb_error_set(e->error, NB_ERR_SYSTEM, "encoding of the text does not fit memory");
}

static nb_status put_ids(encoding *e, const void *ids, size_t bytes)
{
    return nb_buffer_append(&e->ids, ids, bytes) ? NB_OK : no_memory(e);
}

// U+FFFD for each maximal subpart that is not UTF-8; it inherits the subpart's first mark.
static nb_status clean(encoding *e, nb_marked *in)
{
    if (nb_utf8_is_valid(in->text, in->bytes))
        return NB_OK;
    for (size_t i = 0; i < in->bytes;) {
        nb_utf8 c = nb_utf8_read(in->text + i, in->bytes - i);
        bool is_valid = c.kind == NB_UTF8_VALID;
        size_t n = is_valid ? c.bytes : strlen(NB_UTF8_REPLACEMENT);
        if (!nb_buffer_append(&e->clean_text, is_valid ? in->text + i : NB_UTF8_REPLACEMENT, n) ||
            (in->marks && !nb_buffer_reserve(&e->clean_marks, n)))
            return no_memory(e);
        if (in->marks) {
            memset(e->clean_marks.data + e->clean_marks.bytes, in->marks[i], n);
            e->clean_marks.bytes += n;
        }
        i += c.bytes;
    }
    *in = (nb_marked){e->clean_text.data, e->clean_text.bytes, in->marks ? (const uint8_t *)e->clean_marks.data : NULL};
    return NB_OK;
}

static nb_status put_word(void *user, const char *word, size_t bytes)
{
    encoding *e = user;
    return nb_bpe_encode(&e->tokenizer->bpe, &e->bpe, word, bytes, &e->ids) ? NB_OK : no_memory(e);
}

static nb_status put_normal(encoding *e, nb_marked text, bool at_start)
{
    return nb_pretokenize(&e->tokenizer->pretokenizer, &e->pretokenize, text.text, text.bytes, at_start, put_word, e,
                          e->error);
}

typedef nb_status (*text_fn)(encoding *e, nb_marked text, bool at_start);

static nb_marked part(const nb_marked *text, size_t begin, size_t end)
{
    return (nb_marked){text->text + begin, end - begin, text->marks ? text->marks + begin : NULL};
}

// Added tokens become their ids, what lies between goes to `on_text`.
static nb_status cut(encoding *e, const nb_added *added, nb_marked text, bool at_start, text_fn on_text)
{
    nb_added_match match = {0};
    size_t done = 0;
    for (bool found; e->matches_added; done = match.end) {
        NB_TRY(nb_added_next(added, e->matcher, text.text, text.bytes, text.marks, done, &match, &found, e->error));
        if (!found)
            break;
        if (done < match.begin)
            NB_TRY(on_text(e, part(&text, done, match.begin), at_start && done == 0));
        NB_TRY(put_ids(e, &match.id, sizeof match.id));
    }
    return done < text.bytes ? on_text(e, part(&text, done, text.bytes), at_start && done == 0) : NB_OK;
}

static nb_status put_raw(encoding *e, nb_marked text, bool at_start)
{
    if (e->tokenizer->normalized_added.nodes.bytes == 0)
        text.marks = NULL; // nothing will ask for them any more
    NB_TRY(nb_normalize(&e->tokenizer->normalizer, &e->normal, text, &text, NORMALIZED_BYTES_MAX, e->error));
    return cut(e, &e->tokenizer->normalized_added, text, at_start, put_normal);
}

static nb_status encode(encoding *e, nb_marked text, unsigned flags)
{
    const nb_tokenizer *tokenizer = e->tokenizer;
    NB_TRY(nb_matcher_create(&e->matcher, e->error));
    e->normal.matcher = e->pretokenize.matcher = e->matcher;
    NB_TRY(clean(e, &text));
    if (flags & NB_TEXT_ADD)
        NB_TRY(put_ids(e, tokenizer->prefix.data, tokenizer->prefix.bytes));
    NB_TRY(cut(e, &tokenizer->raw_added, text, true, put_raw));
    if (flags & NB_TEXT_ADD)
        NB_TRY(put_ids(e, tokenizer->suffix.data, tokenizer->suffix.bytes));
    return NB_OK;
}

static nb_status copy_out(const void *data, size_t n, size_t item_bytes, void *out, size_t capacity, const char *what,
                          nb_error *error)
{
    if (n > capacity)
        return nb_error_set(capacity ? error : NULL, NB_ERR_FIT, "buffer; expected room for %zu %s, found %zu", n, what,
                            capacity);
    if (n)
        memcpy(out, data, n * item_bytes);
    return NB_OK;
}

nb_status nb_tokenizer_encode(const nb_tokenizer *tokenizer, const char *text, size_t bytes, const uint8_t *marks,
                              unsigned flags, int32_t *ids, size_t capacity, size_t *n_ids, nb_error *error)
{
    *n_ids = 0;
    if (bytes > NB_TOKENIZER_TEXT_BYTES_MAX)
        return nb_error_set(error, NB_ERR_INPUT, "text; expected at most %d bytes, found %zu; try it in parts",
                            NB_TOKENIZER_TEXT_BYTES_MAX, bytes);
    encoding e = {.tokenizer = tokenizer, .matches_added = flags & NB_TEXT_SPECIAL, .error = error};
    nb_status status = encode(&e, (nb_marked){text, bytes, marks}, flags);
    if (status == NB_OK) {
        *n_ids = e.ids.bytes / sizeof *ids;
        status = copy_out(e.ids.data, *n_ids, sizeof *ids, ids, capacity, "ids", error);
    }
    release_encoding(&e);
    return status;
}

// ---- decoding -----------------------------------------------------------------------------------------------

static nb_status join(const nb_tokenizer *tokenizer, const int32_t *ids, size_t n_ids, unsigned flags, nb_buffer *out,
                      nb_error *error)
{
    nb_decode_state state = nb_tokenizer_decode_begin(tokenizer);
    for (size_t i = 0; i < n_ids; i++) {
        if (ids[i] < 0 || (uint32_t)ids[i] >= tokenizer->vocab.n_ids)
            return nb_error_set(error, NB_ERR_ARGUMENT, "token id; expected 0 to %u, found %d",
                                tokenizer->vocab.n_ids - 1, (int)ids[i]);
        if (!nb_buffer_reserve(out, tokenizer->decoder.piece_bytes_max))
            return nb_error_set(error, NB_ERR_SYSTEM, "text does not fit memory");
        out->bytes += nb_tokenizer_decode_id(tokenizer, &state, ids[i], flags, out->data + out->bytes);
    }
    return NB_OK;
}

// Joined bytes -> UTF-8.
static nb_status repair(const nb_buffer *joined, nb_buffer *out, nb_error *error)
{
    for (size_t i = 0; i < joined->bytes;) {
        nb_utf8 c = nb_utf8_read(joined->data + i, joined->bytes - i);
        const char *text = c.kind == NB_UTF8_VALID ? joined->data + i : NB_UTF8_REPLACEMENT;
        if (!nb_buffer_append(out, text, c.kind == NB_UTF8_VALID ? c.bytes : strlen(NB_UTF8_REPLACEMENT)))
            return nb_error_set(error, NB_ERR_SYSTEM, "text does not fit memory");
        i += c.bytes;
    }
    return NB_OK;
}

nb_status nb_tokenizer_decode(const nb_tokenizer *tokenizer, const int32_t *ids, size_t n_ids, unsigned flags,
                              char *text, size_t capacity, size_t *bytes, nb_error *error)
{
    nb_buffer joined = {0}, repaired = {0};
    *bytes = 0;
    nb_status status = join(tokenizer, ids, n_ids, flags, &joined, error);
    const nb_buffer *result = &joined;
    if (status == NB_OK && !nb_utf8_is_valid(joined.data, joined.bytes)) {
        status = repair(&joined, &repaired, error);
        result = &repaired;
    }
    if (status == NB_OK) {
        *bytes = result->bytes;
        status = copy_out(result->data, result->bytes, 1, text, capacity, "bytes", error);
    }
    nb_buffer_free(&joined);
    nb_buffer_free(&repaired);
    return status;
}
