/* SPDX-License-Identifier: Apache-2.0 */
#include "top.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "analysis/live/link.h"
#include "analysis/top/model/model.h"
#include "analysis/top/terminal/terminal.h"
#include "keys.h"
#include "layout.h"
#include "options.h"
#include "uploader/base/clock.h"
#include "uploader/control/clients.h"
#include "uploader/encoding/utf8.h"

#define FIRST_NS  SECOND_NS /* the first interval is no longer, so that there is soon something to see */
#define RETRY_NS  SECOND_NS /* between two attempts to find the session again */
#define ANSWER_NS (20 * SECOND_NS) /* a session that is silent for so long is taken for gone */
#define GONE_NS   (4 * SECOND_NS)  /* a session that is not back after so long has ended */

enum { ERROR = 256, USAGE = 2, PLAIN_WIDTH = 160, PLAIN_LEAST = 40, PLAIN_MOST = 1000 };

struct top {
    struct top_options options;
    char session[SESSION_NAME];
    struct model model;
    struct top_look look;
    struct screen screen;
    bool is_plain;
    int fd;             /* -1: the session has gone */
    bool is_asked;      /* an answer is on its way */
    bool is_wanted;     /* another kind is shown, so ask even if it stands still */
    struct frame frame; /* as far as it has come */
    int64_t next_ns;    /* when to ask, or to try to connect */
    int64_t asked_ns, gone_ns;
    unsigned frames; /* of this connection */
    bool has_drawn;
    char error[ERROR]; /* why the session refuses; it comes before the refusal */
};

static void draw(struct top *top)
{
    unsigned width, height;

    if (top->is_plain)
        return;
    terminal_size(&width, &height);
    screen_begin(&top->screen, width, height);
    layout_draw(&top->screen, &top->model, &top->look);
    terminal_draw(&top->screen);
}

/* A block of text, with an empty line before each but the first. */
static void print_block(struct top *top)
{
    const char *columns = getenv("COLUMNS");
    long width = columns ? strtol(columns, NULL, 10) : 0;

    screen_begin(&top->screen, width >= PLAIN_LEAST && width <= PLAIN_MOST ? (unsigned)width : PLAIN_WIDTH,
                 0);
    layout_draw(&top->screen, &top->model, &top->look);
    if (!top->screen.failed)
        printf("%s%s\n", top->has_drawn ? "\n" : "", top->screen.text);
    top->has_drawn = true;
    fflush(stdout);
}

static void say(struct top *top, const char *text)
{
    utf8_clean(top->look.message, sizeof top->look.message, text, true);
}

/* ---- The session ---- */

/* The uploader may be replaced by its keeper, or the program be started again in the same session. */
static void lose(struct top *top)
{
    if (top->fd >= 0)
        close(top->fd);
    frame_free(&top->frame);
    top->fd = -1;
    top->is_asked = false;
    top->frames = 0;
    top->gone_ns = monotonic_ns();
    top->next_ns = top->gone_ns + RETRY_NS / 4;
}

static void ask(struct top *top, int64_t now_ns)
{
    struct link_wanted wanted = top->options.wanted;

    top->is_wanted = false;
    model_want(&top->model, now_ns, &wanted);
    top->asked_ns = now_ns;
    *top->error = 0;
    top->is_asked = !link_ask(top->fd, &wanted);
    if (!top->is_asked)
        lose(top);
}

static void connect_again(struct top *top, int64_t now_ns)
{
    top->fd = link_open(top->session);
    if (top->fd < 0) {
        top->next_ns = now_ns + RETRY_NS;
        if (now_ns - top->gone_ns > GONE_NS)
            say(top, "The session has ended. Waiting for it to come back; q quits");
        return;
    }
    *top->look.message = 0;
    model_forget(&top->model);
    ask(top, now_ns);
}

static int64_t interval_of(const struct top *top)
{
    int64_t interval_ns = (int64_t)(top->look.interval_s * 1e9);

    interval_ns = model_interval(&top->model, interval_ns);
    return top->frames < 2 && interval_ns > FIRST_NS && !top->options.once ? FIRST_NS : interval_ns;
}

/* The whole answer is there. */
static void take_frame(struct top *top)
{
    model_take(&top->model, &top->frame);
    top->is_asked = false;
    top->frames++;
    top->next_ns = top->asked_ns + interval_of(top);
    if (top->is_plain && top->model.has_interval)
        print_block(top);
    draw(top);
}

/* 0; else the exit status: the session refuses. */
static int receive(struct top *top)
{
    char clean[ERROR];
    int rc = link_receive(top->fd, &top->frame, top->error);

    if (rc == 1)
        take_frame(top);
    if (rc >= 0)
        return 0;
    if (rc != -EREMOTEIO && top->model.has_frame) {
        lose(top);
        return 0;
    }
    terminal_close();
    utf8_clean(clean, sizeof clean, top->error, true);
    if (rc == -EREMOTEIO)
        fprintf(stderr, "cprof: top: %s\n", clean);
    else
        fprintf(
            stderr,
            "cprof: top: the session %s has not answered to the end: it is ending, or of another version\n",
            top->session);
    return rc == -EREMOTEIO && (top->options.wanted.pid || top->options.wanted.program) ? CLIENT_NOBODY
                                                                                        : CLIENT_FAILED;
}

/* What is due by the clock. */
static void work(struct top *top)
{
    const int64_t now_ns = monotonic_ns();

    if (top->fd >= 0 && top->is_asked && now_ns - top->asked_ns > ANSWER_NS)
        lose(top);
    if (now_ns < top->next_ns || top->is_asked)
        return;
    if (top->fd < 0)
        connect_again(top, now_ns);
    else if (!top->look.is_paused || top->is_wanted)
        ask(top, now_ns);
    else
        top->next_ns = now_ns + SECOND_NS;
    if (top->fd < 0)
        draw(top);
}

/* false: quit. */
static bool take_keys(struct top *top)
{
    unsigned width, height;
    int key;

    terminal_size(&width, &height);
    while ((key = terminal_key())) {
        enum keys_done done = keys_take(&top->look, &top->model, key, height);
        if (done == KEYS_QUIT)
            return false;
        if (done == KEYS_ASK && top->fd >= 0) {
            top->is_wanted = true;
            top->next_ns = monotonic_ns();
        }
    }
    draw(top);
    return true;
}

/* Returns the exit status, or -1: it goes on. */
static int turn(struct top *top)
{
    const int64_t wake_ns = top->is_asked ? top->asked_ns + ANSWER_NS : top->next_ns;
    unsigned events = terminal_wait(top->is_asked ? top->fd : -1, wake_ns);
    int status;

    if (events & EVENT_QUIT)
        return 0;
    if (events & EVENT_KEYS && !take_keys(top))
        return 0;
    if (events & EVENT_DRAW)
        draw(top);
    if (events & EVENT_FD && (status = receive(top)))
        return status;
    if (top->options.once && top->has_drawn)
        return 0;
    if (top->is_plain && top->fd < 0 && monotonic_ns() - top->gone_ns > GONE_NS) {
        fprintf(stderr, "cprof: top: the session %s has ended\n", top->session);
        return top->has_drawn ? 0 : CLIENT_FAILED;
    }
    work(top);
    return -1;
}

static int run(struct top *top)
{
    int status = -1, rc = terminal_open(!top->is_plain);

    if (rc) {
        fprintf(stderr, "cprof: top: the terminal cannot be used: %s; try --once\n", strerror(-rc));
        return CLIENT_FAILED;
    }
    top->screen.has_styles = !top->is_plain;
    top->screen.is_ascii = !top->is_plain && !terminal_has_utf8();
    model_forget(&top->model);
    while (status < 0)
        status = turn(top);
    terminal_close();
    return status;
}

/* Ends by the signal that ended it, as its parent expects. */
static void end_by(int signal)
{
    sigset_t one;

    if (!signal || signal == SIGINT)
        return;
    sigaction(signal, &(struct sigaction){.sa_handler = SIG_DFL}, NULL);
    sigemptyset(&one);
    sigaddset(&one, signal);
    raise(signal);
    sigprocmask(SIG_UNBLOCK, &one, NULL);
}

int top_main(int argc, char **argv)
{
    static struct top top = {.fd = -1, .look = {.program = -1}};
    int status = top_options(argc, argv, &top.options);

    if (status)
        return status < 0 ? USAGE : 0;
    top.is_plain = top.options.once || !terminal_is_there();
    status = link_find("top", top.options.session, &top.options.wanted, top.session);
    if (status)
        return status;
    top.model.view = top.options.view;
    top.look.interval_s = (double)top.options.interval_ns / 1e9;
    top.look.rows = top.options.rows;
    top.look.is_plain = top.is_plain;
    top.gone_ns = monotonic_ns();
    status = run(&top);
    if (top.fd >= 0)
        close(top.fd);
    frame_free(&top.frame);
    model_free(&top.model);
    screen_free(&top.screen);
    end_by(terminal_signal());
    return status;
}
