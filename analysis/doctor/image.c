/* SPDX-License-Identifier: Apache-2.0 */
/* A root directory: an unpacked image, a chroot, or the root of a container. Which programs in it can be profiled? */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "checks.h"

enum { FILES_MOST = 4000, CONFIG_MOST = 1 << 20, VARIABLES_MOST = 256, SHOWN_MOST = 5 };

/* Where programs lie: those of a distribution, and those that an image is made for. */
static const struct {
    const char *directory;
    bool is_own;
} places[] = {{"/bin", false},    {"/usr/bin", false},      {"/sbin", false},   {"/usr/sbin", false},
              {"/", true},        {"/usr/local/bin", true}, {"/app", true},     {"/usr/local/sbin", true},
              {"/app/bin", true}, {"/opt", true},           {"/opt/bin", true}, {"/srv", true},
              {"/go/bin", true},  {"/home/app", true},      {"/server", true}};

struct survey {
    bool is_own; /* what is looked at now */
    unsigned programs, dynamic, fixed, own, foreign, scripts;
    char fixed_names[256], own_names[256], foreign_names[256], loaderless[256];
    unsigned without_loader;
    char loader[2][BINARY_TEXT]; /* that were met */
    struct binary sample[2];     /* a program of each */
    unsigned loaders;
};

/* --- what its configuration says --- */

/* The next string of JSON behind at, unescaped as far as paths need it; NULL: there is none before end. */
static const char *next_string(const char *at, const char *end, char *text, size_t size)
{
    size_t used = 0;

    while (at < end && *at != '"')
        at++;
    if (at >= end)
        return NULL;
    for (at++; at < end && *at != '"'; at++) {
        at += *at == '\\' && at + 1 < end;
        if (used + 1 < size)
            text[used++] = *at;
    }
    text[used] = 0;
    return at < end ? at + 1 : NULL;
}

/* The strings of the array that a key has. */
static size_t read_array(const char *json, const char *key, char *text[], size_t most)
{
    const char *at = strstr(json, key), *end;
    char part[PATH_MAX];
    size_t count = 0;

    at = at ? strchr(at, '[') : NULL;
    end = at ? at + strcspn(at, "]") : NULL;
    while (at && count < most && (at = next_string(at, end, part, sizeof part)))
        if (!(text[count++] = strdup(part)))
            return count - 1;
    return count;
}

/* config.json of an OCI bundle: "args": ["/server"], "env": ["PATH=..."]. */
static void read_config(struct examination *examination, int bundle)
{
    static char *args[VARIABLES_MOST + 1], *env[VARIABLES_MOST + 1];
    char *text = malloc(CONFIG_MOST + 1);
    int fd = openat(bundle, "config.json", O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t size = fd >= 0 && text ? read(fd, text, CONFIG_MOST) : -1;

    if (fd >= 0)
        close(fd);
    if (size > 0) {
        text[size] = 0;
        if (read_array(text, "\"args\"", args, VARIABLES_MOST))
            examination->name = args[0];
        if (read_array(text, "\"env\"", env, VARIABLES_MOST)) {
            const char *preload = settings_getenv(env, "LD_PRELOAD");
            environ = env;
            examination->environment = env;
            examination->preloaded = preload ? preload : "";
        }
    }
    free(text);
}

int image_read(struct examination *examination)
{
    static char *none[] = {NULL};
    const char *name = examination->name;
    int fd = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rootfs;
    char self[64];
    ssize_t length;

    if (fd < 0)
        return -errno;
    examination->name = "";
    examination->preloaded = "";
    environ = none; /* ours is not the image's */
    examination->environment = none;
    rootfs = openat(fd, "rootfs", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (rootfs >= 0)
        read_config(examination, fd);
    examination->root_fd = rootfs >= 0 ? rootfs : openat(fd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    close(fd);
    snprintf(self, sizeof self, "/proc/self/fd/%d", examination->root_fd);
    length = readlink(self, examination->root, PATH_MAX - 1);
    examination->root[length > 0 ? length : 0] = 0;
    return examination->root_fd < 0 ? -ENOTDIR : 0;
}

/* --- what lies in it --- */

static void append(char *list, size_t size, unsigned count, const char *name)
{
    if (count <= SHOWN_MOST)
        snprintf(list + strlen(list), size - strlen(list), "%s%s", *list ? ", " : "", name);
    else if (count == SHOWN_MOST + 1)
        snprintf(list + strlen(list), size - strlen(list), " and others");
}

static void note_loader(struct survey *survey, const struct binary *binary)
{
    for (unsigned i = 0; i < survey->loaders; i++)
        if (!strcmp(survey->loader[i], binary->loader))
            return;
    if (survey->loaders == 2)
        return;
    survey->sample[survey->loaders] = *binary;
    strcpy(survey->loader[survey->loaders++], binary->loader);
}

static void take_binary(struct examination *examination, struct survey *survey, const char *path,
                        const struct binary *binary)
{
    survey->programs++;
    if (!binary->is_ours) {
        append(survey->foreign_names, sizeof survey->foreign_names, ++survey->foreign, path);
    } else if (!*binary->loader) {
        if (survey->is_own)
            append(survey->own_names, sizeof survey->own_names, ++survey->own, path);
        append(survey->fixed_names, sizeof survey->fixed_names, ++survey->fixed, path);
    } else if (!examination_has(examination, binary->loader)) {
        append(survey->loaderless, sizeof survey->loaderless, ++survey->without_loader, path);
    } else {
        survey->dynamic++;
        note_loader(survey, binary);
    }
}

static void take_file(struct examination *examination, struct survey *survey, const char *directory,
                      const char *name)
{
    char path[PATH_MAX];
    struct binary *binary = &examination->binary;
    struct stat st;
    int fd;

    if (snprintf(path, sizeof path, "%s/%s", strcmp(directory, "/") ? directory : "", name) >= PATH_MAX ||
        strstr(name, ".so"))
        return;
    fd = examination_open(examination, path);
    if (fd < 0)
        return;
    if (!fstat(fd, &st) && (st.st_mode & 0111) && !binary_read(binary, fd, true)) {
        survey->scripts += binary->kind == BINARY_SCRIPT;
        if (binary->kind == BINARY_ELF)
            take_binary(examination, survey, path, binary);
    }
    close(fd);
}

static void look_at(struct examination *examination, struct survey *survey, const char *directory)
{
    int fd = examination_walk(examination, directory), again;
    struct dirent *entry;
    struct stat st;
    DIR *list;

    if (fd < 0)
        return;
    /* /bin may be a link to /usr/bin, which is looked at as well. */
    if (!fstatat(examination->root_fd, directory + 1, &st, AT_SYMLINK_NOFOLLOW) && S_ISLNK(st.st_mode)) {
        close(fd);
        return;
    }
    again = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    close(fd);
    list = again >= 0 ? fdopendir(again) : NULL;
    for (unsigned files = 0; list && files < FILES_MOST && (entry = readdir(list)); files++)
        if (*entry->d_name != '.' && (entry->d_type == DT_REG || entry->d_type == DT_UNKNOWN))
            take_file(examination, survey, directory, entry->d_name);
    if (list)
        closedir(list);
    else if (again >= 0)
        close(again);
}

/* "its 3 programs are", "its program is" */
static const char *programs_are(unsigned count, char text[64])
{
    snprintf(text, 64, count == 1 ? "its one program is" : "all of its %u programs are", count);
    return text;
}

static void judge_none(struct examination *examination, const struct survey *survey)
{
    char are[64];

    if (!survey->programs &&
        (examination_has(examination, "/oci-layout") || examination_has(examination, "/manifest.json")))
        FOUND(examination, STOPS,
              "%s holds the layers of an image, and not its files\nUnpack it: docker export of a container, "
              "or umoci unpack",
              examination->root);
    else if (!survey->programs)
        FOUND(examination, STOPS,
              "there is no program in %s\nName the unpacked root directory of an image (docker export, or "
              "an OCI bundle), or a program",
              examination->root);
    else if (survey->foreign == survey->programs)
        FOUND(examination, STOPS,
              "%s for another architecture: %s\nUse the image for this machine, and the bundle that is "
              "built for it",
              programs_are(survey->programs, are), survey->foreign_names);
    else if (survey->without_loader)
        FOUND(examination, STOPS,
              "these programs name a loader that is not in this root, so they cannot start: %s\nTheir C "
              "library must be in the image",
              survey->loaderless);
    else
        FOUND(examination, STOPS,
              "%s statically linked, so there is no loader that could preload a library: %s\nLink "
              "dynamically (Go: CGO_ENABLED=1, -ldflags=-linkmode=external), in an image with a C library",
              programs_are(survey->programs, are), survey->fixed_names);
}

static void judge_survey(struct examination *examination, const struct survey *survey)
{
    if (!survey->dynamic) {
        judge_none(examination, survey);
        return;
    }
    if (survey->own)
        FOUND(examination, MISSING,
              "statically linked programs of the image cannot be profiled: %s\nLink them dynamically (Go: "
              "CGO_ENABLED=1, -ldflags=-linkmode=external). What they start can be profiled",
              survey->own_names);
    else if (survey->fixed)
        FOUND(examination, NOTE, "statically linked programs of the distribution cannot be profiled: %s",
              survey->fixed_names);
    if (survey->without_loader)
        FOUND(examination, MISSING,
              "these programs name a loader that is not in this root, and cannot start: %s\nTheir C "
              "library must be in the image",
              survey->loaderless);
    if (survey->foreign)
        FOUND(examination, NOTE, "programs for another architecture cannot be profiled: %s",
              survey->foreign_names);
}

/* The C libraries of all programs; that of the one program is another check's. */
static void judge_loaders(struct examination *examination, const struct survey *survey)
{
    for (unsigned i = 0; i < survey->loaders; i++) {
        char text[256];
        bool known;
        program_libc(examination, &survey->sample[i], text, &known);
        if (known)
            FOUND(examination, WELL, "programs with the loader %s have %s", survey->loader[i], text);
        else if (*text)
            FOUND(examination, STOPS,
                  "the C library is %s, and the library needs glibc 2.17 or musl: the loader ends programs "
                  "if LD_PRELOAD names it\nDo not set LD_PRELOAD there; use a newer image",
                  text);
        else
            FOUND(examination, STOPS,
                  "the C library of programs with the loader %s is neither glibc nor musl, so nothing is "
                  "profiled\nBuild them for one of these",
                  survey->loader[i]);
    }
}

void check_image(struct examination *examination)
{
    struct survey *survey;

    if (examination->is_known || examination->is_absent)
        return; /* the program that it is for is known */
    survey = calloc(1, sizeof *survey);
    if (!survey)
        return;
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        survey->is_own = places[i].is_own;
        look_at(examination, survey, places[i].directory);
    }
    examination->binary = (struct binary){.kind = BINARY_OTHER};
    judge_survey(examination, survey);
    judge_loaders(examination, survey);
    free(survey);
}

/* Is cprof in it? The bundle needs nothing of the image. */
void check_image_cprof(struct examination *examination)
{
    static const char *const usual[] = {
        "/cprof/libcprof.so",           "/usr/local/lib/libcprof.so",
        "/usr/lib/libcprof.so",         "/usr/lib/x86_64-linux-gnu/cprof/libcprof.so",
        "/usr/lib64/cprof/libcprof.so", "/usr/lib/cprof/libcprof.so",
        "/opt/cprof/libcprof.so"};

    if (*examination->preloaded)
        return; /* check_preload() asks */
    for (size_t i = 0; i < sizeof usual / sizeof *usual; i++)
        if (examination_has(examination, usual[i])) {
            examination->preloaded = usual[i];
            FOUND(examination, NOTE, "cprof is at %s\nENV LD_PRELOAD=%s profiles all programs of the image",
                  usual[i], usual[i]);
            return;
        }
    FOUND(examination, NOTE,
          "cprof is not in this root\nCOPY build/bundle/cprof /cprof (make bundle), and ENV "
          "LD_PRELOAD=/cprof/libcprof.so");
}
