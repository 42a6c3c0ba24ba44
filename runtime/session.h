// SPDX-License-Identifier: Apache-2.0
// The inside of nb_session: one timeline over one ring.
#ifndef NB_RUNTIME_SESSION_H
#define NB_RUNTIME_SESSION_H

#include <stdatomic.h>

#include "runtime/engine.h"
#include "runtime/plan.h"

// Invariant: positions 0 .. length - 1 of buffers.ids are true; the ring holds those of them that the next query sees.
// high >= length is the largest length since the timeline was last empty: slots of positions below high - R (R: ring
// slots without sinks) have been overwritten.
struct nb_session {
    nb_engine *engine;
    nb_session_shape shape;
    nb_session_buffers buffers;
    uint32_t length, high;
    bool has_logits; // buffers.logits row 0 belongs to the last token
    atomic_bool is_cancelled;
    const nb_observer *observer; // NULL but in tests and calibration
};

#endif
