/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which package has the symbols of a file: by the note that some distributions put into it, else by the lists of installed
 * packages in the program's root (dpkg, apk). What is read is foreign, and bounded. One thread only.
 */
#ifndef CPROF_UPLOADER_PACKAGES_H
#define CPROF_UPLOADER_PACKAGES_H

#include <stdbool.h>
#include <stddef.h>

#include "uploader/elf/elf_file.h"
#include "uploader/process/process_files.h"

enum { PACKAGE_NAME_MOST = 128 };

/* The name of the package to install, as "libfoo1-dbgsym". false: the file has no such note. May fault as any look-up. */
bool package_by_note(const struct elf_file *file, char name[PACKAGE_NAME_MOST]);

/* The same of a note's text, which is JSON. */
bool package_of_text(const char *text, size_t size, char name[PACKAGE_NAME_MOST]);

/* The same by the lists. false: no package is known to have the path. */
bool package_by_path(const struct process_files *source, const char *path, char name[PACKAGE_NAME_MOST]);

/* The debuginfod server of the distribution that this root is of, by /etc/os-release. NULL: not known. */
const char *package_server(const struct process_files *source);

#endif
