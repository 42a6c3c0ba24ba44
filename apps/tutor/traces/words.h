// SPDX-License-Identifier: Apache-2.0
// The vocabulary of stories: lists of words by class. In classes of names and of things every seventh word is held out:
// problems for evaluation use only these, problems for training only the others.
#ifndef NB_TUTOR_WORDS_H
#define NB_TUTOR_WORDS_H

#include "apps/tutor/traces/chance.h"

typedef enum nb_split { NB_SPLIT_TRAIN, NB_SPLIT_EVAL, NB_SPLIT_ALL } nb_split;

// `words`: separated by spaces; '_' stands for a space inside a word; "shelf/shelves" gives the plural that the rules
// (-s, -es, -ies) would not.
typedef struct nb_word_class {
    const char *name;
    const char *words;
    bool is_split; // words are held out
} nb_word_class;

// A class made of others, each as likely as the next.
typedef struct nb_word_union {
    const char *name;
    const char *members; // separated by spaces
} nb_word_union;

extern const nb_word_class nb_word_names[], nb_word_things[], nb_word_others[];
extern const nb_word_union nb_word_unions[];
extern const unsigned nb_n_word_names, nb_n_word_things, nb_n_word_others, nb_n_word_unions;

enum { NB_WORD_BYTES = 48, NB_WORD_HELD_OUT_EVERY = 7 };

typedef struct nb_word {
    char one[NB_WORD_BYTES], many[NB_WORD_BYTES];
    bool is_open; // of a class whose words are held out: any other would do in its place
} nb_word;

// A random word of the class (or class union) `name`, `bytes` long. False when there is no such class.
bool nb_word_pick(const char *name, unsigned bytes, nb_split split, nb_chance *chance, nb_word *word);

// A word that is none, of the same kind: "dorvel/dorvels", "box of plint/boxes of plint", "Kessa".
void nb_word_make_up(nb_word *word, nb_chance *chance);

// Words of all classes, and of the classes that are split.
unsigned nb_words_count(bool split_only);

#endif
