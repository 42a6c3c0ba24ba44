// SPDX-License-Identifier: Apache-2.0
// Chat templates: an interpreter of the Jinja subset that model directories carry, with the behaviour of Python's
// jinja2 in an immutable sandbox with trim_blocks, lstrip_blocks and loop controls. A template is untrusted input: its
// size, nesting, steps and memory are limited (jinja_state.h), and it cannot reach anything but its variables.
//
// Every byte of the result carries a mark that says who wrote it, so that the tokenizer can refuse control tokens in
// text that users wrote. Marks follow a string through every operation of the template.
#ifndef NB_RUNTIME_JINJA_H
#define NB_RUNTIME_JINJA_H

#include <jansson.h>
#include <time.h>

#include "platform/base.h"

struct nb_template; // compiled, read-only, may be shared by threads

// Compiles `source` (UTF-8, copied). Errors: NB_ERR_INPUT naming the template line, what was expected and found.
// The caller frees the template with nb_template_free (NULL is allowed).
NB_MUST_USE nb_status nb_template_compile(struct nb_template **template, const char *source, size_t bytes,
                                          nb_error *error);
void nb_template_free(struct nb_template *template);

typedef struct nb_render_input {
    const json_t *messages; // array; content of role assistant is marked NB_MARK_ANSWER, all else NB_MARK_FOREIGN
    const json_t *trusted;  // object: variables whose text may hold control tokens (bos_token, ...); may be NULL
    const json_t *foreign;  // object: other variables (tools, documents), NB_MARK_FOREIGN; may be NULL
    const struct tm *now;   // what strftime_now sees; NULL: the local time
} nb_render_input;

typedef struct nb_rendered {
    char *text;     // UTF-8, not zero-terminated
    uint8_t *marks; // one a byte
    size_t bytes;
} nb_rendered;

// Renders; the caller releases `rendered` with nb_rendered_release, also after a failure. Errors: NB_ERR_INPUT (the
// template fails, calls raise_exception, or exceeds a limit), NB_ERR_SYSTEM (no memory).
NB_MUST_USE nb_status nb_template_render(const struct nb_template *template, const nb_render_input *input,
                                         nb_rendered *rendered, nb_error *error);
void nb_rendered_release(nb_rendered *rendered);

#endif
