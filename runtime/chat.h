// SPDX-License-Identifier: Apache-2.0
// Messages through a model's chat template. The public part is nb_chat_encode and nb_chat_render of runtime/nibble.h.
#ifndef NB_RUNTIME_CHAT_H
#define NB_RUNTIME_CHAT_H

#include "runtime/jinja.h"
#include "runtime/nibble.h"

// Renders `messages` with the variables that transformers gives a template: messages, add_generation_prompt, tools and
// documents (None), the special tokens that the model has, and enable_thinking when it is set. `options` may be NULL.
// The caller releases `rendered`. Errors: NB_ERR_INPUT (no template, or it fails), NB_ERR_SYSTEM.
NB_MUST_USE nb_status nb_chat_render_marked(const nb_text *text, const json_t *messages, const nb_chat_options *options,
                                            nb_rendered *rendered, nb_error *error);

// Whether the text ends inside a <think> that has just been opened: nothing but white space follows it. One that is
// foreign text (`marks` of each byte, NULL: none is) opens nothing.
bool nb_chat_opens_reasoning(const char *text, const uint8_t *marks, size_t bytes);

#endif
