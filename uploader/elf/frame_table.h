/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a function without a name begins. Stripped files keep the sorted table of .eh_frame_hdr for exceptions. With it, all
 * addresses of a function get one name, module+0xSTART. One thread only.
 */
#ifndef CPROF_UPLOADER_FRAME_TABLE_H
#define CPROF_UPLOADER_FRAME_TABLE_H

#include <stdint.h>

#include <libelf.h>

/* The start (ELF virtual address) of the function that the address is in, or the address itself where the
   file does not tell. Looked up in the file's own table; nothing is kept. */
uint64_t frame_table_start(Elf *elf, uint64_t address);

#endif
