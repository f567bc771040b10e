/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which certificates the server's is checked with, and which one is shown to it. The uploader may be in any
 * image, so the first of the places is taken where an image keeps its authorities, unless a setting or one of
 * the variables that curl and OpenSSL know names another.
 */
#ifndef CPROF_UPLOADER_CERTIFICATES_H
#define CPROF_UPLOADER_CERTIFICATES_H

#include <stdbool.h>

/* Absolute paths, or NULL. */
struct certificates {
    char *ca_file, *ca_directory;
    char *client, *key;
};

/* Texts of CPROF_CA_FILE, CPROF_CLIENT_CERT and CPROF_CLIENT_KEY; "" where not set. A relative path is meant from the
   working directory. What cannot be read is logged, and none at all if is_needed. A successor of this process, which
   has another directory, inherits absolute paths. */
void certificates_find(struct certificates *found, const char *ca_file, const char *client, const char *key,
                       bool is_needed);

void certificates_free(struct certificates *certificates);

#endif
