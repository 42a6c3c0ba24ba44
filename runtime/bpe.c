// SPDX-License-Identifier: Apache-2.0
#include "runtime/bpe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/bytelevel.h"
#include "runtime/utf8.h"

// One symbol of the word being merged: a doubly linked list in an array. A symbol that was merged away has id -1.
typedef struct symbol {
    int32_t id;
    int32_t previous, next; // -1: none
} symbol;

nb_status nb_bpe_create(nb_bpe *bpe, const nb_vocab *vocab, uint32_t n_merges, nb_error *error)
{
    *bpe = (nb_bpe){.vocab = vocab, .unk_id = -1};
    uint32_t n_slots = 16;
    while (n_slots < n_merges + n_merges / 2)
        n_slots *= 2;
    bpe->mask = n_slots - 1;
    bpe->merges = calloc(nb_max(n_merges, 1), sizeof *bpe->merges);
    bpe->slots = malloc(n_slots * sizeof *bpe->slots);
    if (!bpe->merges || !bpe->slots) {
        nb_bpe_release(bpe);
        return nb_error_set(error, NB_ERR_SYSTEM, "%u merges do not fit memory", n_merges);
    }
    memset(bpe->slots, 0xff, n_slots * sizeof *bpe->slots);
    return NB_OK;
}

void nb_bpe_release(nb_bpe *bpe)
{
    free(bpe->merges);
    free(bpe->slots);
    *bpe = (nb_bpe){0};
}

static nb_merge_slot *find_slot(const nb_bpe *bpe, int32_t left, int32_t right)
{
    uint64_t hash = nb_hash_mix((uint64_t)(uint32_t)left << 32 | (uint32_t)right);
    for (uint32_t i = 0; i < NB_VOCAB_PROBES_MAX; i++) {
        nb_merge_slot *slot = &bpe->slots[(hash + i) & bpe->mask];
        if (slot->left < 0 || (slot->left == left && slot->right == right))
            return slot;
    }
    return NULL;
}

static nb_status find_part(const nb_bpe *bpe, const char *text, size_t bytes, int32_t *id, nb_error *error)
{
    *id = nb_vocab_find(bpe->vocab, text, bytes);
    if (*id < 0)
        return nb_error_set(error, NB_ERR_INPUT,
                            "tokenizer.json: model.merges[%u]; expected tokens of the vocabulary, found '%.*s'",
                            bpe->n_merges, (int)nb_min(bytes, 60), text);
    return NB_OK;
}

nb_status nb_bpe_add_merge(nb_bpe *bpe, nb_buffer *joined, const char *left, size_t left_bytes, const char *right,
                           size_t right_bytes, nb_error *error)
{
    nb_merge merge;
    joined->bytes = 0;
    if (!nb_buffer_append(joined, left, left_bytes) || !nb_buffer_append(joined, right, right_bytes))
        return nb_error_set(error, NB_ERR_SYSTEM, "merges do not fit memory");
    NB_TRY(find_part(bpe, left, left_bytes, &merge.left, error));
    NB_TRY(find_part(bpe, right, right_bytes, &merge.right, error));
    NB_TRY(find_part(bpe, joined->data, joined->bytes, &merge.result, error));
    nb_merge_slot *slot = find_slot(bpe, merge.left, merge.right);
    if (!slot)
        return nb_error_set(error, NB_ERR_INPUT,
                            "tokenizer.json: model.merges; expected pairs that hash evenly, found "
                            "over %d that collide",
                            NB_VOCAB_PROBES_MAX);
    *slot = (nb_merge_slot){merge.left, merge.right, bpe->n_merges};
    bpe->merges[bpe->n_merges++] = merge;
    return NB_OK;
}

void nb_bpe_find_bytes(nb_bpe *bpe)
{
    for (int byte = 0; byte < 256; byte++) {
        char name[8];
        size_t bytes;
        if (bpe->is_byte_level)
            bytes = nb_utf8_write(nb_bytelevel_char((uint8_t)byte), name);
        else
            bytes = (size_t)snprintf(name, sizeof name, "<0x%02X>", byte);
        int32_t id = nb_vocab_find(bpe->vocab, name, bytes);
        bpe->byte_ids[byte] = id >= 0 && bpe->vocab->tokens[id].is_outside ? -1 : id;
    }
}

// ---- the word as a list of symbols --------------------------------------------------------------------------

static void add_symbol(nb_buffer *symbols, int32_t id)
{
    symbol *list = (symbol *)symbols->data;
    int32_t n = (int32_t)(symbols->bytes / sizeof *list);
    list[n] = (symbol){id, n - 1, n + 1};
    symbols->bytes += sizeof *list;
}

// True when every byte of a character has a "<0xNN>" token; adds them.
static bool add_fallback(const nb_bpe *bpe, nb_buffer *symbols, const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        if (bpe->byte_ids[(unsigned char)text[i]] < 0)
            return false;
    for (size_t i = 0; i < bytes; i++)
        add_symbol(symbols, bpe->byte_ids[(unsigned char)text[i]]);
    return true;
}

// An unknown character is remembered and written before the next known one: the order the Python package gives.
static void list_chars(const nb_bpe *bpe, nb_buffer *symbols, const char *word, size_t bytes)
{
    bool is_pending = false;
    for (size_t i = 0, length; i < bytes; i += length) {
        length = nb_utf8_read(word + i, bytes - i).bytes;
        int32_t id = nb_vocab_find_plain(bpe->vocab, word + i, length);
        if (id >= 0) {
            if (is_pending)
                add_symbol(symbols, bpe->unk_id);
            is_pending = false;
            add_symbol(symbols, id);
        } else if (bpe->has_byte_fallback && add_fallback(bpe, symbols, word + i, length)) {
            continue;
        } else if (bpe->unk_id >= 0) {
            if (is_pending && !bpe->fuses_unk)
                add_symbol(symbols, bpe->unk_id);
            is_pending = true;
        }
    }
    if (is_pending)
        add_symbol(symbols, bpe->unk_id);
}

static void list_bytes(const nb_bpe *bpe, nb_buffer *symbols, const char *word, size_t bytes)
{
    bool is_pending = false;
    for (size_t i = 0; i < bytes; i++) {
        int32_t id = bpe->byte_ids[(unsigned char)word[i]];
        if (id < 0 && bpe->unk_id < 0)
            continue;
        if (is_pending && (id >= 0 || !bpe->fuses_unk))
            add_symbol(symbols, bpe->unk_id);
        is_pending = id < 0;
        if (id >= 0)
            add_symbol(symbols, id);
    }
    if (is_pending)
        add_symbol(symbols, bpe->unk_id);
}

// ---- merging ------------------------------------------------------------------------------------------------
// The heap holds rank << 32 | position, so the smallest key is the lowest rank and, among equals, the leftmost. Entries
// are not removed when their pair changes; a popped entry counts only if its symbols are still that rank's pair.

static void heap_push(uint64_t *heap, size_t *n, uint64_t key)
{
    size_t i = (*n)++;
    for (; i > 0 && heap[(i - 1) / 2] > key; i = (i - 1) / 2)
        heap[i] = heap[(i - 1) / 2];
    heap[i] = key;
}

static uint64_t heap_pop(uint64_t *heap, size_t *n)
{
    uint64_t top = heap[0], last = heap[--*n];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < *n; i = child) {
        child += child + 1 < *n && heap[child + 1] < heap[child];
        if (heap[child] >= last)
            break;
        heap[i] = heap[child];
    }
    heap[i] = last;
    return top;
}

static void push_pair(const nb_bpe *bpe, const symbol *list, int32_t left, uint64_t *heap, size_t *n)
{
    const nb_merge_slot *slot = find_slot(bpe, list[left].id, list[list[left].next].id);
    if (slot && slot->left >= 0 && !bpe->vocab->tokens[bpe->merges[slot->rank].result].is_special)
        heap_push(heap, n, (uint64_t)slot->rank << 32 | (uint32_t)left);
}

// `heap` has room for 2 * n_symbols keys: n - 1 at first, and each of n - 1 merges takes one and adds at most two.
static void merge_symbols(const nb_bpe *bpe, symbol *list, size_t n_symbols, uint64_t *heap)
{
    size_t n = 0;
    list[n_symbols - 1].next = -1;
    for (size_t i = 0; i + 1 < n_symbols; i++)
        push_pair(bpe, list, (int32_t)i, heap, &n);
    while (n > 0) {
        uint64_t key = heap_pop(heap, &n);
        const nb_merge *merge = &bpe->merges[key >> 32];
        symbol *left = &list[(uint32_t)key];
        if (left->id != merge->left || left->next < 0 || list[left->next].id != merge->right)
            continue;
        symbol *right = &list[left->next];
        left->id = merge->result;
        left->next = right->next;
        right->id = -1;
        if (left->next >= 0) {
            list[left->next].previous = (int32_t)(left - list);
            push_pair(bpe, list, (int32_t)(left - list), heap, &n);
        }
        if (left->previous >= 0)
            push_pair(bpe, list, left->previous, heap, &n);
    }
}

static bool append_symbols(const symbol *list, nb_buffer *ids)
{
    for (int32_t i = 0; i >= 0; i = list[i].next)
        if (!nb_buffer_append(ids, &list[i].id, sizeof list[i].id))
            return false;
    return true;
}

// The id of the whole word, -1: none. Byte-level words are spelt in the alphabet first.
static int32_t find_word(const nb_bpe *bpe, nb_buffer *spelling, const char *word, size_t bytes)
{
    if (!bpe->is_byte_level)
        return nb_vocab_find_plain(bpe->vocab, word, bytes);
    for (size_t i = 0; i < bytes; i++)
        spelling->bytes += nb_utf8_write(nb_bytelevel_char((uint8_t)word[i]), spelling->data + spelling->bytes);
    return nb_vocab_find_plain(bpe->vocab, spelling->data, spelling->bytes);
}

bool nb_bpe_encode(const nb_bpe *bpe, nb_bpe_scratch *scratch, const char *word, size_t bytes, nb_buffer *ids)
{
    NB_ASSERT(bytes > 0 && bytes <= INT32_MAX / 8);
    if (bpe->ignores_merges) {
        scratch->spelling.bytes = 0;
        if (!nb_buffer_reserve(&scratch->spelling, 2 * bytes))
            return false;
        int32_t id = find_word(bpe, &scratch->spelling, word, bytes);
        if (id >= 0)
            return nb_buffer_append(ids, &id, sizeof id);
    }
    scratch->symbols.bytes = 0;
    if (!nb_buffer_reserve(&scratch->symbols, bytes * sizeof(symbol)))
        return false;
    if (bpe->is_byte_level)
        list_bytes(bpe, &scratch->symbols, word, bytes);
    else
        list_chars(bpe, &scratch->symbols, word, bytes);
    size_t n_symbols = scratch->symbols.bytes / sizeof(symbol);
    if (n_symbols == 0)
        return true;
    if (!nb_buffer_reserve(&scratch->heap, 2 * n_symbols * sizeof(uint64_t)))
        return false;
    symbol *list = (symbol *)scratch->symbols.data;
    merge_symbols(bpe, list, n_symbols, (uint64_t *)scratch->heap.data);
    return append_symbols(list, ids);
}

void nb_bpe_scratch_release(nb_bpe_scratch *scratch)
{
    nb_buffer_free(&scratch->symbols);
    nb_buffer_free(&scratch->heap);
    nb_buffer_free(&scratch->spelling);
}
