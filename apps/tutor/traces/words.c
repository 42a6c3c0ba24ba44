// SPDX-License-Identifier: Apache-2.0
#include "apps/tutor/traces/words.h"

#include <stdio.h>
#include <string.h>

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
}

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
