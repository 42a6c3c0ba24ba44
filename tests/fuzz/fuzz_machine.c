// SPDX-License-Identifier: Apache-2.0
// machine.json: any bytes; what is accepted leads to a policy.
#include <stdint.h>
#include <stdlib.h>

#include "apps/common/machine_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    nb_machine_file file;
    if (nb_machine_file_parse(&file, (const char *)data, size)) {
        nb_weights weights = nb_placement_choose(&file.rates);
        if ((weights != NB_WEIGHTS_MAPPED && weights != NB_WEIGHTS_RESIDENT) || !nb_machine_file_equal(&file, &file))
            abort();
    }
    return 0;
}
