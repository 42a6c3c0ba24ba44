// SPDX-License-Identifier: Apache-2.0
// A session in a file. Little-endian:
//   8 bytes "nbsnap1\n"; header (struct header in snapshot.c: shapes, lengths, fingerprint of the model);
//   int32 ids[length]; f32 logits[V] when has_logits; per layer and KV head the used bytes of the K and the V area;
//   SHA-256 of everything before it.
#ifndef NB_RUNTIME_SNAPSHOT_H
#define NB_RUNTIME_SNAPSHOT_H

#include "runtime/session.h"

// What nb_session_restore does with a file's bytes; the fuzz target. The session is empty after a failure.
NB_MUST_USE nb_status nb_snapshot_read(nb_session *session, const uint8_t *bytes, size_t n_bytes, nb_error *error);

#endif
