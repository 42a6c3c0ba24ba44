// SPDX-License-Identifier: Apache-2.0
#include "runtime/pretokenize.h"

#include <string.h>

typedef struct pass {
    const nb_pretokenizer *pretokenizer;
    nb_pretokenize_scratch *scratch;
    nb_word_fn on_word;
    void *user;
    nb_error *error;
} pass;

// A split under way: the piece that the next element may still join.
typedef struct split {
    const pass *run;
    uint32_t i_step;
    const char *text;
    bool at_start;
    size_t begin, end;
    bool has_piece, was_match;
} split;

static nb_status run_step(const pass *run, uint32_t i_step, const char *text, size_t bytes, bool at_start);

void nb_pretokenizer_release(nb_pretokenizer *pretokenizer)
{
    for (uint32_t i = 0; i < pretokenizer->n_steps; i++)
        nb_pattern_free(pretokenizer->steps[i].pattern);
    *pretokenizer = (nb_pretokenizer){0};
}

void nb_pretokenize_scratch_release(nb_pretokenize_scratch *scratch)
{
    for (uint32_t i = 0; i < NB_STEPS_MAX; i++)
        nb_buffer_free(&scratch->rewritten[i]);
}

static nb_status end_piece(split *s)
{
    if (!s->has_piece || s->begin == s->end)
        return NB_OK;
    return run_step(s->run, s->i_step + 1, s->text + s->begin, s->end - s->begin, s->at_start && s->begin == 0);
}

// Text is a row of elements, matches and what lies between; whether one joins the piece before it is all that the
// behaviours differ in.
static nb_status add_element(split *s, size_t begin, size_t end, bool is_match)
{
    const nb_step *step = &s->run->pretokenizer->steps[s->i_step];
    is_match ^= step->inverts;
    bool joins = (step->behaviour == NB_CONTIGUOUS && is_match == s->was_match) ||
                 (step->behaviour == NB_MERGED_WITH_PREVIOUS && is_match && !s->was_match) ||
                 (step->behaviour == NB_MERGED_WITH_NEXT && !is_match && s->was_match);
    if (!s->has_piece || !joins) {
        NB_TRY(end_piece(s));
        s->begin = begin;
        s->has_piece = !(step->behaviour == NB_REMOVED && is_match);
    }
    s->end = end;
    s->was_match = is_match;
    return NB_OK;
}

static nb_status run_split(const pass *run, uint32_t i_step, const char *text, size_t bytes, bool at_start)
{
    const nb_step *step = &run->pretokenizer->steps[i_step];
    split s = {.run = run, .i_step = i_step, .text = text, .at_start = at_start};
    nb_match match = NB_MATCH_BEGIN;
    size_t done = 0;
    for (bool found;; done = match.end) {
        NB_TRY(nb_pattern_next(step->pattern, run->scratch->matcher, text, bytes, &match, &found, run->error));
        if (!found)
            break;
        if (done < match.begin)
            NB_TRY(add_element(&s, done, match.begin, false));
        NB_TRY(add_element(&s, match.begin, match.end, true));
    }
    if (done < bytes)
        NB_TRY(add_element(&s, done, bytes, false));
    return end_piece(&s);
}

static bool rewrite(nb_buffer *out, const nb_step *step, const char *text, size_t bytes, bool at_start)
{
    size_t n = strlen(step->mark);
    out->bytes = 0;
    bool begins = (bytes >= n && memcmp(text, step->mark, n) == 0) || text[0] == ' '; // a space becomes the mark
    bool prepends = step->prepend == NB_PREPEND_ALWAYS || (step->prepend == NB_PREPEND_FIRST && at_start);
    if (prepends && !begins && !nb_buffer_append(out, step->mark, n))
        return false;
    while (bytes > 0) {
        const char *space = memchr(text, ' ', bytes);
        size_t run_bytes = space ? (size_t)(space - text) : bytes;
        if (!nb_buffer_append(out, text, run_bytes) || (space && !nb_buffer_append(out, step->mark, n)))
            return false;
        text += run_bytes + (space != NULL);
        bytes -= run_bytes + (space != NULL);
    }
    return true;
}

static nb_status run_step(const pass *run, uint32_t i_step, const char *text, size_t bytes, bool at_start)
{
    if (bytes == 0)
        return NB_OK;
    if (i_step == run->pretokenizer->n_steps)
        return run->on_word(run->user, text, bytes);
    const nb_step *step = &run->pretokenizer->steps[i_step];
    if (step->pattern)
        return run_split(run, i_step, text, bytes, at_start);
    nb_buffer *out = &run->scratch->rewritten[i_step]; // one piece of each step is alive at a time
    if (!rewrite(out, step, text, bytes, at_start))
        return nb_error_set(run->error, NB_ERR_SYSTEM, "text of %zu bytes does not fit memory", bytes);
    return run_step(run, i_step + 1, out->data, out->bytes, at_start);
}

nb_status nb_pretokenize(const nb_pretokenizer *pretokenizer, nb_pretokenize_scratch *scratch, const char *text,
                         size_t bytes, bool at_start, nb_word_fn on_word, void *user, nb_error *error)
{
    pass run = {pretokenizer, scratch, on_word, user, error};
    return run_step(&run, 0, text, bytes, at_start);
}
