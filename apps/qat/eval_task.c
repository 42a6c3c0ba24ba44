// SPDX-License-Identifier: Apache-2.0
#include "apps/qat/eval_task.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/common/cli.h"
#include "platform/file.h"
#include "runtime/json.h"

enum { MAX_FILE_BYTES = 1 << 30, MAX_LINE_BYTES = 1 << 20, MAX_VALUES = 10000 };

// The fewest digits that give the same double, without exponent: what stood in the file, for all that people write.
static bool real_text(double value, char text[NB_ANSWER_BYTES])
{
    if (!isfinite(value))
        return false;
    int places = 0;
    do
        snprintf(text, NB_ANSWER_BYTES, "%.*f", places, value);
    while (strtod(text, NULL) != value && ++places < 340);
    return strlen(text) < NB_ANSWER_BYTES - 1;
}

static bool read_answer(const json_t *value, char answer[NB_ANSWER_BYTES])
{
    char number[NB_ANSWER_BYTES];
    answer[0] = 0;
    if (json_is_integer(value))
        return snprintf(answer, NB_ANSWER_BYTES, "%lld", (long long)json_integer_value(value)) > 0;
    if (json_is_real(value))
        return real_text(json_real_value(value), number) && nb_answer_read(number, strlen(number), answer);
    return json_is_string(value) && nb_answer_read(json_string_value(value), json_string_length(value), answer);
}

static const json_t *first_of(const json_t *object, const char *const keys[3])
{
    for (int i = 0; i < 3; i++)
        if (json_object_get(object, keys[i]))
            return json_object_get(object, keys[i]);
    return NULL;
}

static nb_status fill(nb_problem_text *problem, const json_t *object, nb_error *error)
{
    static const char *const questions[] = {"question", "input", "problem"};
    static const char *const answers[] = {"answer", "target", "solution"};
    const json_t *question = first_of(object, questions), *kind = json_object_get(object, "kind");
    if (!json_is_string(question) || json_string_length(question) == 0 ||
        strlen(json_string_value(question)) != json_string_length(question))
        return nb_error_set(error, NB_ERR_INPUT, "expected a text as question, input or problem, found %s",
                            question ? "something else" : "none");
    if (!read_answer(first_of(object, answers), problem->answer))
        return nb_error_set(error, NB_ERR_INPUT, "expected a number as answer or target, found none");
    problem->question = nb_copy_text(json_string_value(question));
    problem->kind = json_is_string(kind) ? nb_copy_text(json_string_value(kind)) : NULL;
    return NB_OK;
}

nb_status nb_problem_parse(nb_problem_text *problem, const char *line, size_t bytes, nb_error *error)
{
    json_t *object = NULL;
    *problem = (nb_problem_text){0};
    if (bytes > MAX_LINE_BYTES)
        return nb_error_set(error, NB_ERR_INPUT, "expected at most %d bytes, found %zu", MAX_LINE_BYTES, bytes);
    NB_TRY(nb_json_parse(&object, line, bytes, MAX_VALUES, "line", error));
    nb_status status = fill(problem, object, error);
    json_decref(object);
    return status;
}

void nb_problem_release(nb_problem_text *problem)
{
    free(problem->question);
    free(problem->kind);
    *problem = (nb_problem_text){0};
}

static nb_status add_line(nb_task *task, const char *line, size_t bytes, size_t number, nb_error *error)
{
    nb_error why = {0};
    nb_problem_text problem;
    if (strspn(line, " \t\r\n") >= bytes)
        return NB_OK;
    nb_status status = nb_problem_parse(&problem, line, bytes, &why);
    if (status == NB_ERR_INPUT) {
        if (task->n_skipped++ == 0)
            (void)nb_error_set(&task->first_skipped, status, "line %zu: %s", number, why.text);
        return NB_OK;
    }
    if (status != NB_OK)
        return nb_error_set(error, status, "line %zu: %s", number, why.text);
    problem.line = number;
    if ((task->n_problems & (task->n_problems + 1)) == 0) // room for a power of two, less one
        task->problems = nb_resize(task->problems, (2 * task->n_problems + 1) * sizeof *task->problems);
    task->problems[task->n_problems++] = problem;
    return NB_OK;
}

nb_status nb_task_read(nb_task *task, const char *path, size_t limit, nb_error *error)
{
    char *text;
    size_t bytes, number = 0;
    *task = (nb_task){0};
    NB_TRY(nb_file_read(path, MAX_FILE_BYTES, &text, &bytes, error));
    nb_status status = NB_OK;
    for (const char *line = text, *end = text + bytes; status == NB_OK && line < end && task->n_problems < limit;) {
        const char *stop = memchr(line, '\n', (size_t)(end - line));
        stop = stop ? stop : end;
        status = add_line(task, line, (size_t)(stop - line), ++number, error);
        line = stop + 1;
    }
    free(text);
    if (status != NB_OK || task->n_problems)
        return status;
    return nb_error_set(error, NB_ERR_INPUT, "%s: expected problems, a JSON object a line, found none%s%s", path,
                        task->n_skipped ? "; " : "", task->n_skipped ? task->first_skipped.text : "");
}

void nb_task_release(nb_task *task)
{
    for (size_t i = 0; i < task->n_problems; i++)
        nb_problem_release(&task->problems[i]);
    free(task->problems);
    *task = (nb_task){0};
}
