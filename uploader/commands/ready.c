/* SPDX-License-Identifier: Apache-2.0 */
/* cprof-uploader ready: does a service listen? A probe of a sidecar asks, so that no program starts before it. */
#include "commands.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "uploader/handover/socket_name.h"
#include "uploader/options/options.h"

int ready_main(int argc, char **argv)
{
    static struct options options = {.foreground = true};
    int fd;

    if (options_parse(&options, argc, argv) < 0)
        return 2;
    if (options.help) {
        puts("usage: cprof-uploader ready --socket=path\nEnds with 0 if a service listens there, else with "
             "1.");
        return 0;
    }
    fd = socket_name_connect(options.socket);
    if (fd < 0) {
        fprintf(stderr, "cprof: %s: %s\n", options.socket, strerror(-fd));
        return 1;
    }
    close(fd);
    return 0;
}
