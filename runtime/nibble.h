// SPDX-License-Identifier: Apache-2.0
// nibble: 4-bit reasoning models on one small machine. The only public header.
//
// Four nouns:
//   nb_text     a model directory's tokenizer and chat template; read-only, usable without weights
//   nb_engine   a loaded model: weights, tables, worker threads; read-only, may be shared by many sessions and threads
//   nb_session  one timeline of tokens with its KV cache; used by one thread at a time
//   nb_stream   turns a session's token ids back into text, piece by piece
//
//   nb_engine_open -> nb_session_create -> nb_session_sync(prompt) -> loop { nb_session_sample, nb_stream_push,
//   nb_session_append } -> nb_session_free -> nb_engine_close
//
// The caller states the token list it wants to be true (nb_session_sync); the session reuses, extends or rewinds.
// After nb_session_create returns, no call on a session or stream allocates memory or opens a file, except save and
// restore. Fallible functions return nb_status (0 is success) and describe failures in an optional caller-owned
// nb_error (zero it first, or pass NULL). The library never prints, exits or reads the environment (but a chat template
// that asks for the date gets local time, for which libc reads TZ).
// Strings are UTF-8. Functions returning pointers into an object say how long they live.
#ifndef NIBBLE_H
#define NIBBLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "platform/status.h"

#ifdef __cplusplus
extern "C" {
#endif

#define NB_API     __attribute__((visibility("default")))
#define NB_CHECKED __attribute__((warn_unused_result))

#define NB_VERSION "0.1.0"

// ---- version and status ----------------------------------------------------------------------------------------

NB_API const char *nb_version(void); // "0.1.0", static

// ---- text: tokenizer and chat template -------------------------------------------------------------------------

typedef struct nb_text nb_text;

// Reads tokenizer.json (and, where present, tokenizer_config.json, chat_template.jinja, generation_config.json,
// config.json for the special ids) of `directory`. The caller closes it. Errors: NB_ERR_INPUT.
NB_CHECKED NB_API nb_status nb_text_open(nb_text **text, const char *directory, nb_error *error);
NB_API void nb_text_close(nb_text *text);

typedef struct nb_text_info {
    uint32_t n_tokens;       // ids are below this
    int32_t bos_id;          // -1: none
    int32_t think_open_id;   // the single token <think>, -1: none
    int32_t think_close_id;  // </think>
    const int32_t *stop_ids; // ids that end an answer (eos of config and generation_config); lives with the text
    uint32_t n_stop_ids;
    bool has_chat_template;
} nb_text_info;
NB_API void nb_text_info_get(const nb_text *text, nb_text_info *info);

enum {
    NB_TEXT_SPECIAL = 1, // added tokens written in the text ("<|im_end|>") become their ids; without it they stay text
    NB_TEXT_ADD = 2,     // add what the post-processor adds (BOS for Llama)
    NB_TEXT_SKIP = 4,    // decoding: leave out special tokens
};

// Text -> ids. `*n_ids` receives the number of ids even when `capacity` is too small (NB_ERR_FIT; nothing is written
// then), so calling with capacity 0 sizes the buffer. Invalid UTF-8 counts as U+FFFD. Thread-safe.
NB_CHECKED NB_API nb_status nb_text_encode(const nb_text *text, const char *string, size_t bytes, unsigned flags,
                                           int32_t *ids, size_t capacity, size_t *n_ids, nb_error *error);

// Ids -> text, the inverse; `*bytes` like `*n_ids` above; not zero-terminated. Bytes that are not UTF-8 become U+FFFD.
NB_CHECKED NB_API nb_status nb_text_decode(const nb_text *text, const int32_t *ids, size_t n_ids, unsigned flags,
                                           char *string, size_t capacity, size_t *bytes, nb_error *error);

typedef struct nb_message {
    const char *role;    // "system", "user", "assistant", "tool"
    const char *content; // zero-terminated UTF-8
} nb_message;

typedef struct nb_chat_options {
    bool add_generation_prompt; // default true: end with the opening of the assistant's answer
    int enable_thinking;        // -1 (default) leaves it to the template, 0 or 1 sets the variable enable_thinking
} nb_chat_options;
NB_API nb_chat_options nb_chat_defaults(void);

// Messages -> ids through the chat template. Only the template's own text can produce control tokens: what looks like
// one inside a message's content stays text (in assistant content, <think> tags are still recognised).
// `*opens_reasoning`: the prompt ends inside an open <think>, so the answer starts as reasoning.
// Errors: NB_ERR_INPUT (no template, template fails or exceeds its limits), NB_ERR_FIT (capacity, as above).
NB_CHECKED NB_API nb_status nb_chat_encode(const nb_text *text, const nb_message *messages, size_t n_messages,
                                           const nb_chat_options *options, int32_t *ids, size_t capacity, size_t *n_ids,
                                           bool *opens_reasoning, nb_error *error);

// The templated text itself, from a JSON array of messages (any fields the template reads, e.g. tool_calls).
NB_CHECKED NB_API nb_status nb_chat_render(const nb_text *text, const char *messages_json, size_t json_bytes,
                                           const nb_chat_options *options, char *string, size_t capacity, size_t *bytes,
                                           nb_error *error);

// ---- streaming ---------------------------------------------------------------------------------------------------

typedef struct nb_stream nb_stream;

typedef struct nb_stream_options {
    bool split_reasoning;     // <think> ... </think> is reported as reasoning, the tags themselves are dropped
    bool in_reasoning;        // the answer starts inside reasoning (nb_chat_encode's opens_reasoning)
    bool skip_special;        // special tokens give no text
    const char *const *stops; // strings that end the answer (copied); the match itself gives no text
    uint32_t n_stops;
} nb_stream_options;

typedef struct nb_piece {
    const char *text;      // whole UTF-8 characters, zero-terminated, valid until the next call on the stream
    size_t bytes;          // may be 0: the text is held back (half a character, half a tag, half a stop string)
    const char *reasoning; // likewise, for text inside <think>
    size_t reasoning_bytes;
    bool stopped; // a stop string was completed; further pushes give nothing
} nb_piece;

NB_CHECKED NB_API nb_status nb_stream_create(nb_stream **stream, const nb_text *text, const nb_stream_options *options,
                                             nb_error *error);
NB_API void nb_stream_free(nb_stream *stream);
NB_API void nb_stream_push(nb_stream *stream, int32_t id, nb_piece *piece); // cannot fail, never allocates
NB_API void nb_stream_flush(nb_stream *stream, nb_piece *piece); // what was held back; then the stream is new

// ---- engine --------------------------------------------------------------------------------------------------------

typedef struct nb_engine nb_engine;

typedef enum nb_weights { NB_WEIGHTS_AUTO, NB_WEIGHTS_MAPPED, NB_WEIGHTS_RESIDENT } nb_weights;
typedef enum nb_activations { NB_ACT_DEFAULT, NB_ACT_NONE, NB_ACT_NVFP4, NB_ACT_NVFP4_STATIC } nb_activations;
typedef enum nb_kv { NB_KV_DEFAULT, NB_KV_E1M2, NB_KV_E2M1, NB_KV_BF16, NB_KV_F32 } nb_kv;

// Called while an engine loads: bytes done of bytes in all. Runs on the opening thread; must not call nibble.
typedef void (*nb_progress_fn)(void *user, uint64_t done_bytes, uint64_t total_bytes);

typedef struct nb_engine_options {
    uint32_t n_threads;         // 0: one per physical core
    const char *isa;            // NULL: the best this CPU has; else "scalar", "avx2", "avx512", "neon", "i8mm"
    nb_weights weights;         // AUTO: mapped
    nb_activations act;         // DEFAULT: nvfp4 for an NVFP4 checkpoint, none for a plain one
    bool shape_plain;           // nb_engine_open_shape: BF16 linears instead of NVFP4, to compare with
    nb_progress_fn on_progress; // may be NULL
    void *progress_user;
    // A session that will be created (NULL: none): the plan of engine and session together is checked before any of it
    // is taken, and NB_ERR_FIT when it exceeds what is available.
    const struct nb_session_options *session;
    struct nb_plan *plan; // may be NULL; receives that plan once it is known (n_ctx 0: not yet), also on NB_ERR_FIT
    bool count_only;      // take nothing: such an engine answers nb_engine_info_get and nb_session_plan alone
} nb_engine_options;
NB_API nb_engine_options nb_engine_defaults(void);

// Loads a Hugging Face model directory. Errors: NB_ERR_INPUT (what is wrong with the directory), NB_ERR_ARGUMENT
// (unavailable ISA), NB_ERR_FIT (does not fit memory), NB_ERR_SYSTEM. Nothing is kept on failure.
NB_CHECKED NB_API nb_status nb_engine_open(nb_engine **engine, const char *directory, const nb_engine_options *options,
                                           nb_error *error);

// An engine with random weights, NVFP4 or BF16, of the shapes that a config.json describes (lm_head, embedding BF16),
// for measuring speed without the model. It has no text.
NB_CHECKED NB_API nb_status nb_engine_open_shape(nb_engine **engine, const char *config_json_path,
                                                 const nb_engine_options *options, nb_error *error);
NB_API void nb_engine_close(nb_engine *engine); // all its sessions must be freed before

typedef struct nb_engine_info {
    const char *family; // "qwen2", "llama", "qwen3"
    const char *format; // "bf16", "f16", "f32", "nvfp4-modelopt", "nvfp4-compressed-tensors"
    const char *ops;    // the op table built: "scalar", "avx512", ...
    nb_weights weights; // the policy in force (never AUTO)
    nb_activations act; // in force (never DEFAULT)
    nb_kv kv_default;   // what NB_KV_DEFAULT means for this checkpoint
    uint32_t n_threads;
    uint32_t n_layers, n_heads, n_kv_heads, head_dim, hidden_size, ffn_size, vocab_size;
    uint32_t max_positions; // the model's own limit
    bool has_key_shift;
    uint64_t n_parameters;
    uint64_t weight_bytes;           // all weights as stored
    uint64_t weight_bytes_per_token; // read for one decoded token (without the KV cache)
    const nb_text *text;             // NULL when the directory has no tokenizer.json
    const int32_t *stop_ids;         // the text's; without a text those of config.json and generation_config.json
    uint32_t n_stop_ids;
} nb_engine_info;
NB_API void nb_engine_info_get(const nb_engine *engine, nb_engine_info *info); // strings live with the engine

// ---- session -------------------------------------------------------------------------------------------------------

typedef struct nb_session nb_session;

typedef struct nb_session_options {
    uint32_t n_ctx;        // KV ring capacity in tokens; 0: min(max_positions, 8192)
    uint32_t n_sinks;      // pinned first tokens; default 4
    nb_kv kv;              // default NB_KV_DEFAULT
    uint32_t n_chunk;      // tokens of one prefill pass; default 192. Results do not depend on it
    uint32_t n_logit_rows; // rows of logits computed at a time for nb_logits_fn; default 1, 16 suits scoring
    uint32_t n_sessions;   // sessions of these options that the plan counts and checks together; default 1
} nb_session_options;
NB_API nb_session_options nb_session_defaults(void);

// Bytes by memory class (docs/ARCHITECTURE.md), of the engine and n_sessions sessions. Equation:
// total = weights_resident + host + cache + scratch + exchange.
typedef struct nb_plan {
    uint64_t weights_mapped; // read in place from the files; not counted in the total
    uint64_t weights_resident;
    uint64_t host;     // tables: norms, biases, vocabulary and merges, the timeline's ids
    uint64_t cache;    // KV ring
    uint64_t scratch;  // activations of one pass
    uint64_t exchange; // ids and logits
    uint64_t total;
    uint64_t available; // MemAvailable less the floor that is left to the rest of the machine
    uint32_t n_ctx, n_sessions;
    uint64_t kv_bytes_per_token; // of one session
} nb_plan;

// What the engine and n_sessions sessions of these options would take; nothing is taken. NB_ERR_ARGUMENT for options
// that make no sense.
NB_CHECKED NB_API nb_status nb_session_plan(const nb_engine *engine, const nb_session_options *options, nb_plan *plan,
                                            nb_error *error);
// Creates one session. Errors: as nb_session_plan, and NB_ERR_FIT when n_sessions of them exceed what is available.
NB_CHECKED NB_API nb_status nb_session_create(nb_session **session, nb_engine *engine,
                                              const nb_session_options *options, nb_error *error);
NB_API void nb_session_free(nb_session *session);

// Makes the timeline equal ids[0..n_ids): keeps the longest common prefix (as far as the ring still holds what it
// needs), computes the rest in chunks. `*n_computed` (may be NULL): tokens computed. Logits of the last token are then
// available. Errors: NB_ERR_ARGUMENT (no ids, id outside the vocabulary), NB_ERR_LIMIT (more than max_positions),
// NB_ERR_STOPPED (nb_session_cancel; what was computed stays).
NB_CHECKED NB_API nb_status nb_session_sync(nb_session *session, const int32_t *ids, size_t n_ids, size_t *n_computed,
                                            nb_error *error);

// Gets the logits of one appended token (its position in the timeline; vocab_size floats, valid during the call);
// returning false stops with NB_ERR_STOPPED.
typedef bool (*nb_logits_fn)(void *user, size_t position, const float *logits);

// Extends the timeline. With `on_logits` (may be NULL) the logits of every appended token are computed and reported in
// order; without, only the last token's. Errors as nb_session_sync.
NB_CHECKED NB_API nb_status nb_session_append(nb_session *session, const int32_t *ids, size_t n_ids,
                                              nb_logits_fn on_logits, void *user, nb_error *error);

// One token for each of n sessions of the same engine in one pass over the weights (at most n_chunk of the first
// session; no session twice; the first one's n_ctx is the largest). The head is read once for every n_logit_rows of the
// first session. Each result equals what nb_session_append alone gives, bit for bit.
NB_CHECKED NB_API nb_status nb_batch_append(nb_session *const *sessions, const int32_t *ids, size_t n_sessions,
                                            nb_error *error);

// Shortens the timeline to its first `n_ids` tokens. NB_ERR_ARGUMENT when longer; NB_ERR_FIT when the ring has already
// overwritten tokens that this past needs (then use nb_session_sync, which recomputes). n_ids 0 always works.
NB_CHECKED NB_API nb_status nb_session_rewind(nb_session *session, size_t n_ids, nb_error *error);

NB_API size_t nb_session_length(const nb_session *session);
NB_API const int32_t *nb_session_ids(const nb_session *session);  // the timeline; valid until the next call
NB_API const float *nb_session_logits(const nb_session *session); // [vocab_size] of the last token, or NULL
// From any thread or a signal handler: stop the running call before its next chunk.
NB_API void nb_session_cancel(nb_session *session);

// ---- sampling ------------------------------------------------------------------------------------------------------

typedef struct nb_logit_bias {
    int32_t id;
    float bias; // added to the logit; -INFINITY forbids the id
} nb_logit_bias;

typedef struct nb_sampling {
    float temperature;      // 0: greedy (lowest id wins a tie); default 0.6
    int32_t top_k;          // 0: all
    float top_p;            // 1: all; default 0.95
    float min_p;            // 0: all
    float repeat_penalty;   // 1: none; > 1 divides positive and multiplies negative logits of ids seen
    uint32_t repeat_last_n; // how far back ids count; 0: the whole timeline; default 256
    uint64_t seed;          // equal seed, timeline and settings give equal tokens
    const nb_logit_bias *biases;
    uint32_t n_biases;
} nb_sampling;
NB_API nb_sampling nb_sampling_defaults(void);

// Chooses the next id from the logits of the last token. Order: bias, repetition penalty, temperature, top-k, top-p,
// min-p, draw. `*logprob` (may be NULL): log of the id's probability under the untouched logits.
NB_CHECKED NB_API nb_status nb_session_sample(nb_session *session, const nb_sampling *sampling, int32_t *id,
                                              float *logprob, nb_error *error);

// ---- snapshots -----------------------------------------------------------------------------------------------------

// Writes the timeline and its ring to a file (whole or not at all), or reads one back into a session of the same
// model and options. Errors: NB_ERR_SYSTEM (disk), NB_ERR_INPUT (not a snapshot, damaged, of another model).
// A failed restore leaves the session empty. A fork is a save and a restore into another session of the same options;
// or, at the price of computing again, nb_session_sync of the same ids.
NB_CHECKED NB_API nb_status nb_session_save(const nb_session *session, const char *path, nb_error *error);
NB_CHECKED NB_API nb_status nb_session_restore(nb_session *session, const char *path, nb_error *error);

// ---- inspection ----------------------------------------------------------------------------------------------------

typedef struct nb_listing nb_listing;

typedef struct nb_tensor_info {
    const char *name;
    const char *dtype; // as in the file: "BF16", "F8_E4M3", "U8", ...
    uint32_t rank;
    uint64_t shape[8];
    const char *file;    // name of the shard
    uint64_t begin, end; // absolute byte range in the file
} nb_tensor_info;

// The tensors of a model directory or of one .safetensors file, with every rule of the format checked.
NB_CHECKED NB_API nb_status nb_listing_open(nb_listing **listing, const char *path, nb_error *error);
NB_API size_t nb_listing_count(const nb_listing *listing);
NB_API void nb_listing_get(const nb_listing *listing, size_t index, nb_tensor_info *info); // strings live with it
NB_API void nb_listing_close(nb_listing *listing);

typedef struct nb_machine {
    char cpu[96];       // model name
    char isas[96];      // op tables this CPU can run, best last: "scalar avx512"
    uint32_t n_cores;   // physical
    uint32_t n_threads; // logical, allowed for this process
    uint64_t memory_total, memory_available, page_cache;
    uint64_t l1d_bytes, l2_bytes, l3_bytes;
    uint64_t page_bytes, huge_page_bytes;
    char gpu[96]; // "" when none
} nb_machine;
NB_API void nb_machine_probe(nb_machine *machine);
// Reads a large buffer with n threads for about `seconds`; returns bytes a second, 0 when memory is short.
NB_API double nb_machine_read_bandwidth(uint32_t n_threads, double seconds);

#ifdef __cplusplus
}
#endif
#endif
