// SPDX-License-Identifier: Apache-2.0
// A task's line, and any text as a response: what is found is a number that equals itself, or nothing.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "apps/qat/eval_task.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char answer[NB_ANSWER_BYTES];
    char *text = malloc(size + 1);
    if (!text)
        return 0;
    memcpy(text, data, size);
    text[size] = 0;
    bool is_found = nb_answer_read(text, size, answer);
    if (is_found != (answer[0] != 0) || strlen(answer) >= NB_ANSWER_BYTES)
        abort();
    if (is_found)
        (void)nb_answers_equal(answer, answer);
    nb_problem_text problem;
    nb_error error = {0};
    if (nb_problem_parse(&problem, text, size, &error) == NB_OK) {
        if (!problem.question[0] || !problem.answer[0])
            abort();
        nb_problem_release(&problem);
    } else if (!error.text[0]) {
        abort();
    }
    free(text);
    return 0;
}
