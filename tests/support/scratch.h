// SPDX-License-Identifier: Apache-2.0
// A temporary folder for a test, as cmocka fixtures:
//     cmocka_unit_test_setup_teardown(test, nb_scratch_enter, nb_scratch_leave)
// The test runs with the new, empty folder as its current one; *state is the folder's full path. Afterwards the folder
// is removed with all it holds, and injected faults are disarmed.
#ifndef NB_TESTS_SUPPORT_SCRATCH_H
#define NB_TESTS_SUPPORT_SCRATCH_H

#include "platform/base.h"

int nb_scratch_enter(void **state);
int nb_scratch_leave(void **state);

// Writes a file with this text, creating the folders on the way. False on failure.
NB_MUST_USE bool nb_scratch_put(const char *path, const char *text);

#endif
