// SPDX-License-Identifier: Apache-2.0
#include "runtime/normalize.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "runtime/tokenizer.h"
#include "runtime/utf8.h"

// What one step writes to.
typedef struct sink {
    nb_normalize_scratch *scratch;
    nb_buffer *text, *marks;
    bool has_marks;
} sink;

void nb_normalizer_release(nb_normalizer *normalizer)
{
    for (uint32_t i = 0; i < normalizer->n_steps; i++) {
        nb_pattern_free(normalizer->steps[i].pattern);
        free(normalizer->steps[i].content);
    }
    *normalizer = (nb_normalizer){0};
}

void nb_normalize_scratch_release(nb_normalize_scratch *scratch)
{
    for (int i = 0; i < 2; i++) {
        nb_buffer_free(&scratch->text[i]);
        nb_buffer_free(&scratch->marks[i]);
    }
    nb_buffer_free(&scratch->codes);
    nb_buffer_free(&scratch->order);
}

// Appends text of one mark.
static bool put(sink *out, const char *text, size_t bytes, uint8_t mark)
{
    if (!nb_buffer_append(out->text, text, bytes))
        return false;
    if (!out->has_marks)
        return true;
    if (!nb_buffer_reserve(out->marks, bytes))
        return false;
    if (bytes)
        memset(out->marks->data + out->marks->bytes, mark, bytes);
    out->marks->bytes += bytes;
    return true;
}

// Copies in[begin, end) with its marks.
static bool put_range(sink *out, const nb_marked *in, size_t begin, size_t end)
{
    return nb_buffer_append(out->text, in->text + begin, end - begin) &&
           (!out->has_marks || nb_buffer_append(out->marks, in->marks + begin, end - begin));
}

static uint8_t worst_mark(const nb_marked *in, size_t begin, size_t end)
{
    uint8_t worst = NB_MARK_TRUSTED;
    for (size_t i = begin; in->marks && i < end; i++)
        worst = in->marks[i] > worst ? in->marks[i] : worst;
    return worst;
}

// ---- Unicode normal forms -----------------------------------------------------------------------------------

static int combining_class(int32_t code)
{
    return utf8proc_get_property(code)->combining_class;
}

// Stable sort of a run of combining marks by class. utf8proc's own is quadratic, which a hostile text of a million
// marks would turn into hours; counting is linear.
static bool sort_marks(nb_buffer *order, int32_t *codes, size_t n)
{
    size_t at[256] = {0};
    order->bytes = 0;
    if (!nb_buffer_reserve(order, n * sizeof *codes))
        return false;
    int32_t *sorted = (int32_t *)order->data;
    for (size_t i = 0; i < n; i++)
        at[combining_class(codes[i])]++;
    for (size_t c = 0, sum = 0; c < 256; c++) {
        size_t count = at[c];
        at[c] = sum;
        sum += count;
    }
    for (size_t i = 0; i < n; i++)
        sorted[at[combining_class(codes[i])]++] = codes[i];
    memcpy(codes, sorted, n * sizeof *codes);
    return true;
}

static bool sort_all_marks(nb_buffer *order, int32_t *codes, size_t n)
{
    for (size_t i = 0, end; i < n; i = end) {
        bool is_sorted = true;
        for (end = i; end < n && combining_class(codes[end]) != 0; end++)
            is_sorted &= end == i || combining_class(codes[end - 1]) <= combining_class(codes[end]);
        if (!is_sorted && !sort_marks(order, codes + i, end - i))
            return false;
        end += end == i;
    }
    return true;
}

// The stretch's code points, decomposed, into scratch->codes.
static bool decompose(nb_buffer *codes, const char *text, size_t bytes, utf8proc_option_t options)
{
    enum { ROOM = 32 }; // the longest decomposition has 18 code points
    codes->bytes = 0;
    for (size_t i = 0; i < bytes;) {
        nb_utf8 c = nb_utf8_read(text + i, bytes - i);
        if (!nb_buffer_reserve(codes, ROOM * sizeof(int32_t)))
            return false;
        int32_t *end = (int32_t *)(codes->data + codes->bytes);
        int boundary = 0;
        utf8proc_ssize_t n = utf8proc_decompose_char((int32_t)c.code, end, ROOM, options, &boundary);
        NB_ASSERT(n >= 0 && n <= ROOM);
        codes->bytes += (size_t)n * sizeof(int32_t);
        i += c.bytes;
    }
    return true;
}

// Nothing composes with an ASCII character that follows, and none is a combining mark, so a stretch that begins with
// an ASCII character and goes on to the next can be normalised alone.
static bool put_stretch(sink *out, const nb_marked *in, size_t begin, size_t end, utf8proc_option_t options)
{
    nb_buffer *codes = &out->scratch->codes;
    if (!decompose(codes, in->text + begin, end - begin, options))
        return false;
    utf8proc_ssize_t n = (utf8proc_ssize_t)(codes->bytes / sizeof(int32_t));
    int32_t *list = (int32_t *)codes->data;
    if (!sort_all_marks(&out->scratch->order, list, (size_t)n))
        return false;
    n = utf8proc_normalize_utf32(list, n, options);
    NB_ASSERT(n >= 0);
    size_t before = out->text->bytes;
    uint8_t mark = worst_mark(in, begin, end);
    for (utf8proc_ssize_t i = 0; i < n; i++) {
        char text[NB_UTF8_BYTES_MAX];
        if (!put(out, text, nb_utf8_write((uint32_t)list[i], text), mark))
            return false;
    }
    bool is_same = out->text->bytes - before == end - begin &&
                   memcmp(out->text->data + before, in->text + begin, end - begin) == 0;
    if (is_same && out->has_marks)
        memcpy(out->marks->data + before, in->marks + begin, end - begin);
    return true;
}

static bool run_form(sink *out, const nb_marked *in, nb_normal_kind kind)
{
    unsigned options = UTF8PROC_STABLE;
    options |= kind == NB_NORMAL_NFC || kind == NB_NORMAL_NFKC ? UTF8PROC_COMPOSE : UTF8PROC_DECOMPOSE;
    options |= kind == NB_NORMAL_NFKC || kind == NB_NORMAL_NFKD ? UTF8PROC_COMPAT : 0;
    for (size_t i = 0; i < in->bytes;) {
        size_t ascii = nb_utf8_ascii_run(in->text + i, in->bytes - i);
        size_t begin = i + ascii - (ascii > 0 && i + ascii < in->bytes); // the last one may compose with what follows
        if (!put_range(out, in, i, begin))
            return false;
        i += ascii;
        while (i < in->bytes && (unsigned char)in->text[i] >= 0x80)
            i++;
        if (begin < i && !put_stretch(out, in, begin, i, (utf8proc_option_t)options))
            return false;
    }
    return true;
}

// ---- the other steps ----------------------------------------------------------------------------------------

static bool run_lowercase(sink *out, const nb_marked *in)
{
    for (size_t i = 0; i < in->bytes;) {
        nb_utf8 c = nb_utf8_read(in->text + i, in->bytes - i);
        char text[NB_UTF8_BYTES_MAX + 2];
        size_t n = nb_utf8_write((uint32_t)utf8proc_tolower((int32_t)c.code), text);
        if (c.code == 0x130) { // the one character whose lower case is two: i and a dot above
            memcpy(text, "i\xcc\x87", 3);
            n = 3;
        }
        if (!put(out, text, n, worst_mark(in, i, i + c.bytes)))
            return false;
        i += c.bytes;
    }
    return true;
}

static bool run_strip(sink *out, const nb_marked *in, const nb_normal *step)
{
    size_t begin = 0, end = in->bytes;
    while (step->strips_left && begin < end) {
        nb_utf8 c = nb_utf8_read(in->text + begin, end - begin);
        if (!nb_utf8_is_space(c.code))
            break;
        begin += c.bytes;
    }
    while (step->strips_right && end > begin) {
        size_t i = nb_utf8_back(in->text, end);
        if (!nb_utf8_is_space(nb_utf8_read(in->text + i, end - i).code))
            break;
        end = i;
    }
    return put_range(out, in, begin, end);
}

static nb_status run_replace(sink *out, const nb_marked *in, const nb_normal *step, size_t bytes_max, nb_error *error)
{
    nb_match match = NB_MATCH_BEGIN;
    size_t done = 0;
    for (bool found;; done = match.end) {
        NB_TRY(nb_pattern_next(step->pattern, out->scratch->matcher, in->text, in->bytes, &match, &found, error));
        if (!found)
            break;
        uint8_t mark = worst_mark(in, match.begin, match.end);
        if (out->text->bytes > bytes_max) // checked after the steps, too; here it ends a replacement that explodes
            break;
        if (!put_range(out, in, done, match.begin) || !put(out, step->content, step->content_bytes, mark))
            return nb_error_set(error, NB_ERR_SYSTEM, "normalised text does not fit memory");
    }
    if (!put_range(out, in, done, in->bytes))
        return nb_error_set(error, NB_ERR_SYSTEM, "normalised text does not fit memory");
    return NB_OK;
}

static nb_status run_step(sink *out, const nb_marked *in, const nb_normal *step, size_t bytes_max, nb_error *error)
{
    bool ok = false;
    switch (step->kind) {
    case NB_NORMAL_NFC:
    case NB_NORMAL_NFD:
    case NB_NORMAL_NFKC:
    case NB_NORMAL_NFKD:
        ok = run_form(out, in, step->kind);
        break;
    case NB_NORMAL_LOWERCASE:
        ok = run_lowercase(out, in);
        break;
    case NB_NORMAL_STRIP:
        ok = run_strip(out, in, step);
        break;
    case NB_NORMAL_PREPEND:
        ok = in->bytes == 0 ||
             (put(out, step->content, step->content_bytes, worst_mark(in, 0, 1)) && put_range(out, in, 0, in->bytes));
        break;
    case NB_NORMAL_REPLACE:
        return run_replace(out, in, step, bytes_max, error);
    }
    return ok ? NB_OK : nb_error_set(error, NB_ERR_SYSTEM, "normalised text does not fit memory");
}

nb_status nb_normalize(const nb_normalizer *normalizer, nb_normalize_scratch *scratch, nb_marked in, nb_marked *out,
                       size_t bytes_max, nb_error *error)
{
    for (uint32_t i = 0; i < normalizer->n_steps; i++) {
        sink to = {scratch, &scratch->text[i % 2], &scratch->marks[i % 2], in.marks != NULL};
        to.text->bytes = to.marks->bytes = 0;
        NB_TRY(run_step(&to, &in, &normalizer->steps[i], bytes_max, error));
        if (to.text->bytes > bytes_max)
            return nb_error_set(error, NB_ERR_INPUT, "text; expected at most %zu bytes after normalisation, found more",
                                bytes_max);
        in.text = to.text->data ? to.text->data : "";
        in.bytes = to.text->bytes;
        in.marks = in.marks ? (const uint8_t *)to.marks->data : NULL;
        if (in.bytes == 0)
            in.marks = NULL;
    }
    *out = in;
    return NB_OK;
}
