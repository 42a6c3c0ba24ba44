// SPDX-License-Identifier: Apache-2.0
// What `nibble doctor` measured on this machine, kept in $NIBBLE_HOME/machine.json, and what `--weights auto` makes of
// it. The file is a hint: absent, damaged or of another machine, it is passed over and weights are mapped.
#ifndef NB_APPS_MACHINE_FILE_H
#define NB_APPS_MACHINE_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "runtime/nibble.h"

// Bytes of weights a second, in GB/s. Decoding with all cores; opening a model until its first token.
typedef struct nb_placement_rates {
    double decode_mapped, decode_resident;
    double load_mapped_warm, load_mapped_cold; // the files in the page cache, or not
    double load_resident_warm, load_resident_cold;
} nb_placement_rates;

typedef struct nb_machine_file {
    char cpu[96];
    char release[65]; // of the kernel
    uint64_t memory_total;
    nb_placement_rates rates;
} nb_machine_file;

// Which machine this is; rates 0.
void nb_machine_file_here(nb_machine_file *file);
bool nb_machine_file_equal(const nb_machine_file *a, const nb_machine_file *b); // the same machine, whatever its rates

// Resident when its thousandth token comes at least 5 % earlier: a copy is read from the disk at every start, since it
// leaves no page cache behind, and only decoding pays that back.
nb_weights nb_placement_choose(const nb_placement_rates *rates);

// From text; false unless everything is there and plausible.
bool nb_machine_file_parse(nb_machine_file *file, const char *text, size_t bytes);

// The folder the file belongs in, made where missing. False with one line in `why`.
bool nb_machine_file_folder(char *folder, size_t folder_capacity, char *why, size_t capacity);
// Writes the file, the old or the new contents at any moment. False with one line in `why`.
bool nb_machine_file_store(const nb_machine_file *file, char *why, size_t capacity);

// The policy that the stored measurements speak for, and why, in a few words.
nb_weights nb_machine_file_advice(char *why, size_t capacity);

#endif
