/* SPDX-License-Identifier: Apache-2.0 */
/* A small HTTP server in a thread, which answers by a script and keeps what it was sent. */
#ifndef CPROF_TESTS_SERVER_FIXTURE_H
#define CPROF_TESTS_SERVER_FIXTURE_H

#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- The server: its answers in turn, the last one for all that follow; "" closes, NULL is silent ---- */
/* In ONE_TRY_MS a busy machine answers a request, and no second try is due: the shortest pause is 500 ms. */
enum { REQUESTS = 64, REQUEST_BYTES = 256 * 1024, ONE_TRY_MS = 490 };
static struct server {
    int listener, port;
    pthread_t thread;
    const char *const *answer;
    _Atomic unsigned requests;
    _Atomic bool stop;
    char *request[REQUESTS];
    size_t size[REQUESTS];
} server;

static size_t find_length(const char *request)
{
    const char *at = strcasestr(request, "\r\nContent-Length:");

    return at ? strtoul(at + 17, NULL, 10) : 0;
}

static bool read_request(int fd, char *buffer, size_t *size)
{
    *size = 0;
    for (;;) {
        char *end;
        ssize_t got = read(fd, buffer + *size, REQUEST_BYTES - 1 - *size);
        if (got <= 0)
            return false;
        *size += (size_t)got;
        buffer[*size] = 0;
        end = memmem(buffer, *size, "\r\n\r\n", 4);
        if (end && *size >= (size_t)(end + 4 - buffer) + find_length(buffer))
            return true;
    }
}

static void serve_one(int fd)
{
    struct timeval patience = {.tv_sec = 2};
    unsigned n = server.requests, last = 0;
    char *buffer = malloc(REQUEST_BYTES);
    size_t size;

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    if (n < REQUESTS && read_request(fd, buffer, &size)) {
        const char *answer;
        while (last < n && (server.answer[last + 1] || server.answer[last + 2]))
            last++;
        answer = server.answer[last];
        server.request[n] = buffer;
        server.size[n] = size;
        server.requests++;
        buffer = NULL;
        if (answer && *answer)
            (void)!write(fd, answer, strlen(answer));
        while (!answer && !server.stop)
            usleep(1000);
    }
    free(buffer);
    close(fd);
}

static void *serve(void *unused)
{
    struct pollfd wanted = {.fd = server.listener, .events = POLLIN};

    while (!server.stop) {
        if (poll(&wanted, 1, 5) <= 0)
            continue;
        serve_one(accept(server.listener, NULL, NULL));
    }
    return unused;
}

/* answers ends with two NULLs. */
static void start_server(const char *const *answers)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);

    memset(&server, 0, sizeof(server));
    server.answer = answers;
    server.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(server.listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(getsockname(server.listener, (struct sockaddr *)&address, &size), 0);
    assert_int_equal(listen(server.listener, 16), 0);
    server.port = ntohs(address.sin_port);
    assert_int_equal(pthread_create(&server.thread, NULL, serve, NULL), 0);
}

static void stop_server(void)
{
    server.stop = true;
    pthread_join(server.thread, NULL);
    close(server.listener);
    for (unsigned i = 0; i < REQUESTS; i++)
        free(server.request[i]);
}

#define OK           "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
#define TEXT(s)      "HTTP/1.1 " s "\r\nConnection: close\r\n\r\n"
#define ANSWERS(...) ((const char *const[]){__VA_ARGS__, NULL, NULL})

static inline const char *header(unsigned request, const char *name)
{
    static char value[200];
    char start[100];
    const char *at;

    snprintf(start, sizeof(start), "\r\n%s: ", name);
    at = strcasestr(server.request[request], start);
    snprintf(value, sizeof(value), "%.*s", at ? (int)strcspn(at + strlen(start), "\r") : 0,
             at ? at + strlen(start) : "");
    return value;
}

#endif
