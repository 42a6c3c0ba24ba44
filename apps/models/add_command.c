// SPDX-License-Identifier: Apache-2.0
#include "apps/common/cli.h"
#include "apps/models/models.h"

int nb_models_add(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    return nb_fail(NB_EXIT_USAGE,
                   "nibble models add is not built yet; expected a command of this version, found one of "
                   "a later; try nibble models --help");
}
