// SPDX-License-Identifier: Apache-2.0
#include "apps/common/ids_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "apps/common/cli.h"
#include "apps/common/growing_text.h"

enum { MAX_FILE_BYTES = 1 << 30 };

typedef struct cursor {
    const char *text;
    size_t bytes, at;
    size_t line, line_start;
} cursor;

static bool fail_at(nb_ids_file *file, const cursor *c, size_t at, const char *expected, nb_error *error)
{
    unsigned char found = at < c->bytes ? (unsigned char)c->text[at] : ' ';
    char shown[8];
    snprintf(shown, sizeof shown, found > 0x20 && found < 0x7f ? "'%c'" : "0x%02x", found);
    error->status = NB_ERR_INPUT;
    snprintf(error->text, sizeof error->text, "line %zu, column %zu of the ids is wrong; expected %s, found %s",
             c->line, at - c->line_start + 1, expected, shown);
    nb_ids_release(file);
    return false;
}

static void *grown(void *items, size_t n, size_t item_bytes)
{
    bool is_full = (n & (n - 1)) == 0 && (n == 0 || n >= 16); // full at 0 and at powers of two from 16
    return is_full ? nb_resize(items, (n ? 2 * n : 16) * item_bytes) : items;
}

static void end_sequence(nb_ids_file *file)
{
    file->starts = grown(file->starts, file->n_sequences + 1, sizeof *file->starts);
    file->starts[++file->n_sequences] = file->n_ids;
}

// Reads one id at the cursor, which stands on a digit.
static bool read_id(cursor *c, int32_t *id)
{
    int64_t value = 0;
    while (c->at < c->bytes && c->text[c->at] >= '0' && c->text[c->at] <= '9' && value <= INT32_MAX)
        value = 10 * value + (c->text[c->at++] - '0');
    *id = (int32_t)value;
    return value <= INT32_MAX;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

bool nb_ids_parse(nb_ids_file *file, const char *text, size_t bytes, nb_error *error)
{
    *file = (nb_ids_file){.starts = nb_resize(NULL, 16 * sizeof(size_t))};
    file->starts[0] = 0;
    cursor c = {.text = text, .bytes = bytes, .line = 1};
    while (c.at < bytes) {
        size_t start = c.at;
        int32_t id;
        if (text[start] == '\n') {
            end_sequence(file);
            c.line++;
            c.line_start = ++c.at;
        } else if (is_space(text[start])) {
            c.at++;
        } else if (text[start] < '0' || text[start] > '9') {
            return fail_at(file, &c, start, "decimal ids separated by spaces", error);
        } else if (!read_id(&c, &id)) {
            return fail_at(file, &c, start, "an id up to 2147483647", error);
        } else if (c.at < bytes && !is_space(text[c.at]) && text[c.at] != '\n') {
            return fail_at(file, &c, c.at, "decimal ids separated by spaces", error);
        } else {
            file->ids = grown(file->ids, file->n_ids, sizeof *file->ids);
            file->ids[file->n_ids++] = id;
        }
    }
    if (c.at > c.line_start)
        end_sequence(file); // the last line may lack its newline
    return true;
}

static int check_vocabulary(const nb_ids_file *file, const char *path, uint32_t vocab_size)
{
    for (size_t s = 0; s < file->n_sequences; s++)
        for (size_t i = 0; i < nb_ids_count(file, s); i++)
            if ((uint32_t)nb_ids_of(file, s)[i] >= vocab_size)
                return nb_fail(NB_EXIT_INPUT,
                               "%s: id %zu of line %zu is outside the vocabulary; expected below %u, found %d", path,
                               i + 1, s + 1, vocab_size, nb_ids_of(file, s)[i]);
    return NB_EXIT_OK;
}

int nb_ids_read(nb_ids_file *file, const char *path, uint32_t vocab_size)
{
    memset(file, 0, sizeof *file);
    FILE *stream = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
    nb_growing text = {0};
    bool is_read = stream && nb_growing_read(&text, stream, MAX_FILE_BYTES);
    int code = NB_EXIT_OK;
    nb_error error = {0};
    if (!is_read)
        code = nb_fail(NB_EXIT_INPUT, "cannot read the ids file %s: %s", path, strerror(errno));
    else if (!nb_ids_parse(file, nb_growing_text(&text), text.bytes, &error))
        code = nb_fail(NB_EXIT_INPUT, "%s: %s", path, error.text);
    else if (file->n_sequences == 0)
        code = nb_fail(NB_EXIT_INPUT, "%s: no sequence; expected a line of ids, found an empty file", path);
    else
        code = check_vocabulary(file, path, vocab_size);
    if (stream && stream != stdin)
        fclose(stream);
    nb_growing_release(&text);
    if (code != NB_EXIT_OK)
        nb_ids_release(file);
    return code;
}

void nb_ids_release(nb_ids_file *file)
{
    free(file->ids);
    free(file->starts);
    memset(file, 0, sizeof *file);
}
