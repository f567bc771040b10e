/* SPDX-License-Identifier: Apache-2.0 */
/* The uploader's own memory. One thread only. */
#ifndef CPROF_UPLOADER_OWN_PAGES_H
#define CPROF_UPLOADER_OWN_PAGES_H

/*
 * Gives back the pages of code and constants of the program and its libraries. The start reads most of them, above all
 * the initializers of TLS libraries, and little is ever read again. That comes back from the files' cached pages.
 */
void own_pages_give_back(void);

#endif
