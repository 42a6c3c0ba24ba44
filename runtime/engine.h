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
    uint64_t text_bytes;    // tables of the text, taken before anything else
    bool is_counted_only;   // no weights, no threads
};

// The plan of the engine (its model counted) and a session of these options (NULL: the defaults, and only the engine is
// checked). NB_ERR_FIT when it exceeds what is available; `plan` is filled then too.
NB_MUST_USE nb_status nb_engine_check_plan(const nb_engine *engine, const nb_session_options *options, nb_plan *plan,
                                           nb_error *error);

#endif
