/* SPDX-License-Identifier: Apache-2.0 */
#include "terminal.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "uploader/base/clock.h"

static const char enter[] = "\033[?1049h\033[?25l\033[H\033[2J", leave[] = "\033[?25h\033[?1049l";

enum { KEYS = 64, WIDTH = 80, HEIGHT = 24, ESCAPE_MS = 30 };

static struct {
    struct termios before;
    bool is_ours, was_ours; /* was_ours: it is to be again */
    bool has_signals;
    sigset_t waiting; /* the mask while it waits */
    char key[KEYS];
    unsigned keys, taken;
} terminal;

static volatile sig_atomic_t quit_signal, stop_wanted, draw_wanted;

bool terminal_is_there(void)
{
    const char *term = getenv("TERM");
    return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) && term && *term && strcmp(term, "dumb") != 0;
}

bool terminal_has_utf8(void)
{
    static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *value = getenv(names[i]);
        if (value && *value)
            return strcasestr(value, "utf-8") || strcasestr(value, "utf8");
    }
    return false;
}

static void put_all(const char *text, size_t size)
{
    while (size) {
        ssize_t written = write(STDOUT_FILENO, text, size);
        struct pollfd room = {.fd = STDOUT_FILENO, .events = POLLOUT};
        if (written < 0 && errno == EAGAIN && poll(&room, 1, 1000) > 0)
            continue;
        if (written < 0 && errno != EINTR)
            return;
        text += written > 0 ? written : 0;
        size -= written > 0 ? (size_t)written : 0;
    }
}

/* ---- Ours, and given back ---- */

static int take_terminal(void)
{
    struct termios raw;

    if (tcgetattr(STDIN_FILENO, &terminal.before))
        return -errno;
    raw = terminal.before;
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    raw.c_cc[VMIN] = 0;
    raw.c_cc[VTIME] = 0;
    if (tcsetattr(STDIN_FILENO, TCSANOW, &raw))
        return -errno;
    put_all(enter, sizeof enter - 1);
    terminal.is_ours = true;
    return 0;
}

static void give_back(void)
{
    if (!terminal.is_ours)
        return;
    terminal.is_ours = false;
    put_all(leave, sizeof leave - 1);
    tcsetattr(STDIN_FILENO, TCSANOW, &terminal.before);
}

static void note(int signal)
{
    if (signal == SIGTSTP)
        stop_wanted = 1;
    else if (signal == SIGWINCH || signal == SIGCONT)
        draw_wanted = 1;
    else
        quit_signal = signal;
}

/* Blocked but while terminal_wait() waits, so none is missed. */
static void take_signals(void)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGTSTP, SIGWINCH, SIGCONT};
    struct sigaction action = {.sa_handler = note};
    sigset_t blocked;

    sigemptyset(&blocked);
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
        struct sigaction old;
        /* nohup, and jobs in the background of old shells */
        if (!sigaction(signals[i], NULL, &old) && old.sa_handler == SIG_IGN && signals[i] != SIGPIPE)
            continue;
        sigaction(signals[i], &action, NULL);
        sigaddset(&blocked, signals[i]);
    }
    sigprocmask(SIG_BLOCK, &blocked, &terminal.waiting);
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
        if (sigismember(&blocked, signals[i]))
            sigdelset(&terminal.waiting, signals[i]);
    terminal.has_signals = true;
}

/* A crash, too, gives the terminal back. */
static void crash(int signal)
{
    give_back();
    raise(signal); /* SA_RESETHAND: now it ends the process */
}

int terminal_open(bool ours)
{
    static const int crashes[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL};
    struct sigaction action = {.sa_handler = crash, .sa_flags = SA_RESETHAND | SA_NODEFER};

    take_signals();
    if (!ours)
        return 0;
    for (size_t i = 0; i < sizeof crashes / sizeof crashes[0]; i++)
        sigaction(crashes[i], &action, NULL);
    atexit(give_back);
    return take_terminal();
}

void terminal_close(void)
{
    give_back();
}

/* As a program does that has no handler for SIGTSTP. */
static void stop(void)
{
    stop_wanted = 0;
    terminal.was_ours = terminal.is_ours;
    give_back();
    raise(SIGSTOP);
    if (terminal.was_ours)
        take_terminal();
    draw_wanted = 1;
}

/* ---- Waiting ---- */

unsigned terminal_wait(int fd, int64_t until_ns)
{
    struct pollfd ask[] = {{.fd = terminal.is_ours ? STDIN_FILENO : -1, .events = POLLIN},
                           {.fd = fd, .events = POLLIN}};
    int64_t left_ns = until_ns - monotonic_ns();
    struct timespec left = {0, 0};
    unsigned events = EVENT_TIME;

    if (terminal.taken < terminal.keys)
        return EVENT_KEYS;
    if (left_ns > 0)
        left = (struct timespec){left_ns / SECOND_NS, left_ns % SECOND_NS};
    if (ppoll(ask, 2, &left, &terminal.waiting) < 0)
        ask[0].revents = ask[1].revents = 0;
    if (stop_wanted)
        stop();
    if (draw_wanted)
        events |= EVENT_DRAW;
    draw_wanted = 0;
    if (quit_signal || ask[0].revents & (POLLHUP | POLLERR | POLLNVAL)) /* the terminal has gone */
        events |= EVENT_QUIT;
    if (ask[0].revents & POLLIN)
        events |= EVENT_KEYS;
    if (ask[1].revents)
        events |= EVENT_FD;
    return events;
}

int terminal_signal(void)
{
    return quit_signal;
}

/* ---- Keys ---- */

static const struct {
    const char *sequence; /* behind the escape */
    int key;
} sequences[] = {
    {"[A", KEY_UP},       {"[B", KEY_DOWN},       {"[C", KEY_RIGHT}, {"[D", KEY_LEFT},
    {"OA", KEY_UP},       {"OB", KEY_DOWN},       {"OC", KEY_RIGHT}, {"OD", KEY_LEFT},
    {"[5~", KEY_PAGE_UP}, {"[6~", KEY_PAGE_DOWN}, {"[H", KEY_HOME},  {"[F", KEY_END},
    {"OH", KEY_HOME},     {"OF", KEY_END},        {"[1~", KEY_HOME}, {"[4~", KEY_END},
};

static void read_keys(void)
{
    ssize_t size;

    if (terminal.taken == terminal.keys)
        terminal.keys = terminal.taken = 0;
    size = read(STDIN_FILENO, terminal.key + terminal.keys, KEYS - terminal.keys);
    terminal.keys += size > 0 ? (unsigned)size : 0;
}

/* The rest of a sequence may come a moment later, over a slow line. */
static void await_rest(void)
{
    struct pollfd ask = {.fd = STDIN_FILENO, .events = POLLIN};

    if (terminal.taken == terminal.keys && poll(&ask, 1, ESCAPE_MS) == 1)
        read_keys();
}

/* What begins with an escape and is not known is passed over. */
static int take_sequence(void)
{
    char text[8] = "";
    unsigned length = 0;

    await_rest();
    if (terminal.taken == terminal.keys || !strchr("[O", terminal.key[terminal.taken]))
        return KEY_ESCAPE;
    while (terminal.taken < terminal.keys && length + 1 < sizeof text) {
        char byte = terminal.key[terminal.taken++];
        text[length++] = byte;
        if (length > 1 && byte >= '@' && byte <= '~')
            break;
        await_rest();
    }
    for (size_t i = 0; i < sizeof sequences / sizeof sequences[0]; i++)
        if (!strcmp(text, sequences[i].sequence))
            return sequences[i].key;
    return KEY_NONE;
}

int terminal_key(void)
{
    unsigned char byte;

    if (terminal.taken == terminal.keys)
        read_keys();
    if (terminal.taken == terminal.keys)
        return KEY_NONE;
    byte = (unsigned char)terminal.key[terminal.taken++];
    return byte == KEY_ESCAPE ? take_sequence() : byte == '\b' ? KEY_DELETE : byte ? byte : ' ';
}

/* ---- Drawing ---- */

void terminal_size(unsigned *width, unsigned *height)
{
    struct winsize size = {0};

    ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
    *width = size.ws_col ? size.ws_col : WIDTH;
    *height = size.ws_row ? size.ws_row : HEIGHT;
}

void terminal_draw(const struct screen *screen)
{
    static const char home[] = "\033[H", rest[] = "\033[J";

    if (screen->failed || !screen->text || !terminal.is_ours)
        return;
    put_all(home, sizeof home - 1);
    put_all(screen->text, screen->size);
    put_all(rest, sizeof rest - 1);
}
