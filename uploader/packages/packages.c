/* SPDX-License-Identifier: Apache-2.0 */
#include "packages.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "uploader/process/owner.h"

enum {
    NOTE_MOST = 4096,
    LINE_MOST = 4096 + 64,
    PACKAGES_MOST = 8192,
    LINES_MOST = 4 << 20, /* of all lists together */
    WORD_MOST = 64,       /* of a name */
};

/* Names end up in texts for people, so only signs that packages have are taken. */
static bool take_word(const char *from, size_t length, char word[WORD_MOST])
{
    static const char signs[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-._";
    if (!length || length >= WORD_MOST || strspn(from, signs) < length)
        return false;
    memcpy(word, from, length);
    word[length] = '\0';
    return true;
}

static const struct {
    const char *type, *ending;
} kinds[] = {{"deb", "-dbgsym"}, {"rpm", "-debuginfo"}, {"apk", "-dbg"}};

/* Debian's C library has a package of its own kind. */
static void debug_name(const char *package, const char *ending, char name[PACKAGE_NAME_MOST])
{
    if (strcmp(package, "libc6") == 0)
        ending = "-dbg";
    snprintf(name, PACKAGE_NAME_MOST, "%s%s", package, ending);
}

/* --- the note: {"type":"rpm","name":"foo",...} --- */

static bool json_word(const char *text, const char *key, char word[WORD_MOST])
{
    char quoted[32];
    snprintf(quoted, sizeof quoted, "\"%s\"", key);
    const char *at = strstr(text, quoted);
    if (!at)
        return false;
    at += strlen(quoted);
    at += strspn(at, " \t\n:");
    return *at == '"' && take_word(at + 1, strcspn(at + 1, "\""), word);
}

bool package_of_text(const char *text, size_t size, char name[PACKAGE_NAME_MOST])
{
    char copy[NOTE_MOST + 1], type[WORD_MOST], package[WORD_MOST];
    size = size < NOTE_MOST ? size : NOTE_MOST;
    memcpy(copy, text, size);
    copy[size] = '\0';
    if (!json_word(copy, "type", type) || !json_word(copy, "name", package))
        return false;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strcmp(type, kinds[i].type) != 0)
            continue;
        debug_name(package, kinds[i].ending, name);
        return true;
    }
    return false;
}

bool package_by_note(const struct elf_file *file, char name[PACKAGE_NAME_MOST])
{
    Elf_Scn *section;
    GElf_Shdr header;
    GElf_Nhdr note;
    size_t text, description;
    if (!elf_file_section(file->elf, ".note.package", 0, &section, &header) || header.sh_type != SHT_NOTE)
        return false;
    Elf_Data *data = elf_getdata(section, NULL);
    if (!data || !data->d_buf || !gelf_getnote(data, 0, &note, &text, &description) ||
        description > data->d_size || note.n_descsz > data->d_size - description)
        return false;
    return package_of_text((const char *)data->d_buf + description, note.n_descsz, name);
}

/* --- the lists --- */

static FILE *open_list(const struct process_files *source, const char *path)
{
    const int fd = owner_open(source->owner, source->root_fd, path);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
    if (fd >= 0 && !file)
        close(fd);
    return file;
}

/* A line without its newline. *left: how many more may be read. */
static bool next_line(FILE *file, char line[LINE_MOST], unsigned *left)
{
    if (!*left || !fgets(line, LINE_MOST, file))
        return false;
    --*left;
    line[strcspn(line, "\n")] = '\0';
    return true;
}

/* Where /lib is a link to /usr/lib, a list may have either path. */
static bool same_path(const char *one, const char *other)
{
    static const char usr[] = "/usr";
    const size_t length = strlen(usr);
    return strcmp(one, other) == 0 || (strncmp(one, usr, length) == 0 && strcmp(one + length, other) == 0) ||
           (strncmp(other, usr, length) == 0 && strcmp(other + length, one) == 0);
}

static bool list_has(const struct process_files *source, const char *list, const char *path, unsigned *left)
{
    char line[LINE_MOST];
    bool found = false;
    FILE *file = open_list(source, list);
    while (file && !found && next_line(file, line, left))
        found = same_path(line, path);
    if (file)
        fclose(file);
    return found;
}

/* One entry of dpkg's status. */
struct entry {
    char package[WORD_MOST], architecture[WORD_MOST];
    bool is_same; /* may be installed for several architectures, and is named after its own */
};

static void entry_line(struct entry *entry, const char *line)
{
    static const char package[] = "Package: ", architecture[] = "Architecture: ";
    if (strncmp(line, package, strlen(package)) == 0)
        take_word(line + strlen(package), strlen(line + strlen(package)), entry->package);
    else if (strncmp(line, architecture, strlen(architecture)) == 0)
        take_word(line + strlen(architecture), strlen(line + strlen(architecture)), entry->architecture);
    else if (strcmp(line, "Multi-Arch: same") == 0)
        entry->is_same = true;
}

static bool entry_has(const struct process_files *source, const struct entry *entry, const char *path,
                      unsigned *left)
{
    char list[256];
    if (!entry->package[0])
        return false;
    snprintf(list, sizeof list, "/var/lib/dpkg/info/%s%s%s.list", entry->package, entry->is_same ? ":" : "",
             entry->is_same ? entry->architecture : "");
    return list_has(source, list, path, left);
}

static bool find_in_dpkg(const struct process_files *source, const char *path, char name[PACKAGE_NAME_MOST])
{
    FILE *status = open_list(source, "/var/lib/dpkg/status");
    unsigned left = LINES_MOST, packages = 0;
    struct entry entry = {0};
    char line[LINE_MOST];
    bool found = false;
    while (status && !found && packages < PACKAGES_MOST && next_line(status, line, &left)) {
        if (line[0]) {
            entry_line(&entry, line);
            continue;
        }
        found = entry_has(source, &entry, path, &left);
        packages++;
        if (!found)
            entry = (struct entry){0};
    }
    if (status)
        fclose(status);
    if (found)
        debug_name(entry.package, "-dbgsym", name);
    return found;
}

/* Alpine's list has P:PACKAGE, F:DIRECTORY, R:FILE; an empty line ends a package. */
static bool find_in_apk(const struct process_files *source, const char *path, char name[PACKAGE_NAME_MOST])
{
    FILE *installed = open_list(source, "/lib/apk/db/installed");
    char line[LINE_MOST], package[WORD_MOST] = "", directory[LINE_MOST] = "", file[2 * LINE_MOST];
    unsigned left = LINES_MOST;
    bool found = false;
    while (installed && !found && next_line(installed, line, &left)) {
        if (strncmp(line, "P:", 2) == 0 && !take_word(line + 2, strlen(line + 2), package))
            package[0] = '\0';
        else if (strncmp(line, "F:", 2) == 0)
            strcpy(directory, line + 2);
        else if (strncmp(line, "R:", 2) == 0 && package[0]) {
            snprintf(file, sizeof file, "/%s/%s", directory, line + 2);
            found = same_path(file, path);
        }
    }
    if (installed)
        fclose(installed);
    if (found)
        debug_name(package, "-dbg", name);
    return found;
}

bool package_by_path(const struct process_files *source, const char *path, char name[PACKAGE_NAME_MOST])
{
    static const char *const places[] = {"/usr/", "/lib", "/bin/", "/sbin/", "/opt/"};
    static const char local[] = "/usr/local/";
    bool is_installed = false;
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        is_installed |= strncmp(path, places[i], strlen(places[i])) == 0;
    if (!is_installed || strncmp(path, local, strlen(local)) == 0)
        return false;
    return find_in_dpkg(source, path, name) || find_in_apk(source, path, name);
}

const char *package_server(const struct process_files *source)
{
    static const struct {
        const char *id, *url;
    } servers[] = {
        {"debian", "https://debuginfod.debian.net"},
        {"ubuntu", "https://debuginfod.ubuntu.com"},
        {"fedora", "https://debuginfod.fedoraproject.org/"},
        {"arch", "https://debuginfod.archlinux.org"},
        {"opensuse-leap", "https://debuginfod.opensuse.org/"},
        {"opensuse-tumbleweed", "https://debuginfod.opensuse.org/"},
    };
    unsigned left = PACKAGES_MOST;
    char line[LINE_MOST], id[WORD_MOST] = "";
    FILE *file = open_list(source, "/etc/os-release");
    while (file && !id[0] && next_line(file, line, &left))
        if (strncmp(line, "ID=", 3) == 0)
            take_word(line + 3 + (line[3] == '"'), strcspn(line + 3 + (line[3] == '"'), "\""), id);
    if (file)
        fclose(file);
    for (size_t i = 0; i < sizeof servers / sizeof *servers; i++)
        if (strcmp(id, servers[i].id) == 0)
            return servers[i].url;
    return NULL;
}
