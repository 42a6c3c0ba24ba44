// SPDX-License-Identifier: Apache-2.0
// How much memory `nibble pull` takes at most: little, however large the files are.
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/hub/pull_case.h"
#include "tests/support/data_path.h"

enum { LIMIT_KB = 20 << 10, BIG_BYTES = 40 << 20, N_FILES = 6 };

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { IS_SANITIZED = 1 };
#else
enum { IS_SANITIZED = 0 };
#endif

// The most it ever held, until it has ended; 0: not known here.
static unsigned long peak_kb(pid_t child)
{
    char path[64], line[256], name[32] = "";
    unsigned long peak = 0, value;
    snprintf(path, sizeof path, "/proc/%d/status", (int)child);
    for (bool lives = true; lives;) {
        FILE *file = fopen(path, "r");
        lives = false;
        while (file && fgets(line, sizeof line, file)) {
            sscanf(line, "Name: %31s", name);
            if (sscanf(line, "VmHWM: %lu", &value) != 1) // none once it has ended
                continue;
            lives = true;
            if (strcmp(name, "nibble") == 0 && value > peak) // before that it is a copy of this program
                peak = value;
        }
        if (file)
            fclose(file);
        nanosleep(&(struct timespec){.tv_nsec = 2 * 1000 * 1000}, NULL);
    }
    return peak;
}

static void expect_small(pull_case *c)
{
    for (int i = 0; i < N_FILES; i++) {
        char name[64];
        snprintf(name, sizeof name, "part-%d.safetensors", i);
        mock_repo_put(c->repo, name, pull_bytes(100 + (unsigned)i, BIG_BYTES / (i ? 8 : 1)), BIG_BYTES / (i ? 8 : 1),
                      MOCK_LFS);
    }
    pid_t child = pull_start(c, "memory", "acme/tiny --include *");
    unsigned long peak = peak_kb(child);
    pull_finish(c, "memory", child);
    pull_expect_success(c);
    fprintf(stderr, "# %lu kB\n", peak);
    if (peak == 0 || IS_SANITIZED) {
        fprintf(stderr, "# skipped: not known here, or a sanitizer's own\n");
        skip();
    }
    assert_true(peak < LIMIT_KB);
}

static void over_http(void **state)
{
    expect_small(*state);
}

// With as many certificate authorities as systems have.
static void over_tls(void **state)
{
    pull_case *c = *state;
    char authorities[400];
    static const char system[] = "/etc/ssl/certs/ca-certificates.crt";
    size_t bytes = 0;
    char *usual = access(system, R_OK) == 0 ? nb_test_file_read(system, &bytes) : NULL;
    pull_restart(c, &(mock_options){.tls = MOCK_TLS});
    const char *own = mock_tls_authority(c->hub);
    char *all = malloc(bytes + strlen(own) + 1);
    memcpy(all, usual ? usual : "", bytes);
    strcpy(all + bytes, own);
    snprintf(authorities, sizeof authorities, "%s/ca.pem", c->folder);
    nb_test_file_write(authorities, all, bytes + strlen(own));
    free(all);
    free(usual);
    pull_set(c, "SSL_CERT_FILE", authorities);
    expect_small(c);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, pull_enter, pull_leave)

int main(void)
{
    const struct CMUnitTest tests[] = {CASE(over_http), CASE(over_tls)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
