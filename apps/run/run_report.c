// SPDX-License-Identifier: Apache-2.0
// An answer with what comes after it: the JSON finish line, or one line of figures on a terminal; and ids in, ids out.
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apps/common/ids_file.h"
#include "apps/common/terminal.h"
#include "apps/run/run_args.h"

static int print_finish(const nb_run *run, const nb_answer *answer, int64_t sequence)
{
    json_t *line = json_object();
    if (sequence >= 0)
        json_object_set_new(line, "sequence", json_integer(sequence));
    json_object_set_new(line, "finish", json_string(answer->finish));
    json_object_set_new(line, "text", json_stringn(nb_growing_text(&answer->text), answer->text.bytes));
    json_object_set_new(line, "reasoning", json_stringn(nb_growing_text(&answer->reasoning), answer->reasoning.bytes));
    json_object_set_new(line, "prompt_tokens", json_integer((json_int_t)answer->n_prompt));
    json_object_set_new(line, "tokens", json_integer((json_int_t)answer->n_ids));
    json_object_set_new(line, "prefill_tok_s", nb_json_real(nb_answer_prefill_tok_s(answer)));
    json_object_set_new(line, "decode_tok_s", nb_json_real(nb_answer_decode_tok_s(answer)));
    json_object_set_new(line, "load_s", nb_json_real(run->load_s));
    json_object_set_new(line, "seed", json_integer((json_int_t)run->sampling.seed));
    json_object_set_new(line, "ops", json_string(run->info.ops));
    return nb_out_json(line);
}

static void print_figures(const nb_run *run, const nb_answer *answer)
{
    bool has_colour = nb_terminal_has_colour(STDERR_FILENO);
    fflush(stdout);
    fprintf(stderr, "%s%zu tokens, %.1f tok/s; prompt %zu tokens, %.0f tok/s; ops %s; weights %s, activations %s%s%s\n",
            has_colour ? "\033[2m" : "", answer->n_ids, nb_answer_decode_tok_s(answer), answer->n_prompt,
            nb_answer_prefill_tok_s(answer), run->info.ops, run->info.format, nb_act_name(run->info.act),
            strcmp(answer->finish, "length") == 0 ? "; cut at the limit" : "", has_colour ? "\033[0m" : "");
}

int nb_run_answer(const nb_run *run, nb_answer_request *request, int64_t sequence)
{
    const nb_run_args *args = run->args;
    nb_output output = args->is_json ? NB_OUTPUT_JSON : (nb_output)args->output;
    nb_printer printer = nb_printer_open(output, (nb_think)args->think);
    printer.sequence = sequence;
    request->printer = &printer;
    nb_answer answer;
    int code = nb_answer_generate(request, &answer);
    bool is_whole = code == NB_EXIT_OK || code == NB_EXIT_INTERRUPTED;
    if (is_whole)
        nb_printer_finish(&printer);
    int printed = NB_EXIT_OK;
    if (is_whole && args->is_json)
        printed = print_finish(run, &answer, sequence);
    else
        printed = code == NB_EXIT_FAILED ? code : nb_out_flush();
    if (is_whole && output == NB_OUTPUT_TEXT && isatty(STDERR_FILENO))
        print_figures(run, &answer);
    nb_printer_release(&printer);
    nb_answer_release(&answer);
    return code != NB_EXIT_OK ? code : printed;
}

static int check_sequences(const nb_run *run, const nb_ids_file *file)
{
    for (size_t s = 0; s < file->n_sequences; s++) {
        size_t n = nb_ids_count(file, s);
        if (n == 0)
            return nb_fail(NB_EXIT_INPUT, "%s: line %zu is empty; expected at least one id, found none",
                           run->args->prompt_ids, s + 1);
        int code = nb_run_check_length(run, n);
        if (code != NB_EXIT_OK)
            return code;
    }
    return NB_EXIT_OK;
}

int nb_run_sequences(const nb_run *run)
{
    if (!run->info.text && run->args->output != NB_OUTPUT_IDS && !run->args->is_json)
        return nb_fail(NB_EXIT_INPUT,
                       "the model has no tokenizer; expected tokenizer.json, found none; try --output ids");
    nb_ids_file file;
    int code = nb_ids_read(&file, run->args->prompt_ids, run->info.vocab_size);
    if (code == NB_EXIT_OK)
        code = check_sequences(run, &file);
    for (size_t s = 0; code == NB_EXIT_OK && s < file.n_sequences; s++) {
        nb_answer_request request = nb_run_request(run);
        request.ids = nb_ids_of(&file, s);
        request.n_ids = nb_ids_count(&file, s);
        code = nb_run_answer(run, &request, (int64_t)s);
    }
    nb_ids_release(&file);
    return code;
}
