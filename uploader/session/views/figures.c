/* SPDX-License-Identifier: Apache-2.0 */
#include "figures.h"

#include <string.h>

#include "uploader/metrics/metrics.h"

/* The text of uploader/metrics/metrics.h, malloc'ed. NULL: no memory. */
static char *render(struct session *session, size_t *size)
{
    struct metrics_session own = {
        .processes = session->members,
        .joined = session->joined,
        .refused = session->refused,
        .wall_samples = session->wall_samples,
        .round = &session->round,
    };
    struct web_counts web = {0};
    struct metrics *metrics;
    char *text;

    web_count(session->web, &web);
    own.web = &web;
    for (size_t i = 0; i < session->members; i++)
        member_count(session->member[i]);
    keeper_touch(0);
    metrics = metrics_new(&session->programs);
    if (!metrics)
        return NULL;
    for (size_t i = 0; i < session->members; i++)
        metrics_add_target(metrics, session->member[i]->target);
    text = metrics_render(metrics, &own, size);
    metrics_free(metrics);
    return text;
}

static void serve(struct web_request *request, void *context)
{
    struct web_reply reply = {.type = METRICS_CONTENT_TYPE};

    reply.data = render(context, &reply.size);
    if (reply.data)
        web_reply(request, &reply);
    else
        web_refuse(request, 503, "out of memory");
}

/* For probes. Whoever gets it knows that the loop turns. */
static void serve_health(struct web_request *request, void *context)
{
    struct web_reply reply = {.type = "text/plain; charset=utf-8", .data = strdup("ok\n"), .size = 3};

    (void)context;
    if (reply.data)
        web_reply(request, &reply);
    else
        web_refuse(request, 503, "out of memory");
}

void session_add_metrics(struct session *session)
{
    static const struct web_page health = {
        .path = "/healthz", .is_open = true, .is_unlimited = true, .serve = serve_health};

    if (!session->web)
        return;
    web_add_page(session->web, &(struct web_page){.path = "/metrics", .serve = serve, .context = session});
    web_add_page(session->web, &health);
}
