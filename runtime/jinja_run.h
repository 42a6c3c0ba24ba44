// SPDX-License-Identifier: Apache-2.0
// Running the tree: statements (jinja_run.c), expressions (jinja_eval.c), calls (jinja_call.c).
#ifndef NB_RUNTIME_JINJA_RUN_H
#define NB_RUNTIME_JINJA_RUN_H

#include "runtime/jinja.h"
#include "runtime/jinja_parse.h"

// Variables by name. A block that has its own variables (the body of a loop, a macro) has its own scope; macros keep
// the one they stand in.
typedef struct nb_jscope {
    struct nb_jscope *parent;
    nb_jdict variables;
} nb_jscope;

nb_jscope *nb_jscope_create(nb_jinja *j, nb_jscope *parent);
void nb_jscope_set(nb_jinja *j, nb_jscope *scope, nb_jval name, nb_jval value);
nb_jval nb_jscope_get(nb_jinja *j, const nb_jscope *scope, nb_jval name); // undefined: not there

typedef enum nb_jflow { NB_JFLOW_NEXT, NB_JFLOW_BREAK, NB_JFLOW_CONTINUE } nb_jflow;
nb_jflow nb_jinja_exec(nb_jinja *j, nb_jscope *scope, const nb_jnode *list);
nb_jval nb_jinja_capture(nb_jinja *j, nb_jscope *scope, const nb_jnode *list); // the text that it prints
void nb_jinja_assign(nb_jinja *j, nb_jscope *scope, const nb_jnode *target, nb_jval value);

// `input`: what a filter without operand works on (block filters).
nb_jval nb_jinja_eval(nb_jinja *j, nb_jscope *scope, const nb_jnode *node);
nb_jval nb_jinja_eval_filters(nb_jinja *j, nb_jscope *scope, const nb_jnode *node, nb_jval input);
nb_jargs nb_jinja_eval_arguments(nb_jinja *j, nb_jscope *scope, const nb_jnode *list);
nb_jval nb_jinja_make_macro(nb_jinja *j, nb_jscope *scope, const nb_jnode *node);

void nb_jinja_bind_input(nb_jinja *j, nb_jdict *variables, const nb_render_input *input); // jinja_input.c

#endif
