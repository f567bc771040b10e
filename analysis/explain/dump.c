/* SPDX-License-Identifier: Apache-2.0 */
#include "dump.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "own_code.h"
#include "uploader/base/array.h"

enum { LINE_BYTES = 16 * 1024 };

static const char *keep(struct dump *dump, const char *text, size_t length)
{
    return store_text(&dump->store, text, length);
}

static struct dump_thread *add_thread(struct dump *dump)
{
    struct dump_thread *grown = array_reserve(dump->thread, &dump->room, dump->threads, sizeof *grown);

    if (!grown)
        return NULL;
    dump->thread = grown;
    grown += dump->threads++;
    *grown = (struct dump_thread){.name = "", .state = "", .wait = "", .where = "", .count = 1};
    return grown;
}

static void take_label(struct dump *dump, struct dump_thread *thread, const struct read_label *label)
{
    const char *text = label->text ? keep(dump, label->text, strlen(label->text)) : "";

    if (!strcmp(label->key, "state"))
        thread->state = text;
    else if (!strcmp(label->key, "wait"))
        thread->wait = text;
    else if (!strcmp(label->key, "tid"))
        thread->tid = label->number;
    else if (!strcmp(label->key, "waits_for"))
        thread->holder = label->number;
    else if (!strcmp(label->key, "waited"))
        thread->waited_ns = label->number;
}

/* The user's own function; the leaf, if there is none. */
static const char *where_of(const struct read_profile *profile, uint32_t node)
{
    uint32_t function = own_function(profile, node);

    if (function == OWN_NONE)
        return node ? profile->function[profile->frame[profile->node[node].frame].function].name : "";
    return profile->function[function].name;
}

int dump_profile(struct dump *dump, const struct read_profile *profile)
{
    *dump = (struct dump){.threads = 0};
    for (size_t i = 0; i < profile->samples; i++) {
        const struct read_sample *sample = &profile->sample[i];
        const struct read_set *set = &profile->set[sample->set];
        const char *where = where_of(profile, sample->node);
        struct dump_thread *thread;
        if (profile->value[i * profile->types] <= 0)
            continue;
        thread = add_thread(dump);
        if (!thread)
            return -ENOMEM;
        thread->name = keep(dump, set->thread, strlen(set->thread));
        thread->pid = set->pid;
        thread->count = profile->value[i * profile->types];
        thread->where = keep(dump, where, strlen(where));
        for (uint32_t l = 0; l < set->labels; l++)
            take_label(dump, thread, &set->label[l]);
    }
    return dump->threads ? 0 : -ENODATA;
}

/* "[lock: pthread_mutex_lock, 12.345 s, held by 12346 "buyer"]" */
static void take_state(struct dump *dump, struct dump_thread *thread, const char *at)
{
    size_t length = strcspn(at, ":,]");
    const char *held, *time;

    thread->state = keep(dump, at, length);
    if (at[length] == ':') {
        at += length + 1 + (at[length + 1] == ' ');
        length = strcspn(at, ",]");
        thread->wait = keep(dump, at, length);
    }
    at += length;
    time = at + strspn(at, ", ");
    if (*time >= '0' && *time <= '9') {
        double value = strtod(time, NULL) * (strstr(time, "minutes") ? 60 : 1);
        thread->waited_ns = value < 9e9 ? (int64_t)(value * 1e9) : INT64_MAX;
    }
    held = strstr(at, ", held by ");
    if (held)
        thread->holder = strtoll(held + strlen(", held by "), NULL, 10);
}

/* NAME" TID of process PID [STATE]: threads.txt; or TID first, as in threads-each.txt. */
static int take_thread(struct dump *dump, const char *line)
{
    struct dump_thread *thread = add_thread(dump);
    const char *quote = strchr(line, '"'), *end, *process = strstr(line, " of process "), *bracket;

    if (!thread)
        return -ENOMEM;
    end = quote ? strchr(quote + 1, '"') : NULL;
    if (end)
        thread->name = keep(dump, quote + 1, (size_t)(end - quote - 1));
    if (end)
        thread->tid = strtoll(*line == '#' ? end + 1 : line + strlen("thread "), NULL, 10);
    if (process)
        thread->pid = strtoll(process + strlen(" of process "), NULL, 10);
    bracket = process ? strchr(process, '[') : NULL;
    if (bracket)
        take_state(dump, thread, bracket + 1);
    return 0;
}

/* Names of functions that say nothing of what the program does. */
static bool is_of_library(const char *name)
{
    static const char *const begins[] = {"pthread_",
                                         "__",
                                         "epoll_",
                                         "futex",
                                         "poll",
                                         "select",
                                         "read",
                                         "write",
                                         "clone",
                                         "start_thread",
                                         "_start",
                                         "nanosleep",
                                         "clock_nanosleep",
                                         "usleep",
                                         "sleep",
                                         "recv",
                                         "accept",
                                         "sem_",
                                         "0x",
                                         "["};

    for (size_t i = 0; i < sizeof begins / sizeof begins[0]; i++)
        if (!strncmp(name, begins[i], strlen(begins[i])))
            return true;
    return strstr(name, "+0x") != NULL;
}

/* A frame is that of all threads that were named since the last stack ended. */
static void take_frame(struct dump *dump, size_t first, const char *name)
{
    size_t length = strcspn(name, "\t\n");
    const char *text = keep(dump, name, length);

    for (size_t i = first; i < dump->threads; i++)
        if (!*dump->thread[i].where || (is_of_library(dump->thread[i].where) && !is_of_library(text)))
            dump->thread[i].where = text;
}

/* Groups begin with "COUNT @ ADDRESSES" in threads.txt, threads with "thread" in threads-each.txt. */
static int take_line(struct dump *dump, size_t *first, const char *line)
{
    if (!strncmp(line, "# \"", 3))
        return take_thread(dump, line);
    if (!strncmp(line, "thread ", 7)) {
        *first = dump->threads;
        return take_thread(dump, line);
    }
    if (!strncmp(line, "#\t0x", 4) && strchr(line + 4, '\t'))
        take_frame(dump, *first, strchr(line + 4, '\t') + 1);
    else if (!*line || strstr(line, " @ 0x"))
        *first = dump->threads;
    else if (*line != '\t' && *line != '#')
        take_frame(dump, *first, line);
    return 0;
}

int dump_text(struct dump *dump, struct source *in)
{
    char line[LINE_BYTES];
    size_t first = 0;
    int rc = 0;

    *dump = (struct dump){.threads = 0};
    source_line(in, line, sizeof line); /* "threads profile: total 7" */
    while (!rc && source_line(in, line, sizeof line) >= 0)
        rc = take_line(dump, &first, line);
    if (!rc && in->error)
        rc = in->error;
    return rc ? rc : dump->threads ? 0 : -ENODATA;
}

void dump_free(struct dump *dump)
{
    free(dump->thread);
    store_free(&dump->store);
}

bool dump_is_text(const uint8_t *data, size_t size)
{
    static const char head[] = "threads profile: total ";

    return size >= sizeof head - 1 && !memcmp(data, head, sizeof head - 1);
}
