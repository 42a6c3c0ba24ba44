// SPDX-License-Identifier: Apache-2.0
// The patterns of a tokenizer: a regular expression (PCRE2, compiled to machine code where possible) or a literal.
// Tokenizer files are written for Oniguruma with Ruby syntax; where PCRE2 reads the same text differently it is
// rewritten (\s, \w, (?m), scripts) or refused by name, so a pattern never splits text in another way silently.
#ifndef NB_RUNTIME_PATTERN_H
#define NB_RUNTIME_PATTERN_H

#include "platform/base.h"

typedef struct nb_pattern nb_pattern;

// A word character where the Python package asks Rust's regex library, not Oniguruma: Unicode TR18, Annex C.
#define NB_PATTERN_WORD_ITEMS "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\p{Join_Control}"

enum { NB_PATTERN_BYTES_MAX = 64 << 10 };

// `where` names the place in tokenizer.json for errors. Errors: NB_ERR_INPUT, NB_ERR_SYSTEM.
NB_MUST_USE nb_status nb_pattern_regex(nb_pattern **pattern, const char *regex, size_t bytes, const char *where,
                                       nb_error *error);
NB_MUST_USE nb_status nb_pattern_literal(nb_pattern **pattern, const char *literal, size_t bytes, const char *where,
                                         nb_error *error);
void nb_pattern_free(nb_pattern *pattern);

// Working memory of matching, and the budget of work for one text; good for every pattern.
typedef struct nb_matcher nb_matcher;
NB_MUST_USE nb_status nb_matcher_create(nb_matcher **matcher, nb_error *error);
void nb_matcher_free(nb_matcher *matcher);

// A walk over the matches of one text (valid UTF-8), left to right. Zero-initialise `from`, set last_end to SIZE_MAX.
// An empty match directly after a match is left out, as Oniguruma's iterator does.
typedef struct nb_match {
    size_t begin, end;
    size_t from, last_end;
} nb_match;
#define NB_MATCH_BEGIN ((nb_match){0, 0, 0, SIZE_MAX})

// `*found` tells whether there is a next match. Errors: NB_ERR_INPUT (the budget is used up),
// NB_ERR_SYSTEM.
NB_MUST_USE nb_status nb_pattern_next(const nb_pattern *pattern, nb_matcher *matcher, const char *text, size_t bytes,
                                      nb_match *match, bool *found, nb_error *error);

#endif
