/* SPDX-License-Identifier: Apache-2.0 */
#include "image.h"

#include <elfutils/libdwelf.h>
#include <gelf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PAGE = 4096, PAGES = 256 };

/* How every linker writes .eh_frame_hdr: version 1, pcrel sdata4, udata4, datarel sdata4. */
static const uint8_t frame_hdr_head[4] = {1, 0x1b, 0x03, 0x3b};

static struct image *images;

/* Pages of all images, each in the one place that its address gives it. */
static struct cached_page {
    const struct image *image;
    uint64_t offset;
    uint8_t data[PAGE];
} * cache;

static const uint8_t *page_read(const struct image *image, uint64_t offset)
{
    struct cached_page *page;
    ssize_t size;

    if (!cache)
        cache = calloc(PAGES, sizeof *cache);
    if (!cache)
        return NULL;
    page = &cache[(offset / PAGE + image->inode * 31) % PAGES];
    if (page->image == image && page->offset == offset)
        return page->data;
    page->image = NULL;
    size = pread(image->fd, page->data, PAGE, (off_t)offset);
    if (size <= 0)
        return NULL;
    memset(page->data + size, 0, PAGE - (size_t)size);
    page->image = image;
    page->offset = offset;
    return page->data;
}

static void cache_forget(const struct image *image)
{
    for (int i = 0; cache && i < PAGES; i++)
        if (cache[i].image == image)
            cache[i].image = NULL;
}

bool image_read(const struct image *image, uint64_t address, uint64_t *word)
{
    for (unsigned i = 0; i < image->loads; i++) {
        uint64_t offset = address - image->load[i].start + image->load[i].offset;
        const uint8_t *page;
        if (address < image->load[i].start || address >= image->load[i].end || image->load[i].writable)
            continue;
        if (offset % sizeof *word)
            return false;
        page = page_read(image, offset - offset % PAGE);
        if (page)
            memcpy(word, page + offset % PAGE, sizeof *word);
        return page != NULL;
    }
    return false;
}

bool image_address(const struct image *image, uint64_t offset, uint64_t *address)
{
    for (unsigned i = 0; i < image->loads; i++) {
        uint64_t first = image->load[i].offset - image->load[i].offset % PAGE;
        if (offset < first || offset >= image->load[i].offset + (image->load[i].end - image->load[i].start))
            continue;
        *address = image->load[i].start + offset - image->load[i].offset;
        return true;
    }
    return false;
}

static void take_load(struct image *image, const GElf_Phdr *header)
{
    if (image->loads == IMAGE_LOADS || header->p_vaddr + header->p_memsz < header->p_vaddr)
        return;
    image->load[image->loads].start = header->p_vaddr;
    image->load[image->loads].end = header->p_vaddr + header->p_filesz;
    image->load[image->loads].offset = header->p_offset;
    image->load[image->loads++].writable = header->p_flags & PF_W;
    if (image->loads == 1 || header->p_vaddr < image->low)
        image->low = header->p_vaddr;
    if (header->p_vaddr + header->p_memsz > image->high)
        image->high = header->p_vaddr + header->p_memsz;
}

/* The head, a pointer of four bytes, the number of entries in four, and the table. */
static void take_frame_hdr(struct image *image, uint64_t address)
{
    uint64_t first = address & ~UINT64_C(7), word[2];
    uint32_t part[4];

    if (address % sizeof part[0] || !image_read(image, first, &word[0]) ||
        !image_read(image, first + 8, &word[1]))
        return;
    memcpy(part, word, sizeof part);
    if (memcmp(&part[address % 8 / 4], frame_hdr_head, sizeof frame_hdr_head) != 0)
        return;
    image->frame_hdr = address;
    image->frame_table = address + 12;
    image->frame_count = part[address % 8 / 4 + 2];
}

static void read_headers(struct image *image, Elf *elf)
{
    size_t count = 0;
    uint64_t frame_hdr = 0;
    GElf_Phdr header;
    const void *id;
    ssize_t size;

    elf_getphdrnum(elf, &count);
    for (size_t i = 0; i < count; i++) {
        if (!gelf_getphdr(elf, (int)i, &header))
            continue;
        if (header.p_type == PT_LOAD)
            take_load(image, &header);
        else if (header.p_type == PT_GNU_EH_FRAME)
            frame_hdr = header.p_vaddr;
    }
    if (frame_hdr)
        take_frame_hdr(image, frame_hdr);
    size = dwelf_elf_gnu_build_id(elf, &id);
    if (size > 0 && size <= IMAGE_BUILD_ID) {
        memcpy(image->build_id, id, (size_t)size);
        image->build_id_size = (size_t)size;
    }
}

static struct image *find_open(const struct stat *st)
{
    for (struct image *image = images; image; image = image->next)
        if (image->device == st->st_dev && image->inode == st->st_ino &&
            image->size == (uint64_t)st->st_size && image->changed.tv_sec == st->st_ctim.tv_sec &&
            image->changed.tv_nsec == st->st_ctim.tv_nsec)
            return image;
    return NULL;
}

struct image *image_open(int fd)
{
    struct image *image = NULL;
    struct stat st;
    Elf *elf;

    if (fstat(fd, &st) || (image = find_open(&st))) {
        close(fd);
        if (image)
            image->users++;
        return image;
    }
    elf_version(EV_CURRENT);
    elf = elf_begin(fd, ELF_C_READ, NULL);
    image = elf && gelf_getclass(elf) == ELFCLASS64 ? calloc(1, sizeof *image) : NULL;
    if (image) {
        *image = (struct image){.fd = fd,
                                .users = 1,
                                .device = st.st_dev,
                                .inode = st.st_ino,
                                .size = (uint64_t)st.st_size,
                                .changed = st.st_ctim,
                                .next = images};
        read_headers(image, elf);
        images = image;
    } else {
        close(fd);
    }
    elf_end(elf);
    return image;
}

void image_retain(struct image *image)
{
    image->users++;
}

void image_release(struct image *image)
{
    struct image **link = &images;

    if (!image || --image->users)
        return;
    while (*link != image)
        link = &(*link)->next;
    *link = image->next;
    cache_forget(image);
    close(image->fd);
    free(image);
}
