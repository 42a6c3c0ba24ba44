// SPDX-License-Identifier: Apache-2.0
// Leading a learner through a solution one step at a time: what they write is checked by itself, exactly, and compared
// with the steps that are known.
#ifndef NB_TUTOR_GUIDE_H
#define NB_TUTOR_GUIDE_H

#include "apps/tutor/tutor_lane.h"

typedef struct nb_guide {
    const nb_checked_line *lines; // of a solution
    size_t n_lines;
    size_t at;          // lines that are done
    const char *answer; // "": none
    bool is_exact;      // the answer is the value of the calculation that was asked
    bool is_checked;    // the solution's steps and answer are
    unsigned n_misses;  // at this step
} nb_guide;

typedef enum nb_reply {
    NB_REPLY_STEP,    // right, and a step of the solution: `at` is behind it
    NB_REPLY_ANSWER,  // the answer
    NB_REPLY_OTHER,   // right, but no step of the solution
    NB_REPLY_WRONG,   // arithmetic that is wrong
    NB_REPLY_ELSE,    // a number that the solution does not come to
    NB_REPLY_UNKNOWN, // neither a step nor a number, or not to be checked
} nb_reply;

// What the learner's line is. `words` gets a sentence for it: where a mistake is, and after a second miss the right
// result too.
nb_reply nb_guide_take(nb_guide *guide, const char *line, char *words, size_t capacity);

// The next step's line, NULL when all are done; it then counts as done. Steps that are not right are passed over.
const char *nb_guide_next(nb_guide *guide);
// The next step without its result ("144 + 50 = ?"). False when all are done.
bool nb_guide_hint(const nb_guide *guide, char *words, size_t capacity);

#endif
