// SPDX-License-Identifier: Apache-2.0
// tokenizer.json: text to ids and back. Byte-level BPE (Qwen, Llama 3, R1 distills) and SentencePiece-style BPE with
// byte fallback (Mistral, older Llama). Immutable after parsing; every function on it may run on several threads.
//
//   text -> [added tokens cut out] -> normaliser -> [normalised added tokens cut out] -> pre-tokeniser -> BPE -> ids
#ifndef NB_RUNTIME_TOKENIZER_H
#define NB_RUNTIME_TOKENIZER_H

#include "platform/file.h"

typedef struct nb_tokenizer nb_tokenizer;

// What a byte of the text may do. An added token ("<|im_end|>") matches only if every byte of it may match, so text
// that comes from outside can't produce control tokens.
enum {
    NB_MARK_TRUSTED = 0, // all added tokens match
    NB_MARK_ANSWER = 1,  // only added tokens with special:false match, e.g. <think>
    NB_MARK_FOREIGN = 2, // no added token matches
};

enum { NB_TOKENIZER_TEXT_BYTES_MAX = 16 << 20 }; // a longer text is refused: BPE needs some 40 bytes for each of them

// Parses the bytes of a tokenizer.json. What is missing, contradictory or not supported is refused by name
// (NB_ERR_INPUT). The caller frees it.
NB_MUST_USE nb_status nb_tokenizer_parse(nb_tokenizer **tokenizer, const char *json, size_t json_bytes,
                                         nb_error *error);

// The same for a mapped file, of which little stays in memory while it is read. The caller closes it.
NB_MUST_USE nb_status nb_tokenizer_parse_file(nb_tokenizer **tokenizer, const nb_map *file, nb_error *error);
void nb_tokenizer_free(nb_tokenizer *tokenizer);

// Memory that its tables hold.
size_t nb_tokenizer_bytes(const nb_tokenizer *tokenizer);
uint32_t nb_tokenizer_count(const nb_tokenizer *tokenizer); // highest id + 1; ids between may be unused
int32_t nb_tokenizer_find(const nb_tokenizer *tokenizer, const char *content, size_t bytes); // id as written, or -1
int32_t nb_tokenizer_find_added(const nb_tokenizer *tokenizer, const char *content, size_t bytes); // added, or -1
bool nb_tokenizer_is_special(const nb_tokenizer *tokenizer, int32_t id);
size_t nb_tokenizer_piece_bytes_max(const nb_tokenizer *tokenizer); // most bytes one id decodes to

// Text -> ids. `marks`: one NB_MARK_* per text byte, or NULL = all trusted. `flags`: NB_TEXT_SPECIAL (without it no
// added token matches, whatever the marks say) and NB_TEXT_ADD of nibble.h. Invalid UTF-8 counts as U+FFFD, one for
// each maximal subpart. `*n_ids` receives the count even when `capacity` is too small (NB_ERR_FIT, nothing written); a
// capacity of 0 is a question, so `error` stays untouched then. Errors: NB_ERR_FIT, NB_ERR_INPUT (text too long, a
// pattern that exceeds its match limit).
NB_MUST_USE nb_status nb_tokenizer_encode(const nb_tokenizer *tokenizer, const char *text, size_t bytes,
                                          const uint8_t *marks, unsigned flags, int32_t *ids, size_t capacity,
                                          size_t *n_ids, nb_error *error);

// The bytes of one id after the decoder's rules, not necessarily whole UTF-8 characters, and how many. The state of a
// text (some decoders drop a leading space) begins with nb_tokenizer_decode_begin. `out` holds at least
// nb_tokenizer_piece_bytes_max bytes. Unused ids, and special ones with NB_TEXT_SKIP in `flags`, give 0 bytes.
typedef struct nb_decode_state {
    uint32_t n_strip; // leading strip characters that may still be dropped
    bool is_first;    // no id has been decoded yet
} nb_decode_state;
nb_decode_state nb_tokenizer_decode_begin(const nb_tokenizer *tokenizer);
size_t nb_tokenizer_decode_id(const nb_tokenizer *tokenizer, nb_decode_state *state, int32_t id, unsigned flags,
                              char *out);

// Ids -> UTF-8 text. Bytes that are not UTF-8 become U+FFFD, one for each maximal subpart. `*bytes` and `capacity` like
// `*n_ids` and `capacity` above. Errors: NB_ERR_ARGUMENT (id not below nb_tokenizer_count), NB_ERR_FIT.
NB_MUST_USE nb_status nb_tokenizer_decode(const nb_tokenizer *tokenizer, const int32_t *ids, size_t n_ids,
                                          unsigned flags, char *text, size_t capacity, size_t *bytes, nb_error *error);

#endif
