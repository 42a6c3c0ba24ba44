// SPDX-License-Identifier: Apache-2.0
// The inside of nb_tokenizer, for the files that build it and use it.
#ifndef NB_RUNTIME_TOKENIZER_PARTS_H
#define NB_RUNTIME_TOKENIZER_PARTS_H

#include "runtime/added.h"
#include "runtime/bpe.h"
#include "runtime/json_cut.h"
#include "runtime/normalize.h"
#include "runtime/pretokenize.h"
#include "runtime/tokenizer.h"
#include "runtime/vocab.h"

// What decoding does beyond joining each token's `decoded` bytes.
typedef struct nb_decoder {
    char first_mark[5]; // Metaspace: dropped wherever it stands in the first token; "" = nothing
    char strip;         // dropped at the very start, at most n_strip times
    uint32_t n_strip;
    size_t piece_bytes_max; // of any token
} nb_decoder;

struct nb_tokenizer {
    nb_vocab vocab; // model tokens and added tokens
    nb_bpe bpe;
    nb_added raw_added;        // matched in the text as it comes
    nb_added normalized_added; // matched after normalisation, as are their contents
    nb_normalizer normalizer;
    nb_pretokenizer pretokenizer;
    nb_decoder decoder;
    nb_buffer prefix, suffix; // int32_t ids that the post-processor puts around a text
};

// Each reads its part of the file's root object. Errors: NB_ERR_INPUT, NB_ERR_SYSTEM. What was built so far is released
// by nb_tokenizer_free. Order: model, normaliser, added tokens, pre-tokeniser, the rest.
// `root` with an empty vocabulary and no merges; these are in `names` and `merges`.
NB_MUST_USE nb_status nb_tokenizer_load_model(nb_tokenizer *tokenizer, const json_t *root, const nb_json_span *names,
                                              const nb_json_span *merges, nb_error *error);
NB_MUST_USE nb_status nb_tokenizer_load_normalizer(nb_tokenizer *tokenizer, const json_t *root, nb_error *error);
NB_MUST_USE nb_status nb_tokenizer_load_added(nb_tokenizer *tokenizer, const json_t *root, nb_error *error);
NB_MUST_USE nb_status nb_tokenizer_load_pretokenizer(nb_tokenizer *tokenizer, const json_t *root, nb_error *error);
NB_MUST_USE nb_status nb_tokenizer_load_post(nb_tokenizer *tokenizer, const json_t *root, nb_error *error);
NB_MUST_USE nb_status nb_tokenizer_load_decoder(nb_tokenizer *tokenizer, const json_t *root, nb_error *error);

// ---- readers of tokenizer.json's own constructions ----------------------------------------------------------

// A string of exactly one character; zero-terminated in `value`.
NB_MUST_USE nb_status nb_tokenizer_read_char(const nb_json_reader *reader, const char *key, char value[5]);
// {"String": s} or {"Regex": s} under "pattern". `where` is for errors.
NB_MUST_USE nb_status nb_tokenizer_read_pattern(const nb_json_reader *reader, nb_pattern **pattern, const char *where);

// Calls `on_component` for a component, or for the members of a Sequence (under `list_key`) one by one; not at all for
// null. `part` is the component's key in tokenizer.json.
typedef nb_status (*nb_component_fn)(nb_tokenizer *tokenizer, const nb_json_reader *reader, const char *type,
                                     void *user);
NB_MUST_USE nb_status nb_tokenizer_each_component(nb_tokenizer *tokenizer, const json_t *component, const char *part,
                                                  const char *list_key, nb_component_fn on_component, void *user,
                                                  nb_error *error);

#endif
