// SPDX-License-Identifier: Apache-2.0
// nibble-qat grad as scripts meet it: results, and what it refuses with which words and exit code.
#include <limits.h>
#include <sys/wait.h>
#include <unistd.h>

#include <jansson.h>

#include "runtime/checkpoint.h"
#include "tests/apps/net_batches.h"

static char program[PATH_MAX];
static const random_model shape = {"qwen2", 32, 48, 2, 2, 1, 16, 40, true, false, false};

// Runs the command in the current folder; what it wrote is in the files out and err. Returns its exit code.
static int grad(const char *arguments)
{
    char line[PATH_MAX + 512];
    snprintf(line, sizeof line, "'%s' grad %s >out 2>err </dev/null", program, arguments);
    int status = system(line);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void write_inputs(void)
{
    random_model_write(&shape, "model", 81);
    assert_true(nb_scratch_put("ids", "1 2 3 4 5\n\n7 39\n11 12 13\n"));
    assert_true(nb_scratch_put("mask", "1 0 1 1 0\n\n0 1\n0 0 1\n"));
}

static json_t *result(void)
{
    char *text = nb_test_file_read("out", NULL);
    json_t *object = json_loads(text, 0, NULL);
    free(text);
    assert_non_null(object);
    return object;
}

static double number(const json_t *object, const char *key)
{
    assert_true(json_is_number(json_object_get(object, key)));
    return json_number_value(json_object_get(object, key));
}

static void writes_what_the_network_computes(void **state)
{
    (void)state;
    write_inputs();
    assert_int_equal(grad("model --ids ids --mask mask --out g.st --quant w4a4kv4 --loss sem --lambda 0.3 "
                          "--entropy-threshold 0.5 --json --recompute"),
                     0);
    json_t *object = result();
    static test_batch b;
    test_batch_read(&b, "ids", "mask");
    assert_int_equal(b.n_targets, 4); // the first token of a line cannot be one
    nb_pool *pool = test_pool(1);
    nb_net *net = test_net("model", &(nb_net_options){.pool = pool, .n_rows_max = 10, .quant = NB_NET_W4A4KV4});
    nb_net_sums sums;
    nb_net_step(net, &b.batch, &(nb_net_loss){NB_LOSS_SEM, 0.3, 0.5, 4}, &sums);
    assert_true(fabs(number(object, "ce") - sums.ce / 4) < 1e-9 && fabs(number(object, "sem") - sums.sem / 4) < 1e-9);
    assert_true(fabs(number(object, "loss") - (sums.ce + 0.3 * sums.sem) / 4) < 1e-9);
    nb_checkpoint file;
    assert_int_equal(nb_checkpoint_open(&file, "g.st", NULL), NB_OK);
    size_t n;
    const nb_param *params = nb_net_params(net, &n);
    assert_int_equal(file.n_entries, n);
    for (size_t i = 0; i < n; i++) {
        const nb_entry *entry = nb_checkpoint_find(&file, params[i].name);
        assert_true(entry && entry->tensor->dtype == NB_DTYPE_F32 && entry->tensor->rank == params[i].rank);
        assert_memory_equal(file.shards[0].map.data + entry->tensor->begin, params[i].grad,
                            params[i].n * sizeof(float));
    }
    nb_checkpoint_close(&file);
    nb_net_close(net);
    nb_pool_free(pool);
    json_decref(object);
}

static void speaks_to_people_and_plans(void **state)
{
    (void)state;
    write_inputs();
    assert_int_equal(grad("model --ids ids --mask mask --out g.st --threads 1 --isa scalar"), 0);
    char *text = nb_test_file_read("out", NULL);
    assert_true(strncmp(text, "loss ", 5) == 0 && strstr(text, "4 targets"));
    free(text);
    assert_int_equal(grad("model --ids ids --mask mask --plan --json"), 0);
    json_t *object = result();
    assert_true(number(object, "total") >= number(object, "parameters") + number(object, "gradients"));
    json_decref(object);
    assert_int_equal(grad("--help"), 0);
}

typedef struct refusal {
    int code;
    const char *ids, *mask, *arguments, *text;
} refusal;

#define FILES "model --ids ids --mask mask "
static const refusal refusals[] = {
    {2, "1 2", "0 1", "", "expected"},
    {2, "1 2", "0 1", "model --ids ids --out g", "grad needs --mask"},
    {2, "1 2", "0 1", "model --mask mask --out g", "grad needs --ids"},
    {2, "1 2", "0 1", FILES, "grad needs --out"},
    {2, "1 2", "0 1", FILES "--out g --loss mse", "ce"},
    {2, "1 2", "0 1", FILES "--out g --quant int8", "w4a4kv4"},
    {2, "1 2", "0 1", FILES "--out g --products f16", "f32|bf16"},
    {2, "1 2", "0 1", FILES "--out g --lambda -1", "lambda"},
    {2, "1 2", "0 1", FILES "--out g --entropy-threshold 2", "entropy-threshold"},
    {2, "1 2", "0 1", FILES "--out g --isa abacus", "abacus"},
    {3, "1 2", "0 1", "nowhere --ids ids --mask mask --out g", "nowhere"},
    {3, "1 2", "0 1", "model --ids absent --mask mask --out g", "absent"},
    {3, "1 2", "0 1", "model --ids ids --mask absent --out g", "absent"},
    {3, "1 x", "0 1", FILES "--out g", "line 1"},
    {3, "1 40", "0 1", FILES "--out g", "outside the vocabulary"},
    {3, "1 2", "0 2", FILES "--out g",
     "mask: value 2 of line 1 is no part of a mask; expected 1 (this token is a target)"},
    {3, "1 2", "0 1 1", FILES "--out g", "expected 2 values, as many as ids, found 3"},
    {3, "1 2\n3", "0 1", FILES "--out g", "expected a line for each of the 2"},
    {3, "1 2", "1 0", FILES "--out g", "expected a 1 behind the first id"},
    {3, "", "", FILES "--out g", "no sequence"},
    {1, "1 2", "0 1", FILES "--out none/g", "none/g"},
    {1, "1 2", "0 1", FILES "--out model", "regular file"},
};

static void refuses_with_one_line(void **state)
{
    (void)state;
    random_model_write(&shape, "model", 82);
    for (size_t i = 0; i < NB_COUNT(refusals); i++) {
        const refusal *r = &refusals[i];
        assert_true(nb_scratch_put("ids", r->ids) && nb_scratch_put("mask", r->mask));
        int code = grad(r->arguments);
        size_t out_bytes;
        char *out = nb_test_file_read("out", &out_bytes), *err = nb_test_file_read("err", NULL);
        const char *newline = strchr(err, '\n');
        bool is_line = strncmp(err, "nibble: error: ", 15) == 0 && newline && newline[1] == '\0';
        if (code != r->code || out_bytes > 0 || !is_line || !strstr(err, r->text))
            fail_msg("grad %s: exit code %d, expected %d and \"%s\": %s", r->arguments, code, r->code, r->text, err);
        free(out);
        free(err);
    }
    assert_true(access("g", F_OK) != 0);
}

static void a_sequence_too_long_is_refused(void **state)
{
    (void)state;
    random_model_write(&shape, "model", 83);
    FILE *ids = fopen("ids", "w"), *mask = fopen("mask", "w");
    assert_true(ids && mask);
    for (int i = 0; i < 4097; i++) {
        fprintf(ids, "%d ", i % 40);
        fprintf(mask, "1 ");
    }
    assert_int_equal(fclose(ids) | fclose(mask), 0);
    assert_int_equal(grad(FILES "--out g"), 3);
    char *err = nb_test_file_read("err", NULL);
    assert_non_null(strstr(err, "expected at most 4096 tokens, found 4097"));
    free(err);
}

int main(void)
{
    const char *build = getenv("BUILD");
    char path[PATH_MAX - 16];
    snprintf(path, sizeof path, "%s/nibble-qat", build ? build : "build");
    if (!realpath(path, program))
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(writes_what_the_network_computes, nb_scratch_enter, nb_scratch_leave),
        cmocka_unit_test_setup_teardown(speaks_to_people_and_plans, nb_scratch_enter, nb_scratch_leave),
        cmocka_unit_test_setup_teardown(refuses_with_one_line, nb_scratch_enter, nb_scratch_leave),
        cmocka_unit_test_setup_teardown(a_sequence_too_long_is_refused, nb_scratch_enter, nb_scratch_leave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
