/* SPDX-License-Identifier: Apache-2.0 */
/* What /metrics answers: the session's figures as they are now. One thread only. */
#ifndef CPROF_UPLOADER_FIGURES_H
#define CPROF_UPLOADER_FIGURES_H

#include "uploader/session/members/state.h"

/* Adds this page and /healthz to session->web, if there is one. */
void session_add_metrics(struct session *session);

#endif
