// SPDX-License-Identifier: Apache-2.0
#include "tests/support/model_run.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/data_path.h"

void nb_test_ids_read(nb_test_ids *ids, const char *path)
{
    char *text = nb_test_file_read(path, NULL), *rest = text;
    *ids = (nb_test_ids){0};
    for (char *line; (line = strsep(&rest, "\n"));) {
        int32_t *row = malloc(NB_TEST_MAX_IDS * sizeof *row);
        size_t n = 0;
        for (char *end; n < NB_TEST_MAX_IDS; line = end) {
            long id = strtol(line, &end, 10);
            if (end == line)
                break;
            row[n++] = (int32_t)id;
        }
        if (n == 0) {
            free(row);
            continue;
        }
        assert_true(ids->n_sequences < NB_TEST_MAX_SEQUENCES);
        ids->ids[ids->n_sequences] = row;
        ids->n_ids[ids->n_sequences++] = n;
        ids->n_total += n;
    }
    free(text);
}

void nb_test_ids_free(nb_test_ids *ids)
{
    for (size_t i = 0; i < ids->n_sequences; i++)
        free(ids->ids[i]);
}

float *nb_test_floats(const char *path, size_t *n)
{
    size_t bytes;
    float *floats = (float *)(void *)nb_test_file_read(path, &bytes);
    *n = bytes / sizeof *floats;
    return floats;
}

double nb_test_relative_error(const float *a, const float *b, size_t n)
{
    double difference = 0.0, norm = 0.0;
    for (size_t i = 0; i < n; i++) {
        difference += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
        norm += (double)b[i] * (double)b[i];
    }
    return sqrt(difference / norm);
}

int32_t nb_test_argmax(const float *values, size_t n)
{
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        if (values[i] > values[best])
            best = i;
    return (int32_t)best;
}

static void must(nb_status status, const nb_error *error)
{
    if (status != NB_OK)
        fail_msg("%s", error->text);
}

nb_engine *nb_test_engine(const char *directory, const nb_test_settings *settings)
{
    nb_error error = {0};
    nb_engine *engine;
    nb_engine_options options = nb_engine_defaults();
    options.isa = settings->isa;
    options.n_threads = settings->n_threads ? settings->n_threads : 1;
    options.act = settings->act;
    must(nb_engine_open(&engine, directory, &options, &error), &error);
    return engine;
}

nb_session *nb_test_session(nb_engine *engine, const nb_test_settings *settings)
{
    nb_error error = {0};
    nb_session *session;
    nb_session_options options = nb_session_defaults();
    options.kv = settings->kv;
    options.n_ctx = settings->n_ctx;
    options.n_chunk = settings->n_chunk ? settings->n_chunk : options.n_chunk;
    options.n_sinks = settings->n_sinks ? settings->n_sinks : options.n_sinks;
    options.n_logit_rows = 5; // no divisor of the chunks
    must(nb_session_create(&session, engine, &options, &error), &error);
    return session;
}

typedef struct collector {
    float *at;
    size_t n_vocab;
} collector;

static bool collect(void *user, size_t position, const float *logits)
{
    (void)position;
    collector *c = user;
    memcpy(c->at, logits, c->n_vocab * sizeof *logits);
    c->at += c->n_vocab;
    return true;
}

float *nb_test_logits(const char *directory, const nb_test_settings *settings, const nb_test_ids *ids, size_t *n_vocab)
{
    nb_error error = {0};
    nb_engine *engine = nb_test_engine(directory, settings);
    nb_session *session = nb_test_session(engine, settings);
    nb_engine_info info;
    nb_engine_info_get(engine, &info);
    float *logits = malloc(ids->n_total * info.vocab_size * sizeof *logits);
    collector c = {logits, info.vocab_size};
    for (size_t i = 0; i < ids->n_sequences; i++) {
        must(nb_session_rewind(session, 0, &error), &error);
        must(nb_session_append(session, ids->ids[i], ids->n_ids[i], collect, &c, &error), &error);
    }
    assert_true(c.at == logits + ids->n_total * info.vocab_size);
    *n_vocab = info.vocab_size;
    nb_session_free(session);
    nb_engine_close(engine);
    return logits;
}

// The nibble-qat beside this test program: build/tests/runtime/test_x -> build/nibble-qat.
static void find_program(char *path, size_t capacity)
{
    ssize_t n = readlink("/proc/self/exe", path, capacity - 1);
    assert_true(n > 0);
    path[n] = 0;
    for (char *slash; (slash = strrchr(path, '/'));) {
        snprintf(slash, capacity - (size_t)(slash - path), "/nibble-qat");
        if (access(path, X_OK) == 0)
            return;
        *slash = 0;
    }
    fail_msg("nibble-qat is not built; expected it beside the tests; try make");
}

const char *nb_test_quantise(const char *source, const char *shift, const char *below)
{
    static char directory[4096];
    char program[4096];
    find_program(program, sizeof program);
    snprintf(directory, sizeof directory, "%s/quantised", below);
    pid_t child = fork();
    if (child == 0) {
        if (!freopen("/dev/null", "w", stdout))
            _exit(126);
        if (shift)
            execl(program, program, "quantize", source, directory, "--force", "--shift", shift, (char *)NULL);
        else
            execl(program, program, "quantize", source, directory, "--force", (char *)NULL);
        _exit(127);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    return directory;
}
