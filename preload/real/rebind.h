/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions that are hooked only where somebody defines them. The library must not define their names: a program
 * that asks whether there is a mallocx() asks for jemalloc, by a weak reference or dlsym(). So nothing is changed
 * unless a module defines them. Then:
 *  - references that are bound to it already are bound to the hook instead,
 *  - its symbol has the hook's address, for references that are bound later, and dlsym(),
 *  - the module's own references stay.
 */
#ifndef CPROF_PRELOAD_REBIND_H
#define CPROF_PRELOAD_REBIND_H

#include <stddef.h>
#include <stdint.h>

struct rebinding {
    const char *name;
    void *hook;
    void *real; /* result: what the hook goes on with; NULL: nobody defines it, or it could not be bound */
};

/* Once, when all modules that the program was started with are bound. marks: a module that defines none of these
   names, which end with NULL, defines no function of the list. */
void rebind(struct rebinding *functions, size_t count, const char *const *marks);

#endif
