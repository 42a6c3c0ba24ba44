// SPDX-License-Identifier: Apache-2.0
#include "apps/qat/tokenizer_train.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/bytelevel.h"

uint8_t nb_bpe_train_byte(uint32_t id)
{
    for (uint32_t code = 0, n = 0; code <= 0x143; code++) // the alphabet ends with U+0143
        if (nb_bytelevel_byte(code) >= 0 && n++ == id)
            return (uint8_t)nb_bytelevel_byte(code);
    return 0;
}

uint32_t nb_bpe_train_byte_id(uint8_t byte)
{
    uint32_t n = 0;
    for (uint32_t code = 0; nb_bytelevel_byte(code) != byte; code++)
        n += nb_bytelevel_byte(code) >= 0;
    return n;
}

static nb_status out_of_memory(nb_error *error)
{
    return nb_error_set(error, NB_ERR_SYSTEM, "out of memory");
}

nb_status nb_bpe_trainer_open(nb_bpe_trainer *trainer, nb_error *error)
{
    memset(trainer, 0, sizeof *trainer);
    trainer->capacity = 1024;
    trainer->words = calloc(trainer->capacity, sizeof *trainer->words);
    trainer->merges = calloc(NB_TRAIN_MAX_TOKENS, sizeof *trainer->merges);
    if (!trainer->words || !trainer->merges)
        return out_of_memory(error);
    nb_step *step = &trainer->pretokenizer.steps[0];
    step->behaviour = NB_ISOLATED;
    NB_TRY(nb_pattern_regex(&step->pattern, NB_TRACES_PATTERN, strlen(NB_TRACES_PATTERN), "pattern", error));
    trainer->pretokenizer.n_steps = 1;
    trainer->pretokenizer.is_byte_level = true;
    return nb_matcher_create(&trainer->scratch.matcher, error);
}

void nb_bpe_trainer_release(nb_bpe_trainer *trainer)
{
    for (size_t i = 0; trainer->words && i < trainer->capacity; i++) {
        free(trainer->words[i].text);
        free(trainer->words[i].ids);
    }
    free(trainer->words);
    free(trainer->merges);
    nb_matcher_free(trainer->scratch.matcher);
    nb_pretokenize_scratch_release(&trainer->scratch);
    nb_pretokenizer_release(&trainer->pretokenizer);
    memset(trainer, 0, sizeof *trainer);
}

// ---- words ----------------------------------------------------------------------------------------------------------

static nb_bpe_train_word *find_word(const nb_bpe_trainer *trainer, const char *text, size_t bytes)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325); // FNV-1a
    for (size_t i = 0; i < bytes; i++)
        hash = (hash ^ (uint8_t)text[i]) * UINT64_C(0x100000001b3);
    for (size_t at = hash % trainer->capacity;; at = (at + 1) % trainer->capacity) {
        nb_bpe_train_word *word = &trainer->words[at];
        if (!word->text || (word->bytes == bytes && memcmp(word->text, text, bytes) == 0))
            return word;
    }
}

static bool grow(nb_bpe_trainer *trainer)
{
    nb_bpe_train_word *old = trainer->words;
    size_t n_old = trainer->capacity;
    nb_bpe_train_word *words = calloc(n_old * 2, sizeof *words);
    if (!words)
        return false;
    trainer->words = words;
    trainer->capacity *= 2;
    for (size_t i = 0; i < n_old; i++)
        if (old[i].text)
            *find_word(trainer, old[i].text, old[i].bytes) = old[i];
    free(old);
    return true;
}

static bool fill_word(nb_bpe_train_word *word, const char *text, size_t bytes)
{
    word->ids = malloc(bytes * sizeof *word->ids);
    word->text = malloc(bytes);
    if (!word->ids || !word->text) {
        free(word->ids);
        free(word->text);
        memset(word, 0, sizeof *word);
        return false;
    }
    memcpy(word->text, text, bytes);
    word->bytes = bytes;
    word->n_ids = (uint32_t)bytes;
    for (size_t i = 0; i < bytes; i++)
        word->ids[i] = (uint16_t)nb_bpe_train_byte_id((uint8_t)text[i]);
    return true;
}

typedef struct counting {
    nb_bpe_trainer *trainer;
    uint64_t times;
    nb_error *error;
} counting;

static nb_status count_word(void *user, const char *text, size_t bytes)
{
    const counting *job = user;
    nb_bpe_trainer *trainer = job->trainer;
    if (bytes > NB_TRAIN_MAX_WORD_BYTES) // nothing that is to be one token
        return NB_OK;
    if (trainer->n_words * 2 >= trainer->capacity && !grow(trainer))
        return out_of_memory(job->error);
    nb_bpe_train_word *word = find_word(trainer, text, bytes);
    if (!word->text) {
        if (!fill_word(word, text, bytes))
            return out_of_memory(job->error);
        trainer->n_words++;
    }
    word->count += job->times;
    return NB_OK;
}

nb_status nb_bpe_trainer_add(nb_bpe_trainer *trainer, const char *text, size_t bytes, uint64_t times, nb_error *error)
{
    counting job = {trainer, times, error};
    return nb_pretokenize(&trainer->pretokenizer, &trainer->scratch, text, bytes, true, count_word, &job, error);
}

// ---- merges ---------------------------------------------------------------------------------------------------------

// How often each pair stands in the words: counts[left * n_tokens + right].
static void count_pairs(uint64_t *counts, uint32_t n_tokens, const nb_bpe_train_word *word, bool is_added)
{
    for (uint32_t i = 0; i + 1 < word->n_ids; i++)
        counts[(size_t)word->ids[i] * n_tokens + word->ids[i + 1]] += is_added ? word->count : -word->count;
}

static bool has_pair(const nb_bpe_train_word *word, nb_bpe_train_pair pair)
{
    for (uint32_t i = 0; i + 1 < word->n_ids; i++)
        if (word->ids[i] == pair.left && word->ids[i + 1] == pair.right)
            return true;
    return false;
}

static void merge_in(nb_bpe_train_word *word, nb_bpe_train_pair pair, uint16_t id)
{
    uint32_t to = 0;
    for (uint32_t from = 0; from < word->n_ids; from++) {
        bool is_pair = from + 1 < word->n_ids && word->ids[from] == pair.left && word->ids[from + 1] == pair.right;
        word->ids[to++] = is_pair ? id : word->ids[from];
        from += is_pair;
    }
    word->n_ids = to;
}

// Count 0: no pair is left.
static uint64_t best_pair(const uint64_t *counts, uint32_t stride, uint32_t n_tokens, nb_bpe_train_pair *pair)
{
    uint64_t best = 0;
    for (uint32_t left = 0; left < n_tokens; left++)
        for (uint32_t right = 0; right < n_tokens; right++)
            if (counts[(size_t)left * stride + right] > best) {
                best = counts[(size_t)left * stride + right];
                *pair = (nb_bpe_train_pair){(uint16_t)left, (uint16_t)right};
            }
    return best;
}

nb_status nb_bpe_trainer_run(nb_bpe_trainer *trainer, uint32_t n_merges, nb_error *error)
{
    NB_ASSERT(n_merges <= NB_TRAIN_MAX_TOKENS - NB_TRAIN_BYTES);
    uint32_t stride = NB_TRAIN_BYTES + n_merges;
    uint64_t *counts = calloc((size_t)stride * stride, sizeof *counts);
    if (!counts)
        return out_of_memory(error);
    for (size_t i = 0; i < trainer->capacity; i++)
        count_pairs(counts, stride, &trainer->words[i], true);
    nb_bpe_train_pair pair = {0, 0};
    for (; trainer->n_merges < n_merges; trainer->n_merges++) {
        uint32_t id = NB_TRAIN_BYTES + trainer->n_merges;
        if (best_pair(counts, stride, id, &pair) == 0)
            break;
        trainer->merges[trainer->n_merges] = pair;
        for (size_t i = 0; i < trainer->capacity; i++)
            if (has_pair(&trainer->words[i], pair)) {
                count_pairs(counts, stride, &trainer->words[i], false);
                merge_in(&trainer->words[i], pair, (uint16_t)id);
                count_pairs(counts, stride, &trainer->words[i], true);
            }
    }
    free(counts);
    return NB_OK;
}
