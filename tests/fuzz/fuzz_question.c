// SPDX-License-Identifier: Apache-2.0
// Questions: any bytes are refused with a reason or become text without control characters; what is said to be a
// calculation's value is it; the numbers taken from them have a source.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/tutor/equations.h"
#include "apps/tutor/tutor_question.h"
#include "apps/tutor/tutor_sources.h"

static void check_value(const nb_question *question)
{
    char line[2 * NB_VALUE_BYTES + 8];
    int n = snprintf(line, sizeof line, "%s = %s", question->calculation, question->value);
    nb_equations found;
    if (nb_step_check(line, (size_t)n, NULL) == NB_STEP_WRONG ||
        nb_equations_check(line, (size_t)n, &found) == NB_STEP_WRONG)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static nb_question question;
    char why[256] = "";
    if (!nb_question_read(&question, (const char *)data, size, why, sizeof why)) {
        if (why[0] == 0 || strchr(why, '\n'))
            abort();
    } else {
        for (const char *c = question.text; *c; c++)
            if ((unsigned char)*c < ' ' || *c == 0x7f)
                abort();
        if (question.value[0])
            check_value(&question);
    }
    nb_sources sources = {.numbers = {0}};
    nb_step_parts parts;
    nb_sources_add(&sources, (const char *)data, size);
    if (nb_step_check((const char *)data, size, &parts) != NB_STEP_NONE)
        (void)nb_sources_missing(&sources, &parts);
    nb_sources_release(&sources);
    return 0;
}
