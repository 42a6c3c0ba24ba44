// SPDX-License-Identifier: Apache-2.0
// A line of a traces file (first byte: without a tokenizer, with a template that opens <think>, with one that takes
// answers apart), and a store of traces: refused with a sentence, or sound.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apps/qat/trace_encode.h"
#include "apps/qat/trace_store.h"

static const char tokenizer[] =
    "{\"added_tokens\":[{\"id\":4,\"content\":\"<|im_end|>\",\"special\":true,\"single_word\":false,\"lstrip\":false,"
    "\"rstrip\":false,\"normalized\":false},{\"id\":5,\"content\":\"<think>\",\"special\":false,\"single_word\":false,"
    "\"lstrip\":false,\"rstrip\":false,\"normalized\":false},{\"id\":6,\"content\":\"</think>\",\"special\":false,"
    "\"single_word\":false,\"lstrip\":false,\"rstrip\":false,\"normalized\":false}],\"normalizer\":null,"
    "\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":true},"
    "\"decoder\":{\"type\":\"ByteLevel\"},\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"ab\":2,\"Ċ\":3},"
    "\"merges\":[[\"a\",\"b\"]]}}";
static const char opening[] = "{% for m in messages %}{{ m.content + '<|im_end|>' }}{% endfor %}"
                              "{% if add_generation_prompt %}{{ 'b\\n<think>\\n' }}{% endif %}";
static const char apart[] = "{% for m in messages %}{% if m.role == 'assistant' %}{{ '<think>' + "
                            "m.content.split('</think>')[0] + '</think>' + m.content.split('</think>')[-1] + "
                            "'<|im_end|>' }}{% else %}{{ m.content }}{% endif %}{% endfor %}";

static nb_text *texts[3]; // the first stays NULL

static void put(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    if (!file || fputs(text, file) < 0 || fclose(file) != 0)
        abort();
}

static nb_text *make_text(const char *template)
{
    char directory[] = "/tmp/nibble-fuzz-XXXXXX", paths[2][80];
    nb_text *text;
    nb_error error = {0};
    if (!mkdtemp(directory))
        abort();
    snprintf(paths[0], sizeof paths[0], "%s/tokenizer.json", directory);
    snprintf(paths[1], sizeof paths[1], "%s/chat_template.jinja", directory);
    put(paths[0], tokenizer);
    put(paths[1], template);
    if (nb_text_open(&text, directory, &error) != NB_OK) {
        fprintf(stderr, "%s\n", error.text);
        abort();
    }
    unlink(paths[0]);
    unlink(paths[1]);
    rmdir(directory);
    return text;
}

static void check_store(const uint8_t *data, size_t size)
{
    nb_traces traces;
    uint64_t n_targets = 0;
    uint8_t *copy = malloc(size + 1); // aligned
    memcpy(copy, data, size);
    if (nb_traces_parse(&traces, copy, size, 1000, "store", NULL) == NB_OK) {
        for (uint64_t i = 0; i < traces.n_tokens; i++)
            n_targets += traces.mask[i];
        NB_ASSERT(traces.n_targets <= n_targets && traces.starts[traces.n_documents] == traces.n_tokens);
    }
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!texts[1]) {
        texts[1] = make_text(opening);
        texts[2] = make_text(apart);
    }
    if (size == 0)
        return 0;
    check_store(data, size);
    nb_trace trace = {0};
    nb_error error = {0};
    if (nb_trace_encode(&trace, texts[data[0] % 3], (const char *)data + 1, size - 1, &error) != NB_OK) {
        NB_ASSERT(error.text[0] != 0 && !strchr(error.text, '\n'));
    } else {
        NB_ASSERT(trace.n > 1 && memchr(trace.mask + 1, 1, trace.n - 1));
        for (size_t i = 0; i < trace.n; i++)
            NB_ASSERT(trace.ids[i] >= 0 && trace.mask[i] <= 1);
    }
    nb_trace_release(&trace);
    return 0;
}
