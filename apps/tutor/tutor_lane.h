// SPDX-License-Identifier: Apache-2.0
// One reasoning as it grows, token by token: its lines are checked when they are complete, and one that is wrong, or
// has a number that comes from nowhere, is taken back to its start; if it stays so, the whole reasoning starts over.
// Knows nothing of models: it is told the tokens' text and says what is to be done next.
#ifndef NB_TUTOR_LANE_H
#define NB_TUTOR_LANE_H

#include "apps/common/growing_text.h"
#include "apps/tutor/tutor_question.h"
#include "apps/tutor/tutor_sources.h"
#include "runtime/nibble.h"

typedef enum nb_verdict {
    NB_VERDICT_RIGHT,     // a step, or equations among words, all exact; an answer that is the last step's result
    NB_VERDICT_WRONG,     // still not so after all the tries
    NB_VERDICT_UNCHECKED, // nothing was found in it that can be checked
    NB_VERDICT_HEADING,   // "584 + 285:", what the steps below work out; it states nothing
} nb_verdict;

typedef struct nb_checked_line {
    char *text; // one line, as the model wrote it
    nb_verdict verdict;
    unsigned n_redone; // times it was taken back before
    bool is_step;      // "a op b = c", checked or uncheckable, or prose with equations that were checked
    bool is_reasoning; // stood inside <think>
    bool has_answer;   // names the answer
    char stranger[32]; // a step's or heading's number that comes from nowhere, "": none
} nb_checked_line;

typedef enum nb_lane_next {
    NB_LANE_APPEND, // the token belongs to the timeline
    NB_LANE_REDO,   // the timeline goes back to the lane's n_ids tokens
    NB_LANE_OVER,   // a line stays wrong: nb_lane_start_over, and back to the prompt
    NB_LANE_DONE,   // the reasoning is over; the token is not needed
} nb_lane_next;

typedef struct nb_lane_rules {
    unsigned n_retries;   // of a wrong line
    unsigned n_restarts;  // of the whole
    const char *question; // where numbers come from; NULL: that is not looked at
    size_t n_max_ids;     // tokens a reasoning may have
    const char *value;    // the answer that is known to be right, "" or NULL: none
    bool is_plain;        // nothing is taken back; lines are still judged
} nb_lane_rules;

typedef struct nb_lane {
    nb_lane_rules rules;
    int32_t *ids; // of the timeline, after the prompt
    size_t n_ids, ids_capacity;
    nb_checked_line *lines; // complete ones
    size_t n_lines, lines_capacity;
    nb_growing line;  // the line that is being written
    size_t line_ids;  // n_ids where it began, and how much of it stood there
    size_t line_head; // bytes
    bool in_answer;   // behind </think>
    unsigned n_tries; // of the line, that failed
    bool is_spoiled;  // a line stayed wrong
    unsigned n_restarts;
    nb_sources sources;
    size_t question_bytes; // of the sources
    size_t n_sampled, n_redone;
    char last[NB_VALUE_BYTES];   // result of the last step, "": none
    char answer[NB_VALUE_BYTES]; // "": none
    nb_verdict answer_verdict;
    const char *finish; // NULL: not over; "stop", "length"
} nb_lane;

void nb_lane_start(nb_lane *lane, const nb_lane_rules *rules);
void nb_lane_release(nb_lane *lane);

// Takes a sampled token with its text; `is_end`: it ends the answer, and `piece` is what the stream had held back.
nb_lane_next nb_lane_take(nb_lane *lane, int32_t id, bool is_end, const nb_piece *piece);

// Forgets every line, after NB_LANE_OVER.
void nb_lane_start_over(nb_lane *lane);

// Steps whose verdict is this one.
size_t nb_lane_count_steps(const nb_lane *lane, nb_verdict verdict);
// There are steps, all right and of numbers with a source, and the answer is the last one's result.
bool nb_lane_is_checked(const nb_lane *lane);

#endif
