// SPDX-License-Identifier: Apache-2.0
#include "runtime/json_cut.h"

#include <pthread.h>
#include <string.h>

#include "platform/cpu.h"
#include "platform/pool.h"

enum {
    N_READERS_MAX = 4, // each holds a tree
    WORTH_THREADS_BYTES = 512 << 10,
    BATCH_BYTES = 32 << 10,     // of text, at least: its tree takes some 400 KB
    BATCH_VALUES_MAX = 1 << 20, // a member may be larger than a batch
    REST_BYTES = 1 << 20,       // of a mapped file, held at most beside what its text becomes
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

// Readers parse batches side by side and hand them over in their order.
typedef struct batches {
    const nb_json_span *span;
    const char *file;
    nb_json_batch_fn on_batch;
    void *user;
    pthread_mutex_t taking, handing; // of the walk; of what follows n_handed
    pthread_cond_t handed;
    walk walk;
    uint64_t n_taken, n_handed;
    bool is_last; // nothing is left to be taken
    nb_status status;
    nb_error *error;
} batches;

typedef struct batch {
    uint64_t number;
    size_t begin, end;
    bool is_empty; // a comma with nothing behind it or before it
} batch;

static bool take_batch(batches *all, batch *next)
{
    pthread_mutex_lock(&all->taking);
    bool has_one = !all->is_last;
    if (has_one) {
        walk *w = &all->walk;
        next->begin = w->at;
        walk_on(w, w->at + BATCH_BYTES);
        next->end = w->at;
        all->is_last = w->at == w->bytes;
        next->is_empty = w->seen == NO_MEMBER && (next->begin > 0 || !all->is_last);
        next->number = all->n_taken++;
        w->at++; // the comma; a bracket cannot end the walk, its own pair was counted when the span was cut
    }
    pthread_mutex_unlock(&all->taking);
    return has_one;
}

static nb_status parse_next(const batches *all, const batch *next, nb_buffer *document, json_t **root, nb_error *error)
{
    if (next->is_empty)
        return nb_error_set(error, NB_ERR_INPUT, "%s: not valid JSON: a comma in %s without a member beside it",
                            all->file, all->span->key);
    return parse_batch(all->span, next->begin, next->end, all->file, document, root, error);
}

// The first failure in order of the text counts; what comes after it is passed over.
static bool hand_over(batches *all, const batch *next, nb_status parsed, const json_t *root, const nb_error *error)
{
    pthread_mutex_lock(&all->handing);
    while (all->n_handed != next->number)
        pthread_cond_wait(&all->handed, &all->handing);
    if (all->status == NB_OK && parsed != NB_OK)
        all->status = nb_error_set(all->error, parsed, "%s", error->text);
    else if (all->status == NB_OK)
        all->status = all->on_batch(all->user, json_object_get(root, "members"), all->error);
    bool goes_on = all->status == NB_OK;
    if (all->span->file && next->begin / REST_BYTES != next->end / REST_BYTES)
        nb_map_rest(all->span->file);
    all->n_handed++;
    pthread_cond_broadcast(&all->handed);
    pthread_mutex_unlock(&all->handing);
    return goes_on;
}

static void read_batches(void *context, uint32_t chunk, uint32_t worker)
{
    (void)chunk, (void)worker;
    batches *all = context;
    nb_buffer document = {0};
    batch next;
    for (bool goes_on = true; goes_on && take_batch(all, &next);) {
        json_t *root = NULL;
        nb_error error = {0};
        nb_status parsed = parse_next(all, &next, &document, &root, &error);
        goes_on = hand_over(all, &next, parsed, root, &error);
        json_decref(root);
    }
    nb_buffer_free(&document);
}

static void run_readers(batches *all)
{
    nb_cpu cpu;
    nb_pool *pool = NULL;
    if (all->span->bytes >= WORTH_THREADS_BYTES) {
        nb_cpu_probe(&cpu);
        json_object_seed(0); // before there are threads
        if (nb_pool_create(&pool, nb_min(cpu.n_cores, N_READERS_MAX), NULL) == NB_OK)
            nb_pool_run(pool, nb_pool_size(pool), read_batches, all);
        nb_pool_free(pool);
    }
    if (!pool) // small, or no threads to be had
        read_batches(all, 0, 0);
}

nb_status nb_json_each_batch(const nb_json_span *span, const char *file, nb_json_batch_fn on_batch, void *user,
                             nb_error *error)
{
    batches all = {.span = span,
                   .file = file,
                   .on_batch = on_batch,
                   .user = user,
                   .walk = {.text = span->text, .bytes = span->bytes},
                   .taking = PTHREAD_MUTEX_INITIALIZER,
                   .handing = PTHREAD_MUTEX_INITIALIZER,
                   .handed = PTHREAD_COND_INITIALIZER,
                   .error = error};
    run_readers(&all);
    pthread_cond_destroy(&all.handed);
    pthread_mutex_destroy(&all.handing);
    pthread_mutex_destroy(&all.taking);
    return all.status;
}
