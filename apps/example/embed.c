// SPDX-License-Identifier: Apache-2.0
// The smallest useful program around nibble: opens a model, asks one question, prints the answer as it comes.
//
//   cc embed.c -o embed $(pkg-config --cflags --libs nibble)
//   ./embed MODEL_DIRECTORY "What is 2 + 3?"
#include <nibble.h>
#include <stdio.h>

enum { MAX_PROMPT = 4096, MAX_ANSWER = 512 };

// An answer has ended when the model says one of its end tokens.
static bool is_end(const nb_text_info *info, int32_t id)
{
    for (uint32_t i = 0; i < info->n_stop_ids; i++)
        if (info->stop_ids[i] == id)
            return true;
    return false;
}

static void print_piece(const nb_piece *piece)
{
    fwrite(piece->reasoning, 1, piece->reasoning_bytes, stdout); // what the model says inside <think>
    fwrite(piece->text, 1, piece->bytes, stdout);                // what it answers
    fflush(stdout);
}

// The loop at the heart of it: choose a token, turn it into text, append it to the timeline.
static nb_status answer(nb_session *session, nb_stream *stream, const nb_text *text, nb_error *error)
{
    nb_sampling sampling = nb_sampling_defaults();
    sampling.temperature = 0; // greedy: the likeliest token each time
    nb_text_info info;
    nb_text_info_get(text, &info);
    nb_piece piece;
    nb_status status = NB_OK;
    for (int i = 0; i < MAX_ANSWER && status == NB_OK; i++) {
        int32_t id = 0;
        status = nb_session_sample(session, &sampling, &id, NULL, error);
        if (status != NB_OK || is_end(&info, id))
            break;
        nb_stream_push(stream, id, &piece);
        print_piece(&piece);
        status = nb_session_append(session, &id, 1, NULL, NULL, error);
    }
    nb_stream_flush(stream, &piece); // what was held back, such as half a character
    print_piece(&piece);
    puts("");
    return status;
}

// Renders the question through the model's chat template and brings the session's timeline to it.
static nb_status ask(nb_engine *engine, nb_session *session, const char *question, nb_error *error)
{
    nb_engine_info info;
    nb_engine_info_get(engine, &info);
    nb_chat_options chat = nb_chat_defaults();
    nb_message message = {"user", question};
    int32_t ids[MAX_PROMPT];
    size_t n_ids;
    nb_stream_options options = {.split_reasoning = true, .skip_special = true};
    nb_stream *stream = NULL;
    nb_status status =
        nb_chat_encode(info.text, &message, 1, &chat, ids, MAX_PROMPT, &n_ids, &options.in_reasoning, error);
    if (status == NB_OK)
        status = nb_stream_create(&stream, info.text, &options, error);
    if (status == NB_OK)
        status = nb_session_sync(session, ids, n_ids, NULL, error);
    if (status == NB_OK)
        status = answer(session, stream, info.text, error);
    nb_stream_free(stream);
    return status;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: %s MODEL_DIRECTORY QUESTION\n", argv[0]);
        return 2;
    }
    nb_error error = {0}; // a failing call says here what it expected and what it found
    nb_engine_options engine_options = nb_engine_defaults();
    nb_session_options session_options = nb_session_defaults();
    nb_engine *engine = NULL;
    nb_session *session = NULL;
    nb_status status = nb_engine_open(&engine, argv[1], &engine_options, &error);
    if (status == NB_OK)
        status = nb_session_create(&session, engine, &session_options, &error);
    if (status == NB_OK) // needs a tokenizer.json in the directory
        status = ask(engine, session, argv[2], &error);
    if (status != NB_OK)
        fprintf(stderr, "%s\n", error.text);
    nb_session_free(session);
    nb_engine_close(engine);
    return status == NB_OK ? 0 : 1;
}
