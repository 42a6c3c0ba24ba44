// SPDX-License-Identifier: Apache-2.0
// Look-ups by name, counted as NB_FAULT_NAME: a setting of the environment, a symbol, a field of JSON, a token, a
// tensor, a file by its path. The linker sends the calls that nibble's objects and the test's own make here (--wrap, in
// the Makefile's rule for tests); those of shared libraries, and of a function of the same file, are not seen.
#include <dirent.h>
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#include "runtime/checkpoint.h"
#include "runtime/vocab.h"
#include "tests/support/faults.h"

// Weak, as programs linked without --wrap have no such name.
#define LOOK_UP(type, name, parameters, arguments)                                                                     \
    extern type __real_##name parameters __attribute__((weak));                                                        \
    extern type __wrap_##name parameters;                                                                              \
    type __wrap_##name parameters                                                                                      \
    {                                                                                                                  \
        nb_faults_count(NB_FAULT_NAME);                                                                                \
        return __real_##name arguments;                                                                                \
    }

LOOK_UP(char *, getenv, (const char *name), (name))
LOOK_UP(char *, secure_getenv, (const char *name), (name))
LOOK_UP(void *, dlsym, (void *library, const char *name), (library, name))
LOOK_UP(int, stat, (const char *path, struct stat *info), (path, info))
LOOK_UP(int, lstat, (const char *path, struct stat *info), (path, info))
LOOK_UP(int, access, (const char *path, int mode), (path, mode))
LOOK_UP(DIR *, opendir, (const char *path), (path))
LOOK_UP(json_t *, json_object_get, (const json_t *object, const char *key), (object, key))
LOOK_UP(json_t *, json_object_getn, (const json_t *object, const char *key, size_t bytes), (object, key, bytes))
LOOK_UP(int32_t, nb_vocab_find, (const nb_vocab *vocab, const char *text, size_t bytes), (vocab, text, bytes))
LOOK_UP(int32_t, nb_vocab_find_plain, (const nb_vocab *vocab, const char *text, size_t bytes), (vocab, text, bytes))
LOOK_UP(nb_entry *, nb_checkpoint_find, (const nb_checkpoint *checkpoint, const char *name), (checkpoint, name))
