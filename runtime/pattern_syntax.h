// SPDX-License-Identifier: Apache-2.0
// Ruby (Oniguruma) regular expressions rewritten for PCRE2.
#ifndef NB_RUNTIME_PATTERN_SYNTAX_H
#define NB_RUNTIME_PATTERN_SYNTAX_H

#include "runtime/buffer.h"

// Appends the rewritten expression to `out`. What both libraries read alike is copied. Errors: NB_ERR_INPUT naming
// what has no equal in PCRE2, NB_ERR_SYSTEM.
NB_MUST_USE nb_status nb_pattern_rewrite(nb_buffer *out, const char *regex, size_t bytes, const char *where,
                                         nb_error *error);

#endif
