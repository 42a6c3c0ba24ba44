// SPDX-License-Identifier: Apache-2.0
// The slots of a telling: numbers and words as they are written in a question.
#ifndef NB_TUTOR_STORY_WORDS_H
#define NB_TUTOR_STORY_WORDS_H

#include "apps/tutor/traces/story.h"

// How this problem writes its numbers; forgets the words of the last one.
void nb_teller_choose_style(nb_teller *teller);

// The text of a slot, `slot` being what stands between the braces. False when the slot makes no sense.
bool nb_slot_text(nb_teller *teller, const char *slot, size_t bytes, char *text, size_t capacity);

#endif
