// SPDX-License-Identifier: Apache-2.0
// nibble score: how likely a model finds given sequences.
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "apps/common/commands.h"
#include "apps/common/engine_args.h"
#include "apps/common/growing_text.h"
#include "apps/common/ids_file.h"
#include "apps/common/interrupt.h"
#include "apps/score/logits_file.h"

enum { MAX_TEXT_BYTES = 1 << 30, LOGIT_ROWS = 16 };

typedef struct score_args {
    const char *ids_path, *text_path, *logits_path;
    bool is_json;
} score_args;

#define AT(field) offsetof(score_args, field)
static const nb_option options[] = {
    {.name = "ids",
     .kind = NB_OPTION_TEXT,
     .offset = AT(ids_path),
     .value = "FILE",
     .help = "token ids, one sequence a line; - is standard input"},
    {.name = "text",
     .kind = NB_OPTION_TEXT,
     .offset = AT(text_path),
     .value = "FILE",
     .help = "text, each line a sequence, encoded with what the post-processor adds"},
    {.name = "logits",
     .kind = NB_OPTION_TEXT,
     .offset = AT(logits_path),
     .value = "OUT",
     .help = "write all logits: little-endian f32 [positions][vocabulary]"},
    {.name = "json", .kind = NB_OPTION_FLAG, .offset = AT(is_json), .help = "one JSON object a sequence"},
};
#undef AT

static const nb_command command = {
    .name = "score",
    .usage = "MODEL (--ids FILE | --text FILE) [OPTION]...",
    .summary = "Mean negative log-likelihood (nats, over tokens 1 to n-1) and perplexity of each sequence.\n"
               "The KV ring is as long as the longest sequence unless --ctx says otherwise.",
    .example = "nibble score ./my-model --text sentences.txt",
    .n_args_min = 1,
    .n_args_max = 1,
    .groups = {{"Options", options, NB_COUNT_OF(options)}},
};

// One sequence while its logits come in.
typedef struct scoring {
    const int32_t *ids;
    size_t n_ids;
    uint32_t vocab_size;
    double nll_sum;
    nb_logits_file *logits; // NULL: not wanted
} scoring;

// -log softmax(logits)[id], shifted by the maximum so that nothing overflows.
static double negative_log_likelihood(const float *logits, uint32_t n, int32_t id)
{
    double largest = -INFINITY, sum = 0;
    for (uint32_t i = 0; i < n; i++)
        largest = logits[i] > largest ? logits[i] : largest;
    for (uint32_t i = 0; i < n; i++)
        sum += exp((double)logits[i] - largest);
    return log(sum) + largest - (double)logits[id];
}

static bool on_logits(void *user, size_t position, const float *logits)
{
    scoring *s = user;
    if (nb_interrupt_pending()) // pressed where no call was there to be cancelled
        return false;
    if (position + 1 < s->n_ids)
        s->nll_sum += negative_log_likelihood(logits, s->vocab_size, s->ids[position + 1]);
    return !s->logits || nb_logits_file_write(s->logits, logits, s->vocab_size);
}

static int print_result(const score_args *args, size_t sequence, size_t n_tokens, double nll)
{
    if (args->is_json) {
        json_t *line = json_object();
        json_object_set_new(line, "sequence", json_integer((json_int_t)sequence));
        json_object_set_new(line, "tokens", json_integer((json_int_t)n_tokens));
        json_object_set_new(line, "nll", nb_json_real(nll));
        json_object_set_new(line, "ppl", nb_json_real(exp(nll)));
        return nb_out_json(line);
    }
    if (sequence == 0)
        printf("%8s %8s %12s %12s\n", "sequence", "tokens", "nll", "ppl");
    if (isnan(nll))
        printf("%8zu %8zu %12s %12s\n", sequence, n_tokens, "-", "-");
    else
        printf("%8zu %8zu %12.6f %12.4f\n", sequence, n_tokens, nll, exp(nll));
    return nb_out_flush();
}

static int score_sequence(nb_session *session, scoring *s, double *nll)
{
    nb_error error = {0};
    nb_status status = nb_session_rewind(session, 0, &error);
    if (status == NB_OK && s->n_ids)
        status = nb_session_append(session, s->ids, s->n_ids, on_logits, s, &error);
    if (status == NB_ERR_STOPPED && s->logits && nb_logits_file_error(s->logits))
        return nb_fail(NB_EXIT_FAILED, "cannot write the logits: %s", strerror(nb_logits_file_error(s->logits)));
    if (status == NB_OK && !isfinite(s->nll_sum))
        return nb_fail(NB_EXIT_INPUT, "no likelihood can be given; expected finite logits, found NaN or infinity; "
                                      "the model may be damaged");
    *nll = s->n_ids > 1 ? s->nll_sum / (double)(s->n_ids - 1) : NAN;
    return nb_fail_error(status, &error);
}

static int score_all(const score_args *args, nb_session *session, const nb_ids_file *file, uint32_t vocab_size,
                     nb_logits_file *logits)
{
    double sum = 0;
    size_t n_scored = 0;
    for (size_t i = 0; i < file->n_sequences; i++) {
        scoring s = {nb_ids_of(file, i), nb_ids_count(file, i), vocab_size, 0, logits};
        double nll = NAN;
        int code = score_sequence(session, &s, &nll);
        if (code == NB_EXIT_OK)
            code = print_result(args, i, s.n_ids, nll);
        if (code != NB_EXIT_OK)
            return code;
        sum += s.nll_sum;
        n_scored += s.n_ids > 1 ? s.n_ids - 1 : 0;
    }
    if (!args->is_json && file->n_sequences > 1 && n_scored)
        printf("%8s %8zu %12.6f %12.4f\n", "all", file->n_ids, sum / (double)n_scored, exp(sum / (double)n_scored));
    return nb_out_flush();
}

// Encodes every line of the text as a sequence.
static int encode_lines(nb_ids_file *file, const nb_text *text, const char *path, const nb_growing *bytes)
{
    const char *line = nb_growing_text(bytes), *end = line + bytes->bytes;
    file->starts = nb_alloc(sizeof *file->starts);
    while (line < end) {
        const char *stop = memchr(line, '\n', (size_t)(end - line));
        size_t n = (size_t)((stop ? stop : end) - line);
        nb_room room = {.n = n + 16}; // a token a byte nearly always suffices
        nb_error error;
        while (nb_room_short(&room, &error)) {
            file->ids = nb_resize(file->ids, (file->n_ids + room.size) * sizeof *file->ids);
            room.status = nb_text_encode(text, line, n, NB_TEXT_SPECIAL | NB_TEXT_ADD, file->ids + file->n_ids,
                                         room.size, &room.n, &error);
        }
        if (room.status != NB_OK)
            return nb_fail_error(room.status, &error);
        file->n_ids += room.n;
        file->starts = nb_resize(file->starts, (file->n_sequences + 2) * sizeof *file->starts);
        file->starts[++file->n_sequences] = file->n_ids;
        line += n + 1;
    }
    return file->n_sequences ? NB_EXIT_OK
                             : nb_fail(NB_EXIT_INPUT, "%s: no text; expected a line, found an empty file", path);
}

static int read_text(nb_ids_file *file, const nb_text *text, const char *path)
{
    memset(file, 0, sizeof *file);
    if (!text)
        return nb_fail(NB_EXIT_INPUT,
                       "the model has no tokenizer; expected tokenizer.json, found none; try --ids FILE");
    nb_growing bytes = {0};
    FILE *stream = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
    int code = NB_EXIT_OK;
    if (!stream || !nb_growing_read(&bytes, stream, MAX_TEXT_BYTES))
        code = nb_fail(NB_EXIT_INPUT, "cannot read the text file %s; expected a readable file, found: %s", path,
                       strerror(errno));
    else
        code = encode_lines(file, text, path, &bytes);
    if (stream && stream != stdin)
        fclose(stream);
    nb_growing_release(&bytes);
    return code;
}

static size_t longest_sequence(const nb_ids_file *file)
{
    size_t longest = 1;
    for (size_t i = 0; i < file->n_sequences; i++)
        longest = nb_ids_count(file, i) > longest ? nb_ids_count(file, i) : longest;
    return longest;
}

static int score_file(const score_args *args, const nb_engine_args *engine_args, nb_engine *engine,
                      const nb_engine_info *info, const nb_ids_file *file)
{
    size_t longest = longest_sequence(file);
    if (longest > info->max_positions)
        return nb_fail(NB_EXIT_FIT, "a sequence is longer than the model allows; expected at most %u tokens, found %zu",
                       info->max_positions, longest);
    nb_session_options session_options =
        nb_engine_args_session_of(engine_args, engine_args->n_ctx ? engine_args->n_ctx : longest);
    session_options.n_logit_rows = LOGIT_ROWS;
    if (engine_args->is_plan_only)
        return nb_plan_show(engine, engine_args, &session_options, args->is_json);
    if (longest > session_options.n_ctx)
        nb_note("a sequence of %zu tokens is scored through a window of --ctx %u tokens", longest,
                session_options.n_ctx);
    nb_session *session;
    int code = nb_engine_args_session_create(&session, engine, &session_options);
    if (code != NB_EXIT_OK)
        return code;
    nb_logits_file *logits = NULL;
    if (args->logits_path)
        code = nb_logits_file_open(&logits, args->logits_path);
    nb_interrupt_watch(session, false);
    if (code == NB_EXIT_OK)
        code = score_all(args, session, file, info->vocab_size, logits);
    nb_interrupt_watch(NULL, false);
    int closed = logits ? nb_logits_file_close(logits, code == NB_EXIT_OK) : NB_EXIT_OK;
    nb_session_free(session);
    return code != NB_EXIT_OK ? code : closed;
}

static int score_model(const score_args *args, const nb_engine_args *engine_args, const char *model)
{
    nb_engine *engine;
    nb_session_options session = nb_engine_args_session_of(engine_args, engine_args->n_ctx ? engine_args->n_ctx : 1);
    int code = nb_engine_args_open(&engine, model, engine_args, engine_args->is_plan_only ? NULL : &session);
    if (code != NB_EXIT_OK)
        return code;
    nb_engine_info info;
    nb_engine_info_get(engine, &info);
    nb_ids_file file;
    if (args->ids_path)
        code = nb_ids_read(&file, args->ids_path, info.vocab_size);
    else
        code = read_text(&file, info.text, args->text_path);
    if (code == NB_EXIT_OK)
        code = score_file(args, engine_args, engine, &info, &file);
    nb_ids_release(&file);
    nb_engine_close(engine);
    return code;
}

int nb_command_score(int argc, char **argv)
{
    score_args args = {0};
    nb_engine_args engine_args;
    int code;
    if (!nb_options_parse_with_engine(&command, &args, &engine_args, argc, argv, &code))
        return code;
    if (!args.ids_path == !args.text_path)
        return nb_fail(NB_EXIT_USAGE,
                       "nothing to score is clear; expected either --ids FILE or --text FILE, found %s; try nibble "
                       "score --help",
                       args.ids_path ? "both" : "none");
    return score_model(&args, &engine_args, argv[optind]);
}
