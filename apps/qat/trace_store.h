// SPDX-License-Identifier: Apache-2.0
// A set of traces, tokenised once: the documents in the order of their file, with a hash that says what was trained on.
//
// File, little-endian: magic "nbtrace1" | header | u64 starts[n_documents + 1] | i32 ids[n_tokens] | u8 mask[n_tokens].
// The hash is SHA-256 over, document by document, its length (u64), its ids (i32) and its mask.
#ifndef NB_APPS_TRACE_STORE_H
#define NB_APPS_TRACE_STORE_H

#include "platform/file.h"
#include "runtime/nibble.h"

enum { NB_HASH_BYTES = 32, NB_HASH_TEXT_BYTES = 65 };

typedef enum nb_trace_long { NB_TRACE_LONG_ERROR, NB_TRACE_LONG_DROP, NB_TRACE_LONG_CUT } nb_trace_long;

typedef struct nb_trace_rules {
    const nb_text *text; // NULL: the model has no tokenizer
    uint32_t vocab_size;
    uint32_t max_length;        // tokens of a document
    nb_trace_long if_long;      // refuse the file, leave the document out, or cut its end off
    nb_progress_fn on_progress; // may be NULL
    void *progress_user;
} nb_trace_rules;

typedef struct nb_traces {
    const uint64_t *starts; // [n_documents + 1]
    const int32_t *ids;     // [n_tokens]
    const uint8_t *mask;    // [n_tokens] 1: a token to learn
    uint64_t n_documents, n_tokens;
    uint64_t n_targets;        // ones in the mask, those of first tokens not counted
    uint64_t n_dropped, n_cut; // documents too long
    uint32_t longest;          // tokens of the longest document
    char sha256[NB_HASH_TEXT_BYTES];
    uint8_t *image; // the file's bytes when it was built here, else NULL
    size_t image_bytes;
    nb_map map; // when it was opened
} nb_traces;

// Tokenises a JSONL file; lines of white space alone are left out. Errors: NB_ERR_INPUT naming file and line, or a file
// without a trace; NB_ERR_FIT (more than 2^31 documents), NB_ERR_SYSTEM. Nothing is kept on failure.
NB_MUST_USE nb_status nb_traces_build(nb_traces *traces, const char *path, const nb_trace_rules *rules,
                                      nb_error *error);

// Writes what was built, whole or not at all.
NB_MUST_USE nb_status nb_traces_save(const nb_traces *traces, const char *path, nb_error *error);

// Maps a store and checks every byte of it. Errors: NB_ERR_INPUT, NB_ERR_SYSTEM.
NB_MUST_USE nb_status nb_traces_open(nb_traces *traces, const char *path, uint32_t vocab_size, nb_error *error);

// The same from memory aligned to 8 bytes, which must outlive the traces. `name` is for errors.
NB_MUST_USE nb_status nb_traces_parse(nb_traces *traces, const uint8_t *data, size_t bytes, uint32_t vocab_size,
                                      const char *name, nb_error *error);

void nb_traces_close(nb_traces *traces); // harmless on a zeroed one

static inline uint32_t nb_traces_length(const nb_traces *traces, uint64_t document)
{
    return (uint32_t)(traces->starts[document + 1] - traces->starts[document]);
}

// Writes the ids of the first `n_documents` as text, one document a line.
NB_MUST_USE nb_status nb_traces_write_ids(const nb_traces *traces, uint64_t n_documents, const char *path,
                                          nb_error *error);

// Lower-case hex of a SHA-256; `text` is returned.
const char *nb_hash_text(const uint8_t hash[NB_HASH_BYTES], char text[NB_HASH_TEXT_BYTES]);

#endif
