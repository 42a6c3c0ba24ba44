// SPDX-License-Identifier: Apache-2.0
#include "apps/tutor/traces/traces.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum {
    TRIES = 2000,         // of one call; most stories come out at once
    MAX_TRACE_MARKS = 230 // characters that are no spaces: about as many tokens
};

bool nb_question_is_held_out(const char *question)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325); // FNV-1a, over what spelling does not change
    for (; *question; question++)
        if (!isspace((unsigned char)*question) && !strchr(".,?!", *question)) {
            hash ^= (uint8_t)tolower((unsigned char)*question);
            hash *= UINT64_C(0x100000001b3);
        }
    return nb_chance_mix(hash) % 16 == 0;
}

static bool is_length_right(const char *steps)
{
    unsigned n_marks = 0;
    for (; *steps; steps++)
        n_marks += *steps != ' ';
    return n_marks <= MAX_TRACE_MARKS;
}

static bool solve(nb_formula *formula, const nb_story *story, nb_problem *problem)
{
    nb_trace_text trace = {.bytes = 0};
    formula->trace = &trace;
    nb_ratio answer = nb_formula_value(formula, story->answer);
    formula->trace = NULL;
    if (trace.is_bad || trace.n_steps == 0 || answer.den == 0 || answer.num <= 0 || answer.num > 99999999 ||
        nb_ratio_compare(answer, trace.last) != 0 || !is_length_right(trace.text) ||
        (!trace.as_fractions && nb_ratio_places(answer) < 0))
        return false;
    nb_ratio_text(answer, trace.as_fractions, problem->answer);
    memcpy(problem->steps, trace.text, trace.bytes + 1);
    problem->n_steps = trace.n_steps;
    return true;
}

bool nb_problem_make(nb_problem *problem, unsigned kind, unsigned story_index, unsigned line, unsigned level,
                     nb_split split, unsigned made_up_percent, nb_chance *chance)
{
    const nb_story *story = &nb_kinds[kind].list->stories[story_index];
    nb_formula formula = {.chance = chance, .level = level};
    if (!nb_formula_define(&formula, story->definitions) || !solve(&formula, story, problem))
        return false;
    bool has_extras = nb_kinds[kind].is_story && level > 1 && nb_chance_percent(chance, 10);
    nb_teller teller = {.chance = chance,
                        .variables = formula.variables,
                        .split = split,
                        .made_up_percent = made_up_percent,
                        .has_extras = has_extras};
    nb_story_tell(&teller, story->tellings, line);
    if (teller.is_bad)
        return false;
    memcpy(problem->question, teller.text, teller.bytes + 1);
    problem->kind = kind;
    problem->level = level;
    return split == NB_SPLIT_ALL || nb_question_is_held_out(problem->question) == (split == NB_SPLIT_EVAL);
}

static bool has_kind(const nb_problems *problems, unsigned kind)
{
    return problems->kinds == 0 || (problems->kinds >> kind & 1);
}

static unsigned pick_kind(const nb_problems *problems, nb_chance *chance)
{
    unsigned total = 0, kind = 0;
    for (unsigned i = 0; i < nb_n_kinds; i++)
        total += has_kind(problems, i) ? nb_kinds[i].weight : 0;
    uint64_t at = total ? nb_chance_below(chance, total) : 0;
    for (; kind + 1 < nb_n_kinds; kind++) {
        unsigned weight = has_kind(problems, kind) ? nb_kinds[kind].weight : 0;
        if (at < weight)
            break;
        at -= weight;
    }
    return kind;
}

// Each line of a kind's tellings is as likely as the next, so that stories with many ways to be told come often.
static bool pick_line(unsigned kind, unsigned level, nb_chance *chance, unsigned *story, unsigned *line)
{
    const nb_story_list *list = nb_kinds[kind].list;
    unsigned total = 0;
    for (unsigned i = 0; i < list->n_stories; i++)
        if (level >= list->stories[i].level_min && level <= list->stories[i].level_max)
            total += nb_story_count_tellings(list->stories[i].tellings);
    if (total == 0)
        return false;
    *line = (unsigned)nb_chance_below(chance, total);
    for (*story = 0;; ++*story) {
        const nb_story *candidate = &list->stories[*story];
        if (level < candidate->level_min || level > candidate->level_max)
            continue;
        unsigned n = nb_story_count_tellings(candidate->tellings);
        if (*line < n)
            return true;
        *line -= n;
    }
}

bool nb_problems_next(nb_problems *problems, nb_problem *problem)
{
    uint64_t number = problems->n_done++;
    nb_chance chance = {nb_chance_mix(problems->seed * 4 + problems->split) ^ nb_chance_mix(~number)};
    unsigned level = problems->level ? problems->level : 1 + (unsigned)nb_chance_below(&chance, NB_LEVEL_MAX);
    for (int tries = 0; tries < TRIES; tries++) {
        unsigned kind = pick_kind(problems, &chance), story, line;
        if (!has_kind(problems, kind) || !pick_line(kind, level, &chance, &story, &line))
            return false;
        // Several draws of the numbers before another story is taken: none is to be rare because its numbers are.
        for (int draws = 0; draws < 40; draws++)
            if (nb_problem_make(problem, kind, story, line, level, problems->split, problems->made_up_percent, &chance))
                return true;
    }
    return false;
}

bool nb_kinds_parse(const char *list, uint64_t *kinds, const char **bad, size_t *bad_bytes)
{
    *kinds = 0;
    for (;;) {
        size_t bytes = strcspn(list, ",");
        unsigned kind = 0;
        while (kind < nb_n_kinds &&
               (strncmp(nb_kinds[kind].name, list, bytes) != 0 || nb_kinds[kind].name[bytes] != '\0'))
            kind++;
        if (kind == nb_n_kinds) {
            *bad = list;
            *bad_bytes = bytes;
            return false;
        }
        *kinds |= UINT64_C(1) << kind;
        if (list[bytes] == '\0')
            return true;
        list += bytes + 1;
    }
}

void nb_problem_response(const nb_problem *problem, char response[NB_RESPONSE_BYTES])
{
    snprintf(response, NB_RESPONSE_BYTES, "<think>\n%s</think>\nThe answer is %s.", problem->steps, problem->answer);
}
