/* SPDX-License-Identifier: Apache-2.0 */
/* A directory of the test's for the sink of files, and what is in it. */
#ifndef CPROF_TESTS_FILES_FIXTURE_H
#define CPROF_TESTS_FILES_FIXTURE_H

#include <dirent.h>
#include <stdlib.h>
#include <unistd.h>

#include "../sink_fixture.h"

static char directory[64], path_buffer[600];

static const char *in_directory(const char *name)
{
    snprintf(path_buffer, sizeof(path_buffer), "%s/%s", directory, name);
    return path_buffer;
}

static int make_directory(void **state)
{
    (void)state;
    *log_text = 0;
    strcpy(directory, "/tmp/cprof-files-XXXXXX");
    return mkdtemp(directory) ? 0 : -1;
}

static int remove_directory(void **state)
{
    char command[200];

    (void)state;
    snprintf(command, sizeof(command), "rm -rf %s %s-2", directory, directory);
    return system(command);
}

/* Entries of a directory that end so; hidden ones count too. */
static unsigned count_files(const char *name, const char *suffix)
{
    unsigned count = 0;
    DIR *list = opendir(in_directory(name));

    for (struct dirent *entry; list && (entry = readdir(list));) {
        size_t length = strlen(entry->d_name);
        count += length >= strlen(suffix) && !strcmp(entry->d_name + length - strlen(suffix), suffix) &&
                 strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    }
    if (list)
        closedir(list);
    return count;
}

#endif
