// SPDX-License-Identifier: Apache-2.0
// What doctor stores, who believes it, and what `--weights auto` makes of it; no file, however bad, is a failure.
#include "apps/common/machine_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/app_lines.h"
#include "tests/support/scratch.h"

static char model[2048];

static nb_placement_rates rates(double decode_resident, double load_resident_cold)
{
    return (nb_placement_rates){10, decode_resident, 5, 1, 5, load_resident_cold};
}

// Expected times of the thousandth token for a gigabyte: 1 / load + 1000 / decode.
static void the_thousandth_token_decides(void **state)
{
    (void)state;
    nb_placement_rates r = rates(10, 1); // 100.2 s and 101 s
    assert_int_equal(nb_placement_choose(&r), NB_WEIGHTS_MAPPED);
    r = rates(10.5, 1); // 96.2 s: 4 % earlier is not worth it
    assert_int_equal(nb_placement_choose(&r), NB_WEIGHTS_MAPPED);
    r = rates(11, 1); // 91.9 s
    assert_int_equal(nb_placement_choose(&r), NB_WEIGHTS_RESIDENT);
    r = rates(11, 0.1); // 100.9 s
    assert_int_equal(nb_placement_choose(&r), NB_WEIGHTS_MAPPED);
}

// The answer of a program: policy and reason.
static void expect_plan(const char *options, const char *weights, const char *reason)
{
    json_t *lines = app_json_lines("run %s -p x --plan --json %s", model, options);
    assert_non_null(lines);
    const json_t *plan = json_array_get(lines, 0);
    const char *why = json_string_value(json_object_get(plan, "weights_why"));
    assert_string_equal(json_string_value(json_object_get(plan, "weights")), weights);
    if (!why || !strstr(why, reason) || (!reason[0] && why[0]))
        fail_msg("found: %s\nexpected: %s", why, reason);
    json_decref(lines);
}

static void store(const nb_machine_file *file)
{
    char why[256] = "", folder[4096];
    assert_true(nb_machine_file_folder(folder, sizeof folder, why, sizeof why)); // several levels at once
    if (!nb_machine_file_store(file, why, sizeof why))
        fail_msg("%s", why);
}

static void programs_follow_what_is_stored(void **state)
{
    (void)state;
    nb_machine_file here;
    expect_plan("", "mapped", "not measured");
    nb_machine_file_here(&here);
    here.rates = rates(12, 1);
    store(&here);
    expect_plan("", "resident", "10.0 GB/s mapped and 12.0 resident");
    expect_plan("--weights auto", "resident", "measured");
    expect_plan("--weights mapped", "mapped", "");
    here.rates = rates(10, 1);
    store(&here); // replaces
    expect_plan("", "mapped", "10.0 GB/s mapped and 10.0 resident");
    expect_plan("--weights resident", "resident", "");
    here.rates = rates(12, 1);
    here.memory_total += here.memory_total / 200; // what varies from start to start
    store(&here);
    expect_plan("", "resident", "measured");
    // A copy that does not fit is not insisted on; the plan is shown with what will be done.
    bool is_large = here.memory_total > UINT64_C(60) << 30;
    expect_plan("--ctx 16777216 --kv f32", is_large ? "resident" : "mapped",
                is_large ? "measured" : "a resident copy does not fit");
}

static void others_are_not_believed(void **state)
{
    (void)state;
    nb_machine_file here, other;
    nb_machine_file_here(&here);
    here.rates = rates(12, 1);
    other = here;
    strcpy(other.cpu, "Another");
    store(&other);
    expect_plan("", "mapped", "another machine");
    other = here;
    strcat(other.release, "x");
    store(&other);
    expect_plan("", "mapped", "another machine");
    other = here;
    other.memory_total *= 2;
    store(&other);
    expect_plan("", "mapped", "another machine");
}

static void bad_files_are_passed_over(void **state)
{
    (void)state;
    static const char good[] = "{\"version\":1,\"cpu\":\"c\",\"release\":\"r\",\"memory_total_bytes\":5,"
                               "\"decode_mapped_gb_s\":1,\"decode_resident_gb_s\":2,\"load_mapped_warm_gb_s\":1,"
                               "\"load_mapped_cold_gb_s\":1,\"load_resident_warm_gb_s\":1,\"load_resident_cold_gb_s\":";
    static const char *const ends[] = {"1}", "0}", "-1}", "1e300}", "\"1\"}", "null}", "1", "1,\"version\":1}", "1}}"};
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        nb_machine_file file;
        char text[1024];
        snprintf(text, sizeof text, "%s%s", good, ends[i]);
        assert_int_equal(nb_machine_file_parse(&file, text, strlen(text)), i == 0);
    }
    char *large = malloc(20000), path[4096];
    memset(large, ' ', 20000);
    memcpy(large, "{}", 2);
    large[19999] = 0;
    const char *const texts[] = {"", "{", "[]", "null", "\xff\xfe", "{\"version\":1}", large};
    snprintf(path, sizeof path, "%s/machine.json", getenv("NIBBLE_HOME"));
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        assert_true(nb_scratch_put(path, texts[i]));
        expect_plan("", "mapped", i < 6 ? "damaged" : "not measured");
    }
    free(large);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0); // nobody writes; nothing waits
    expect_plan("", "mapped", "not measured");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    expect_plan("", "mapped", "not measured");
    nb_machine_file here;
    char why[256] = "";
    nb_machine_file_here(&here);
    here.rates = rates(1, 1);
    assert_false(nb_machine_file_store(&here, why, sizeof why)); // a folder stands there; and nothing is left behind
    assert_non_null(strstr(why, "machine.json"));
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(rmdir(getenv("NIBBLE_HOME")), 0);
}

static void doctor_measures_and_stores(void **state)
{
    (void)state;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    skip(); // minutes
#endif
    json_t *lines = app_json_lines("doctor --json");
    assert_non_null(lines);
    const json_t *report = json_array_get(lines, 0);
    if (!json_is_true(json_object_get(report, "stored")))
        skip(); // no room for the trial
    const char *weights = json_string_value(json_object_get(report, "weights_auto"));
    expect_plan("", weights, "nibble doctor measured");
    char why[256];
    assert_int_equal(system("test \"$(ls -A \"$NIBBLE_HOME\")\" = machine.json"), 0); // the trial is gone
    assert_int_equal(nb_machine_file_advice(why, sizeof why),
                     strcmp(weights, "mapped") == 0 ? NB_WEIGHTS_MAPPED : NB_WEIGHTS_RESIDENT);
    json_decref(lines);
}

static void doctor_says_when_it_cannot_store(void **state)
{
    (void)state;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    skip();
#endif
    int code;
    assert_true(nb_scratch_put("file", ""));
    char *home = strdup(getenv("NIBBLE_HOME"));
    setenv("NIBBLE_HOME", "file/below", 1);
    char *text = app_output(&code, "doctor");
    setenv("NIBBLE_HOME", home, 1);
    assert_int_equal(code, 0);
    assert_non_null(strstr(text, "cannot write to file/below: Not a directory"));
    free(text);
    free(home);
}

static int enter(void **state)
{
    char home[4096];
    if (nb_scratch_enter(state))
        return 1;
    snprintf(home, sizeof home, "%s/deep/home", (const char *)*state);
    return setenv("NIBBLE_HOME", home, 1);
}

int main(void)
{
    char here[1024], build[2048];
    const char *given = getenv("BUILD");
    if (!getcwd(here, sizeof here))
        return 1;
    snprintf(build, sizeof build, "%s%s%s", given && given[0] == '/' ? "" : here, given && given[0] == '/' ? "" : "/",
             given ? given : "build");
    setenv("BUILD", build, 1);
    snprintf(model, sizeof model, "%s/apps/tutor/model", here);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_thousandth_token_decides),
        cmocka_unit_test_setup_teardown(programs_follow_what_is_stored, enter, nb_scratch_leave),
        cmocka_unit_test_setup_teardown(others_are_not_believed, enter, nb_scratch_leave),
        cmocka_unit_test_setup_teardown(bad_files_are_passed_over, enter, nb_scratch_leave),
        cmocka_unit_test_setup_teardown(doctor_measures_and_stores, enter, nb_scratch_leave),
        cmocka_unit_test_setup_teardown(doctor_says_when_it_cannot_store, enter, nb_scratch_leave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
