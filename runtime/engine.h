// SPDX-License-Identifier: Apache-2.0
// The inside of nb_engine: a bound model, the op table, threads and text. Immutable after open.
#ifndef NB_RUNTIME_ENGINE_H
#define NB_RUNTIME_ENGINE_H

#include "runtime/forward.h"
#include "runtime/nibble.h"

struct nb_engine {
    nb_model model;
    nb_ops ops;
    nb_exec exec;
    nb_rope_table rope;
    nb_machinery machinery; // points into the fields above
    nb_text *text;          // NULL: no tokenizer.json
    nb_activations act;     // in force
    uint32_t max_positions; // config's, stretched by dynamic RoPE
};

#endif
