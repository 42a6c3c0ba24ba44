// SPDX-License-Identifier: Apache-2.0
// A learner's records as a table, a plot, a CSV file.
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "apps/common/cli.h"
#include "apps/common/terminal.h"
#include "apps/tutor/traces/traces.h"
#include "apps/tutor/tutor_practice.h"

// ---- progress -------------------------------------------------------------------------------------------------------

enum { PLOT_COLUMNS = 60, PLOT_ROWS = 5, WINDOW = 10 };

typedef struct tally {
    size_t n, n_right;
    int64_t last; // time
} tally;

typedef struct progress {
    tally *topics; // [nb_n_kinds + 1]; the last: topics of another version
    bool *results; // of all answers, oldest first
    size_t n_results, capacity;
} progress;

static void count_attempt(void *user, const char *name, const nb_attempt *attempt)
{
    progress *p = user;
    unsigned kind = 0;
    (void)name;
    if (attempt->outcome == NB_OUTCOME_SKIPPED)
        return;
    while (kind < nb_n_kinds && strcmp(nb_kinds[kind].name, attempt->topic) != 0)
        kind++;
    p->topics[kind].n++;
    p->topics[kind].n_right += attempt->outcome == NB_OUTCOME_RIGHT;
    p->topics[kind].last = attempt->at;
    if (p->n_results == p->capacity) {
        p->capacity = 2 * p->capacity + 256;
        p->results = nb_resize(p->results, p->capacity * sizeof *p->results);
    }
    p->results[p->n_results++] = attempt->outcome == NB_OUTCOME_RIGHT;
}

static void date_text(char text[24], int64_t at, const char *format)
{
    time_t seconds = (time_t)at;
    struct tm parts;
    text[0] = 0;
    if (gmtime_r(&seconds, &parts))
        strftime(text, 24, format, &parts);
}

static int print_topic(nb_learners *learners, const char *learner, const char *topic, const tally *t)
{
    nb_skill skill;
    char date[24], bar[11 * 3 + 1] = "";
    int code = nb_learners_skill(learners, learner, topic, &skill);
    date_text(date, t->last, "%Y-%m-%d");
    for (size_t i = 0; i < 10; i++)
        strcat(bar, i < (10 * t->n_right + t->n / 2) / t->n ? "■" : "□");
    printf("  %-16s %8zu %6zu  %s %3.0f %%   %u    %s\n", topic, t->n, t->n_right, bar,
           100.0 * (double)t->n_right / (double)t->n, skill.level, date);
    return code;
}

// The share of right answers among the last WINDOW at each of the columns' answers.
static void print_plot(const progress *p)
{
    size_t columns = p->n_results < PLOT_COLUMNS ? p->n_results : PLOT_COLUMNS;
    printf("\n  Right among the last %d answers, from the first answer to the latest\n", WINDOW);
    for (size_t row = PLOT_ROWS; row > 0; row--) {
        printf("  %3zu %% │", 100 * row / PLOT_ROWS);
        for (size_t c = 0; c < columns; c++) {
            size_t end = (c + 1) * p->n_results / columns, begin = end > WINDOW ? end - WINDOW : 0, n_right = 0;
            for (size_t i = begin; i < end; i++)
                n_right += p->results[i];
            fputs(n_right * PLOT_ROWS * 2 >= (2 * row - 1) * (end - begin) ? "█" : " ", stdout);
        }
        putchar('\n');
    }
    fputs("        └", stdout);
    for (size_t c = 0; c < columns; c++)
        fputs("─", stdout);
    printf("\n         %zu answers\n", p->n_results);
}

int nb_practice_progress(nb_learners *learners, const char *learner)
{
    progress p = {.topics = nb_alloc((nb_n_kinds + 1) * sizeof *p.topics)};
    int code = nb_learners_each(learners, learner, count_attempt, &p);
    if (code == NB_EXIT_OK && p.n_results == 0)
        code = nb_fail(NB_EXIT_INPUT,
                       "no records of \"%.100s\"; expected answers, found none; try nibble tutor "
                       "--practice --learner NAME",
                       learner);
    if (code == NB_EXIT_OK) {
        printf("%s\n\n  %-16s %8s %6s  %-16s   level  last\n", learner, "topic", "answered", "right", "");
        for (unsigned i = 0; i <= nb_n_kinds; i++)
            if (p.topics[i].n)
                code |= print_topic(learners, learner, i < nb_n_kinds ? nb_kinds[i].name : "(other)", &p.topics[i]);
        print_plot(&p);
    }
    free(p.topics);
    free(p.results);
    return code != NB_EXIT_OK ? code : nb_out_flush();
}

// ---- export ---------------------------------------------------------------------------------------------------------

static void put_field(FILE *file, const char *text, char end)
{
    putc('"', file);
    for (; *text; text++) {
        if (*text == '"')
            putc('"', file);
        putc(*text, file);
    }
    putc('"', file);
    fputs(end == '\n' ? "\r\n" : ",", file);
}

static void put_attempt(void *user, const char *name, const nb_attempt *attempt)
{
    static const char *const outcomes[] = {"wrong", "right", "skipped"};
    FILE *file = user;
    char date[24];
    date_text(date, attempt->at, "%Y-%m-%dT%H:%M:%SZ");
    put_field(file, name, ',');
    fprintf(file, "%s,%s,%u,", date, attempt->topic, attempt->level);
    put_field(file, attempt->question, ',');
    put_field(file, attempt->answer, ',');
    put_field(file, attempt->given, ',');
    fprintf(file, "%s,%.1f\r\n", attempt->outcome <= NB_OUTCOME_SKIPPED ? outcomes[attempt->outcome] : "",
            attempt->seconds);
}

static int write_csv(nb_learners *learners, const char *learner, FILE *file)
{
    fputs("learner,time,topic,level,question,answer,given,outcome,seconds\r\n", file);
    return nb_learners_each(learners, learner, put_attempt, file);
}

// Beside the file and renamed, so that it is whole or as it was.
static int write_file(nb_learners *learners, const char *learner, const char *path)
{
    char temporary[PATH_MAX];
    struct stat info;
    int n = snprintf(temporary, sizeof temporary, "%s.XXXXXX", path);
    bool is_special = stat(path, &info) == 0 && !S_ISREG(info.st_mode);
    int descriptor = is_special || n < 0 || (size_t)n >= sizeof temporary ? -1 : mkstemp(temporary);
    FILE *file = descriptor >= 0 ? fdopen(descriptor, "w") : NULL;
    if (!file) {
        int code =
            nb_fail(NB_EXIT_FAILED, "cannot write %.300s: %s", path, is_special ? "not a file" : strerror(errno));
        if (descriptor >= 0) {
            close(descriptor);
            unlink(temporary);
        }
        return code;
    }
    int code = write_csv(learners, learner, file);
    bool is_written = fflush(file) == 0 && !ferror(file) && fsync(descriptor) == 0;
    is_written = fclose(file) == 0 && is_written;
    if (code == NB_EXIT_OK && (!is_written || rename(temporary, path) != 0))
        code = nb_fail(NB_EXIT_FAILED, "cannot write %.300s: %s", path, strerror(errno));
    if (code != NB_EXIT_OK)
        unlink(temporary);
    return code;
}

int nb_practice_export(nb_learners *learners, const char *learner, const char *path)
{
    if (strcmp(path, "-") != 0)
        return write_file(learners, learner, path);
    int code = write_csv(learners, learner, stdout);
    return code != NB_EXIT_OK ? code : nb_out_flush();
}
