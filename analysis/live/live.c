/* SPDX-License-Identifier: Apache-2.0 */
#include "live.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pages.h"
#include "uploader/base/clock.h"
#include "uploader/control/clients.h"
#include "uploader/options/log.h"
#include "uploader/options/options.h"

enum { USAGE = 2 };

#define LISTEN "127.0.0.1:0" /* a free port */

struct wishes {
    const char *session, *listen;
    struct link_wanted wanted;
};

static volatile sig_atomic_t is_over;

bool live_is_wanted(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (!strcmp(argv[i], "--live"))
            return true;
    return false;
}

static void print_help(void)
{
    puts("usage: cprof report --live [options]\n"
         "\n"
         "Serves the report of a session that runs, and prints its address. The page follows the session. "
         "Ctrl-C ends\n"
         "the serving, and not the session.\n"
         "\n"
         "Options:\n"
         "  --session=NAME     the session's socket, if there are several [CPROF_SOCKET]\n"
         "  --program=NAME     of this program or service alone\n"
         "  --pid=PID          of this process alone\n"
         "  --listen=ADDRESS   where, as CPROF_LISTEN has it (127.0.0.1:0, a free port). What other machines "
         "reach\n"
         "                     needs CPROF_LISTEN_TOKEN, or a certificate\n"
         "  --help\n"
         "\n"
         "Ends with 0; 1: there is no session, or it cannot be listened there; 2: a wrong option; 3: there "
         "is no such\n"
         "process or program.");
}

static int refuse(const char *format, const char *text)
{
    fputs("cprof: report: ", stderr);
    fprintf(stderr, format, text);
    fputs(" (cprof report --live --help)\n", stderr);
    return -EINVAL;
}

static int take_pid(struct wishes *wishes, const char *value)
{
    char *end;
    long pid;

    errno = 0;
    pid = strtol(value, &end, 10);
    if (end == value || *end || errno || pid <= 0 || pid > INT_MAX)
        return refuse("%.40s is not a process id", value);
    wishes->wanted.pid = (int)pid;
    return 0;
}

static int take(struct wishes *wishes, const char *word)
{
    if (!strncmp(word, "--session=", 10))
        wishes->session = word + 10;
    else if (!strncmp(word, "--listen=", 9))
        wishes->listen = word + 9;
    else if (!strncmp(word, "--program=", 10))
        wishes->wanted.program = word + 10;
    else if (!strncmp(word, "--pid=", 6))
        return take_pid(wishes, word + 6);
    else if (strcmp(word, "--live") != 0)
        return refuse("%.60s goes not with --live", word);
    return 0;
}

/* 0; 1: help was printed; -EINVAL after a line on stderr. */
static int read_arguments(struct wishes *wishes, int argc, char **argv)
{
    *wishes = (struct wishes){.listen = LISTEN};
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
            print_help();
            return 1;
        }
        if (take(wishes, argv[i]))
            return -EINVAL;
    }
    if (wishes->wanted.pid && wishes->wanted.program)
        return refuse("%s", "--pid and --program: one of both");
    if (wishes->wanted.program && (!*wishes->wanted.program || strchr(wishes->wanted.program, '\n')))
        return refuse("%s", "--program needs a name");
    return 0;
}

/* The server calls the address by the name of its setting. */
static void say(const char *line, void *context)
{
    static const char name[] = "CPROF_LISTEN=";

    (void)context;
    if (!strncmp(line, name, sizeof name - 1))
        fprintf(stderr, "cprof: report: --listen=%s\n", line + sizeof name - 1);
    else
        fprintf(stderr, "cprof: report: %s\n", line);
}

static void complain(const char *line, void *context)
{
    (void)context;
    fprintf(stderr, "cprof: report: %s\n", line);
}

static void end(int signal)
{
    (void)signal;
    is_over = 1;
}

/* Until a signal. */
static void run(struct web *web)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    struct pollfd ask = {.fd = web_fd(web), .events = POLLIN};
    sigset_t blocked, waiting;

    sigemptyset(&blocked);
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
        sigaction(signals[i], &(struct sigaction){.sa_handler = end}, NULL);
        sigaddset(&blocked, signals[i]);
    }
    sigaction(SIGPIPE, &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
    sigprocmask(SIG_BLOCK, &blocked, &waiting);
    while (!is_over) {
        int64_t next_ns = web_work(web, monotonic_ns()), left_ns = next_ns - monotonic_ns();
        struct timespec left = {3600, 0};
        if (left_ns < 3600 * SECOND_NS)
            left = (struct timespec){left_ns > 0 ? left_ns / SECOND_NS : 0,
                                     left_ns > 0 ? left_ns % SECOND_NS : 0};
        ppoll(&ask, 1, &left, &waiting);
    }
}

static int serve(const struct options *options, const struct wishes *wishes, const char *session)
{
    static struct live_pages pages;
    struct web *web = web_open(options);
    char url[WEB_URL];
    int rc;

    if (!web)
        return CLIENT_FAILED;
    rc = live_pages_open(&pages, web, session, &wishes->wanted);
    if (rc) {
        fprintf(stderr, "cprof: report: %s\n", strerror(-rc));
    } else {
        web_url(web, url);
        printf("%s%s\n", url, pages.path);
        fflush(stdout);
        if (isatty(STDERR_FILENO))
            fputs("Open this address in a browser of this machine. Ctrl-C ends the serving.\n", stderr);
        run(web);
    }
    web_close(web);
    live_pages_close(&pages);
    return rc ? CLIENT_FAILED : 0;
}

int live_main(int argc, char **argv)
{
    static struct options options;
    char session[SESSION_NAME];
    struct wishes wishes;
    int status = read_arguments(&wishes, argc, argv);

    if (status)
        return status < 0 ? USAGE : 0;
    status = link_find("report", wishes.session, &wishes.wanted, session);
    if (status)
        return status;
    settings_read(&options.settings, environ, complain, NULL);
    options.settings.value[SETTING_LISTEN].text = wishes.listen;
    options.foreground = options.quiet = true;
    log_divert(say, NULL);
    return serve(&options, &wishes, session);
}
