/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Texts of a server without the secrets that were sent to it. A server may send our own headers back in its
 * answer, and answers are logged. One thread only.
 */
#ifndef CPROF_UPLOADER_REDACT_H
#define CPROF_UPLOADER_REDACT_H

#include <stdbool.h>
#include <stddef.h>

struct curl_slist;

/* Zero is an empty one. */
struct secrets {
    struct curl_slist *forms; /* each secret in every form that an answer may show it in */
    bool hide_all;            /* some secret is too short to be found, or memory was short */
};

/* Adds a secret as it is, as it stands in a URL, and in base64. */
void secrets_add(struct secrets *secrets, const char *secret);

/* Adds a password, and user and password as basic authentication sends them. user may be NULL. */
void secrets_add_login(struct secrets *secrets, const char *user, const char *password);

/* Adds the value of a header, and what follows the first word of it ("Bearer SECRET"). Short values ("1") are
   no secrets. */
void secrets_add_header(struct secrets *secrets, const char *value);

/* Adds the login of a proxy's URL, if it has one. proxy may be NULL. */
void secrets_add_proxy(struct secrets *secrets, const char *proxy);

/* Adds the logins of the proxies that the environment names. */
void secrets_add_proxies(struct secrets *secrets);
void secrets_free(struct secrets *secrets);

/* Copies size bytes of text into room bytes at to, with a NUL; each secret becomes ********. is_cut: the text
   goes on behind its end, so its end may be the beginning of a secret. */
void redact(const struct secrets *secrets, const char *text, size_t size, bool is_cut, char *to, size_t room);

#endif
