/* SPDX-License-Identifier: Apache-2.0 */
#include "proc_text.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

ssize_t proc_read(const char *path, char *text, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length;

    *text = 0;
    if (fd == -1)
        return -errno;
    length = read(fd, text, size - 1);
    length = length < 0 ? -errno : length;
    close(fd);
    text[length > 0 ? length : 0] = 0;
    return length;
}

enum { STAT_PARENT = 4, STAT_FLAGS = 9, STAT_START = 22, STAT_CODE = 26, STAT_STACK = 28 };

/* "PID (NAME) LETTER PARENT ...". NAME may hold anything, also ")" and newlines; the last ")" ends it. Fields
   are counted from 1. */
bool proc_stat_parse(const char *text, struct proc_stat *stat)
{
    const char *name = strchr(text, '('), *after = strrchr(text, ')');
    struct proc_stat parsed = {0};
    unsigned field;
    char *end;

    if (!name || !after || after < name || after[1] != ' ' || !after[2] || after[3] != ' ')
        return false;
    snprintf(parsed.name, sizeof parsed.name, "%.*s", (int)(after - name - 1), name + 1);
    parsed.letter = after[2];
    after += 3;
    for (field = STAT_PARENT; field <= STAT_STACK; field++, after = end) {
        uint64_t value = strtoull(after, &end, 10);
        if (end == after)
            break;
        if (field == STAT_PARENT)
            parsed.parent = value <= INT_MAX ? (pid_t)value : 0;
        else if (field == STAT_FLAGS)
            parsed.flags = (unsigned)value;
        else if (field == STAT_START)
            parsed.start = value;
        else if (field == STAT_CODE)
            parsed.code = value;
        else if (field == STAT_STACK)
            parsed.stack = value;
    }
    if (field <= STAT_FLAGS)
        return false;
    *stat = parsed;
    return true;
}

/* "running"; or the number of the call (-1: none) and its arguments; then the stack pointer and the program
   counter. */
bool proc_call_parse(const char *text, struct proc_call *call)
{
    const char *pc = strrchr(text, ' '), *sp = pc;
    struct proc_call parsed = {0};
    char *end;

    if (!strncmp(text, "running", strlen("running"))) {
        *call = (struct proc_call){.running = true, .number = -1};
        return true;
    }
    parsed.number = strtol(text, &end, 10);
    if (end == text)
        return false;
    while (sp && sp > text && *--sp != ' ')
        ;
    if (pc && *sp == ' ') {
        parsed.sp = strtoull(sp, NULL, 16);
        parsed.pc = strtoull(pc, NULL, 16);
    }
    *call = parsed;
    return true;
}

bool proc_schedstat_parse(const char *text, int64_t *cpu_ns, int64_t *queued_ns)
{
    char *middle, *end;
    uint64_t cpu = strtoull(text, &middle, 10), queued = strtoull(middle, &end, 10);

    if (middle == text || end == middle || cpu > INT64_MAX || queued > INT64_MAX)
        return false;
    *cpu_ns = (int64_t)cpu;
    *queued_ns = (int64_t)queued;
    return true;
}

bool proc_number_parse(const char *text, const char *name, int *number)
{
    size_t length = strlen(name);

    for (const char *line = text; line; line = strchr(line, '\n')) {
        const char *end, *last;
        char *after;
        long value;
        line += *line == '\n';
        if (strncmp(line, name, length) != 0 || line[length] != ':')
            continue;
        end = line + strcspn(line, "\n");
        last = memrchr(line, '\t', (size_t)(end - line));
        value = last ? strtol(last, &after, 10) : 0;
        if (!last || after == last || after > end || value < INT_MIN || value > INT_MAX)
            return false;
        *number = (int)value;
        return true;
    }
    return false;
}

bool proc_mapping_parse(char *line, struct proc_mapping *mapping)
{
    struct proc_mapping parsed;
    unsigned device[2];
    int at = 0;

    line[strcspn(line, "\n")] = 0;
    if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %x:%x %" SCNu64 " %n", &parsed.start,
               &parsed.end, parsed.flags, &parsed.offset, &device[0], &device[1], &parsed.inode, &at) != 7 ||
        !at || strlen(parsed.flags) != 4)
        return false;
    parsed.device = makedev(device[0], device[1]);
    parsed.path = line + at;
    *mapping = parsed;
    return true;
}
