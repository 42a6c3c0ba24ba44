// SPDX-License-Identifier: Apache-2.0
#include "apps/qat/trace_store.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/common/cli.h"
#include "apps/common/growing_text.h"
#include "apps/qat/trace_encode.h"
#include "platform/path.h"

static const char magic[8] = "nbtrace1";

// No padding: as it lies in memory. Every section that follows is aligned to its elements.
typedef struct header {
    char magic[8];
    uint64_t file_bytes, n_documents, n_tokens, n_dropped, n_cut;
    uint8_t hash[NB_HASH_BYTES];
} header;

_Static_assert(sizeof(header) == 8 + 5 * 8 + NB_HASH_BYTES, "the header is written as it lies in memory");

enum { MAX_DOCUMENTS = 1u << 31 };

const char *nb_hash_text(const uint8_t hash[NB_HASH_BYTES], char text[NB_HASH_TEXT_BYTES])
{
    for (int i = 0; i < NB_HASH_BYTES; i++)
        snprintf(text + 2 * i, 3, "%02x", hash[i]);
    return text;
}

// ---- what is in it ------------------------------------------------------------------------------------------------

static nb_status no_hash(nb_error *error)
{
    return nb_error_set(error, NB_ERR_SYSTEM, "cannot compute a SHA-256; expected memory for libcrypto");
}

static bool hash_documents(EVP_MD_CTX *context, const nb_traces *traces, uint8_t hash[NB_HASH_BYTES])
{
    bool ok = context && EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1;
    for (uint64_t i = 0; ok && i < traces->n_documents; i++) {
        uint64_t start = traces->starts[i], n = nb_traces_length(traces, i);
        ok = EVP_DigestUpdate(context, &n, sizeof n) == 1 &&
             EVP_DigestUpdate(context, traces->ids + start, n * sizeof *traces->ids) == 1 &&
             EVP_DigestUpdate(context, traces->mask + start, n) == 1;
    }
    return ok && EVP_DigestFinal_ex(context, hash, NULL) == 1;
}

static nb_status compute_hash(const nb_traces *traces, uint8_t hash[NB_HASH_BYTES], nb_error *error)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool ok = hash_documents(context, traces, hash);
    EVP_MD_CTX_free(context);
    return ok ? NB_OK : no_hash(error);
}

static void count(nb_traces *traces)
{
    for (uint64_t i = 0; i < traces->n_documents; i++) {
        traces->longest = (uint32_t)nb_max(traces->longest, nb_traces_length(traces, i));
        for (uint64_t t = traces->starts[i] + 1; t < traces->starts[i + 1]; t++)
            traces->n_targets += traces->mask[t];
    }
}

// ---- reading a store ----------------------------------------------------------------------------------------------

static nb_status damaged(const char *name, const char *expected, uint64_t found, nb_error *error)
{
    return nb_error_set(error, NB_ERR_INPUT, "%s%s is damaged; expected %s, found %" PRIu64 "; try without it",
                        nb_path_dots(name), nb_path_tail(name), expected, found);
}

// Bytes of the whole file; false when they overflow.
static bool file_size(uint64_t n_documents, uint64_t n_tokens, uint64_t *bytes)
{
    uint64_t starts, tokens;
    return n_documents < MAX_DOCUMENTS && !__builtin_mul_overflow(n_tokens, 5u, &tokens) &&
           !__builtin_mul_overflow(n_documents + 1, 8u, &starts) && !__builtin_add_overflow(starts, tokens, bytes) &&
           !__builtin_add_overflow(*bytes, sizeof(header), bytes);
}

static nb_status check_documents(const nb_traces *traces, const char *name, nb_error *error)
{
    if (traces->starts[0] != 0 || traces->starts[traces->n_documents] != traces->n_tokens)
        return damaged(name, "documents that cover all tokens", traces->starts[0], error);
    for (uint64_t i = 0; i < traces->n_documents; i++) {
        uint64_t begin = traces->starts[i], end = traces->starts[i + 1];
        if (end > traces->n_tokens || end < begin + 2 || end - begin > INT32_MAX)
            return damaged(name, "documents of two tokens or more", i, error);
        if (!memchr(traces->mask + begin + 1, 1, end - begin - 1))
            return damaged(name, "a token to learn in each document", i, error);
    }
    return NB_OK;
}

static nb_status check_tokens(const nb_traces *traces, uint32_t vocab_size, const char *name, nb_error *error)
{
    for (uint64_t i = 0; i < traces->n_tokens; i++) {
        if (traces->mask[i] > 1)
            return damaged(name, "a mask of 0 and 1", traces->mask[i], error);
        if (traces->ids[i] < 0 || (uint32_t)traces->ids[i] >= vocab_size)
            return nb_error_set(error, NB_ERR_INPUT,
                                "%s%s is of another model; expected token ids below %u, found %d; try without it",
                                nb_path_dots(name), nb_path_tail(name), vocab_size, traces->ids[i]);
    }
    return NB_OK;
}

nb_status nb_traces_parse(nb_traces *traces, const uint8_t *data, size_t bytes, uint32_t vocab_size, const char *name,
                          nb_error *error)
{
    header head;
    uint64_t expected;
    uint8_t hash[NB_HASH_BYTES];
    *traces = (nb_traces){0};
    if (bytes < sizeof head || memcmp(data, magic, sizeof magic) != 0)
        return nb_error_set(error, NB_ERR_INPUT, "%s%s; expected a store of traces, found another file",
                            nb_path_dots(name), nb_path_tail(name));
    memcpy(&head, data, sizeof head);
    if (!file_size(head.n_documents, head.n_tokens, &expected) || expected != bytes || head.file_bytes != bytes)
        return damaged(name, "the size that its header says", bytes, error);
    if (head.n_documents == 0)
        return damaged(name, "a document", 0, error);
    const uint8_t *starts = data + sizeof head, *ids = starts + (head.n_documents + 1) * sizeof(uint64_t);
    nb_traces found = {.starts = (const uint64_t *)(const void *)starts,
                       .ids = (const int32_t *)(const void *)ids,
                       .mask = ids + head.n_tokens * sizeof(int32_t),
                       .n_documents = head.n_documents,
                       .n_tokens = head.n_tokens,
                       .n_dropped = head.n_dropped,
                       .n_cut = head.n_cut};
    NB_TRY(check_documents(&found, name, error));
    NB_TRY(check_tokens(&found, vocab_size, name, error));
    NB_TRY(compute_hash(&found, hash, error));
    if (memcmp(hash, head.hash, sizeof hash) != 0)
        return damaged(name, "the SHA-256 of its header", hash[0], error);
    nb_hash_text(hash, found.sha256);
    count(&found);
    *traces = found;
    return NB_OK;
}

nb_status nb_traces_open(nb_traces *traces, const char *path, uint32_t vocab_size, nb_error *error)
{
    nb_map map;
    *traces = (nb_traces){0};
    NB_TRY(nb_map_open(&map, path, error));
    nb_status status = nb_traces_parse(traces, map.data, map.bytes, vocab_size, path, error);
    if (status == NB_OK)
        traces->map = map;
    else
        nb_map_close(&map);
    return status;
}

void nb_traces_close(nb_traces *traces)
{
    nb_map_close(&traces->map);
    free(traces->image);
    *traces = (nb_traces){0};
}

// ---- building one -------------------------------------------------------------------------------------------------

typedef struct builder {
    const char *path;
    const nb_trace_rules *rules;
    nb_trace trace; // of the line
    uint64_t *starts;
    int32_t *ids;
    uint8_t *mask;
    uint64_t n_documents, n_tokens, documents_capacity, tokens_capacity, n_dropped, n_cut;
} builder;

static void add_document(builder *b, size_t n)
{
    if (b->n_documents + 2 > b->documents_capacity) {
        b->documents_capacity = 2 * b->documents_capacity + 64;
        b->starts = nb_resize(b->starts, b->documents_capacity * sizeof *b->starts);
        b->starts[0] = 0;
    }
    if (b->n_tokens + n > b->tokens_capacity) {
        b->tokens_capacity = nb_max(b->n_tokens + n, b->tokens_capacity + b->tokens_capacity / 2);
        b->ids = nb_resize(b->ids, b->tokens_capacity * sizeof *b->ids);
        b->mask = nb_resize(b->mask, b->tokens_capacity);
    }
    memcpy(b->ids + b->n_tokens, b->trace.ids, n * sizeof *b->ids);
    memcpy(b->mask + b->n_tokens, b->trace.mask, n);
    b->n_tokens += n;
    b->starts[++b->n_documents] = b->n_tokens;
}

static nb_status line_error(const builder *b, uint64_t line, nb_status status, const char *what, nb_error *error)
{
    return nb_error_set(error, status, "%s%s: line %" PRIu64 ": %s", nb_path_dots(b->path), nb_path_tail(b->path), line,
                        what);
}

static nb_status add_trace(builder *b, uint64_t line, nb_error *error)
{
    char what[160];
    const nb_trace_rules *rules = b->rules;
    size_t n = b->trace.n;
    for (size_t i = 0; i < n; i++)
        if (b->trace.ids[i] < 0 || (uint32_t)b->trace.ids[i] >= rules->vocab_size) {
            snprintf(what, sizeof what, "token %zu is outside the vocabulary; expected an id below %u, found %d", i + 1,
                     rules->vocab_size, b->trace.ids[i]);
            return line_error(b, line, NB_ERR_INPUT, what, error);
        }
    if (n > rules->max_length && rules->if_long == NB_TRACE_LONG_ERROR) {
        snprintf(what, sizeof what,
                 "too long; expected at most %u tokens (--max-length), found %zu; try --if-long drop or cut",
                 rules->max_length, n);
        return line_error(b, line, NB_ERR_INPUT, what, error);
    }
    bool is_cut = n > rules->max_length && rules->if_long == NB_TRACE_LONG_CUT &&
                  memchr(b->trace.mask + 1, 1, rules->max_length - 1);
    if (n > rules->max_length && !is_cut) {
        b->n_dropped++;
        return NB_OK;
    }
    if (b->n_documents + 1 >= MAX_DOCUMENTS)
        return line_error(b, line, NB_ERR_FIT, "expected fewer than 2^31 traces, found more", error);
    b->n_cut += is_cut;
    add_document(b, nb_min(n, rules->max_length));
    return NB_OK;
}

static bool is_blank(const char *line, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        if (line[i] != ' ' && line[i] != '\t' && line[i] != '\r')
            return false;
    return true;
}

static nb_status add_lines(builder *b, const char *text, size_t bytes, nb_error *error)
{
    uint64_t number = 0;
    for (size_t at = 0; at < bytes;) {
        const char *end = memchr(text + at, '\n', bytes - at);
        size_t n = end ? (size_t)(end - text) - at : bytes - at;
        number++;
        if (!is_blank(text + at, n)) {
            nb_error detail = {0};
            nb_status status = nb_trace_encode(&b->trace, b->rules->text, text + at, n, &detail);
            if (status != NB_OK)
                return line_error(b, number, status, detail.text, error);
            NB_TRY(add_trace(b, number, error));
        }
        at += n + 1;
        if (b->rules->on_progress && number % 64 == 0)
            b->rules->on_progress(b->rules->progress_user, at, bytes);
    }
    if (b->n_documents > 0)
        return NB_OK;
    return nb_error_set(error, NB_ERR_INPUT, "%s%s: expected a trace, found %s", nb_path_dots(b->path),
                        nb_path_tail(b->path), b->n_dropped ? "only ones that are too long" : "none");
}

static uint8_t *put(uint8_t *at, const void *data, size_t bytes)
{
    memcpy(at, data, bytes);
    return at + bytes;
}

// The bytes of the file.
static nb_status make_image(const builder *b, nb_traces *traces, nb_error *error)
{
    header head = {
        .n_documents = b->n_documents, .n_tokens = b->n_tokens, .n_dropped = b->n_dropped, .n_cut = b->n_cut};
    nb_traces built = {
        .starts = b->starts, .ids = b->ids, .mask = b->mask, .n_documents = b->n_documents, .n_tokens = b->n_tokens};
    memcpy(head.magic, magic, sizeof magic);
    NB_TRY(compute_hash(&built, head.hash, error));
    if (!file_size(b->n_documents, b->n_tokens, &head.file_bytes) || head.file_bytes > SIZE_MAX)
        return nb_error_set(error, NB_ERR_FIT, "too many traces to be numbered");
    uint8_t *image = nb_alloc(head.file_bytes), *at = put(image, &head, sizeof head);
    at = put(at, b->starts, (b->n_documents + 1) * sizeof *b->starts);
    at = put(at, b->ids, b->n_tokens * sizeof *b->ids);
    put(at, b->mask, b->n_tokens);
    nb_status status =
        nb_traces_parse(traces, image, head.file_bytes, b->rules->vocab_size, "the set of traces", error);
    traces->image = image;
    traces->image_bytes = head.file_bytes;
    if (status != NB_OK)
        nb_traces_close(traces);
    return status;
}

nb_status nb_traces_build(nb_traces *traces, const char *path, const nb_trace_rules *rules, nb_error *error)
{
    builder b = {.path = path, .rules = rules};
    nb_map map;
    *traces = (nb_traces){0};
    NB_ASSERT(rules->max_length >= 2);
    NB_TRY(nb_map_open(&map, path, error));
    nb_status status = add_lines(&b, (const char *)map.data, map.bytes, error);
    nb_map_close(&map);
    nb_trace_release(&b.trace);
    if (status == NB_OK)
        status = make_image(&b, traces, error);
    free(b.starts);
    free(b.ids);
    free(b.mask);
    return status;
}

nb_status nb_traces_save(const nb_traces *traces, const char *path, nb_error *error)
{
    return nb_file_write(path, traces->image, traces->image_bytes, error);
}

nb_status nb_traces_write_ids(const nb_traces *traces, uint64_t n_documents, const char *path, nb_error *error)
{
    nb_growing text = {0};
    for (uint64_t i = 0; i < nb_min(n_documents, traces->n_documents); i++)
        for (uint64_t t = traces->starts[i]; t < traces->starts[i + 1]; t++) {
            char id[16];
            int n = snprintf(id, sizeof id, "%d%c", traces->ids[t], t + 1 < traces->starts[i + 1] ? ' ' : '\n');
            nb_growing_add(&text, id, (size_t)n);
        }
    nb_status status = nb_file_write(path, nb_growing_text(&text), text.bytes, error);
    nb_growing_release(&text);
    return status;
}
