// SPDX-License-Identifier: Apache-2.0
#include "runtime/json_cut.h"

#include <string.h>

enum {
    BATCH_BYTES = 32 << 10,     // of text, at least: its tree takes some 400 KB
    BATCH_VALUES_MAX = 1 << 20, // a member may be larger than a batch
    NO_MEMBER = 0,
    HAS_MEMBER = 1, // whether anything but white space was seen
};

// ---- scanning -----------------------------------------------------------------------------------------------------

// The index after the string that begins at text[begin] == '"', or `bytes`.
static size_t string_end(const char *text, size_t bytes, size_t begin)
{
    size_t i = begin + 1;
    while (i < bytes && text[i] != '"')
        i += text[i] == '\\' ? 2 : 1;
    return nb_min(i + 1, bytes);
}

static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

// Walks over members until the container closes, or `stop` bytes are done and a member ends. Returns the index of what
// ended the walk: a comma, the closing bracket, or `bytes`.
typedef struct walk {
    const char *text;
    size_t bytes, at;
    size_t n_commas;
    int seen;
} walk;

static void walk_on(walk *w, size_t stop)
{
    size_t depth = 0;
    for (w->seen = NO_MEMBER; w->at < w->bytes;) {
        char c = w->text[w->at];
        if (depth == 0 && (c == ']' || c == '}'))
            return;
        if (depth == 0 && c == ',' && w->at >= stop)
            return;
        w->n_commas += depth == 0 && c == ',';
        depth += c == '[' || c == '{';
        depth -= c == ']' || c == '}';
        if (!is_space(c))
            w->seen = HAS_MEMBER;
        w->at = c == '"' ? string_end(w->text, w->bytes, w->at) : w->at + 1;
    }
}

// ---- cutting ------------------------------------------------------------------------------------------------------

typedef struct cutter {
    const char *text;
    size_t bytes;
    size_t key_begin, key_bytes; // the last string seen
    size_t depth;
    bool in_outer;
    size_t copied; // up to here the document is in `rest`
} cutter;

static bool key_is(const cutter *c, const char *key)
{
    return c->key_bytes == strlen(key) && memcmp(c->text + c->key_begin, key, c->key_bytes) == 0;
}

static nb_json_span *find_span(const cutter *c, nb_json_span *spans, size_t n_spans)
{
    for (size_t i = 0; i < n_spans; i++)
        if (!spans[i].text && key_is(c, spans[i].key))
            return &spans[i];
    return NULL;
}

// The container behind the colon at `colon`, when there is a whole one. Returns the index of its closing bracket.
static size_t take_container(const cutter *c, size_t colon, nb_json_span *span)
{
    size_t open = colon + 1;
    while (open < c->bytes && is_space(c->text[open]))
        open++;
    if (open == c->bytes || (c->text[open] != '{' && c->text[open] != '['))
        return 0;
    walk w = {.text = c->text, .bytes = c->bytes, .at = open + 1};
    walk_on(&w, SIZE_MAX);
    if (w.at == c->bytes || c->text[w.at] != (c->text[open] == '{' ? '}' : ']'))
        return 0; // left where it is: the parser will say what is wrong
    span->text = c->text + open + 1;
    span->bytes = w.at - open - 1;
    span->is_object = c->text[open] == '{';
    span->n_members = w.n_commas + (w.seen == HAS_MEMBER);
    return w.at;
}

static bool cut_behind(cutter *c, size_t *at, nb_json_span *spans, size_t n_spans, nb_buffer *rest)
{
    nb_json_span *span = find_span(c, spans, n_spans);
    size_t close = span ? take_container(c, *at, span) : 0;
    if (close == 0)
        return true;
    size_t open = (size_t)(span->text - c->text);
    if (!nb_buffer_append(rest, c->text + c->copied, open - c->copied))
        return false;
    c->copied = close;
    *at = close;
    return true;
}

nb_status nb_json_cut(const char *text, size_t bytes, const char *outer, nb_json_span *spans, size_t n_spans,
                      nb_buffer *rest, nb_error *error)
{
    cutter c = {.text = text, .bytes = bytes};
    bool has_room = true;
    for (size_t i = 0; i < bytes && has_room; i++) {
        if (text[i] == '"') {
            size_t end = string_end(text, bytes, i);
            c.key_begin = i + 1;
            c.key_bytes = end - i >= 2 ? end - i - 2 : 0;
            i = end - 1;
        } else if (text[i] == ':' && c.depth == 1) {
            c.in_outer = key_is(&c, outer);
        } else if (text[i] == ':' && c.depth == 2 && c.in_outer) {
            has_room = cut_behind(&c, &i, spans, n_spans, rest);
        } else if (text[i] == '{' || text[i] == '[') {
            c.depth++;
        } else if ((text[i] == '}' || text[i] == ']') && c.depth > 0) {
            c.depth--;
        }
    }
    if (has_room && nb_buffer_append(rest, text + c.copied, bytes - c.copied))
        return NB_OK;
    return nb_error_set(error, NB_ERR_SYSTEM, "a document of %zu bytes does not fit memory", bytes);
}

// ---- batches ------------------------------------------------------------------------------------------------------

// The members [begin, end) as a document of their own, {"members": ...}.
static nb_status parse_batch(const nb_json_span *span, size_t begin, size_t end, const char *file, nb_buffer *document,
                             json_t **root, nb_error *error)
{
    const char *head = span->is_object ? "{\"members\":{" : "{\"members\":[", *tail = span->is_object ? "}}" : "]}";
    document->bytes = 0;
    if (!nb_buffer_append(document, head, strlen(head)) ||
        !nb_buffer_append(document, span->text + begin, end - begin) || !nb_buffer_append(document, tail, strlen(tail)))
        return nb_error_set(error, NB_ERR_SYSTEM, "%s: a member does not fit memory", file);
    return nb_json_parse(root, document->data, document->bytes, BATCH_VALUES_MAX, file, error);
}

static nb_status each_batch(const nb_json_span *span, const char *file, nb_json_batch_fn on_batch, void *user,
                            nb_buffer *document, nb_error *error)
{
    walk w = {.text = span->text, .bytes = span->bytes};
    for (;;) {
        size_t begin = w.at;
        walk_on(&w, begin + BATCH_BYTES);
        bool is_last = w.at == w.bytes;
        if (w.seen == NO_MEMBER && (begin > 0 || !is_last)) // a comma with nothing behind it or before it
            return nb_error_set(error, NB_ERR_INPUT, "%s: not valid JSON: a comma in %s without a member beside it",
                                file, span->key);
        json_t *root;
        NB_TRY(parse_batch(span, begin, w.at, file, document, &root, error));
        nb_status status = on_batch(user, json_object_get(root, "members"), error);
        json_decref(root);
        if (status != NB_OK || is_last)
            return status;
        w.at++; // the comma; a bracket cannot end the walk, its own pair was counted when the span was cut
    }
}

nb_status nb_json_each_batch(const nb_json_span *span, const char *file, nb_json_batch_fn on_batch, void *user,
                             nb_error *error)
{
    nb_buffer document = {0};
    nb_status status = each_batch(span, file, on_batch, user, &document, error);
    nb_buffer_free(&document);
    return status;
}
