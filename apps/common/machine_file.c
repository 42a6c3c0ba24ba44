// SPDX-License-Identifier: Apache-2.0
#include "apps/common/machine_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "apps/common/cli.h"
#include "apps/common/growing_text.h"
#include "apps/common/model_store.h"
#include "apps/common/small_file.h"

enum { FORMAT_VERSION = 1, FILE_BYTES_MAX = 16 << 10 };

static const double N_TOKENS = 1000, WORTH = 0.95;
static const double RATE_MIN = 1e-3, RATE_MAX = 1e6; // GB/s; what lies outside was not measured

typedef struct rate_field {
    const char *name;
    size_t offset;
} rate_field;

#define RATE(field)                                                                                                    \
    {                                                                                                                  \
#field "_gb_s", offsetof(nb_placement_rates, field)                                                            \
    }
static const rate_field rate_fields[] = {
    RATE(decode_mapped),    RATE(decode_resident),    RATE(load_mapped_warm),
    RATE(load_mapped_cold), RATE(load_resident_warm), RATE(load_resident_cold),
};
#undef RATE

static double *rate_of(nb_placement_rates *rates, const rate_field *field)
{
    return (double *)(void *)((char *)rates + field->offset);
}

void nb_machine_file_here(nb_machine_file *file)
{
    nb_machine machine;
    struct utsname os;
    memset(file, 0, sizeof *file);
    nb_machine_probe(&machine);
    memcpy(file->cpu, machine.cpu, sizeof file->cpu);
    file->memory_total = machine.memory_total;
    if (uname(&os) == 0)
        snprintf(file->release, sizeof file->release, "%s", os.release);
}

bool nb_machine_file_equal(const nb_machine_file *a, const nb_machine_file *b)
{
    uint64_t more = a->memory_total > b->memory_total ? a->memory_total : b->memory_total;
    uint64_t less = a->memory_total + b->memory_total - more;
    return strcmp(a->cpu, b->cpu) == 0 && strcmp(a->release, b->release) == 0 &&
           more - less <= more / 64; // what firmware and kernel keep for themselves varies from start to start
}

nb_weights nb_placement_choose(const nb_placement_rates *rates)
{
    double mapped = 1 / rates->load_mapped_warm + N_TOKENS / rates->decode_mapped;
    double resident = 1 / rates->load_resident_cold + N_TOKENS / rates->decode_resident;
    return resident < WORTH * mapped ? NB_WEIGHTS_RESIDENT : NB_WEIGHTS_MAPPED;
}

// ---- text ----------------------------------------------------------------------------------------------------------

static bool take_text(const json_t *root, const char *key, char *text, size_t capacity)
{
    const char *value = json_string_value(json_object_get(root, key));
    int n = value ? snprintf(text, capacity, "%s", value) : -1;
    return n >= 0 && (size_t)n < capacity;
}

static bool take_rates(const json_t *root, nb_placement_rates *rates)
{
    for (size_t i = 0; i < NB_COUNT_OF(rate_fields); i++) {
        const json_t *value = json_object_get(root, rate_fields[i].name);
        double rate = json_number_value(value);
        if (!json_is_number(value) || !(rate >= RATE_MIN && rate <= RATE_MAX))
            return false;
        *rate_of(rates, &rate_fields[i]) = rate;
    }
    return true;
}

bool nb_machine_file_parse(nb_machine_file *file, const char *text, size_t bytes)
{
    memset(file, 0, sizeof *file);
    json_t *root = bytes <= FILE_BYTES_MAX ? json_loadb(text, bytes, JSON_REJECT_DUPLICATES, NULL) : NULL;
    json_int_t total = json_integer_value(json_object_get(root, "memory_total_bytes"));
    bool is_good = json_integer_value(json_object_get(root, "version")) == FORMAT_VERSION && total > 0 &&
                   take_text(root, "cpu", file->cpu, sizeof file->cpu) &&
                   take_text(root, "release", file->release, sizeof file->release) && take_rates(root, &file->rates);
    file->memory_total = (uint64_t)total;
    json_decref(root);
    return is_good;
}

static void make_text(nb_growing *text, const nb_machine_file *file)
{
    nb_placement_rates rates = file->rates;
    json_t *root = json_pack("{s:i, s:s, s:s, s:I}", "version", FORMAT_VERSION, "cpu", file->cpu, "release",
                             file->release, "memory_total_bytes", (json_int_t)file->memory_total);
    for (size_t i = 0; i < NB_COUNT_OF(rate_fields); i++)
        json_object_set_new(root, rate_fields[i].name, nb_json_real(*rate_of(&rates, &rate_fields[i])));
    nb_growing_add_json(text, root, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
}

// ---- file ----------------------------------------------------------------------------------------------------------

static bool find_path(char path[PATH_MAX])
{
    char home[PATH_MAX];
    nb_store_home(home, sizeof home);
    return nb_path_make(path, "%s/machine.json", home);
}

bool nb_machine_file_folder(char *folder, size_t folder_capacity, char *why, size_t capacity)
{
    nb_store_home(folder, folder_capacity);
    if (nb_folder_make(folder) && access(folder, W_OK | X_OK) == 0)
        return true;
    snprintf(why, capacity, "cannot write to %.200s: %s", folder, strerror(errno));
    return false;
}

bool nb_machine_file_store(const nb_machine_file *file, char *why, size_t capacity)
{
    char path[PATH_MAX];
    nb_growing text = {0};
    make_text(&text, file);
    errno = ENAMETOOLONG;
    bool is_stored = find_path(path) && nb_small_file_write(path, NULL, text.text, text.bytes);
    if (!is_stored)
        snprintf(why, capacity, "cannot write %.200s: %s", path, strerror(errno));
    nb_growing_release(&text);
    return is_stored;
}

nb_weights nb_machine_file_advice(char *why, size_t capacity)
{
    char path[PATH_MAX];
    size_t bytes = 0;
    nb_machine_file stored, here;
    char *text = find_path(path) ? nb_small_file_read(path, FILE_BYTES_MAX, &bytes) : NULL;
    if (!text) {
        snprintf(why, capacity, "this machine was not measured; nibble doctor does");
        return NB_WEIGHTS_MAPPED;
    }
    bool is_good = nb_machine_file_parse(&stored, text, bytes);
    free(text);
    nb_machine_file_here(&here);
    if (!is_good || !nb_machine_file_equal(&stored, &here)) {
        snprintf(why, capacity, "the stored measurements are %s; nibble doctor measures anew",
                 is_good ? "of another machine" : "damaged");
        return NB_WEIGHTS_MAPPED;
    }
    snprintf(why, capacity,
             "nibble doctor measured: decoding reads %.1f GB/s mapped and %.1f resident, loading %.1f "
             "and %.1f",
             stored.rates.decode_mapped, stored.rates.decode_resident, stored.rates.load_mapped_warm,
             stored.rates.load_resident_cold);
    return nb_placement_choose(&stored.rates);
}
