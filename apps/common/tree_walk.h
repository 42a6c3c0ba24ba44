// SPDX-License-Identifier: Apache-2.0
// A tree of folders that anybody may have written: every entry is visited, no link is followed, depth and numbers are
// limited.
#ifndef NB_APPS_TREE_WALK_H
#define NB_APPS_TREE_WALK_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

typedef struct nb_tree_entry {
    int folder;        // descriptor of the folder it is in
    const char *name;  // in that folder
    const char *path;  // from the top of the tree
    struct stat stats; // of the entry itself, not of what it links to
} nb_tree_entry;

typedef struct nb_tree {
    void (*visit)(void *user, const nb_tree_entry *entry); // folders come after what is in them
    void *user;
    char *why; // one line about the first thing that could not be read; 256 bytes, "" at the start
    char path[PATH_MAX];
    uint64_t n_entries;
} nb_tree;

// Opens a folder that is no link, below `parent` (AT_FDCWD: a path). -1, with the reason in `why` unless there is none.
int nb_tree_open(int parent, const char *name, char why[256]);
// Visits what is below the folder; takes over the descriptor, which may be -1.
void nb_tree_walk(nb_tree *tree, int fd);

// Bytes of the files in a tree, each once. A link at the top is followed, for a model that was put there as a link, and
// so are links to files.
uint64_t nb_tree_bytes(const char *path);
// Removes a tree, links as links. `*bytes_free` (may be NULL) grows by what that frees. False with one line in `why`.
bool nb_tree_remove(int parent, const char *name, uint64_t *bytes_free, char why[256]);
// The same where what stays does no harm.
void nb_tree_discard(const char *path);

#endif
