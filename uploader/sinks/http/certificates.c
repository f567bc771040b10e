/* SPDX-License-Identifier: Apache-2.0 */
#include "certificates.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "uploader/options/log.h"

/* Debian, Alpine and most minimal images; Fedora and RHEL, two places; SUSE; musl's and LibreSSL's. */
static const char *const usual_files[] = {
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
};
/* By hash, as `openssl rehash` makes them. */
static const char usual_directory[] = "/etc/ssl/certs";

static char *usual_file(void)
{
    for (unsigned i = 0; i < sizeof usual_files / sizeof *usual_files; i++)
        if (!access(usual_files[i], R_OK))
            return strdup(usual_files[i]);
    return NULL;
}

/* The path that the variable holds. One that cannot be read is kept: to trust others instead would be wrong. */
static char *named(const char *variable, const char *text)
{
    char *path;

    if (!text || !*text)
        return NULL;
    path = realpath(text, NULL);
    if (!path || access(path, R_OK)) {
        log_failure("%s: %s: %s", variable, text, strerror(errno));
        free(path);
        return strdup(text);
    }
    setenv(variable, path, 1);
    return path;
}

static char *from_environment(const char *variable)
{
    return named(variable, getenv(variable));
}

/* The curl command asks in this order, too. */
static void find_authorities(struct certificates *found, const char *ca_file)
{
    found->ca_file = named("CPROF_CA_FILE", ca_file);
    if (!found->ca_file)
        found->ca_file = from_environment("CURL_CA_BUNDLE");
    if (found->ca_file)
        return;
    found->ca_directory = from_environment("SSL_CERT_DIR");
    found->ca_file = from_environment("SSL_CERT_FILE");
    if (found->ca_file || found->ca_directory)
        return;
    found->ca_file = usual_file();
    if (!found->ca_file && !access(usual_directory, R_OK | X_OK))
        found->ca_directory = strdup(usual_directory);
}

void certificates_find(struct certificates *found, const char *ca_file, const char *client, const char *key,
                       bool is_needed)
{
    *found = (struct certificates){0};
    find_authorities(found, ca_file);
    if (is_needed && !found->ca_file && !found->ca_directory)
        log_warn("no certificates of authorities are here, so no server can be trusted: install the package "
                 "ca-certificates, or name a file by CPROF_CA_FILE");
    found->client = named("CPROF_CLIENT_CERT", client);
    found->key = named("CPROF_CLIENT_KEY", key);
    if (found->key && !found->client)
        log_warn("CPROF_CLIENT_KEY is of no use without CPROF_CLIENT_CERT");
}

void certificates_free(struct certificates *certificates)
{
    free(certificates->ca_file);
    free(certificates->ca_directory);
    free(certificates->client);
    free(certificates->key);
    *certificates = (struct certificates){0};
}
