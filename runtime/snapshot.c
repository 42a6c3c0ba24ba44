// SPDX-License-Identifier: Apache-2.0
#include "runtime/snapshot.h"

#include <openssl/evp.h>
#include <string.h>

#include "platform/file.h"

enum { HASH_BYTES = 32 };
static const char magic[8] = "nbsnap1\n";

// Everything that must agree before ring bytes mean anything. No padding: 8 and 4 byte fields in order.
typedef struct header {
    uint64_t total_bytes; // of the file, hash included
    uint32_t format, n_layers, n_kv_heads, head_dim, n_ctx, n_sinks, vocab_size;
    uint32_t length, high, has_logits;
    uint8_t model[HASH_BYTES]; // fingerprint
} header;

_Static_assert(sizeof(header) == 8 + 10 * 4 + HASH_BYTES, "the header is written as it lies in memory");

// ---- hashing ------------------------------------------------------------------------------------------------------

static nb_status no_hash(nb_error *error)
{
    return nb_error_set(error, NB_ERR_SYSTEM, "cannot compute a SHA-256; expected memory for libcrypto");
}

static bool hash_bytes(EVP_MD_CTX *hash, const void *data, size_t bytes)
{
    return !data || EVP_DigestUpdate(hash, data, bytes) == 1;
}

static bool hash_weight(EVP_MD_CTX *hash, const nb_weight *weight)
{
    // The first rows tell two models apart; hashing gigabytes at each save would not be bearable.
    size_t n_rows = nb_min(weight->n_rows, 16), n = n_rows * weight->n_cols;
    size_t bytes = weight->format == NB_FORMAT_NVFP4 ? n / 2 : weight->format == NB_FORMAT_F32 ? n * 4 : n * 2;
    const float numbers[] = {weight->global_scale, weight->input_scale, (float)weight->format};
    return hash_bytes(hash, weight->data, bytes) && hash_bytes(hash, weight->scales, n / 16) &&
           hash_bytes(hash, numbers, sizeof numbers) &&
           hash_bytes(hash, weight->bias, weight->n_rows * sizeof *weight->bias);
}

static bool hash_layer(EVP_MD_CTX *hash, const nb_config *c, const nb_layer *layer)
{
    const nb_weight *weights[] = {&layer->q, &layer->k, &layer->v, &layer->o, &layer->gate, &layer->up, &layer->down};
    const float scales[] = {layer->k_scale, layer->v_scale};
    bool ok = hash_bytes(hash, layer->attention_norm, c->hidden_size * sizeof(float)) &&
              hash_bytes(hash, layer->mlp_norm, c->hidden_size * sizeof(float)) &&
              hash_bytes(hash, layer->q_norm, c->head_dim * sizeof(float)) &&
              hash_bytes(hash, layer->k_norm, c->head_dim * sizeof(float)) &&
              hash_bytes(hash, layer->k_shift, (size_t)c->n_kv_heads * c->head_dim * sizeof(float)) &&
              hash_bytes(hash, scales, sizeof scales);
    for (size_t i = 0; ok && i < NB_COUNT(weights); i++)
        ok = hash_weight(hash, weights[i]);
    return ok;
}

// Everything that decides the angles: the table holds those of a dynamic one only up to its trained length.
static bool hash_rope(EVP_MD_CTX *hash, const nb_rope_table *table)
{
    const nb_rope *rope = &table->rope;
    const double numbers[] = {(double)rope->kind, rope->theta, rope->factor, rope->original_max_positions,
                              rope->attention_factor};
    return hash_bytes(hash, numbers, sizeof numbers) &&
           hash_bytes(hash, table->frequencies, table->n_pairs * sizeof *table->frequencies);
}

// SHA-256 over what decides the contents of a ring; of large matrices samples.
static bool fingerprint(const nb_engine *engine, uint8_t digest[HASH_BYTES])
{
    const nb_model *model = &engine->model;
    const nb_config *c = &model->config;
    const uint32_t shape[] = {c->hidden_size, c->ffn_size, c->n_layers,   c->n_heads,
                              c->n_kv_heads,  c->head_dim, c->vocab_size, (uint32_t)engine->act};
    EVP_MD_CTX *hash = EVP_MD_CTX_new();
    if (!hash)
        return false;
    bool ok = EVP_DigestInit_ex(hash, EVP_sha256(), NULL) == 1 && hash_bytes(hash, shape, sizeof shape) &&
              hash_bytes(hash, &c->norm_epsilon, sizeof c->norm_epsilon) && hash_rope(hash, &engine->rope) &&
              hash_bytes(hash, model->final_norm, c->hidden_size * sizeof *model->final_norm) &&
              hash_weight(hash, &model->embedding) && hash_weight(hash, &model->head);
    for (uint32_t i = 0; ok && i < c->n_layers; i++)
        ok = hash_layer(hash, c, &model->layers[i]);
    ok = ok && EVP_DigestFinal_ex(hash, digest, NULL) == 1;
    EVP_MD_CTX_free(hash);
    return ok;
}

// ---- the ring's used bytes ----------------------------------------------------------------------------------------

static size_t used_k_bytes(const nb_ring *ring, uint32_t high)
{
    size_t slots = nb_min(nb_align_up(high, NB_KV_TILE), ring->n_slots);
    return slots * nb_kv_vector_bytes(ring->format, ring->head_dim);
}

static size_t used_v_bytes(const nb_ring *ring, uint32_t high)
{
    return nb_min(high, ring->n_slots) * nb_kv_vector_bytes(ring->format, ring->head_dim);
}

static uint64_t file_bytes(const nb_session *session, uint32_t length, uint32_t high, bool has_logits)
{
    const nb_ring *ring = &session->buffers.ring;
    uint64_t heads = (uint64_t)ring->n_layers * ring->n_kv_heads;
    return sizeof magic + sizeof(header) + (uint64_t)length * sizeof(int32_t) +
           (has_logits ? (uint64_t)session->engine->model.config.vocab_size * sizeof(float) : 0) +
           heads * (used_k_bytes(ring, high) + used_v_bytes(ring, high)) + HASH_BYTES;
}

// ---- save ---------------------------------------------------------------------------------------------------------

typedef struct sink {
    nb_writer writer;
    EVP_MD_CTX *hash;
} sink;

static nb_status put(sink *out, const void *data, size_t bytes, nb_error *error)
{
    if (EVP_DigestUpdate(out->hash, data, bytes) != 1)
        return no_hash(error);
    return nb_writer_write(&out->writer, data, bytes, error);
}

static nb_status put_session(sink *out, const nb_session *session, const header *head, nb_error *error)
{
    const nb_session_buffers *b = &session->buffers;
    NB_TRY(put(out, magic, sizeof magic, error));
    NB_TRY(put(out, head, sizeof *head, error));
    NB_TRY(put(out, b->ids, head->length * sizeof *b->ids, error));
    if (head->has_logits)
        NB_TRY(put(out, b->logits, head->vocab_size * sizeof *b->logits, error));
    for (uint32_t layer = 0; layer < b->ring.n_layers; layer++)
        for (uint32_t head_index = 0; head_index < b->ring.n_kv_heads; head_index++) {
            NB_TRY(put(out, nb_ring_k(&b->ring, layer, head_index), used_k_bytes(&b->ring, head->high), error));
            NB_TRY(put(out, nb_ring_v(&b->ring, layer, head_index), used_v_bytes(&b->ring, head->high), error));
        }
    uint8_t digest[HASH_BYTES];
    if (EVP_DigestFinal_ex(out->hash, digest, NULL) != 1)
        return no_hash(error);
    NB_TRY(nb_writer_write(&out->writer, digest, sizeof digest, error));
    return nb_writer_commit(&out->writer, error);
}

static bool make_header(const nb_session *session, header *head)
{
    const nb_ring *ring = &session->buffers.ring;
    *head = (header){.total_bytes = file_bytes(session, session->length, session->high, session->has_logits),
                     .format = ring->format,
                     .n_layers = ring->n_layers,
                     .n_kv_heads = ring->n_kv_heads,
                     .head_dim = ring->head_dim,
                     .n_ctx = ring->n_ctx,
                     .n_sinks = ring->n_sinks,
                     .vocab_size = session->engine->model.config.vocab_size,
                     .length = session->length,
                     .high = session->high,
                     .has_logits = session->has_logits};
    return fingerprint(session->engine, head->model);
}

nb_status nb_session_save(const nb_session *session, const char *path, nb_error *error)
{
    header head;
    sink out = {.hash = EVP_MD_CTX_new()};
    nb_status status = NB_OK;
    if (!out.hash || !make_header(session, &head) || EVP_DigestInit_ex(out.hash, EVP_sha256(), NULL) != 1)
        status = no_hash(error);
    if (status == NB_OK)
        status = nb_writer_open(&out.writer, path, error);
    if (status == NB_OK)
        status = put_session(&out, session, &head, error);
    nb_writer_abort(&out.writer);
    EVP_MD_CTX_free(out.hash);
    return status;
}

// ---- restore ------------------------------------------------------------------------------------------------------

static nb_status check_field(const char *name, uint32_t expected, uint32_t found, nb_error *error)
{
    if (expected == found)
        return NB_OK;
    return nb_error_set(error, NB_ERR_INPUT, "the snapshot is of another session: %s; expected %u, found %u", name,
                        expected, found);
}

static nb_status check_header(const nb_session *session, const header *head, size_t n_bytes, nb_error *error)
{
    header own;
    if (!make_header(session, &own))
        return no_hash(error);
    NB_TRY(check_field("layers", own.n_layers, head->n_layers, error));
    NB_TRY(check_field("KV heads", own.n_kv_heads, head->n_kv_heads, error));
    NB_TRY(check_field("head width", own.head_dim, head->head_dim, error));
    NB_TRY(check_field("vocabulary", own.vocab_size, head->vocab_size, error));
    NB_TRY(check_field("KV format", own.format, head->format, error));
    NB_TRY(check_field("context", own.n_ctx, head->n_ctx, error));
    NB_TRY(check_field("sinks", own.n_sinks, head->n_sinks, error));
    if (memcmp(own.model, head->model, HASH_BYTES) != 0)
        return nb_error_set(error, NB_ERR_INPUT,
                            "the snapshot was made with another model or other activations of the same shape");
    if (head->has_logits > 1 || head->high > session->shape.max_positions || head->length > head->high ||
        (head->has_logits && head->length == 0))
        return nb_error_set(error, NB_ERR_INPUT, "damaged snapshot: length %u, high %u; expected at most %u positions",
                            head->length, head->high, session->shape.max_positions);
    uint64_t expected = file_bytes(session, head->length, head->high, head->has_logits);
    if (n_bytes != expected || head->total_bytes != expected)
        return nb_error_set(error, NB_ERR_INPUT, "damaged snapshot; expected %llu bytes, found %zu",
                            (unsigned long long)expected, n_bytes);
    return NB_OK;
}

static nb_status check_hash(const uint8_t *bytes, size_t n_bytes, nb_error *error)
{
    uint8_t digest[HASH_BYTES];
    if (EVP_Digest(bytes, n_bytes - HASH_BYTES, digest, NULL, EVP_sha256(), NULL) != 1)
        return no_hash(error);
    if (memcmp(digest, bytes + n_bytes - HASH_BYTES, HASH_BYTES) != 0)
        return nb_error_set(error, NB_ERR_INPUT, "damaged snapshot; expected the SHA-256 it ends with, found another");
    return NB_OK;
}

static void take(const uint8_t **from, void *to, size_t bytes)
{
    memcpy(to, *from, bytes);
    *from += bytes;
}

nb_status nb_snapshot_read(nb_session *session, const uint8_t *bytes, size_t n_bytes, nb_error *error)
{
    nb_session_buffers *b = &session->buffers;
    header head;
    session->length = session->high = 0;
    session->has_logits = false;
    if (n_bytes < sizeof magic + sizeof head + HASH_BYTES || memcmp(bytes, magic, sizeof magic) != 0)
        return nb_error_set(error, NB_ERR_INPUT, "not a session snapshot; expected it to begin with \"nbsnap1\"");
    memcpy(&head, bytes + sizeof magic, sizeof head);
    NB_TRY(check_header(session, &head, n_bytes, error));
    NB_TRY(check_hash(bytes, n_bytes, error));
    const uint8_t *from = bytes + sizeof magic + sizeof head;
    take(&from, b->ids, head.length * sizeof *b->ids);
    for (uint32_t i = 0; i < head.length; i++)
        if (b->ids[i] < 0 || (uint32_t)b->ids[i] >= head.vocab_size)
            return nb_error_set(error, NB_ERR_INPUT, "damaged snapshot: token id %d; expected below %u", b->ids[i],
                                head.vocab_size);
    if (head.has_logits)
        take(&from, b->logits, head.vocab_size * sizeof *b->logits);
    for (uint32_t layer = 0; layer < b->ring.n_layers; layer++)
        for (uint32_t head_index = 0; head_index < b->ring.n_kv_heads; head_index++) {
            take(&from, nb_ring_k(&b->ring, layer, head_index), used_k_bytes(&b->ring, head.high));
            take(&from, nb_ring_v(&b->ring, layer, head_index), used_v_bytes(&b->ring, head.high));
        }
    session->length = head.length;
    session->high = head.high;
    session->has_logits = head.has_logits;
    return NB_OK;
}

nb_status nb_session_restore(nb_session *session, const char *path, nb_error *error)
{
    nb_map map;
    session->length = session->high = 0;
    session->has_logits = false;
    NB_TRY(nb_map_open(&map, path, error));
    nb_status status = nb_snapshot_read(session, map.data, map.bytes, error);
    nb_map_close(&map);
    return status;
}
