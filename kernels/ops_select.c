// SPDX-License-Identifier: Apache-2.0
// Which op table this machine gets.
#include <stdio.h>
#include <string.h>

#include "kernels/cpu/cpu_kernels.h"

// "scalar, avx512": the tables that run here.
static void list_available(char *text, size_t bytes)
{
    size_t at = 0;
    text[0] = 0;
    for (const nb_cpu_kernels *const *table = nb_cpu_tables; *table; table++)
        if (nb_cpu_table_runs(*table) && at < bytes)
            at += (size_t)snprintf(text + at, bytes - at, "%s%s", at ? ", " : "", (*table)->isa);
}

nb_status nb_ops_select(nb_ops *ops, nb_exec *exec, const char *isa, nb_error *error)
{
    const nb_cpu_kernels *chosen = NULL;
    for (const nb_cpu_kernels *const *table = nb_cpu_tables; *table; table++)
        if (nb_cpu_table_runs(*table) && (!isa || strcmp(isa, (*table)->isa) == 0))
            chosen = *table; // best last
    if (!chosen) {
        char available[96];
        list_available(available, sizeof available);
        return nb_error_set(error, NB_ERR_ARGUMENT,
                            "this build on this CPU has no kernels for that ISA; expected one of %s, found %s",
                            available, isa);
    }
    exec->cpu = chosen;
    nb_ops_cpu(ops);
    ops->name = chosen->isa;
    nb_ops_compose(ops);
    return NB_OK;
}
