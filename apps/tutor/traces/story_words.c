// SPDX-License-Identifier: Apache-2.0
#include "apps/tutor/traces/story_words.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

// ---- numbers --------------------------------------------------------------------------------------------------------

static const char *const small_numbers[] = {
    "zero", "one",    "two",    "three",    "four",     "five",    "six",     "seven",     "eight",    "nine",
    "ten",  "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"};
static const char *const tens[] = {"",      "",      "twenty",  "thirty", "forty",
                                   "fifty", "sixty", "seventy", "eighty", "ninety"};

void nb_teller_choose_style(nb_teller *teller)
{
    unsigned style = (unsigned)nb_chance_below(teller->chance, 100);
    teller->words_up_to = style < 70 ? 0 : style < 90 ? 10 : 99;
    teller->has_commas = nb_chance_percent(teller->chance, 15);
    teller->is_dollar_sign = nb_chance_percent(teller->chance, 55);
    teller->is_cents_shown = nb_chance_percent(teller->chance, 15);
    for (unsigned i = 0; i < 26; i++)
        teller->words[i].is_bound = false;
    for (unsigned i = 0; i < 10; i++)
        teller->ties[i] = -1;
}

static void write_words(int64_t n, char *text, size_t capacity)
{
    if (n < 20)
        snprintf(text, capacity, "%s", small_numbers[n]);
    else
        snprintf(text, capacity, "%s%s%s", tens[n / 10], n % 10 ? "-" : "", n % 10 ? small_numbers[n % 10] : "");
}

static void write_digits(const nb_teller *teller, nb_ratio value, char *text, size_t capacity)
{
    char plain[NB_RATIO_TEXT_BYTES];
    nb_ratio_text(value, false, plain);
    if (teller->has_commas && value.num / value.den >= 1000 && value.num / value.den < 1000000)
        snprintf(text, capacity, "%.*s,%s", (int)strcspn(plain, ".") - 3, plain, plain + strcspn(plain, ".") - 3);
    else
        snprintf(text, capacity, "%s", plain);
}

static void write_money(const nb_teller *teller, nb_ratio value, bool needs_sign, char *text, size_t capacity)
{
    char digits[NB_RATIO_TEXT_BYTES];
    if (value.den == 1 && !teller->is_cents_shown)
        write_digits(teller, value, digits, sizeof digits);
    else
        snprintf(digits, sizeof digits, "%" PRId64 ".%02" PRId64, value.num / value.den,
                 value.num % value.den * 100 / value.den);
    if (needs_sign || teller->is_dollar_sign)
        snprintf(text, capacity, "$%s", digits);
    else
        snprintf(text, capacity, "%s dollar%s", digits, value.num == value.den ? "" : "s");
}

static bool number_text(const nb_teller *teller, const char *slot, size_t bytes, char *text, size_t capacity)
{
    nb_ratio value = teller->variables[slot[0] - 'a'];
    char form = bytes > 1 ? slot[1] : ' ';
    if (value.den == 0)
        return false;
    bool is_small = value.den == 1 && value.num >= 0 && value.num <= teller->words_up_to;
    char number[2 * NB_RATIO_TEXT_BYTES];
    if (form == ':') {
        snprintf(text, capacity, "%02" PRId64, value.num);
    } else if (form == '$') {
        write_money(teller, value, bytes > 2, text, capacity);
    } else if (form == '*') {
        write_digits(teller, value, number, sizeof number);
        if (is_small)
            write_words(value.num, number, sizeof number);
        bool is_twice = value.den == 1 && value.num == 2;
        snprintf(text, capacity, is_twice ? "twice" : "%s times", number);
    } else if (form == ' ' && is_small) {
        write_words(value.num, text, capacity);
    } else {
        write_digits(teller, value, text, capacity);
    }
    return true;
}

// ---- words ----------------------------------------------------------------------------------------------------------

static const char *default_class(char letter)
{
    static const char *const classes[26] = {
        ['A' - 'A'] = "person", ['B' - 'A'] = "person", ['C' - 'A'] = "person", ['D' - 'A'] = "person",
        ['X' - 'A'] = "thing",  ['Y' - 'A'] = "thing",  ['Z' - 'A'] = "thing",  ['K' - 'A'] = "container",
        ['Q' - 'A'] = "color",  ['R' - 'A'] = "color",  ['L' - 'A'] = "place",  ['W' - 'A'] = "day",
        ['J' - 'A'] = "family",
    };
    return classes[letter - 'A'];
}

static bool is_taken(const nb_teller *teller, const char *one)
{
    for (unsigned i = 0; i < 26; i++)
        if (teller->words[i].is_bound && strcmp(teller->words[i].word.one, one) == 0)
            return true;
    return false;
}

static bool pick_word(nb_teller *teller, const char *class, unsigned bytes, nb_word *word)
{
    if (!nb_word_pick(class, bytes, teller->split, teller->chance, word))
        return false;
    if (teller->made_up_percent && word->is_open && nb_chance_percent(teller->chance, teller->made_up_percent))
        nb_word_make_up(word, teller->chance);
    return true;
}

// Mostly a first name; sometimes "Mr. Kim" or "the baker".
static bool pick_person(nb_teller *teller, bool is_female, nb_word *word)
{
    unsigned style = (unsigned)nb_chance_below(teller->chance, 100);
    nb_word picked;
    if (style >= 10) {
        const char *class = is_female ? "girl" : "boy";
        return pick_word(teller, class, (unsigned)strlen(class), word);
    }
    if (style >= 4) {
        bool is_found = pick_word(teller, "surname", 7, &picked);
        const char *title = !is_female ? "Mr." : style >= 7 ? "Mrs." : "Ms.";
        snprintf(word->one, sizeof word->one, "%s %.32s", title, picked.one);
        return is_found;
    }
    bool is_found = pick_word(teller, "worker", 6, &picked);
    snprintf(word->one, sizeof word->one, "the %.32s", picked.one);
    return is_found;
}

static bool bind_word(nb_teller *teller, char letter, const char *class, unsigned class_bytes)
{
    nb_told_word *bound = &teller->words[letter - 'A'];
    if (!class) {
        class = default_class(letter);
        class_bytes = class ? (unsigned)strlen(class) : 0;
    }
    if (!class)
        return false;
    bound->is_person = class_bytes == 6 && memcmp(class, "person", 6) == 0;
    bound->is_female = nb_chance_percent(teller->chance, 50);
    bound->is_plural = letter >= 'X';
    for (int tries = 0; tries < 100; tries++) {
        bool is_found = bound->is_person ? pick_person(teller, bound->is_female, &bound->word)
                                         : pick_word(teller, class, class_bytes, &bound->word);
        if (!is_found)
            return false;
        if (!is_taken(teller, bound->word.one)) {
            bound->is_bound = true;
            return true;
        }
    }
    return false;
}

static bool has_form(const char *form, size_t bytes, const char *wanted)
{
    return bytes == strlen(wanted) && memcmp(form, wanted, bytes) == 0;
}

static bool person_text(const char *one, bool is_female, const char *form, size_t bytes, char *text, size_t capacity)
{
    if (bytes == 0)
        snprintf(text, capacity, "%s", one);
    else if (has_form(form, bytes, "s"))
        snprintf(text, capacity, "%s's", one);
    else if (has_form(form, bytes, "he"))
        snprintf(text, capacity, "%s", is_female ? "she" : "he");
    else if (has_form(form, bytes, "him"))
        snprintf(text, capacity, "%s", is_female ? "her" : "him");
    else if (has_form(form, bytes, "his"))
        snprintf(text, capacity, "%s", is_female ? "her" : "his");
    else
        return false;
    return true;
}

static bool takes_an(const char *one)
{
    return strchr("aeiou", one[0]) && strncmp(one, "uni", 3) != 0;
}

static bool word_text(nb_teller *teller, const char *slot, size_t bytes, char *text, size_t capacity)
{
    const char *end = slot + bytes, *dot = memchr(slot, '.', bytes), *colon = memchr(slot, ':', bytes);
    const char *form = dot ? dot + 1 : end;
    size_t form_bytes = (size_t)(end - form);
    nb_told_word *bound = &teller->words[slot[0] - 'A'];
    const char *class = colon ? colon + 1 : NULL;
    unsigned class_bytes = colon ? (unsigned)((dot ? dot : end) - class) : 0;
    if (!bound->is_bound && !bind_word(teller, slot[0], class, class_bytes))
        return false;
    const nb_word *word = &bound->word;
    if (bound->is_person)
        return person_text(word->one, bound->is_female, form, form_bytes, text, capacity);
    if (form_bytes == 0)
        snprintf(text, capacity, "%s", bound->is_plural ? word->many : word->one);
    else if (has_form(form, form_bytes, "1"))
        snprintf(text, capacity, "%s", word->one);
    else if (has_form(form, form_bytes, "s"))
        snprintf(text, capacity, "%s", word->many);
    else if (has_form(form, form_bytes, "a"))
        snprintf(text, capacity, "%s %s", takes_an(word->one) ? "an" : "a", word->one);
    else
        return false;
    return true;
}

bool nb_slot_text(nb_teller *teller, const char *slot, size_t bytes, char *text, size_t capacity)
{
    if (slot[0] == '#') { // a number that does not matter
        snprintf(text, capacity, "%u", 2 + (unsigned)nb_chance_below(teller->chance, bytes > 1 ? 88 : 28));
        return true;
    }
    if (slot[0] >= 'a' && slot[0] <= 'z')
        return number_text(teller, slot, bytes, text, capacity);
    return slot[0] >= 'A' && slot[0] <= 'Z' && word_text(teller, slot, bytes, text, capacity);
}
