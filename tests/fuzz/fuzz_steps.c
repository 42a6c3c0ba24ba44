// SPDX-License-Identifier: Apache-2.0
// The checker of reasoning: any line gives a verdict whose parts lie in the line, alone and among words; what
// solves a step is right.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/tutor/equations.h"
#include "apps/tutor/steps.h"

static void check_span(nb_span span, const uint8_t *data, size_t size)
{
    const char *begin = (const char *)data;
    if (span.text < begin || span.bytes == 0 || span.text + span.bytes > begin + size)
        abort();
}

static void check_solution(const nb_step_parts *parts)
{
    char text[3 * NB_STEP_MAX_DIGITS], line[8 * NB_STEP_MAX_DIGITS];
    if (!nb_step_solve(parts, text, sizeof text))
        return;
    int n = snprintf(line, sizeof line, "%.*s %c %.*s = %s", (int)parts->left.bytes, parts->left.text, parts->op,
                     (int)parts->right.bytes, parts->right.text, text);
    nb_step_verdict verdict = nb_step_check(line, (size_t)n, NULL);
    if (n < (int)sizeof line && verdict != NB_STEP_RIGHT && verdict != NB_STEP_UNCHECKABLE)
        abort();
}

// What is a right or a wrong step by itself is never judged the other way among words.
static void check_prose(const uint8_t *data, size_t size, nb_step_verdict step)
{
    nb_equations found;
    nb_step_verdict prose = nb_equations_check((const char *)data, size, &found);
    if ((step == NB_STEP_RIGHT && prose == NB_STEP_WRONG) || (step == NB_STEP_WRONG && prose == NB_STEP_RIGHT))
        abort();
    if ((found.n_wrong > 0) != (prose == NB_STEP_WRONG) || (found.n_wrong > 0) != (found.wrong.text != NULL))
        abort();
    if ((found.n_right + found.n_wrong > 0) != (found.result.text != NULL))
        abort();
    if (found.result.text)
        check_span(found.result, data, size);
    if (found.wrong.text)
        check_span(found.wrong, data, size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    nb_step_parts parts;
    nb_step_verdict step = nb_step_check((const char *)data, size, &parts);
    check_prose(data, size, step);
    if (step != NB_STEP_NONE) {
        check_span(parts.left, data, size);
        check_span(parts.right, data, size);
        check_span(parts.result, data, size);
        check_solution(&parts);
    }
    nb_span answer;
    if (nb_answer_find((const char *)data, size, &answer))
        check_span(answer, data, size);
    (void)nb_numbers_compare((const char *)data, size / 2, (const char *)data + size / 2, size - size / 2);
    return 0;
}
