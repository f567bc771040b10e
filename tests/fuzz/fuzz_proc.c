/* SPDX-License-Identifier: Apache-2.0 */
// runs: 1800000
/* The texts of /proc, whose names the program chooses: every parser gets the same bytes. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "uploader/process/container_id.h"
#include "uploader/process/proc_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void parse_lines(char *text)
{
    struct proc_mapping mapping;

    for (char *line = text, *end; line; line = end) {
        end = strchr(line, '\n');
        if (end)
            *end++ = 0;
        if (proc_mapping_parse(line, &mapping) &&
            (strlen(mapping.flags) != 4 || strlen(mapping.path) > strlen(line)))
            abort();
    }
}

static void check_container(const char *text)
{
    char id[CONTAINER_ID_BYTES];

    if (container_id_of_cgroup(text, id) && strlen(id) != CONTAINER_ID_BYTES - 1)
        abort();
    if (container_id_of_mounts(text, id) && strlen(id) != CONTAINER_ID_BYTES - 1)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1); /* where its end is, the sanitizer knows */
    struct proc_stat stat;
    struct proc_call call;
    int64_t cpu_ns, queued_ns;
    int number;

    if (!text)
        return 0;
    memcpy(text, data, size);
    text[size] = 0;
    if (proc_stat_parse(text, &stat) && (!stat.letter || strlen(stat.name) >= sizeof stat.name))
        abort();
    if (proc_call_parse(text, &call) && call.running && call.number != -1)
        abort();
    if (proc_schedstat_parse(text, &cpu_ns, &queued_ns) && (cpu_ns < 0 || queued_ns < 0))
        abort();
    proc_number_parse(text, "Pid", &number);
    proc_number_parse(text, "NSpid", &number);
    check_container(text);
    parse_lines(text);
    free(text);
    return 0;
}
