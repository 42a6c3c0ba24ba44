// SPDX-License-Identifier: Apache-2.0
// Sessions in files: restored ones go on with the same bits; damaged, foreign and half-written files are refused.
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "platform/base.h"
#include "runtime/snapshot.h"
#include "tests/support/data_path.h"
#include "tests/support/faults.h"
#include "tests/support/model_run.h"

typedef struct fixture {
    char below[256], path[300];
    nb_engine *engine;
    nb_session *a, *b;
    uint32_t n_vocab;
    int32_t ids[256];
} fixture;

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    const char *model = nb_test_data("models/oracle/qwen2-modelopt");
    nb_test_settings settings = {.n_ctx = 48};
    *state = f;
    nb_test_directory_make(f->below, sizeof f->below);
    snprintf(f->path, sizeof f->path, "%s/session", f->below);
    if (!model)
        return 0;
    f->engine = nb_test_engine(model, &settings);
    f->a = nb_test_session(f->engine, &settings);
    f->b = nb_test_session(f->engine, &settings);
    f->n_vocab = f->engine->model.config.vocab_size;
    for (int i = 0; i < 256; i++)
        f->ids[i] = (i * 37 + 11) % 900;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    if (f->engine) {
        nb_session_free(f->a);
        nb_session_free(f->b);
        nb_engine_close(f->engine);
    }
    nb_test_directory_remove(f->below);
    free(f);
    return 0;
}

static void must(nb_status status, const nb_error *error)
{
    if (status != NB_OK)
        fail_msg("%s", error->text);
}

static fixture *need(void **state)
{
    fixture *f = *state;
    if (!f->engine)
        skip();
    return f;
}

static void goes_on_with_the_same_bits(void **state)
{
    fixture *f = need(state);
    static const size_t lengths[] = {1, 15, 16, 47, 48, 100, 230}; // before, at and after the ring has wrapped
    for (size_t i = 0; i < NB_COUNT(lengths); i++) {
        nb_error error = {0};
        size_t n = lengths[i];
        must(nb_session_sync(f->a, f->ids, n, NULL, &error), &error);
        must(nb_session_save(f->a, f->path, &error), &error);
        must(nb_session_append(f->b, f->ids + 200, 50, NULL, NULL, &error), &error); // other contents before
        must(nb_session_restore(f->b, f->path, &error), &error);
        assert_int_equal(nb_session_length(f->b), n);
        assert_memory_equal(nb_session_ids(f->b), f->ids, n * sizeof(int32_t));
        assert_memory_equal(nb_session_logits(f->b), nb_session_logits(f->a), f->n_vocab * sizeof(float));
        must(nb_session_append(f->a, f->ids + n, 20, NULL, NULL, &error), &error);
        must(nb_session_append(f->b, f->ids + n, 20, NULL, NULL, &error), &error);
        assert_memory_equal(nb_session_logits(f->b), nb_session_logits(f->a), f->n_vocab * sizeof(float));
    }
}

static void damage_is_refused(void **state)
{
    fixture *f = need(state);
    nb_error error = {0};
    size_t bytes;
    must(nb_session_sync(f->a, f->ids, 20, NULL, &error), &error);
    must(nb_session_save(f->a, f->path, &error), &error);
    char *file = nb_test_file_read(f->path, &bytes);
    for (size_t at = 0; at < bytes; at += 1 + at / 9) {
        file[at] ^= 0x10;
        assert_int_equal(nb_snapshot_read(f->b, (uint8_t *)file, bytes, NULL), NB_ERR_INPUT);
        assert_int_equal(nb_session_length(f->b), 0);
        file[at] ^= 0x10;
    }
    for (size_t n = 0; n < bytes; n += 1 + n / 9)
        assert_int_equal(nb_snapshot_read(f->b, (uint8_t *)file, n, NULL), NB_ERR_INPUT);
    must(nb_snapshot_read(f->b, (uint8_t *)file, bytes, &error), &error);
    free(file);
    assert_int_equal(nb_session_restore(f->b, f->below, NULL), NB_ERR_INPUT); // a directory
    assert_int_equal(nb_session_restore(f->b, "/nonexistent/x", NULL), NB_ERR_INPUT);
}

static void another_shape_is_refused(void **state)
{
    fixture *f = need(state);
    nb_error error = {0};
    nb_test_settings wider = {.n_ctx = 64};
    nb_session *other = nb_test_session(f->engine, &wider);
    must(nb_session_sync(f->a, f->ids, 20, NULL, &error), &error);
    must(nb_session_save(f->a, f->path, &error), &error);
    assert_int_equal(nb_session_restore(other, f->path, &error), NB_ERR_INPUT);
    assert_non_null(strstr(error.text, "context; expected 64, found 48"));
    nb_session_free(other);
    const char *model = nb_test_data("models/oracle/qwen2-ct"); // same shapes, other weights
    if (!model)
        skip();
    nb_test_settings same = {.n_ctx = 48};
    nb_engine *engine = nb_test_engine(model, &same);
    other = nb_test_session(engine, &same);
    error = (nb_error){0};
    assert_int_equal(nb_session_restore(other, f->path, &error), NB_ERR_INPUT);
    assert_non_null(strstr(error.text, "another model"));
    nb_session_free(other);
    nb_engine_close(engine);
}

// What else decides the ring's contents: a session of the same weights, but not of the same model.
static void another_key_shift_is_refused(void **state)
{
    fixture *f = need(state);
    nb_error error = {0};
    nb_layer *layer = &f->engine->model.layers[1], before = *layer;
    nb_rope_table *rope = &f->engine->rope;
    float shift[64] = {0.5f};
    must(nb_session_sync(f->a, f->ids, 20, NULL, &error), &error);
    must(nb_session_save(f->a, f->path, &error), &error);
    assert_true(f->engine->model.config.n_kv_heads * f->engine->model.config.head_dim <= NB_COUNT(shift));
    layer->k_shift = shift;
    assert_int_equal(nb_session_restore(f->b, f->path, NULL), NB_ERR_INPUT);
    *layer = before;
    layer->k_scale = 0.25f;
    assert_int_equal(nb_session_restore(f->b, f->path, NULL), NB_ERR_INPUT);
    *layer = before;
    layer->o.global_scale *= 2;
    assert_int_equal(nb_session_restore(f->b, f->path, NULL), NB_ERR_INPUT);
    *layer = before;
    rope->rope.attention_factor += 1;
    assert_int_equal(nb_session_restore(f->b, f->path, NULL), NB_ERR_INPUT);
    rope->rope.attention_factor -= 1;
    must(nb_session_restore(f->b, f->path, &error), &error);
}

static void a_full_disk_loses_nothing(void **state)
{
    fixture *f = need(state);
    static const nb_fault kinds[] = {NB_FAULT_OPEN, NB_FAULT_WRITE, NB_FAULT_FSYNC, NB_FAULT_RENAME, NB_FAULT_MALLOC};
    nb_error error = {0};
    size_t before_bytes, bytes;
    must(nb_session_sync(f->a, f->ids, 10, NULL, &error), &error);
    must(nb_session_save(f->a, f->path, &error), &error);
    char *before = nb_test_file_read(f->path, &before_bytes);
    must(nb_session_sync(f->a, f->ids, 30, NULL, &error), &error);
    for (size_t k = 0; k < NB_COUNT(kinds); k++)
        for (uint64_t n = 1;; n++) {
            error = (nb_error){0};
            nb_faults_fail_at(kinds[k], n);
            nb_status status = nb_session_save(f->a, f->path, &error);
            if (!nb_faults_reset()) {
                assert_int_equal(status, NB_OK);
                nb_test_file_write(f->path, before, before_bytes);
                break;
            }
            if (status == NB_OK) // an allocation libcrypto could do without, or the directory's fsync
                continue;
            assert_true(error.text[0] != 0);
            char *after = nb_test_file_read(f->path, &bytes);
            // A rename that happened before a later failure leaves the whole new file, else the old one is untouched.
            assert_true(bytes == before_bytes ? memcmp(before, after, bytes) == 0
                                              : nb_session_restore(f->b, f->path, NULL) == NB_OK);
            free(after);
            nb_test_file_write(f->path, before, before_bytes);
        }
    free(before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(goes_on_with_the_same_bits, setup, teardown),
        cmocka_unit_test_setup_teardown(damage_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(another_shape_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(another_key_shift_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(a_full_disk_loses_nothing, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
