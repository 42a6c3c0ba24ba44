// SPDX-License-Identifier: Apache-2.0
// Files: read-only maps with bounds-checked views, whole reads, and a writer that leaves all or nothing.
//
// What is read must be a regular file; a directory, FIFO, socket or device is refused without waiting on it. Errors
// name the path: NB_ERR_INPUT for a path that does not lead to a readable regular file, NB_ERR_SYSTEM when the system
// or the disk fails. "cannot read X; expected a regular file, found a directory".
#ifndef NB_PLATFORM_FILE_H
#define NB_PLATFORM_FILE_H

#include "platform/base.h"

// ---- maps ---------------------------------------------------------------------------------------------------------

// A file mapped read-only. Reading a part that another program has cut off meanwhile raises SIGBUS.
typedef struct nb_map {
    const uint8_t *data; // NULL for an empty file
    size_t bytes;
    int fd; // kept for nb_map_check; meaningful while is_open
    bool is_open;
} nb_map;

NB_MUST_USE nb_status nb_map_open(nb_map *map, const char *path, nb_error *error); // on failure *map is closed
void nb_map_close(nb_map *map);                                                    // harmless on a zeroed or closed map

// Takes the map's pages out of this process, as if it had read none; they come back when read again.
void nb_map_rest(const nb_map *map);

// Enters the pages of a range into the page tables, read from the disk where they must, without a fault for each; only
// a hint. Linux before 5.14 does nothing.
void nb_map_fault_in(const nb_map *map, uint64_t begin, uint64_t bytes);

// NB_ERR_INPUT when the file behind the map is no longer as long as it was; `path` is for the error text.
NB_MUST_USE nb_status nb_map_check(const nb_map *map, const char *path, nb_error *error);

// *view = the bytes [begin, begin + bytes) of the file; false, and *view untouched, when they are not all in it. Any
// values are safe. A view of 0 bytes may be NULL.
NB_MUST_USE bool nb_map_view(const nb_map *map, uint64_t begin, uint64_t bytes, const uint8_t **view);

// ---- reading ------------------------------------------------------------------------------------------------------

// The whole file, zero-terminated (the zero is not counted); the caller frees *data. NB_ERR_INPUT when it is longer
// than max_bytes. On failure *data is NULL.
NB_MUST_USE nb_status nb_file_read(const char *path, size_t max_bytes, char **data, size_t *bytes, nb_error *error);

// Tells the system that no one here will read the file again: its page cache may go (not while it is mapped).
void nb_file_forget(const char *path);

// Up to capacity - 1 bytes from the beginning of a file of any kind (made for /proc and /sys), zero-terminated. Returns
// the number of bytes, 0 when it cannot be read. No allocation.
size_t nb_file_read_head(const char *path, char *text, size_t capacity);

bool nb_file_exists(const char *path); // whatever it is; symbolic links are followed

// ---- writing ------------------------------------------------------------------------------------------------------

// Collects the bytes in a temporary file beside `path` and moves it there when all is safely on disk, so that `path`
// holds the old contents or the new at any moment. After any failure the temporary file is gone.
enum { NB_WRITER_PATH_BYTES = 4096 };

typedef struct nb_writer {
    int fd;
    bool is_open;
    char path[NB_WRITER_PATH_BYTES];
    char temp_path[NB_WRITER_PATH_BYTES];
} nb_writer;

// NB_ERR_SYSTEM when `path` cannot be written or is something else than a regular file.
NB_MUST_USE nb_status nb_writer_open(nb_writer *writer, const char *path, nb_error *error);
// NB_ERR_SYSTEM (disk full, ...): the writer is aborted and every later call fails likewise.
NB_MUST_USE nb_status nb_writer_write(nb_writer *writer, const void *data, size_t bytes, nb_error *error);
NB_MUST_USE nb_status nb_writer_commit(nb_writer *writer, nb_error *error);
void nb_writer_abort(nb_writer *writer); // harmless after commit, after a failure and on a zeroed writer

// A file of these bytes, by a writer from opening to commit; errors as there.
NB_MUST_USE nb_status nb_file_write(const char *path, const void *data, size_t bytes, nb_error *error);

#endif
