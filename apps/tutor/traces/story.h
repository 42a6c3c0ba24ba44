// SPDX-License-Identifier: Apache-2.0
// Stories: a problem's numbers, its solution, and the ways to tell it. All are data; the language of the tellings:
//
//   [one|two|]    one of the alternatives, which may hold anything, also nothing and more brackets
//   [1:a|b] [1:c|d]   brackets tied by a digit take the same place: a with c, b with d
//   <name>        one of the alternatives of the fragment `name` (stories_shared.c)
//   {a}           the variable a: digits, sometimes a word; {a~} digits always; {a:2} at least two digits
//   {a$}          money: "$3.50", "3.50 dollars"; {a$!} always "$3.50"
//   {a*}          times as many: "twice", "3 times", "four times"
//   {A} {A.s}     a word, chosen at its first mention and then kept; .s its plural, for a person the possessive
//   {A.he} {A.him} {A.his}   pronouns of a person
//   {X} {X.1} {X.a}          X, Y and Z: things, in the plural; .1 singular, .a with "a" or "an"
//   {L:shop}      the class is named at the first mention. Without: A-D person, X-Z thing, K container, Q and R color,
//                 L place, W day, J family
//
// Sentences begin with a capital letter and spaces are put right afterwards.
#ifndef NB_TUTOR_STORY_H
#define NB_TUTOR_STORY_H

#include "apps/tutor/traces/formula.h"
#include "apps/tutor/traces/words.h"

typedef struct nb_story {
    unsigned level_min, level_max; // where its numbers make sense
    const char *definitions;       // see formula.h
    const char *answer;            // a formula; its operations, in order, are the steps
    const char *tellings;          // one a line
} nb_story;

typedef struct nb_story_list {
    const nb_story *stories;
    unsigned n_stories;
} nb_story_list;

typedef struct nb_kind {
    const char *name;
    const char *summary; // for people
    const nb_story_list *list;
    unsigned weight; // share of a mix of all kinds
    bool is_story;   // told about people and things: spare sentences may be mixed in
} nb_kind;

typedef struct nb_fragment {
    const char *name, *text;
} nb_fragment;

extern const nb_kind nb_kinds[];
extern const unsigned nb_n_kinds;
extern const nb_fragment nb_fragments[];
extern const unsigned nb_n_fragments;

extern const nb_story_list nb_stories_addition, nb_stories_subtraction, nb_stories_multiplication, nb_stories_division,
    nb_stories_remainder, nb_stories_order, nb_stories_fractions, nb_stories_percent, nb_stories_money, nb_stories_time,
    nb_stories_units, nb_stories_rates, nb_stories_comparison, nb_stories_ages, nb_stories_averages,
    nb_stories_geometry, nb_stories_joining, nb_stories_taking, nb_stories_unknown, nb_stories_groups,
    nb_stories_sharing, nb_stories_measures, nb_stories_steps;

enum { NB_QUESTION_BYTES = 640 };

typedef struct nb_told_word {
    nb_word word;
    bool is_bound, is_person, is_plural, is_female;
} nb_told_word;

typedef struct nb_teller {
    nb_chance *chance;
    const nb_ratio *variables; // [26]
    nb_split split;
    unsigned made_up_percent; // of the names and things, those that are made up
    bool has_extras;
    char text[NB_QUESTION_BYTES];
    size_t bytes;
    bool is_bad; // too long, or an error in the telling
    // Below: what was chosen for this problem.
    nb_told_word words[26];
    int ties[10];         // the place taken in tied brackets, -1: none yet
    unsigned words_up_to; // numbers up to this are written as words
    bool has_commas, is_dollar_sign, is_cents_shown;
} nb_teller;

// Tells line `line` of `tellings`. The caller sets the fields above `text`; the result is in `text`.
void nb_story_tell(nb_teller *teller, const char *tellings, unsigned line);
unsigned nb_story_count_tellings(const char *tellings);
// In how many ways the brackets and fragments of a telling can be read, whatever words and numbers are filled in.
double nb_story_count_forms(const char *telling, size_t bytes);

#endif
