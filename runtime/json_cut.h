// SPDX-License-Identifier: Apache-2.0
// Large containers of a JSON document, read in pieces: a tree of jansson's takes some ten times the bytes of its text,
// and the vocabulary and merges of a tokenizer.json make up all but a few kilobytes of it.
//
// nb_json_cut finds the containers without judging them, and leaves a small document to parse as usual, in which they
// are empty. nb_json_each_batch then parses the members of one a few thousand bytes at a time. Every byte of the
// document passes through jansson once, so what it refuses is still refused; but a key that stands twice is seen only
// within one batch.
#ifndef NB_RUNTIME_JSON_CUT_H
#define NB_RUNTIME_JSON_CUT_H

#include "platform/file.h"
#include "runtime/buffer.h"
#include "runtime/json.h"

// What stood between the brackets of a container.
typedef struct nb_json_span {
    const char *key;    // the caller's: its name inside the outer object
    const nb_map *file; // the caller's: what the document lies in, whose pages rest once they are read; or NULL
    const char *text;   // in the document; NULL: there is no such container, or its key is spelt with escapes
    size_t bytes;
    size_t n_members; // as far as commas tell
    bool is_object;   // else an array
} nb_json_span;

// Cuts the containers root[outer][spans[i].key] out of `text`; `rest` (zeroed, the caller frees it) receives the
// document without their members. Only out of memory fails: NB_ERR_SYSTEM.
NB_MUST_USE nb_status nb_json_cut(const char *text, size_t bytes, const char *outer, nb_json_span *spans,
                                  size_t n_spans, nb_buffer *rest, nb_error *error);

// Gets some members of the container: an object or array of its own, valid during the call. Calls come one after the
// other in the order of the text, but from several threads when the container is large.
typedef nb_status (*nb_json_batch_fn)(void *user, json_t *members, nb_error *error);

// Parses all members in order, in batches. Errors: NB_ERR_INPUT, NB_ERR_SYSTEM, those of `on_batch`.
NB_MUST_USE nb_status nb_json_each_batch(const nb_json_span *span, const char *file, nb_json_batch_fn on_batch,
                                         void *user, nb_error *error);

#endif
