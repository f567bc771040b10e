/* SPDX-License-Identifier: Apache-2.0 */
/* Which modules have no symbols, and how much of a profile is in them. One thread only. */
#ifndef CPROF_UPLOADER_UNNAMED_H
#define CPROF_UPLOADER_UNNAMED_H

#include "profile.h"

enum { UNNAMED_MODULES = 5 };

struct unnamed {
    enum profile_kind_id kind; /* of what the shares are */
    double share;              /* of all modules; of samples whose innermost frame has no name */
    unsigned count;            /* of those below, the largest first */
    struct unnamed_module {
        const struct elf_module *module;
        double share; /* 0 to 1 */
    } module[UNNAMED_MODULES];
    unsigned others; /* modules beyond */
};

/* Of the first kind of profile that has samples. false: every frame that counts has a name. */
bool unnamed_find(struct profile *const profile[KIND_IDS], struct unnamed *unnamed);

/* "libfoo.so.1 12.3 % (libfoo1-dbgsym)". */
enum { UNNAMED_TEXT = 160 };
void unnamed_text(const struct unnamed_module *module, char text[UNNAMED_TEXT]);

#endif
