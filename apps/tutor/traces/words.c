// SPDX-License-Identifier: Apache-2.0
#include "apps/tutor/traces/words.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static bool is_named(const char *name, const char *wanted, unsigned bytes)
{
    return strncmp(name, wanted, bytes) == 0 && name[bytes] == '\0';
}

static unsigned count_words(const char *words)
{
    unsigned n = 1;
    for (; *words; words++)
        n += *words == ' ';
    return n;
}

static const char *nth_word(const char *words, unsigned n)
{
    for (; n; words++)
        n -= *words == ' ';
    return words;
}

static bool is_held_out(unsigned index)
{
    return index % NB_WORD_HELD_OUT_EVERY == NB_WORD_HELD_OUT_EVERY - 1;
}

static void make_plural(const char *one, char many[NB_WORD_BYTES])
{
    size_t bytes = strlen(one);
    const char *end = one + bytes;
    bool has_sibilant = bytes > 1 && (end[-1] == 's' || end[-1] == 'x' || end[-1] == 'z' ||
                                      (end[-1] == 'h' && (end[-2] == 'c' || end[-2] == 's')));
    if (bytes > 1 && end[-1] == 'y' && !strchr("aeiou", end[-2]))
        snprintf(many, NB_WORD_BYTES, "%.*sies", (int)bytes - 1, one);
    else
        snprintf(many, NB_WORD_BYTES, "%.*s%s", NB_WORD_BYTES - 3, one, has_sibilant ? "es" : "s");
}

static void copy_word(char word[NB_WORD_BYTES], const char *from, size_t bytes)
{
    snprintf(word, NB_WORD_BYTES, "%.*s", (int)bytes, from);
    for (char *at = word; (at = strchr(at, '_'));)
        *at = ' ';
}

static void take_word(const char *at, nb_word *word)
{
    size_t bytes = strcspn(at, " "), one_bytes = strcspn(at, " /");
    copy_word(word->one, at, one_bytes);
    if (one_bytes < bytes)
        copy_word(word->many, at + one_bytes + 1, bytes - one_bytes - 1);
    else
        make_plural(word->one, word->many);
}

static void pick_from(const nb_word_class *class, nb_split split, nb_chance *chance, nb_word *word)
{
    unsigned n = count_words(class->words), index;
    do
        index = (unsigned)nb_chance_below(chance, n);
    while (class->is_split && split != NB_SPLIT_ALL && is_held_out(index) != (split == NB_SPLIT_EVAL));
    take_word(nth_word(class->words, index), word);
    word->is_open = class->is_split;
}

// ---- words that are none -------------------------------------------------------------------------------------------

static const char onsets[] =
    "b bl br c ch cl cr d dr f fl fr g gl gr h j k l m n p pl pr qu r s sc sh sk sl sm sn sp st "
    "str sw t th tr tw v w y z";
static const char vowels[] = "a a a e e e i i i o o o u u ai ay ea ee oa oi oo ou";
static const char codas[] = "b ck d g l l ll m m n n n nd ng nk nt p r r r rd rk rn rt s ss st t t tch x z ft lt mp";

static void add_part(char text[NB_WORD_BYTES], const char *parts, nb_chance *chance)
{
    const char *part = nth_word(parts, (unsigned)nb_chance_below(chance, count_words(parts)));
    size_t bytes = strlen(text);
    snprintf(text + bytes, NB_WORD_BYTES - bytes, "%.*s", (int)strcspn(part, " "), part);
}

static bool is_listed_in(const nb_word_class *classes, unsigned n, const char *text)
{
    size_t bytes = strlen(text);
    for (unsigned i = 0; i < n; i++)
        for (const char *at = classes[i].words; at; at = strchr(at, ' '), at += at != NULL)
            if (strcspn(at, " /") == bytes && strncasecmp(at, text, bytes) == 0)
                return true;
    return false;
}

// One to three syllables, at most 20 bytes; never a word of the lists, which may be held out.
static void make_up(char text[NB_WORD_BYTES], nb_chance *chance)
{
    do {
        text[0] = '\0';
        for (unsigned n = 1 + (unsigned)nb_chance_below(chance, 3); n > 0; n--) {
            add_part(text, onsets, chance);
            add_part(text, vowels, chance);
            if (nb_chance_percent(chance, n == 1 ? 75 : 30))
                add_part(text, codas, chance);
        }
    } while (is_listed_in(nb_word_names, nb_n_word_names, text) ||
             is_listed_in(nb_word_things, nb_n_word_things, text) ||
             is_listed_in(nb_word_others, nb_n_word_others, text));
}

void nb_word_make_up(nb_word *word, nb_chance *chance)
{
    bool is_name = word->one[0] >= 'A' && word->one[0] <= 'Z';
    char whole[NB_WORD_BYTES], listed[NB_WORD_BYTES];
    memcpy(listed, word->one, sizeof listed);
    make_up(word->one, chance);
    make_plural(word->one, word->many);
    if (is_name) {
        word->one[0] = (char)(word->one[0] - 'a' + 'A');
        return;
    }
    make_up(whole, chance);
    unsigned form = (unsigned)nb_chance_below(chance, 100);
    if (form < 15) { // "dorvel of plints"
        nb_word part;
        make_plural(whole, part.many);
        snprintf(listed, sizeof listed, "%.20s of %.22s", word->many, part.many);
        snprintf(whole, sizeof whole, "%.20s of %.22s", word->one, part.many);
        memcpy(word->one, whole, sizeof whole);
        memcpy(word->many, listed, sizeof listed);
    } else if (form < 30 && strlen(listed) <= 20) { // "plint apple"
        nb_word part;
        make_plural(listed, part.many);
        snprintf(word->one, sizeof word->one, "%.20s %.20s", whole, listed);
        snprintf(word->many, sizeof word->many, "%.20s %.22s", whole, part.many);
    }
}

// ---- by name -------------------------------------------------------------------------------------------------------

static const nb_word_class *find_in(const nb_word_class *classes, unsigned n, const char *name, unsigned bytes)
{
    for (unsigned i = 0; i < n; i++)
        if (is_named(classes[i].name, name, bytes))
            return &classes[i];
    return NULL;
}

bool nb_word_pick(const char *name, unsigned bytes, nb_split split, nb_chance *chance, nb_word *word)
{
    for (unsigned i = 0; i < nb_n_word_unions; i++)
        if (is_named(nb_word_unions[i].name, name, bytes)) {
            const char *members = nb_word_unions[i].members;
            const char *member = nth_word(members, (unsigned)nb_chance_below(chance, count_words(members)));
            return nb_word_pick(member, (unsigned)strcspn(member, " "), split, chance, word);
        }
    const nb_word_class *class = find_in(nb_word_things, nb_n_word_things, name, bytes);
    if (!class)
        class = find_in(nb_word_names, nb_n_word_names, name, bytes);
    if (!class)
        class = find_in(nb_word_others, nb_n_word_others, name, bytes);
    if (class)
        pick_from(class, split, chance, word);
    return class != NULL;
}

static unsigned count_classes(const nb_word_class *classes, unsigned n, bool split_only)
{
    unsigned total = 0;
    for (unsigned i = 0; i < n; i++)
        total += !split_only || classes[i].is_split ? count_words(classes[i].words) : 0;
    return total;
}

unsigned nb_words_count(bool split_only)
{
    return count_classes(nb_word_names, nb_n_word_names, split_only) +
           count_classes(nb_word_things, nb_n_word_things, split_only) +
           count_classes(nb_word_others, nb_n_word_others, split_only);
}
