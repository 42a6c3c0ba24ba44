// SPDX-License-Identifier: Apache-2.0
#include "apps/qat/trace_encode.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "apps/common/cli.h"
#include "runtime/chat.h"
#include "runtime/json.h"
#include "runtime/text.h"

enum { MAX_LINE_VALUES = 1 << 24 }; // ids of a tokenised line: 16 million

void nb_trace_release(nb_trace *trace)
{
    free(trace->ids);
    free(trace->mask);
    *trace = (nb_trace){0};
}

static void reserve(nb_trace *trace, size_t n)
{
    if (n <= trace->capacity)
        return;
    trace->capacity = nb_max(n, 2 * trace->capacity);
    trace->ids = nb_resize(trace->ids, trace->capacity * sizeof *trace->ids);
    trace->mask = nb_resize(trace->mask, trace->capacity);
}

static void append(nb_trace *trace, int32_t id, bool is_target)
{
    reserve(trace, trace->n + 1);
    trace->ids[trace->n] = id;
    trace->mask[trace->n++] = is_target;
}

// ---- text to ids --------------------------------------------------------------------------------------------------

// Appends the ids of a text; its marks say which bytes may become control tokens (NULL: all).
static nb_status append_text(nb_trace *trace, const nb_text *text, const char *string, const uint8_t *marks,
                             size_t bytes, unsigned flags, bool is_target, nb_error *error)
{
    reserve(trace, trace->n + bytes + 8); // an id for each byte at most, and a few that the post-processor adds
    size_t n_ids = 0;
    NB_TRY(nb_tokenizer_encode(text->tokenizer, string, bytes, marks, flags, trace->ids + trace->n,
                               trace->capacity - trace->n, &n_ids, error));
    memset(trace->mask + trace->n, is_target, n_ids);
    trace->n += n_ids;
    return NB_OK;
}

static bool ends_turn(const nb_text *text, int32_t id)
{
    return nb_tokenizer_is_special(text->tokenizer, id) && id != text->think_open_id && id != text->think_close_id;
}

// The answer ends with the first control token that the template writes in it, or with the model's stop token.
static void end_answer(nb_trace *trace, const nb_text *text, size_t begin)
{
    for (size_t i = begin; i < trace->n; i++)
        if (ends_turn(text, trace->ids[i])) {
            trace->n = i + 1;
            return;
        }
    if (text->n_stop_ids > 0)
        append(trace, text->stop_ids[0], true);
}

// ---- the chat template --------------------------------------------------------------------------------------------

// Prompt ids, turn by turn: an earlier answer is tokenised by itself, as it came into being.
static nb_status append_prompt(nb_trace *trace, const nb_text *text, const nb_rendered *prompt, nb_error *error)
{
    for (size_t at = 0; at < prompt->bytes;) {
        bool is_answer = prompt->marks[at] == NB_MARK_ANSWER;
        size_t end = at, first = trace->n;
        while (end < prompt->bytes && (prompt->marks[end] == NB_MARK_ANSWER) == is_answer)
            end++;
        NB_TRY(append_text(trace, text, prompt->text + at, prompt->marks + at, end - at, NB_TEXT_SPECIAL, is_answer,
                           error));
        if (!is_answer && at > 0 && first < trace->n && ends_turn(text, trace->ids[first]))
            trace->mask[first] = 1;
        at = end;
    }
    return NB_OK;
}

static bool contains(const char *text, size_t bytes, const char *word)
{
    return memmem(text, bytes, word, strlen(word)) != NULL;
}

// Whether the template, given the answer, writes it behind the prompt as it is.
static bool continues(const nb_rendered *prompt, const nb_rendered *whole, const char *answer)
{
    if (whole->bytes < prompt->bytes || memcmp(whole->text, prompt->text, prompt->bytes) != 0)
        return false;
    // Templates of reasoning models drop the reasoning of answers that they are given.
    return !strstr(answer, "</think>") ||
           contains(whole->text + prompt->bytes, whole->bytes - prompt->bytes, "</think>");
}

// The answer without a <think> that the prompt has opened, and the white space that follows it there.
static const char *skip_opening(const nb_rendered *prompt, const char *answer)
{
    static const char open[] = "<think>";
    const char *at = answer + strspn(answer, " \t\r\n");
    size_t n_spaces = 0;
    if (!nb_chat_opens_reasoning(prompt->text, prompt->marks, prompt->bytes) || strncmp(at, open, sizeof open - 1) != 0)
        return answer;
    while (n_spaces < prompt->bytes && strchr(" \t\r\n", prompt->text[prompt->bytes - 1 - n_spaces]))
        n_spaces++;
    at += sizeof open - 1;
    return strncmp(at, prompt->text + prompt->bytes - n_spaces, n_spaces) == 0 ? at + n_spaces : at;
}

// What the template writes behind an answer: from its last byte on.
static size_t find_tail(const nb_rendered *whole)
{
    size_t at = whole->bytes;
    while (at > 0 && whole->marks[at - 1] != NB_MARK_ANSWER)
        at--;
    return at > 0 ? at : whole->bytes;
}

// Prompt and what is to be learnt, with their marks; the latter is the end of `whole`, or answer and tail put together.
static nb_rendered make_joined(const nb_rendered *prompt, const nb_rendered *whole, const char *answer)
{
    bool is_continued = continues(prompt, whole, answer);
    const char *begin = is_continued ? "" : skip_opening(prompt, answer);
    size_t n_answer = strlen(begin), tail = is_continued ? prompt->bytes : find_tail(whole);
    const struct {
        const char *text;
        const uint8_t *marks; // NULL: an answer's
        size_t bytes;
    } parts[] = {{prompt->text, prompt->marks, prompt->bytes},
                 {begin, NULL, n_answer},
                 {whole->text + tail, whole->marks + tail, whole->bytes - tail}};
    nb_rendered joined = {0};
    joined.text = nb_alloc(prompt->bytes + n_answer + whole->bytes - tail);
    joined.marks = nb_alloc(prompt->bytes + n_answer + whole->bytes - tail);
    for (size_t i = 0; i < NB_COUNT(parts); i++) {
        if (parts[i].bytes == 0)
            continue;
        memcpy(joined.text + joined.bytes, parts[i].text, parts[i].bytes);
        if (parts[i].marks)
            memcpy(joined.marks + joined.bytes, parts[i].marks, parts[i].bytes);
        else
            memset(joined.marks + joined.bytes, NB_MARK_ANSWER, parts[i].bytes);
        joined.bytes += parts[i].bytes;
    }
    return joined;
}

// The ids behind the prompt's. Where the prompt's last characters and the answer's first would make one token, the
// answer is tokenised by itself: in a chat the prompt is there before it.
static nb_status append_completion(nb_trace *trace, const nb_text *text, const nb_rendered *joined, size_t prompt_bytes,
                                   nb_error *error)
{
    size_t n_prompt = trace->n;
    nb_trace all = {0};
    nb_status status =
        append_text(&all, text, joined->text, joined->marks, joined->bytes, NB_TEXT_SPECIAL, true, error);
    bool is_prefix = status == NB_OK && all.n >= n_prompt &&
                     (n_prompt == 0 || memcmp(all.ids, trace->ids, n_prompt * sizeof *all.ids) == 0);
    for (size_t i = n_prompt; is_prefix && i < all.n; i++)
        append(trace, all.ids[i], true);
    if (status == NB_OK && !is_prefix)
        status = append_text(trace, text, joined->text + prompt_bytes, joined->marks + prompt_bytes,
                             joined->bytes - prompt_bytes, NB_TEXT_SPECIAL, true, error);
    nb_trace_release(&all);
    return status;
}

static nb_status encode_rendered(nb_trace *trace, const nb_text *text, const nb_rendered *prompt,
                                 const nb_rendered *whole, const char *answer, nb_error *error)
{
    NB_TRY(append_prompt(trace, text, prompt, error));
    size_t begin = trace->n;
    nb_rendered joined = make_joined(prompt, whole, answer);
    nb_status status = append_completion(trace, text, &joined, prompt->bytes, error);
    nb_rendered_release(&joined);
    if (status == NB_OK)
        end_answer(trace, text, begin);
    return status;
}

// `messages`: the last one is the assistant's.
static nb_status encode_messages(nb_trace *trace, const nb_text *text, json_t *messages, nb_error *error)
{
    size_t last = json_array_size(messages) - 1;
    const char *answer = json_string_value(json_object_get(json_array_get(messages, last), "content"));
    nb_chat_options options = nb_chat_defaults();
    nb_rendered prompt = {0}, whole = {0};
    options.add_generation_prompt = false;
    nb_status status = nb_chat_render_marked(text, messages, &options, &whole, error);
    json_t *before = json_copy(messages); // shares the messages themselves
    if (status == NB_OK && (!before || json_array_remove(before, last) != 0))
        status = nb_error_set(error, NB_ERR_SYSTEM, "out of memory for a trace");
    options.add_generation_prompt = true;
    if (status == NB_OK)
        status = nb_chat_render_marked(text, before, &options, &prompt, error);
    if (status == NB_OK)
        status = encode_rendered(trace, text, &prompt, &whole, answer, error);
    json_decref(before);
    nb_rendered_release(&prompt);
    nb_rendered_release(&whole);
    return status;
}

// ---- the three kinds of line --------------------------------------------------------------------------------------

static nb_status encode_plain(nb_trace *trace, const nb_text *text, const char *prompt, const char *response,
                              nb_error *error)
{
    NB_TRY(append_text(trace, text, prompt, NULL, strlen(prompt), NB_TEXT_ADD, false, error));
    NB_TRY(append_text(trace, text, response, NULL, strlen(response), 0, true, error));
    if (text->n_stop_ids > 0)
        append(trace, text->stop_ids[0], true);
    return NB_OK;
}

static nb_status encode_pair(nb_trace *trace, const nb_text *text, const nb_json_reader *reader)
{
    const char *prompt, *response;
    NB_TRY(nb_json_string(reader, "prompt", NB_JSON_REQUIRED, &prompt));
    NB_TRY(nb_json_string(reader, "response", NB_JSON_REQUIRED, &response));
    if (!text->chat_template)
        return encode_plain(trace, text, prompt, response, reader->error);
    json_t *messages = json_pack("[{s:s, s:s}, {s:s, s:s}]", "role", "user", "content", prompt, "role", "assistant",
                                 "content", response);
    if (!messages)
        return nb_error_set(reader->error, NB_ERR_SYSTEM, "out of memory for a trace");
    nb_status status = encode_messages(trace, text, messages, reader->error);
    json_decref(messages);
    return status;
}

static nb_status encode_chat(nb_trace *trace, const nb_text *text, const nb_json_reader *reader)
{
    const json_t *messages;
    NB_TRY(nb_json_array(reader, "messages", NB_JSON_REQUIRED, &messages));
    size_t n = json_array_size(messages);
    for (size_t i = 0; i < n; i++)
        if (!json_is_string(json_object_get(json_array_get(messages, i), "role")) ||
            !json_is_string(json_object_get(json_array_get(messages, i), "content")))
            return nb_json_unexpected(reader, "messages", "objects with strings role and content",
                                      json_array_get(messages, i));
    const json_t *last = n > 0 ? json_object_get(json_array_get(messages, n - 1), "role") : NULL;
    if (!last || strcmp(json_string_value(last), "assistant") != 0)
        return nb_json_unexpected(reader, "messages", "the last message to be the assistant's", last);
    return encode_messages(trace, text, (json_t *)messages, reader->error);
}

static nb_status encode_ids(nb_trace *trace, const nb_json_reader *reader)
{
    const json_t *ids, *mask;
    NB_TRY(nb_json_array(reader, "ids", NB_JSON_REQUIRED, &ids));
    NB_TRY(nb_json_array(reader, "mask", NB_JSON_REQUIRED, &mask));
    if (json_array_size(ids) != json_array_size(mask))
        return nb_error_set(reader->error, NB_ERR_INPUT, "expected as many mask values as ids, %zu, found %zu",
                            json_array_size(ids), json_array_size(mask));
    for (size_t i = 0; i < json_array_size(ids); i++) {
        const json_t *id = json_array_get(ids, i), *target = json_array_get(mask, i);
        if (!json_is_integer(id) || json_integer_value(id) < 0 || json_integer_value(id) > INT32_MAX)
            return nb_json_unexpected(reader, "ids", "token ids", id);
        if (!json_is_integer(target) || (json_integer_value(target) | 1) != 1)
            return nb_json_unexpected(reader, "mask", "0 or 1", target);
        append(trace, (int32_t)json_integer_value(id), json_integer_value(target) != 0);
    }
    return NB_OK;
}

static nb_status encode_object(nb_trace *trace, const nb_text *text, const nb_json_reader *reader)
{
    if (nb_json_find(reader, "ids"))
        return encode_ids(trace, reader);
    bool is_chat = nb_json_find(reader, "messages") != NULL;
    if (!is_chat && !nb_json_find(reader, "prompt"))
        return nb_error_set(reader->error, NB_ERR_INPUT,
                            "expected prompt and response, or messages, or ids and mask, found none of them");
    if (!text)
        return nb_error_set(reader->error, NB_ERR_INPUT,
                            "expected ids and mask, since the model has no tokenizer.json, found text");
    return is_chat ? encode_chat(trace, text, reader) : encode_pair(trace, text, reader);
}

// The token that begins a document is never predicted.
static bool has_target(const nb_trace *trace)
{
    return trace->n > 1 && memchr(trace->mask + 1, 1, trace->n - 1) != NULL;
}

nb_status nb_trace_encode(nb_trace *trace, const nb_text *text, const char *line, size_t bytes, nb_error *error)
{
    json_t *root;
    trace->n = 0;
    NB_TRY(nb_json_parse(&root, line, bytes, MAX_LINE_VALUES, "trace", error));
    nb_json_reader reader = {root, "trace", error};
    nb_status status = encode_object(trace, text, &reader);
    json_decref(root);
    if (status == NB_OK && !has_target(trace))
        status = nb_error_set(error, NB_ERR_INPUT, "expected a token to learn, found none among the %zu", trace->n);
    return status;
}
