/* SPDX-License-Identifier: Apache-2.0 */
#include "elf_image.h"

#include <elf.h>
#include <fcntl.h>
#include <gelf.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "sampler/segment/layout.h"
#include "uploader/process/owner.h"

enum { PAGE = 4096, PAGES = 256, MOST_HEADERS = 64, NOTES_MOST = 4096 };

/* How every linker writes .eh_frame_hdr: version 1, pcrel sdata4, udata4, datarel sdata4. */
static const uint8_t frame_hdr_head[4] = {1, 0x1b, 0x03, 0x3b};

static struct elf_image *images;

/* Pages of all images. The address gives each page its place. */
static struct cached_page {
    const struct elf_image *image;
    uint64_t offset;
    uint8_t data[PAGE];
} * cache;

/* at: an offset in the file, or an address in the process. */
static ssize_t raw_read(const struct elf_image *image, uint64_t at, void *to, size_t size)
{
    struct iovec local = {to, size}, remote = {(void *)(uintptr_t)at, size};

    if (image->fd != -1)
        return pread(image->fd, to, size, (off_t)at);
    return owner_copy(image->owner, image->pid, &local, &remote, 1);
}

static const uint8_t *page_read(const struct elf_image *image, uint64_t offset)
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
    size = raw_read(image, offset, page->data, PAGE);
    if (size <= 0)
        return NULL;
    memset(page->data + size, 0, PAGE - (size_t)size);
    page->image = image;
    page->offset = offset;
    return page->data;
}

static void cache_forget(const struct elf_image *image)
{
    for (int i = 0; cache && i < PAGES; i++)
        if (cache[i].image == image)
            cache[i].image = NULL;
}

bool elf_image_read(const struct elf_image *image, uint64_t address, uint64_t *word)
{
    for (unsigned i = 0; i < image->loads; i++) {
        uint64_t offset = address + image->bias;
        const uint8_t *page;
        if (image->fd != -1)
            offset = address - image->load[i].start + image->load[i].offset;
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

bool elf_image_is_data(const struct elf_image *image, uint64_t address)
{
    for (unsigned i = 0; i < image->loads; i++)
        if (image->load[i].writable && address >= image->load[i].start && address < image->load[i].end)
            return true;
    return false;
}

static uint64_t page_start(uint64_t at)
{
    return at - at % PAGE;
}

bool elf_image_code_address(const struct elf_image *image, uint64_t offset, uint64_t *address)
{
    for (unsigned i = 0; i < image->loads; i++) {
        uint64_t begin = image->load[i].offset, size = image->load[i].end - image->load[i].start;
        if (!image->load[i].executable || offset < page_start(begin) || offset >= begin + size)
            continue;
        *address = image->load[i].start + offset - begin;
        return true;
    }
    return false;
}

/* Where the file's beginning is loaded. */
static bool first_address(const struct elf_image *image, uint64_t *address)
{
    for (unsigned i = 0; i < image->loads; i++) {
        *address = page_start(image->load[i].start);
        if (!page_start(image->load[i].offset))
            return true;
    }
    return false;
}

bool elf_image_code_offset(const struct elf_image *image, uint64_t head, uint64_t at, uint64_t *offset)
{
    uint64_t first, address;

    if (!first_address(image, &first))
        return false;
    address = at - (head - first);
    for (unsigned i = 0; i < image->loads; i++) {
        if (!image->load[i].executable || address < page_start(image->load[i].start) ||
            address >= image->load[i].end)
            continue;
        *offset = address - image->load[i].start + image->load[i].offset;
        return true;
    }
    return false;
}

static void take_load(struct elf_image *image, const Elf64_Phdr *header)
{
    if (image->loads == ELF_IMAGE_LOADS || header->p_vaddr + header->p_memsz < header->p_vaddr)
        return;
    image->load[image->loads].start = header->p_vaddr;
    image->load[image->loads].end = header->p_vaddr + header->p_filesz;
    image->load[image->loads].offset = header->p_offset;
    image->load[image->loads].executable = header->p_flags & PF_X;
    image->load[image->loads++].writable = header->p_flags & PF_W;
    if (image->loads == 1 || header->p_vaddr < image->low)
        image->low = header->p_vaddr;
    if (header->p_vaddr + header->p_memsz > image->high)
        image->high = header->p_vaddr + header->p_memsz;
}

/* The head, a pointer of four bytes, the number of entries in four, and the table. */
static void take_frame_hdr(struct elf_image *image, uint64_t address)
{
    uint64_t first = address & ~UINT64_C(7), word[2];
    uint32_t part[4];

    if (address % sizeof part[0] || !elf_image_read(image, first, &word[0]) ||
        !elf_image_read(image, first + 8, &word[1]))
        return;
    memcpy(part, word, sizeof part);
    if (memcmp(&part[address % 8 / 4], frame_hdr_head, sizeof frame_hdr_head) != 0)
        return;
    image->frame_hdr = address;
    image->frame_table = address + 12;
    image->frame_count = part[address % 8 / 4 + 2];
}

static size_t padded(size_t size, uint64_t align)
{
    return align == 8 ? (size + 7) & ~(size_t)7 : (size + 3) & ~(size_t)3;
}

static void take_notes(struct elf_image *image, const Elf64_Phdr *header)
{
    uint8_t notes[NOTES_MOST];
    size_t most = header->p_filesz < sizeof notes ? (size_t)header->p_filesz : sizeof notes;
    ssize_t size =
        raw_read(image, image->fd != -1 ? header->p_offset : header->p_vaddr + image->bias, notes, most);
    Elf64_Nhdr note;

    for (size_t at = 0; size > 0 && at + sizeof note + 4 <= (size_t)size;) {
        memcpy(&note, notes + at, sizeof note);
        size_t text = at + sizeof note + padded(note.n_namesz, header->p_align);
        if (note.n_namesz > NOTES_MOST || note.n_descsz > NOTES_MOST || text + note.n_descsz > (size_t)size)
            return;
        if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && note.n_descsz <= ELF_IMAGE_BUILD_ID &&
            !memcmp(notes + at + sizeof note, "GNU", 4)) {
            memcpy(image->build_id, notes + text, note.n_descsz);
            image->build_id_size = note.n_descsz;
            return;
        }
        at = text + padded(note.n_descsz, header->p_align);
    }
}

static void take_fingerprint(struct elf_image *image, const Elf64_Phdr *header, size_t count)
{
    uint8_t part[PAGE];
    uint64_t fingerprint = layout_fingerprint(0, header, count * sizeof *header);

    for (size_t i = 0; i < count; i++) {
        uint64_t at = image->fd != -1 ? header[i].p_offset : header[i].p_vaddr + image->bias;
        uint64_t end = at + layout_fingerprint_size(&header[i]);
        for (size_t size; at < end; at += size) {
            size = end - at < sizeof part ? (size_t)(end - at) : sizeof part;
            if (raw_read(image, at, part, size) != (ssize_t)size)
                return;
            fingerprint = layout_fingerprint(fingerprint, part, size);
        }
    }
    image->fingerprint = fingerprint;
}

/* In memory, headers are read from the page of the file's beginning alone. */
static size_t read_headers(const struct elf_image *image, uint64_t head, Elf64_Phdr header[MOST_HEADERS])
{
    Elf64_Ehdr file;
    size_t size;

    if (raw_read(image, head, &file, sizeof file) != sizeof file ||
        memcmp(file.e_ident, ELFMAG, SELFMAG) != 0 || file.e_ident[EI_CLASS] != ELFCLASS64 ||
        file.e_phentsize != sizeof header[0] || file.e_phnum > MOST_HEADERS)
        return 0;
    size = file.e_phnum * sizeof header[0];
    if (image->fd == -1 && (file.e_phoff > PAGE || file.e_phoff + size > PAGE))
        return 0;
    return raw_read(image, head + file.e_phoff, header, size) == (ssize_t)size ? file.e_phnum : 0;
}

/* head: 0, or where in memory the file begins. */
static bool take_headers(struct elf_image *image, uint64_t head)
{
    Elf64_Phdr header[MOST_HEADERS];
    size_t count = read_headers(image, head, header);
    uint64_t frame_hdr = 0, first;

    for (size_t i = 0; i < count; i++) {
        if (header[i].p_type == PT_LOAD)
            take_load(image, &header[i]);
        else if (header[i].p_type == PT_GNU_EH_FRAME)
            frame_hdr = header[i].p_vaddr;
    }
    if (image->fd == -1) {
        if (!first_address(image, &first))
            return false;
        image->bias = head - first;
    }
    if (frame_hdr)
        take_frame_hdr(image, frame_hdr);
    for (size_t i = 0; i < count && !image->build_id_size; i++)
        if (header[i].p_type == PT_NOTE)
            take_notes(image, &header[i]);
    take_fingerprint(image, header, count);
    return count > 0;
}

static struct elf_image *find_open(const struct stat *st)
{
    for (struct elf_image *image = images; image; image = image->next)
        if (image->fd != -1 && image->device == st->st_dev && image->inode == st->st_ino &&
            image->size == (uint64_t)st->st_size && image->changed.tv_sec == st->st_ctim.tv_sec &&
            image->changed.tv_nsec == st->st_ctim.tv_nsec)
            return image;
    return NULL;
}

/* NULL: not an ELF file, and its descriptor is closed. */
static struct elf_image *elf_image_new(const struct elf_image *like, uint64_t head)
{
    struct elf_image *image = calloc(1, sizeof *image);

    if (image)
        *image = *like;
    if (image && take_headers(image, head)) {
        image->users = 1;
        image->next = images;
        return images = image;
    }
    if (image)
        cache_forget(image);
    if (like->fd != -1)
        close(like->fd);
    free(image);
    return NULL;
}

struct elf_image *elf_image_open(int fd)
{
    struct elf_image *image;
    struct stat st;

    if (fstat(fd, &st)) {
        close(fd);
        return NULL;
    }
    image = find_open(&st);
    if (image) {
        close(fd);
        image->users++;
        return image;
    }
    return elf_image_new(&(struct elf_image){.fd = fd,
                                             .device = st.st_dev,
                                             .inode = st.st_ino,
                                             .size = (uint64_t)st.st_size,
                                             .changed = st.st_ctim},
                         0);
}

struct elf_image *elf_image_open_memory(pid_t pid, const struct owner *owner, uint64_t head)
{
    return elf_image_new(&(struct elf_image){.fd = -1, .pid = pid, .owner = owner}, head);
}

bool elf_image_same(const struct elf_image *image, const struct elf_image *other)
{
    if (image->build_id_size != other->build_id_size)
        return false;
    if (image->build_id_size)
        return !memcmp(image->build_id, other->build_id, image->build_id_size);
    return image->loads == other->loads && image->frame_hdr == other->frame_hdr &&
           image->frame_count == other->frame_count &&
           !memcmp(image->load, other->load, image->loads * sizeof image->load[0]);
}

struct elf_image *elf_image_find(dev_t device, uint64_t inode)
{
    for (struct elf_image *image = images; image; image = image->next) {
        if (image->fd == -1 || image->device != device || image->inode != inode)
            continue;
        elf_image_retain(image);
        return image;
    }
    return NULL;
}

int elf_image_open_again(const uint8_t *build_id, size_t size)
{
    for (const struct elf_image *image = images; image; image = image->next) {
        bool same =
            size ? image->build_id_size == size && !memcmp(image->build_id, build_id, size)
                 : image->fingerprint && !memcmp(&image->fingerprint, build_id, sizeof image->fingerprint);
        if (image->fd != -1 && same)
            return fcntl(image->fd, F_DUPFD_CLOEXEC, 0);
    }
    return -1;
}

void elf_image_retain(struct elf_image *image)
{
    image->users++;
}

void elf_image_release(struct elf_image *image)
{
    struct elf_image **link = &images;

    if (!image || --image->users)
        return;
    while (*link != image)
        link = &(*link)->next;
    *link = image->next;
    cache_forget(image);
    if (image->fd != -1)
        close(image->fd);
    free(image->final);
    free(image);
}

/* By .dynsym, which stripped files keep, too. */
static void read_finals(struct elf_image *image, Elf *elf, Elf_Scn *section, const GElf_Shdr *header)
{
    Elf_Data *data = elf_getdata(section, NULL);
    size_t count = data && header->sh_entsize ? data->d_size / header->sh_entsize : 0;
    GElf_Sym symbol;

    image->final = calloc(CODE_FINALS, sizeof *image->final);
    for (size_t i = 1; image->final && i < count && i < INT_MAX && image->finals < CODE_FINALS; i++) {
        const char *name;
        if (!gelf_getsym(data, (int)i, &symbol) || GELF_ST_TYPE(symbol.st_info) != STT_FUNC ||
            !symbol.st_shndx)
            continue;
        name = elf_strptr(elf, header->sh_link, symbol.st_name);
        if (name && code_is_final_name(name))
            image->final[image->finals++] = (struct code_range){symbol.st_value, symbol.st_size};
    }
}

/* libelf reads whole sections into memory. A C library's symbols take some tens of KiB. */
static bool is_moderate(Elf *elf, const GElf_Shdr *symbols)
{
    enum { MOST = 4 << 20 };
    GElf_Shdr strings;
    return symbols->sh_size < MOST && gelf_getshdr(elf_getscn(elf, symbols->sh_link), &strings) &&
           strings.sh_size < MOST;
}

const struct code_range *elf_image_final(struct elf_image *image, unsigned *count)
{
    Elf_Scn *section = NULL;
    GElf_Shdr header;
    Elf *elf;

    if (!image->finals_known && image->fd != -1) {
        elf_version(EV_CURRENT);
        elf = elf_begin(image->fd, ELF_C_READ, NULL); /* reads, and maps nothing */
        while (elf && (section = elf_nextscn(elf, section)) != NULL)
            if (gelf_getshdr(section, &header) && header.sh_type == SHT_DYNSYM && is_moderate(elf, &header))
                read_finals(image, elf, section, &header);
        elf_end(elf);
    }
    image->finals_known = true;
    *count = image->finals;
    return image->final;
}
