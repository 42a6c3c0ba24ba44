// SPDX-License-Identifier: Apache-2.0
// A task: problems with their answers, a JSON object a line:
//   {"question": "...", "answer": ...}  or  {"input": "...", "target": ...}  or  {"problem": "...", "answer": ...}
// The answer is a number, or text that nb_answer_read finds a number in ("133", "#### 18"). Other keys are left alone.
#ifndef NB_APPS_EVAL_TASK_H
#define NB_APPS_EVAL_TASK_H

#include "apps/qat/eval_answer.h"
#include "runtime/nibble.h"

typedef struct nb_problem_text {
    char *question;
    char *kind; // what the line calls "kind"; NULL: nothing
    char answer[NB_ANSWER_BYTES];
    size_t line; // from 1
} nb_problem_text;

typedef struct nb_task {
    nb_problem_text *problems;
    size_t n_problems;
    size_t n_skipped;       // lines that are no problem; empty ones do not count
    nb_error first_skipped; // why the first of them is none
} nb_task;

// One line. NB_ERR_INPUT with the reason in `error` (not naming the line), NB_ERR_SYSTEM; nothing is kept then.
nb_status nb_problem_parse(nb_problem_text *problem, const char *line, size_t bytes, nb_error *error)
    __attribute__((warn_unused_result));
void nb_problem_release(nb_problem_text *problem);

// The first `limit` problems of a file, to be released in any case. NB_ERR_INPUT (cannot be read, no problem in it),
// NB_ERR_SYSTEM.
nb_status nb_task_read(nb_task *task, const char *path, size_t limit, nb_error *error)
    __attribute__((warn_unused_result));
void nb_task_release(nb_task *task);

#endif
