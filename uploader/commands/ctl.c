/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cprof ctl: asks a session that runs, and has it do something (uploader/control/request.h). Without a name it asks the
 * only session of this user. What it prints comes from another process, so control characters are left out.
 */
#include "commands.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "uploader/control/clients.h"
#include "uploader/control/request.h"
#include "uploader/handover/sessions.h"

enum { USAGE = 2, SILENCE_MS = 310000 };

struct ctl {
    const char *session; /* NULL: to be found */
    bool json, has_pid, shows;
    char request[CONTROL_REQUEST + 1];
    size_t used;
};

static void print_help(void)
{
    puts(
        "usage: cprof ctl [--session=NAME] COMMAND [options]\n"
        "\n"
        "Asks a session that runs, or changes what it records.\n"
        "\n"
        "Commands:\n"
        "  list                     processes: threads, samples, costs, what is recorded and how often\n"
        "  status                   the session: uploader, uploads that wait, kill switch, what was changed\n"
        "  on TYPE...               records these profile types (cpu memory mutex block wall off_cpu "
        "threads\n"
        "                           threadcreate, or all), also of processes that join later\n"
        "  off TYPE...              records them no longer\n"
        "  rate TYPE=VALUE...       how often: cpu=200, memory=1MiB, mutex=1, block=1ms, wall=50, as "
        "settings have it\n"
        "  reset [TYPE...]          takes changes by on, off and rate back\n"
        "  write                    writes the profiles' files now, and prints where they are\n"
        "  flush                    pushes now, and waits until all is sent\n"
        "  dump                     prints every thread with its stack\n"
        "\n"
        "Options:\n"
        "  --session=NAME           the session's socket, if there are several [CPROF_SOCKET]\n"
        "  --program=NAME           of this program or service alone\n"
        "  --pid=PID                of this process alone\n"
        "  --json                   list and status as JSON\n"
        "  --timeout=TIME           how long flush waits (10s)\n"
        "  --help\n"
        "\n"
        "Ends with 0; 1: it could not be done; 2: it makes no sense; 3: there is no such process or "
        "program.");
}

/* One line of the request. Nothing that would be two. */
static int add(struct ctl *ctl, const char *key, const char *value)
{
    int length;

    if (strchr(value, '\n')) {
        fprintf(stderr, "cprof: ctl: a value has no line breaks\n");
        return -EINVAL;
    }
    length = snprintf(ctl->request + ctl->used, sizeof ctl->request - ctl->used, "%s %s\n", key, value);
    if (length < 0 || (size_t)length >= sizeof ctl->request - ctl->used) {
        fprintf(stderr, "cprof: ctl: that is too long\n");
        return -E2BIG;
    }
    ctl->used += (size_t)length;
    return 0;
}

/* Options that a request has as they are. */
static const char *const passed[] = {"program", "pid", "timeout"};

/* Returns whether the next argument was used, too, or negative errno. */
static int take_option(struct ctl *ctl, const char *option, const char *next)
{
    const char *value = strchr(option, '=');
    size_t length = value ? (size_t)(value - option) : strlen(option);
    int used = value == NULL;

    if (!strcmp(option, "json")) {
        ctl->json = true;
        return add(ctl, "json", "1");
    }
    value = value ? value + 1 : next;
    for (size_t i = 0; i < sizeof passed / sizeof passed[0]; i++) {
        if (strlen(passed[i]) != length || memcmp(passed[i], option, length) != 0)
            continue;
        ctl->has_pid |= !strcmp(passed[i], "pid");
        if (value)
            return add(ctl, passed[i], value) ? -EINVAL : used;
    }
    if (length == 7 && !memcmp(option, "session", length) && value) {
        ctl->session = value;
        return used;
    }
    fprintf(stderr, "cprof: ctl: unknown option --%s, or without its value (cprof ctl --help)\n", option);
    return -EINVAL;
}

/* What stands behind the command: types, or types with rates. Commas separate them, too. */
static int take_words(struct ctl *ctl, char *words)
{
    for (char *at = NULL, *word = strtok_r(words, ",", &at); word; word = strtok_r(NULL, ",", &at))
        if (add(ctl, strchr(word, '=') ? "rate" : "type", word))
            return -EINVAL;
    return 0;
}

/* 0; 1: help was printed; negative errno. */
static int take_arguments(struct ctl *ctl, int argc, char **argv)
{
    bool has_command = false;

    ctl->used = (size_t)snprintf(ctl->request, sizeof ctl->request, CONTROL_MAGIC "%d\n", CONTROL_VERSION);
    for (int i = 1; i < argc; i++) {
        int used = 0;
        if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
            print_help();
            return 1;
        }
        if (!strncmp(argv[i], "--", 2)) {
            used = take_option(ctl, argv[i] + 2, i + 1 < argc ? argv[i + 1] : NULL);
        } else if (has_command) {
            used = take_words(ctl, argv[i]);
        } else {
            has_command = true;
            ctl->shows = !strcmp(argv[i], "list") || !strcmp(argv[i], "status");
            used = add(ctl, "command", argv[i]);
        }
        if (used < 0)
            return used;
        i += used;
    }
    if (has_command)
        return 0;
    fputs("cprof: ctl: which command? (list, status, on, off, rate, reset, write, flush, dump; --help)\n",
          stderr);
    return -EINVAL;
}

static void print(FILE *file, const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        unsigned char byte = (unsigned char)text[i];
        putc(byte < 0x20 && byte != '\n' && byte != '\t' ? '?' : byte == 0x7f ? '?' : byte, file);
    }
}

/* Prints the answer. The exit status, or -1: it did not come to its end. quiet: nobody is meant is not said. */
static int receive(int fd, bool quiet)
{
    static char message[CLIENT_MESSAGE + 1];
    struct pollfd ask = {.fd = fd, .events = POLLIN};

    for (;;) {
        ssize_t size = poll(&ask, 1, SILENCE_MS) == 1 ? recv(fd, message, sizeof message, 0) : -1;
        if (size <= 0)
            return -1;
        if (*message == '1')
            print(stdout, message + 1, (size_t)size - 1);
        if (*message == '2' && !quiet) {
            fputs("cprof: ", stderr);
            print(stderr, message + 1, (size_t)size - 1);
            putc('\n', stderr);
        }
        if (*message == '=' && size == 2)
            return message[1] - '0';
    }
}

static int ask(const struct ctl *ctl, const char *session, bool quiet)
{
    int fd = sessions_connect(session), status;

    if (fd < 0)
        return CLIENT_FAILED;
    if (send(fd, ctl->request, ctl->used, MSG_NOSIGNAL) != (ssize_t)ctl->used) {
        fprintf(stderr, "cprof: the session %s does not listen: %s\n", session, strerror(errno));
        close(fd);
        return CLIENT_FAILED;
    }
    status = receive(fd, quiet);
    close(fd);
    if (status < 0)
        fprintf(stderr,
                "cprof: the session %s has not answered to the end: it is ending, or of an older version\n",
                session);
    return status < 0 ? CLIENT_FAILED : status;
}

/* Of several sessions each may be looked at, and the one that has the process be changed. */
static int ask_several(const struct ctl *ctl, char name[SESSIONS_MOST][SESSION_NAME], size_t count)
{
    int worst = 0;

    if (ctl->has_pid) {
        for (size_t i = 0; i < count; i++) {
            int status = ask(ctl, name[i], true);
            if (status != CLIENT_NOBODY)
                return status;
        }
        fputs("cprof: no session of yours has this process\n", stderr);
        return CLIENT_NOBODY;
    }
    if (ctl->shows) {
        for (size_t i = 0; i < count; i++) {
            int status = ask(ctl, name[i], false);
            worst = status > worst ? status : worst;
        }
        return worst;
    }
    fputs("cprof: there are several sessions. Say which one:\n", stderr);
    for (size_t i = 0; i < count; i++)
        fprintf(stderr, "  --session=%s\n", name[i]);
    return USAGE;
}

int ctl_main(int argc, char **argv)
{
    static char name[SESSIONS_MOST][SESSION_NAME];
    static struct ctl ctl;
    const char *named = getenv("CPROF_SOCKET");
    size_t count;
    int rc = take_arguments(&ctl, argc, argv);

    if (rc)
        return rc < 0 ? USAGE : 0;
    if (!ctl.session && named && *named)
        ctl.session = named;
    if (ctl.session)
        return ask(&ctl, ctl.session, false);
    count = sessions_find(name);
    if (count > 1)
        return ask_several(&ctl, name, count);
    if (count)
        return ask(&ctl, name[0], false);
    fputs("cprof: no session of yours runs here. One that was started elsewhere, as in another container, is "
          "named by "
          "--session=SOCKET\n",
          stderr);
    return CLIENT_FAILED;
}
