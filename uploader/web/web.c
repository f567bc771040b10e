/* SPDX-License-Identifier: Apache-2.0 */
#include "web.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "connection.h"
#include "listen.h"
#include "request.h"
#include "uploader/options/log.h"
#include "web_state.h"

#define SWEEP_NS  SECOND_NS
#define FINISH_MS 10 /* between two steps of the end */
enum { PEM_BYTES = 1 << 20, STOP_STEPS = 10 };

static const char *text_of(const struct options *options, enum setting setting)
{
    return options->settings.value[setting].text;
}

/* ---- Start ---- */

static char *read_pem(const struct options *options, enum setting setting)
{
    const char *path = text_of(options, setting);
    char *text = calloc(1, PEM_BYTES);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    ssize_t size = fd == -1 || !text ? -1 : read(fd, text, PEM_BYTES - 1);

    if (size <= 0)
        log_failure("%s: %s: %s; nothing is listened at", setting_rows[setting].variable, path,
                    size ? strerror(errno) : "the file is empty");
    if (fd != -1)
        close(fd);
    if (size > 0)
        return text;
    free(text);
    return NULL;
}

/* What the library is to do. It copies the texts. */
static struct MHD_Daemon *start_daemon(struct web *web, const char *cert, const char *key)
{
    const struct MHD_OptionItem tls[] = {{MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)(uintptr_t)cert},
                                         {MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)(uintptr_t)key},
                                         {MHD_OPTION_END, 0, NULL}},
                                none[] = {{MHD_OPTION_END, 0, NULL}};
    const unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | (cert ? MHD_USE_TLS : 0u);

    return MHD_start_daemon(
        flags, 0, NULL, NULL, request_handle, web, MHD_OPTION_LISTEN_SOCKET, web->listen_fd,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)WEB_CONNECTIONS, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)WEB_HEADER_BYTES, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)(2 * WEB_ANSWER_NS / SECOND_NS),
        MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_URI_LOG_CALLBACK, request_begin, web,
        MHD_OPTION_NOTIFY_COMPLETED, request_end, web, MHD_OPTION_NOTIFY_CONNECTION, connection_notify, web,
        MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, MHD_OPTION_ARRAY, cert ? tls : none, MHD_OPTION_END);
}

static bool start(struct web *web, bool has_tls)
{
    char *cert = has_tls ? read_pem(web->options, SETTING_LISTEN_CERT) : NULL,
         *key = cert ? read_pem(web->options, SETTING_LISTEN_KEY) : NULL;

    if (!has_tls || (cert && key)) {
        web->daemon = start_daemon(web, cert, key);
        if (!web->daemon)
            log_failure("CPROF_LISTEN: %s",
                        has_tls ? "no server can be started: CPROF_LISTEN_CERT and CPROF_LISTEN_KEY "
                                  "must be a certificate and its key, as PEM"
                                : "no server can be started");
    }
    free(cert);
    free(key);
    return web->daemon;
}

/* The reason, for one line, why it is not to be listened there; NULL: it is. */
static bool may_listen(const struct options *options, const struct listen_address *address, bool has_tls)
{
    const char *listen = text_of(options, SETTING_LISTEN);
    bool has_cert = *text_of(options, SETTING_LISTEN_CERT), has_key = *text_of(options, SETTING_LISTEN_KEY);

    if (has_cert != has_key) {
        log_failure("CPROF_LISTEN=%s: %s is set, and %s is not; nothing is listened at", listen,
                    has_cert ? "CPROF_LISTEN_CERT" : "CPROF_LISTEN_KEY",
                    has_cert ? "CPROF_LISTEN_KEY" : "CPROF_LISTEN_CERT");
        return false;
    }
    if (address->is_loopback || has_tls || *text_of(options, SETTING_LISTEN_TOKEN))
        return true;
    log_failure(
        "CPROF_LISTEN=%s: other machines reach this address, so CPROF_LISTEN_TOKEN, or CPROF_LISTEN_CERT and "
        "CPROF_LISTEN_KEY, must be set; nothing is listened at",
        listen);
    return false;
}

static int open_socket(const char *text, const struct listen_address *address)
{
    int fd = listen_open(address);

    if (fd == -EADDRINUSE && address->is_unix)
        log_failure("CPROF_LISTEN=%s: something else is at this path; nothing is listened at", text);
    else if (fd == -EADDRINUSE)
        log_failure("CPROF_LISTEN=%s: another program has this port; choose another one, or 0 for a free one",
                    text);
    else if (fd < 0)
        log_failure("CPROF_LISTEN=%s: %s; nothing is listened at", text, strerror(-fd));
    return fd;
}

/* A free port has to be said; all else is where it was asked for. */
static void say(const struct web *web, bool has_tls)
{
    char text[LISTEN_TEXT], line[2 * LISTEN_TEXT + 64];
    const struct options *options = web->options;
    const char *asked = text_of(options, SETTING_LISTEN), *end = strrchr(asked, ':');

    listen_text(web->listen_fd, text);
    snprintf(line, sizeof line, "%s%s%s",
             web->is_unix ? text
             : has_tls    ? "https://"
                          : "http://",
             web->is_unix ? "" : text, web->is_unix ? "" : "/debug/pprof/");
    if (!web->is_unix && !strcmp(end, ":0") && !options->foreground)
        log_warn("CPROF_LISTEN=%s: a free port was chosen: %s", asked, line);
    else
        log_info("profiles are served at %s", line);
    if (options->foreground && !options->quiet)
        fprintf(stderr, "cprof: profiles are served at %s\n", line);
}

static bool open_all(struct web *web)
{
    const char *text = text_of(web->options, SETTING_LISTEN);
    bool has_tls = *text_of(web->options, SETTING_LISTEN_CERT) && *text_of(web->options, SETTING_LISTEN_KEY);
    struct listen_address address;
    int rc = listen_parse(text, &address);

    if (rc == -ENAMETOOLONG)
        log_failure("CPROF_LISTEN=%s: the path of a socket has %zu bytes at most", text,
                    sizeof address.socket.un.sun_path - 1);
    else if (rc)
        log_failure("CPROF_LISTEN=%s is no address such as 127.0.0.1:6060, [::1]:6060 or unix:/run/app.sock; "
                    "nothing is "
                    "listened at",
                    text);
    if (rc || !may_listen(web->options, &address, has_tls) || !access_open(&web->access, web->options))
        return false;
    web->is_unix = address.is_unix;
    web->access.is_guarded = address.is_loopback && !address.is_unix && !*web->access.token;
    web->listen_fd = open_socket(text, &address);
    if (web->listen_fd < 0)
        return false;
    if (web->is_unix)
        snprintf(web->unix_path, sizeof web->unix_path, "%s", address.socket.un.sun_path);
    if (!start(web, has_tls))
        return false;
    say(web, has_tls);
    return true;
}

struct web *web_open(const struct options *options)
{
    struct web *web;

    if (!*text_of(options, SETTING_LISTEN) || !(web = calloc(1, sizeof *web)))
        return NULL;
    web->options = options;
    web->listen_fd = -1;
    web->rate.requests = web->wrong.requests = (unsigned)options->settings.value[SETTING_LISTEN_RATE].number;
    if (open_all(web))
        return web;
    web_close(web);
    return NULL;
}

void web_add_page(struct web *web, const struct web_page *page)
{
    if (web && web->pages < WEB_PAGES)
        web->page[web->pages++] = *page;
}

void web_url(const struct web *web, char url[WEB_URL])
{
    const bool has_tls =
        *text_of(web->options, SETTING_LISTEN_CERT) && *text_of(web->options, SETTING_LISTEN_KEY);
    char text[LISTEN_TEXT];

    listen_text(web->listen_fd, text);
    snprintf(url, WEB_URL, "%s%s", web->is_unix ? "" : has_tls ? "https://" : "http://", text);
}

/* ---- In the loop ---- */

int web_fd(const struct web *web)
{
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(web->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    return info ? info->epoll_fd : -1;
}

/* The library's own time-outs; it is called again at once if it has data that it has read already. */
static int64_t library_due(const struct web *web, int64_t now_ns)
{
    MHD_UNSIGNED_LONG_LONG ms;
    return MHD_get_timeout(web->daemon, &ms) == MHD_YES ? now_ns + (int64_t)ms * MS_NS : INT64_MAX;
}

int64_t web_work(struct web *web, int64_t now_ns)
{
    int64_t next_ns, library_ns;

    if (!web)
        return INT64_MAX;
    next_ns = requests_answer(web, now_ns, false);
    if (now_ns >= web->next_sweep_ns) {
        connections_sweep(web, now_ns);
        requests_drop_gone(web);
        web->next_sweep_ns = now_ns + SWEEP_NS;
    }
    web->is_resumed = false;
    MHD_run(web->daemon);
    if (web->is_resumed) /* by a request that came meanwhile */
        return now_ns;
    library_ns = library_due(web, now_ns);
    if (web->waits) /* one that has just begun */
        next_ns = requests_answer(web, 0, false);
    next_ns = library_ns < next_ns ? library_ns : next_ns;
    return web->connections && web->next_sweep_ns < next_ns ? web->next_sweep_ns : next_ns;
}

/* ---- End ---- */

void web_finish(struct web *web, unsigned wait_ms)
{
    int64_t until_ns = monotonic_ns() + wait_ms * MS_NS;

    if (!web)
        return;
    web->is_ending = true;
    requests_answer(web, 0, true);
    do {
        MHD_run(web->daemon);
        if (!web->counts.bytes)
            break;
        usleep(FINISH_MS * 1000);
    } while (monotonic_ns() < until_ns);
}

void web_close(struct web *web)
{
    if (!web)
        return;
    web->is_ending = true;
    for (int i = 0; web->daemon && i < STOP_STEPS && (web->waits || !i); i++) {
        requests_answer(web, 0, true); /* the library must not end with suspended connections */
        MHD_run(web->daemon);
    }
    if (web->daemon)
        MHD_stop_daemon(web->daemon); /* closes the socket, too */
    else if (web->listen_fd >= 0)
        close(web->listen_fd);
    if (*web->unix_path)
        unlink(web->unix_path);
    free(web);
}

void web_count(const struct web *web, struct web_counts *counts)
{
    *counts = web ? web->counts : (struct web_counts){0};
}
