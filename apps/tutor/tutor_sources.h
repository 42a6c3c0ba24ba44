// SPDX-License-Identifier: Apache-2.0
// Where the numbers of a step come from: the question, or what was written before it. A number without a source is most
// often one that was copied wrongly, which no check of arithmetic finds.
#ifndef NB_TUTOR_SOURCES_H
#define NB_TUTOR_SOURCES_H

#include "apps/common/growing_text.h"
#include "apps/tutor/steps.h"

typedef struct nb_sources {
    nb_growing numbers; // as written, each zero-terminated
} nb_sources;

// Takes in every number of a text, also those written as words ("twelve", "half", "a dozen").
void nb_sources_add(nb_sources *sources, const char *text, size_t bytes);
void nb_sources_release(nb_sources *sources);

// The operand of a step that comes from nowhere, NULL text: there is none. A number has a source when it was written
// before, is made of digits of one that was, at their places (40 and 2 of 42), or is a constant of everyday measures.
// A factor may be a guess, as in a long division, when the other one has a source; so may a divisor.
nb_span nb_sources_missing(const nb_sources *sources, const nb_step_parts *parts);

#endif
