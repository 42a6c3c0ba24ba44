// SPDX-License-Identifier: Apache-2.0
#include "apps/tutor/traces/story.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "apps/tutor/traces/story_words.h"

enum { MAX_DEPTH = 12 };

static void add(nb_teller *teller, const char *text, size_t bytes)
{
    if (bytes >= sizeof teller->text - teller->bytes) {
        teller->is_bad = true;
        return;
    }
    memcpy(teller->text + teller->bytes, text, bytes);
    teller->bytes += bytes;
    teller->text[teller->bytes] = '\0';
}

// ---- reading a telling ----------------------------------------------------------------------------------------------

// The end of the alternative that starts at `at`: the next '|' or `close` outside inner brackets, or `end`.
static const char *alternative_end(const char *at, const char *end)
{
    for (int depth = 0; at < end; at++) {
        if (depth == 0 && (*at == '|' || *at == ']'))
            return at;
        depth += (*at == '[') - (*at == ']');
    }
    return end;
}

static unsigned count_alternatives(const char *at, const char *end)
{
    unsigned n = 1;
    for (at = alternative_end(at, end); at < end && *at == '|'; n++)
        at = alternative_end(at + 1, end);
    return n;
}

static const nb_fragment *find_fragment(const char *name, size_t bytes)
{
    for (unsigned i = 0; i < nb_n_fragments; i++)
        if (strncmp(nb_fragments[i].name, name, bytes) == 0 && nb_fragments[i].name[bytes] == '\0')
            return &nb_fragments[i];
    return NULL;
}

static void expand(nb_teller *teller, const char *at, const char *end, int depth);

// "3:" at the beginning of a bracket: brackets of one number in a telling take the same place.
static int tie_of(const char **at, const char *end)
{
    if (end - *at < 2 || !isdigit((unsigned char)(*at)[0]) || (*at)[1] != ':')
        return -1;
    *at += 2;
    return (*at)[-2] - '0';
}

static void expand_one_of(nb_teller *teller, const char *at, const char *end, int depth)
{
    int tie = tie_of(&at, end);
    uint64_t n_choices = count_alternatives(at, end), n = nb_chance_below(teller->chance, n_choices);
    if (tie >= 0) {
        if (teller->ties[tie] < 0)
            teller->ties[tie] = (int)n;
        n = (uint64_t)teller->ties[tie] % n_choices;
    }
    for (; n; n--)
        at = alternative_end(at, end) + 1;
    expand(teller, at, alternative_end(at, end), depth + 1);
}

static const char *bracket_end(const char *at, const char *end)
{
    for (at = alternative_end(at, end); at < end && *at == '|';)
        at = alternative_end(at + 1, end);
    return at;
}

static void expand_slot(nb_teller *teller, const char *slot, size_t bytes)
{
    char text[2 * NB_WORD_BYTES];
    if (bytes && nb_slot_text(teller, slot, bytes, text, sizeof text))
        add(teller, text, strlen(text));
    else
        teller->is_bad = true;
}

// One item that is not plain text; returns what follows it.
static const char *expand_item(nb_teller *teller, const char *at, const char *end, int depth)
{
    const char *inner = at + 1, *close;
    if (*at == '[') {
        close = bracket_end(inner, end);
        expand_one_of(teller, inner, close, depth);
    } else {
        close = memchr(inner, *at == '{' ? '}' : '>', (size_t)(end - inner));
        if (!close) {
            teller->is_bad = true;
            return end;
        }
        const nb_fragment *fragment = *at == '<' ? find_fragment(inner, (size_t)(close - inner)) : NULL;
        if (fragment)
            expand_one_of(teller, fragment->text, fragment->text + strlen(fragment->text), depth);
        else if (*at == '{')
            expand_slot(teller, inner, (size_t)(close - inner));
        else
            teller->is_bad = true;
    }
    return close < end ? close + 1 : end;
}

static void expand(nb_teller *teller, const char *at, const char *end, int depth)
{
    if (depth > MAX_DEPTH)
        teller->is_bad = true;
    while (at < end && !teller->is_bad) {
        size_t plain = 0;
        while (at + plain < end && !strchr("[{<", at[plain]))
            plain++;
        add(teller, at, plain);
        at += plain;
        if (at < end)
            at = expand_item(teller, at, end, depth);
    }
}

static double count_forms(const char *at, const char *end, int depth);

// A tied bracket counts once, at its first mention.
static bool is_tied_before(const char *start, const char *at, const char *end)
{
    if (end - at < 3 || !isdigit((unsigned char)at[1]) || at[2] != ':')
        return false;
    return at > start && memmem(start, (size_t)(at - start), at, 3);
}

static double count_one_of(const char *at, const char *end, int depth)
{
    double forms = 0;
    for (;; at++) {
        const char *next = alternative_end(at, end);
        forms += count_forms(at, next, depth + 1);
        at = next;
        if (at >= end || *at != '|')
            return forms;
    }
}

static double count_forms(const char *at, const char *end, int depth)
{
    double forms = 1;
    const char *start = at;
    for (; at < end && depth <= MAX_DEPTH; at++) {
        const char *close = *at == '<' ? memchr(at, '>', (size_t)(end - at)) : NULL;
        const nb_fragment *fragment = close ? find_fragment(at + 1, (size_t)(close - at - 1)) : NULL;
        if (fragment)
            forms *= count_one_of(fragment->text, fragment->text + strlen(fragment->text), depth);
        if (*at == '[') {
            close = bracket_end(at + 1, end);
            forms *= is_tied_before(start, at, end) ? 1 : count_one_of(at + 1, close, depth);
        }
        at = close ? close : at;
    }
    return forms;
}

double nb_story_count_forms(const char *telling, size_t bytes)
{
    return count_forms(telling, telling + bytes, 0);
}

unsigned nb_story_count_tellings(const char *tellings)
{
    unsigned n = 1;
    for (; *tellings; tellings++)
        n += *tellings == '\n';
    return n;
}

// ---- putting it right -----------------------------------------------------------------------------------------------

// A mark that ends a sentence: not the point of "Mr." or of a number, not the '?' of "3 + ? = 5".
static bool ends_sentence(const char *text, size_t at)
{
    if (text[at] == '?' || text[at] == '!')
        return at && text[at - 1] != ' ';
    if (text[at] != '.' || (text[at + 1] != ' ' && text[at + 1] != '\0'))
        return false;
    static const char *const titles[] = {"Mr", "Mrs", "Ms", "Dr"};
    for (size_t i = 0; i < sizeof titles / sizeof titles[0]; i++) {
        size_t bytes = strlen(titles[i]);
        if (at >= bytes && memcmp(text + at - bytes, titles[i], bytes) == 0 &&
            (at == bytes || !isalpha((unsigned char)text[at - bytes - 1])))
            return false;
    }
    return true;
}

// One space between words, none before a mark (but that of "3 + ?"), none at the ends.
static void put_spaces_right(nb_teller *teller)
{
    char *text = teller->text;
    size_t to = 0;
    for (size_t from = 0; text[from]; from++) {
        if (text[from] == ' ' && (to == 0 || text[to - 1] == ' ' || strchr(" .,!", text[from + 1]) ||
                                  (text[from + 1] == '?' && !strchr("=+-*/", text[to - 1]))))
            continue;
        text[to++] = text[from];
    }
    text[to] = '\0';
    teller->bytes = to;
}

static void put_capitals(nb_teller *teller)
{
    bool is_start = true;
    for (size_t i = 0; teller->text[i]; i++) {
        if (is_start && !isspace((unsigned char)teller->text[i])) {
            teller->text[i] = (char)toupper((unsigned char)teller->text[i]);
            is_start = false;
        }
        is_start = is_start || ends_sentence(teller->text, i);
    }
}

// The spare sentence goes behind the first sentence.
static void add_extra(nb_teller *teller, const char *at, const char *end)
{
    const char *line = at;
    size_t first = 0;
    while (line + first + 1 < end && !(line[first] == '.' && line[first + 1] == ' '))
        first++;
    if (line + first + 1 >= end || !memmem(line, first, "{A}", 3)) {
        expand(teller, at, end, 0);
        return;
    }
    expand(teller, at, line + first + 1, 0);
    add(teller, " ", 1);
    const nb_fragment *extra = find_fragment("extra", 5);
    expand_one_of(teller, extra->text, extra->text + strlen(extra->text), 0);
    expand(teller, line + first + 1, end, 0);
}

// Some people write a space before every mark, and some no capitals.
static void vary_spelling(nb_teller *teller)
{
    unsigned style = (unsigned)nb_chance_below(teller->chance, 100);
    if (style < 5)
        for (size_t i = 0; teller->text[i]; i++)
            teller->text[i] = (char)tolower((unsigned char)teller->text[i]);
    if (style < 2 || style >= 88) {
        char copy[NB_QUESTION_BYTES];
        memcpy(copy, teller->text, teller->bytes + 1);
        teller->bytes = 0;
        for (size_t i = 0; copy[i]; i++) {
            bool is_mark = ends_sentence(copy, i) || (copy[i] == ',' && copy[i + 1] == ' ');
            if (is_mark)
                add(teller, " ", 1);
            add(teller, &copy[i], 1);
        }
    }
}

void nb_story_tell(nb_teller *teller, const char *tellings, unsigned line)
{
    for (; line; tellings++)
        line -= *tellings == '\n';
    const char *end = tellings + strcspn(tellings, "\n");
    teller->bytes = 0;
    teller->text[0] = '\0';
    teller->is_bad = false;
    nb_teller_choose_style(teller);
    if (teller->has_extras)
        add_extra(teller, tellings, end);
    else
        expand(teller, tellings, end, 0);
    put_spaces_right(teller);
    put_capitals(teller);
    vary_spelling(teller);
}
