// SPDX-License-Identifier: Apache-2.0
// The environment as the official client reads it.
#include "apps/hub/hub_options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "apps/common/cli.h"
#include "tests/support/scratch.h"

static char why[256];

static int enter(void **state)
{
    static const char *const names[] = {"HF_TOKEN",
                                        "HUGGING_FACE_HUB_TOKEN",
                                        "HF_TOKEN_PATH",
                                        "HF_HUB_DISABLE_IMPLICIT_TOKEN",
                                        "HF_ENDPOINT",
                                        "HF_HUB_OFFLINE",
                                        "TRANSFORMERS_OFFLINE",
                                        "SSL_CERT_FILE",
                                        "REQUESTS_CA_BUNDLE",
                                        "CURL_CA_BUNDLE",
                                        "SSL_CERT_DIR",
                                        "HF_HUB_ETAG_TIMEOUT",
                                        "HF_HUB_DOWNLOAD_TIMEOUT",
                                        "HF_HUB_DISABLE_TELEMETRY",
                                        "DISABLE_TELEMETRY",
                                        "DO_NOT_TRACK"};
    for (size_t i = 0; i < NB_COUNT_OF(names); i++)
        unsetenv(names[i]);
    setenv("HF_HOME", "home", 1);
    return nb_scratch_enter(state);
}

static nb_hub_options read_options(void)
{
    nb_hub_options options;
    if (!nb_hub_options_read(&options, why, sizeof why))
        fail_msg("%s", why);
    return options;
}

static void expect_token(const char *token)
{
    nb_hub_options options = read_options();
    if ((options.token == NULL) != (token == NULL) || (token && strcmp(options.token, token) != 0))
        fail_msg("found %s", options.token ? options.token : "none");
    nb_hub_options_release(&options);
}

static void the_token_is_found_where_it_may_be(void **state)
{
    (void)state;
    expect_token(NULL);
    assert_true(nb_scratch_put("home/token", "  of_home\n"));
    expect_token("of_home");
    assert_true(nb_scratch_put("named", "of_path"));
    setenv("HF_TOKEN_PATH", "named", 1);
    expect_token("of_path");
    setenv("HUGGING_FACE_HUB_TOKEN", "of_old", 1);
    expect_token("of_old");
    setenv("HF_TOKEN", " of_environment\n", 1);
    expect_token("of_environment");
    setenv("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1", 1);
    expect_token(NULL);
}

static void a_token_cannot_end_its_line(void **state)
{
    (void)state;
    nb_hub_options options;
    setenv("HF_TOKEN", "secret\r\nX-Other: 1", 1);
    assert_false(nb_hub_options_read(&options, why, sizeof why));
    assert_null(strstr(why, "secret"));
    nb_hub_options_release(&options);
}

static void endpoints_are_addresses(void **state)
{
    (void)state;
    static const char *const bad[] = {"huggingface", "ftp://h", "https://", "https://user:pw@h", "https://h?x=1"};
    nb_hub_options options = read_options();
    assert_string_equal(options.endpoint, "https://huggingface.co");
    nb_hub_options_release(&options);
    setenv("HF_ENDPOINT", "https://mirror.org/hf//", 1);
    options = read_options();
    assert_string_equal(options.endpoint, "https://mirror.org/hf");
    nb_hub_options_release(&options);
    for (size_t i = 0; i < NB_COUNT_OF(bad); i++) {
        setenv("HF_ENDPOINT", bad[i], 1);
        if (nb_hub_options_read(&options, why, sizeof why))
            fail_msg("taken: %s", bad[i]);
        nb_hub_options_release(&options);
    }
}

static void switches_times_and_authorities(void **state)
{
    (void)state;
    nb_hub_options options = read_options();
    assert_false(options.is_offline);
    assert_true(options.stall_s == 30 && options.api_stall_s == 30 && options.n_retries == 5);
    assert_null(options.ca_file);
    assert_non_null(strstr(options.user_agent, "Linux"));
    nb_hub_options_release(&options);
    setenv("HF_HUB_OFFLINE", "yes", 1);
    setenv("HF_HUB_DOWNLOAD_TIMEOUT", "7", 1);
    setenv("HF_HUB_ETAG_TIMEOUT", "3", 1);
    setenv("CURL_CA_BUNDLE", "c", 1);
    setenv("REQUESTS_CA_BUNDLE", "b", 1);
    setenv("DO_NOT_TRACK", "1", 1);
    options = read_options();
    assert_true(options.is_offline);
    assert_true(options.stall_s == 7 && options.api_stall_s == 3);
    assert_string_equal(options.ca_file, "b");
    assert_null(strstr(options.user_agent, "Linux"));
    nb_hub_options_release(&options);
    setenv("HF_HUB_OFFLINE", "0", 1);
    setenv("HF_HUB_DOWNLOAD_TIMEOUT", "soon", 1);
    setenv("SSL_CERT_FILE", "a", 1);
    options = read_options();
    assert_false(options.is_offline);
    assert_true(options.stall_s == 30);
    assert_string_equal(options.ca_file, "a");
    nb_hub_options_release(&options);
}

#define IN_SCRATCH(test) cmocka_unit_test_setup_teardown(test, enter, nb_scratch_leave)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_SCRATCH(the_token_is_found_where_it_may_be),
        IN_SCRATCH(a_token_cannot_end_its_line),
        IN_SCRATCH(endpoints_are_addresses),
        IN_SCRATCH(switches_times_and_authorities),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
