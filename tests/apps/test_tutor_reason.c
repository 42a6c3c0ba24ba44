// SPDX-License-Identifier: Apache-2.0
// Checked decoding with scripted models, whose tokens are single characters: what is wrong never stays unmarked, the
// timeline goes back to where the line began, and votes are counted honestly.
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "apps/tutor/tutor_reason.h"

enum { END = 0, PROMPT = -1, MAX_LANES = 8, MAX_IDS = 4096 };

// A model whose answers are attempts: each time a lane goes back, its next script is spoken from that place on.
typedef struct speaker {
    const char *const *attempts; // NULL-ended
    size_t attempt, at;          // which one is being spoken, and how much of it
    int32_t timeline[MAX_IDS];   // what was appended, the prompt's last token first
    size_t n;
} speaker;

typedef struct fake {
    speaker lanes[MAX_LANES];
    bool in_answer[MAX_LANES];
    size_t n_rewinds;
    float hottest;
} fake;

static nb_status fake_sample(void *user, size_t lane, const nb_sampling *sampling, int32_t *id, nb_error *error)
{
    speaker *s = &((fake *)user)->lanes[lane];
    (void)error;
    if (sampling->temperature > ((fake *)user)->hottest)
        ((fake *)user)->hottest = sampling->temperature;
    *id = (unsigned char)s->attempts[s->attempt][s->at];
    s->at += *id != END;
    return NB_OK;
}

static nb_status fake_append(void *user, const size_t *lanes, const int32_t *ids, size_t n, nb_error *error)
{
    fake *f = user;
    (void)error;
    for (size_t i = 0; i < n; i++) {
        speaker *s = &f->lanes[lanes[i]];
        assert_true(s->n < MAX_IDS);
        s->timeline[s->n++] = ids[i];
    }
    return NB_OK;
}

static nb_status fake_rewind(void *user, size_t lane, const int32_t *ids, size_t n_ids, int32_t *again, nb_error *error)
{
    fake *f = user;
    speaker *s = &f->lanes[lane];
    (void)error;
    *again = n_ids ? ids[n_ids - 1] : PROMPT;
    if (s->n > 0) { // not the start
        assert_true(n_ids < s->n);
        f->n_rewinds++;
        s->attempt += s->attempts[s->attempt + 1] != NULL;
        s->at = 0;
    }
    for (size_t i = 0; i < n_ids; i++) // what is kept is what was appended
        assert_int_equal(s->timeline[i + 1], ids[i]);
    s->n = n_ids;
    f->in_answer[lane] = false;
    for (size_t i = 0; i < n_ids; i++)
        f->in_answer[lane] |= ids[i] == '|';
    return NB_OK;
}

// '|' stands for </think>.
static bool fake_text(void *user, size_t lane, int32_t id, nb_piece *piece)
{
    static char letter[2];
    fake *f = user;
    letter[0] = (char)id;
    *piece = (nb_piece){.text = "", .reasoning = ""};
    if (id == '|')
        f->in_answer[lane] = true;
    else if (id != END && f->in_answer[lane])
        *piece = (nb_piece){.text = letter, .bytes = 1, .reasoning = ""};
    else if (id != END)
        *piece = (nb_piece){.text = "", .reasoning = letter, .reasoning_bytes = 1};
    return id == END;
}

// ---- running --------------------------------------------------------------------------------------------------------

static char shown[8192]; // every line that stayed, with its mark

static nb_status show(void *user, size_t lane, const nb_checked_line *line)
{
    (void)user;
    (void)lane;
    size_t end = strlen(shown);
    if (!line)
        snprintf(shown + end, sizeof shown - end, "restart;");
    else
        snprintf(shown + end, sizeof shown - end, "%s%s%c%u;", line->text, line->stranger[0] ? "!" : "",
                 "+-?:"[line->verdict], line -> n_redone);
    return NB_OK;
}

static fake model;
static nb_reasoning reasoning;

static void run(const char *const *const *scripts, size_t n_lanes, nb_lane_rules rules)
{
    nb_token_source source = {&model, fake_sample, fake_append, fake_rewind, fake_text};
    nb_reason_request request = {.source = &source, .n_lanes = n_lanes, .rules = rules, .on_line = show};
    nb_error error = {0};
    memset(&model, 0, sizeof model);
    shown[0] = 0;
    for (size_t i = 0; i < n_lanes; i++)
        model.lanes[i].attempts = scripts[i];
    if (request.rules.n_max_ids == 0)
        request.rules.n_max_ids = 1000;
    assert_int_equal(nb_reason(&request, &reasoning, &error), NB_OK);
}

#define SCRIPT(...) ((const char *const[]){__VA_ARGS__, NULL})

static void run_one(const char *const *script, nb_lane_rules rules)
{
    run(&script, 1, rules);
}

static int release(void **state)
{
    (void)state;
    nb_reasoning_release(&reasoning);
    return 0;
}

// ---- one reasoning --------------------------------------------------------------------------------------------------

static void right_steps_stay(void **state)
{
    (void)state;
    run_one(SCRIPT("2 + 3 = 5\n5 * 2 = 10\n|\nThe answer is 10."), (nb_lane_rules){.n_retries = 4});
    assert_string_equal(shown, "2 + 3 = 5+0;5 * 2 = 10+0;The answer is 10.+0;");
    assert_int_equal(model.n_rewinds, 0);
    assert_true(nb_lane_is_checked(&reasoning.lanes[0]));
    assert_string_equal(reasoning.lanes[0].answer, "10");
    assert_string_equal(reasoning.lanes[0].finish, "stop");
    assert_true(model.hottest == 0.0f);
}

static void a_wrong_step_is_taken_back(void **state)
{
    (void)state;
    run_one(SCRIPT("2 + 3 = 5\n5 * 2 = 11\n", "5 * 2 = 12\n", "5 * 2 = 10\n|\nThe answer is 10."),
            (nb_lane_rules){.n_retries = 4});
    assert_string_equal(shown, "2 + 3 = 5+0;5 * 2 = 10+2;The answer is 10.+0;");
    assert_int_equal(model.n_rewinds, 2);
    assert_int_equal(reasoning.n_redone, 2);
    assert_true(model.hottest > 0.5f); // tried again with another draw
    const nb_lane *lane = &reasoning.lanes[0];
    static const char kept[] = "2 + 3 = 5\n5 * 2 = 10\n|\nThe answer is 10.";
    assert_int_equal(lane->n_ids, sizeof kept - 1);
    assert_int_equal(model.lanes[0].n, sizeof kept); // the prompt's token before it
    for (size_t i = 0; i < lane->n_ids; i++) {
        assert_int_equal(lane->ids[i], kept[i]);
        assert_int_equal(model.lanes[0].timeline[i + 1], kept[i]);
    }
}

static void prose_is_checked(void **state)
{
    (void)state;
    run_one(SCRIPT("Let x = 2.\nSo 2 + 3 = 5 apples.\nThen 5 * 2 = 11 pears.\n",
                   "Then 5 * 2 = 10 pears, as 10 - 5 = 5.\n|It is 10 + 1 = 11, so the answer is 11."),
            (nb_lane_rules){.n_retries = 4});
    assert_string_equal(shown, "Let x = 2.?0;So 2 + 3 = 5 apples.+0;Then 5 * 2 = 10 pears, as 10 - 5 = 5.+1;"
                               "It is 10 + 1 = 11, so the answer is 11.+0;");
    assert_int_equal(model.n_rewinds, 1);
    assert_int_equal(nb_lane_count_steps(&reasoning.lanes[0], NB_VERDICT_RIGHT), 2);
    nb_reasoning_release(&reasoning);
    run_one(SCRIPT("So 2 + 3 = 6.\n", "So 2 + 3 = 7.\nAnd 1 m + 20 cm = 120 cm.\n|3 + 4 = 8, the answer is 8.",
                   "3 + 4 = 7, the answer is 8."),
            (nb_lane_rules){.n_retries = 1});
    assert_string_equal(shown, "So 2 + 3 = 7.-1;And 1 m + 20 cm = 120 cm.?0;3 + 4 = 7, the answer is 8.-1;");
    assert_false(nb_lane_is_checked(&reasoning.lanes[0]));
}

static void what_stays_wrong_is_marked(void **state)
{
    (void)state;
    run_one(SCRIPT("2 + 3 = 6\n", "2 + 3 = 7\n", "2 + 3 = 8\n8 * 2 = 16\n|The answer is 16."),
            (nb_lane_rules){.n_retries = 2});
    assert_string_equal(shown, "2 + 3 = 8-2;8 * 2 = 16+0;The answer is 16.+0;");
    assert_false(nb_lane_is_checked(&reasoning.lanes[0]));
    assert_int_equal(nb_lane_count_steps(&reasoning.lanes[0], NB_VERDICT_WRONG), 1);
}

static void a_dead_end_starts_over(void **state)
{
    (void)state;
    run_one(SCRIPT("1 + 1 = 2\n2 + 3 = 6\n", "2 + 3 = 7\n", "2 + 3 = 5\n|The answer is 5."),
            (nb_lane_rules){.n_retries = 1, .n_restarts = 1});
    assert_string_equal(shown, "1 + 1 = 2+0;2 + 3 = 7-1;restart;2 + 3 = 5+0;The answer is 5.+0;");
    assert_int_equal(reasoning.n_restarts, 1);
    assert_true(nb_lane_is_checked(&reasoning.lanes[0]));
    assert_int_equal(reasoning.lanes[0].n_lines, 2);
}

static void numbers_need_a_source(void **state)
{
    (void)state;
    run_one(SCRIPT("35 + 6 = 41\n43 + 30 = 73\n", "41 + 30 = 71\n|The answer is 71."),
            (nb_lane_rules){.n_retries = 2, .question = "Noor has 35 keys and 36 more"});
    assert_string_equal(shown, "35 + 6 = 41+0;41 + 30 = 71+1;The answer is 71.+0;");
    release(state);
    run_one(SCRIPT("35 + 6 = 41\n43 + 30 = 73\n|The answer is 73."),
            (nb_lane_rules){.n_retries = 0, .question = "Noor has 35 keys and 36 more"});
    assert_string_equal(shown, "35 + 6 = 41+0;43 + 30 = 73!+0;The answer is 73.+0;");
    assert_false(nb_lane_is_checked(&reasoning.lanes[0]));
}

// Else a heading would be the source of what it names.
static void numbers_of_headings_need_one_too(void **state)
{
    (void)state;
    run_one(SCRIPT("53 + 6:\n", "35 + 6:\n35 + 5 = 40\n40 + 1 = 41\n60 * 41:\n|The answer is 41."),
            (nb_lane_rules){.n_retries = 2, .question = "Noor has 35 keys and 6 more"});
    assert_string_equal(shown, "35 + 6::1;35 + 5 = 40+0;40 + 1 = 41+0;60 * 41::0;The answer is 41.+0;");
    assert_true(nb_lane_is_checked(&reasoning.lanes[0]));
    release(state);
    run_one(SCRIPT("53 + 6:\n53 + 6 = 59\n|The answer is 59."),
            (nb_lane_rules){.n_retries = 0, .question = "Noor has 35 keys and 6 more"});
    assert_string_equal(shown, "53 + 6:!:0;53 + 6 = 59+0;The answer is 59.+0;");
    assert_false(nb_lane_is_checked(&reasoning.lanes[0]));
}

static void the_answer_is_the_last_result(void **state)
{
    (void)state;
    run_one(SCRIPT("2 + 3 = 5\n|The answer is 6.", "The answer is 5."), (nb_lane_rules){.n_retries = 1});
    assert_string_equal(shown, "2 + 3 = 5+0;The answer is 5.+1;");
    release(state);
    run_one(SCRIPT("2 + 3 = 5\n|The answer is 6."), (nb_lane_rules){.n_retries = 0});
    assert_string_equal(shown, "2 + 3 = 5+0;The answer is 6.-0;");
    release(state);
    run_one(SCRIPT("2 + 3 = 5\n|The answer is 5."), (nb_lane_rules){.n_retries = 0, .value = "7"});
    assert_string_equal(shown, "2 + 3 = 5+0;The answer is 5.-0;");
}

static void what_cannot_be_checked_says_so(void **state)
{
    (void)state;
    run_one(SCRIPT("So he has more.\n20 + 30:\n5 / 0 = 0\n|\n\nWho knows. The answer is 4."),
            (nb_lane_rules){.n_retries = 0});
    assert_string_equal(shown, "So he has more.?0;20 + 30::0;5 / 0 = 0?0;Who knows. The answer is 4.-0;");
    release(state);
    run_one(SCRIPT("no steps|The answer is 4."), (nb_lane_rules){.n_retries = 4});
    assert_string_equal(shown, "no steps?0;The answer is 4.?0;");
    assert_false(nb_lane_is_checked(&reasoning.lanes[0]));
}

static void plain_decoding_takes_nothing_back(void **state)
{
    (void)state;
    run_one(SCRIPT("2 + 3 = 6\n|The answer is 6."), (nb_lane_rules){.n_retries = 4, .n_restarts = 3, .is_plain = true});
    assert_string_equal(shown, "2 + 3 = 6-0;The answer is 6.+0;");
    assert_int_equal(model.n_rewinds, 0);
}

static void the_limit_cuts(void **state)
{
    (void)state;
    run_one(SCRIPT("2 + 3 = 5\n2 + 3 = 5\n"), (nb_lane_rules){.n_retries = 4, .n_max_ids = 17});
    assert_string_equal(shown, "2 + 3 = 5+0;2 + 3 =?0;");
    assert_string_equal(reasoning.lanes[0].finish, "length");
    assert_string_equal(reasoning.lanes[0].answer, "");
}

// ---- votes ----------------------------------------------------------------------------------------------------------

static void most_votes_win(void **state)
{
    (void)state;
    run((const char *const *const[]){SCRIPT("1 + 2 = 3\n|The answer is 3."), SCRIPT("2 + 2 = 4\n|The answer is 4."),
                                     SCRIPT("8 / 2 = 4\n1 + 3 = 5\n", "1 + 3 = 4\n|The answer is 4.0."),
                                     SCRIPT("nothing")},
        4, (nb_lane_rules){.n_retries = 4});
    assert_int_equal(reasoning.n_votes, 2);
    assert_string_equal(reasoning.votes[0].answer, "4");
    assert_int_equal(reasoning.votes[0].n_votes, 2);
    assert_int_equal(reasoning.votes[0].n_checked, 2);
    assert_int_equal(reasoning.winner, 1);
    assert_false(reasoning.is_tie);
}

static void ties_are_told(void **state)
{
    (void)state;
    run((const char *const *const[]){SCRIPT("1 + 2 = 3\n|The answer is 3."), SCRIPT("2 + 2 = 4\n|The answer is 4.")}, 2,
        (nb_lane_rules){.n_retries = 4});
    assert_true(reasoning.is_tie);
    assert_int_equal(reasoning.winner, 0);
    release(state);
    run((const char *const *const[]){SCRIPT("hm|The answer is 3."), SCRIPT("2 + 2 = 4\n|The answer is 4.")}, 2,
        (nb_lane_rules){.n_retries = 4});
    assert_false(reasoning.is_tie); // the checked one goes before
    assert_string_equal(reasoning.votes[0].answer, "4");
    assert_int_equal(reasoning.winner, 1);
}

#define TEST(name) cmocka_unit_test_teardown(name, release)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(right_steps_stay),
        TEST(a_wrong_step_is_taken_back),
        TEST(prose_is_checked),
        TEST(what_stays_wrong_is_marked),
        TEST(a_dead_end_starts_over),
        TEST(numbers_need_a_source),
        TEST(numbers_of_headings_need_one_too),
        TEST(the_answer_is_the_last_result),
        TEST(what_cannot_be_checked_says_so),
        TEST(plain_decoding_takes_nothing_back),
        TEST(the_limit_cuts),
        TEST(most_votes_win),
        TEST(ties_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
