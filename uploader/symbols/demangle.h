/* SPDX-License-Identifier: Apache-2.0 */
/* Linkage names made readable. Any thread; bounded in time, stack and output however hostile the name is. */
#ifndef CPROF_UPLOADER_DEMANGLE_H
#define CPROF_UPLOADER_DEMANGLE_H

#include <stdbool.h>
#include <stddef.h>

enum { DEMANGLE_MOST = 1024 }; /* longer results end in "..." */

/* C++ keeps its templates, and loses parameters and return type. Rust loses its hash. All, also C, lose what compilers
   append to copies (.constprop.0, .isra.0, .part.0, .cold ...). Any other name is copied. Returns the length. */
size_t demangle(const char *linkage, char name[DEMANGLE_MOST]);

/* Is it a mangled name of C++ or Rust? */
bool demangle_is_mangled(const char *linkage);

#endif
