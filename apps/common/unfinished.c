// SPDX-License-Identifier: Apache-2.0
#include "apps/common/unfinished.h"

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

static struct {
    void (*undo)(void *what);
    void *what; // NULL: free
} kept[NB_UNFINISHED_MAX];

static void undo_all(void)
{
    for (size_t i = 0; i < NB_UNFINISHED_MAX; i++)
        if (kept[i].what)
            kept[i].undo(kept[i].what);
}

void nb_unfinished_add(void (*undo)(void *what), void *what)
{
    static bool is_registered;
    size_t i = 0;
    while (i < NB_UNFINISHED_MAX && kept[i].what)
        i++;
    assert(i < NB_UNFINISHED_MAX);
    kept[i].undo = undo;
    kept[i].what = what;
    if (!is_registered)
        is_registered = atexit(undo_all) == 0;
}

void nb_unfinished_remove(const void *what)
{
    for (size_t i = 0; i < NB_UNFINISHED_MAX; i++)
        if (kept[i].what == what)
            kept[i].what = NULL;
}
