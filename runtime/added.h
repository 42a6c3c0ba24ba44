// SPDX-License-Identifier: Apache-2.0
// Added tokens ("<|im_end|>", "<think>"): strings found in text before anything else happens to it. Leftmost first,
// then longest, through a byte trie.
#ifndef NB_RUNTIME_ADDED_H
#define NB_RUNTIME_ADDED_H

#include "platform/base.h"
#include "runtime/buffer.h"
#include "runtime/pattern.h"

enum { NB_ADDED_BYTES_MAX = 512 }; // of one token's content

typedef struct nb_added_token {
    int32_t id;
    bool is_special;
    bool is_single_word; // only where no word character touches it
    bool strips_left;    // takes the white space before it
    bool strips_right;   // and after it
} nb_added_token;

typedef struct nb_added {
    nb_buffer tokens; // nb_added_token
    nb_buffer nodes;  // of the trie
    nb_pattern *word; // one word character; made when the first single_word token comes
} nb_added;

void nb_added_release(nb_added *added);

// Content of 1 to NB_ADDED_BYTES_MAX bytes; content that is there already is overruled. Errors: NB_ERR_SYSTEM.
NB_MUST_USE nb_status nb_added_insert(nb_added *added, const char *content, size_t bytes, nb_added_token token,
                                      nb_error *error);

typedef struct nb_added_match {
    size_t begin, end; // with the white space that the token takes
    int32_t id;
    size_t from; // where the search goes on; start at 0
} nb_added_match;

// The next match. `done`: end of the last one, which white space before a token is not taken from. `marks`: NB_MARK_*
// of each byte, NULL = trusted. Errors: NB_ERR_SYSTEM.
NB_MUST_USE nb_status nb_added_next(const nb_added *added, nb_matcher *matcher, const char *text, size_t bytes,
                                    const uint8_t *marks, size_t done, nb_added_match *match, bool *found,
                                    nb_error *error);

#endif
