// SPDX-License-Identifier: Apache-2.0
// The parts of `nibble models`.
#ifndef NB_APPS_MODELS_H
#define NB_APPS_MODELS_H

// nibble models add DIR: takes argv from "add" on; returns an exit code.
int nb_models_add(int argc, char **argv);

#endif
