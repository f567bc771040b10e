// SPDX-License-Identifier: Apache-2.0
// vanishing CASE SECONDS [PLUGIN ...]: takes memory away that a walk of a thread's stack may come to, and
// prints "fine". CASE+ forbids process_vm_readv() first, on pain of death. Built with -DPLUGIN=NAME
// -DROOM=BYTES it is a plug-in, whose function NAME has such a frame.
#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#ifdef PLUGIN
/* Neither touches the plug-in's data, nor is called through it: of the file, the code alone must be there. */
__attribute__((noinline)) static int PLUGIN(const volatile int *stop, void (*call)(void))
{
    volatile char room[ROOM];
    int turns = 0;
    room[0] = 0;
    do {
        for (int i = 0; i < 1000; i++)
            room[turns % ROOM] = (char)i;
        if (call)
            call();
        turns++;
    } while (!*stop);
    return turns + room[0];
}

int plugin_work(const volatile int *stop, void (*call)(void))
{
    int turns = PLUGIN(stop, call);
    __asm__ volatile("");
    return turns;
}

__attribute__((noinline)) static void *caller(void)
{
    return __builtin_return_address(0);
}

/* An address in the plug-in with a call before it. */
void *plugin_address(void)
{
    void *address = caller();
    __asm__ volatile("");
    return address;
}
#else

enum { PAGE = 4096 };
typedef int plugin_work(const volatile int *stop, void (*call)(void));

static volatile int stop;
static time_t end;
static char **plugins;
static void *word; /* an address in a plug-in, as a stack has from earlier calls */
static pthread_rwlock_t in_use = PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP;
static plugin_work *work;

/* Assembly without call frame information. bare: its frame is full of a word; it calls malloc() and free().
   bare_near: the same with a small frame. on_stack: calls a function on another stack. */
void bare(void *fill);
void bare_near(void *fill);
void on_stack(void *top, void (*function)(void *), void *argument);
__asm__(
    ".text\n"
    "bare:\n\tpush %rbx\n\tpush %r12\n\tsub $200, %rsp\n\tmov %rdi, %rax\n\tlea 8(%rsp), %rdx\n\t"
    "mov $20, %ecx\n1:\tmov %rax, (%rdx)\n\tadd $8, %rdx\n\tdec %ecx\n\tjne 1b\n\tmov $24, %edi\n\t"
    "call malloc@PLT\n\tmov %rax, %rdi\n\tcall free@PLT\n\tadd $200, %rsp\n\tpop %r12\n\tpop %rbx\n\tret\n"
    "bare_near:\n\tpush %rbx\n\txor %ebx, %ebx\n\tmov $24, %edi\n\tcall malloc@PLT\n\tmov %rax, %rdi\n\t"
    "call free@PLT\n\tpop %rbx\n\tret\n"
    "on_stack:\n\tpush %rbp\n\tmov %rsp, %rbp\n\tmov %rdi, %rsp\n\tmov %rdx, %rdi\n\tcall *%rsi\n\t"
    "mov %rbp, %rsp\n\tpop %rbp\n\tret\n");

static void *load(const char *name)
{
    void *plugin = dlopen(name, RTLD_NOW);
    if (!plugin) {
        puts(dlerror());
        exit(1);
    }
    return plugin;
}

static void take_word(void *plugin)
{
    word = ((void *(*)(void))dlsym(plugin, "plugin_address"))();
}

static void *bare_for_ever(void *arg)
{
    while (!stop)
        bare(word);
    return arg;
}

static void *bare_for_a_while(void *arg)
{
    while (time(NULL) < end)
        bare(word);
    return arg;
}

/* A stale address leads into a plug-in that is loaded and unloaded all the time. */
static void unload(void)
{
    void *plugin = load(plugins[0]);
    pthread_t thread;
    take_word(plugin);
    dlclose(plugin);
    pthread_create(&thread, NULL, bare_for_ever, NULL);
    while (time(NULL) < end)
        dlclose(load(plugins[0]));
    stop = 1;
    pthread_join(thread, NULL);
}

static void allocate(void)
{
    free(malloc(100));
}

static void *use(void *arg)
{
    static const int once = 1;
    while (!stop) {
        pthread_rwlock_rdlock(&in_use);
        if (work)
            work(&once, allocate);
        pthread_rwlock_unlock(&in_use);
        bare(word);
    }
    return arg;
}

/* Several threads run in a plug-in, which is another one each time. */
static void take_turns(void)
{
    pthread_t thread[3];
    for (int i = 0; i < 3; i++)
        pthread_create(&thread[i], NULL, use, NULL);
    for (int turn = 0; time(NULL) < end; turn++) {
        void *plugin = load(plugins[turn % 2]);
        pthread_rwlock_wrlock(&in_use);
        take_word(plugin);
        work = (plugin_work *)dlsym(plugin, "plugin_work");
        pthread_rwlock_unlock(&in_use);
        usleep(1000);
        pthread_rwlock_wrlock(&in_use);
        work = NULL;
        pthread_rwlock_unlock(&in_use);
        dlclose(plugin);
    }
    stop = 1;
    for (int i = 0; i < 3; i++)
        pthread_join(thread[i], NULL);
}

/* ---- a module's memory goes, and the loader does not know */

struct part {
    const void *inside;
    uintptr_t low, high, file_end; /* of its code */
    uintptr_t module_end;
};

static int find_code(struct dl_phdr_info *info, size_t size, void *context)
{
    struct part *part = context;
    uintptr_t high = 0;
    (void)size;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];
        uintptr_t low = info->dlpi_addr + header->p_vaddr;
        if (header->p_type == PT_LOAD)
            high = low + header->p_memsz;
        if (header->p_type != PT_LOAD || !(header->p_flags & PF_X) ||
            (uintptr_t)part->inside - low >= header->p_memsz)
            continue;
        part->low = low & -(uintptr_t)PAGE;
        part->high = (low + header->p_filesz + PAGE - 1) & -(uintptr_t)PAGE;
        part->file_end = (header->p_offset + header->p_filesz + PAGE - 1) & -(uintptr_t)PAGE;
    }
    if (part->low && !part->module_end)
        part->module_end = (high + PAGE - 1) & -(uintptr_t)PAGE;
    return part->low != 0;
}

static struct part code_around(const void *inside)
{
    struct part part = {.inside = inside};
    dl_iterate_phdr(find_code, &part);
    return part;
}

static void *work_for_ever(void *function)
{
    ((plugin_work *)function)(&stop, NULL);
    return NULL;
}

static void run_work(void *function)
{
    pthread_t thread;
    pthread_create(&thread, NULL, work_for_ever, function);
    while (time(NULL) < end)
        usleep(10000);
    stop = 1;
    pthread_join(thread, NULL);
}

/* The file of a plug-in whose code runs is cut behind that code. */
static void truncate_plugin(void)
{
    void *function = dlsym(load(plugins[0]), "plugin_work");
    if (truncate(plugins[0], (off_t)code_around(function).file_end)) {
        perror("truncate");
        exit(1);
    }
    run_work(function);
}

static void unmap_tables(int by_mapping)
{
    void *function = dlsym(load(plugins[0]), "plugin_work");
    struct part part = code_around(function);
    size_t size = part.module_end - part.high;
    if (by_mapping)
        mmap((void *)part.high, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    else
        munmap((void *)part.high, size);
    run_work(function);
}

static void unmap_code(void)
{
    struct part part;
    take_word(load(plugins[0]));
    part = code_around(word);
    munmap((void *)part.low, part.high - part.low);
    bare_for_a_while(NULL);
}

/* ---- a stack is not what it was */

static void near_for_a_while(void *arg)
{
    (void)arg;
    while (time(NULL) < end)
        bare_near(word);
}

static void finish(void *arg)
{
    near_for_a_while(arg);
    puts("fine");
    fflush(stdout);
    _exit(0);
}

static void nothing(void)
{
}

/* Where a coroutine of makecontext() had its stack is a smaller one. */
static void shrink_coroutine(void)
{
    enum { SIZE = 16 * PAGE, SMALL = 4 * PAGE };
    static ucontext_t outside, inside;
    char *stack = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    getcontext(&inside);
    inside.uc_stack = (stack_t){.ss_sp = stack, .ss_size = SIZE};
    inside.uc_link = &outside;
    makecontext(&inside, nothing, 0);
    swapcontext(&outside, &inside);
    munmap(stack + SMALL, SIZE - SMALL);
    on_stack(stack + SMALL - 32, near_for_a_while, NULL);
}

/* What lies above a stack is a userfaultfd's, which nobody serves: who reads there waits for ever. */
static void end_at_userfaultfd(void)
{
    enum { SIZE = 16 * PAGE, SMALL = 4 * PAGE };
    char *stack = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct uffdio_api api = {.api = UFFD_API};
    struct uffdio_register range = {.range = {(uintptr_t)stack + SMALL, SIZE - SMALL},
                                    .mode = UFFDIO_REGISTER_MODE_MISSING};
    int server = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
    if (server < 0 || ioctl(server, UFFDIO_API, &api) || ioctl(server, UFFDIO_REGISTER, &range))
        return; /* not for this user */
    on_stack(stack + SMALL - 32, near_for_a_while, NULL);
}

/* The thread goes on in a lower part of its stack, and the page between goes. */
static void *dig_hole(void *how)
{
    uintptr_t here = (uintptr_t)__builtin_frame_address(0) & -(uintptr_t)PAGE;
    char *top = (char *)here - 64 * PAGE;
    if (*(const char *)how == 'p')
        mprotect(top, PAGE, PROT_NONE);
    else
        munmap(top, PAGE);
    on_stack(top - 32, finish, NULL);
    return NULL;
}

static void hole(const char *how)
{
    enum { SIZE = 256 * PAGE };
    pthread_attr_t attributes;
    pthread_t thread;
    pthread_attr_init(&attributes);
    pthread_attr_setstack(&attributes,
                          mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), SIZE);
    pthread_create(&thread, &attributes, dig_hole, (void *)how);
    pthread_join(thread, NULL);
}

/* A frame full of addresses of code that somebody generated, and threw away. */
static void drop_generated_code(void)
{
    char *code = mmap(NULL, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(code, 0xe8, PAGE);
    word = code + PAGE / 2;
    munmap(code, PAGE);
    bare_for_a_while(NULL);
}

/* Not by the hook: as libc unloads what it has loaded itself. The second plug-in lies where the first one
 * did. */
static void unload_unseen(void)
{
    int (*unload_by_libc)(void *) = (int (*)(void *))dlsym(load("libc.so.6"), "dlclose");
    void *first = load(plugins[0]), *second;
    time_t half = time(NULL) + (end - time(NULL)) / 2;
    plugin_work *function = (plugin_work *)dlsym(first, "plugin_work");
    static const int once = 1;
    Dl_info then, now;
    dladdr((void *)function, &then);
    while (time(NULL) < half)
        function(&once, allocate);
    unload_by_libc(first);
    second = load(plugins[1]);
    if (dladdr(dlsym(second, "plugin_work"), &now) == 0 || now.dli_fbase != then.dli_fbase)
        puts("elsewhere");
    function = (plugin_work *)dlsym(second, "plugin_work");
    while (time(NULL) < end)
        function(&once, allocate);
}

static void forbid_reads(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_process_vm_readv, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof(filter) / sizeof(filter[0]), filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) {
        perror("seccomp");
        exit(1);
    }
}

int main(int argc, char **argv)
{
    char name[32] = "";
    if (argc < 3)
        return 2;
    strncpy(name, argv[1], sizeof(name) - 1);
    if (strchr(name, '+')) {
        *strchr(name, '+') = 0;
        forbid_reads();
    }
    end = time(NULL) + atoi(argv[2]);
    plugins = argv + 3;
    if (!strcmp(name, "unload"))
        unload();
    else if (!strcmp(name, "turns"))
        take_turns();
    else if (!strcmp(name, "truncated"))
        truncate_plugin();
    else if (!strcmp(name, "tables-unmapped") || !strcmp(name, "tables-replaced"))
        unmap_tables(name[7] == 'r');
    else if (!strcmp(name, "code-unmapped"))
        unmap_code();
    else if (!strcmp(name, "coroutine"))
        shrink_coroutine();
    else if (!strcmp(name, "hole-protected") || !strcmp(name, "hole-unmapped"))
        hole(name + 5);
    else if (!strcmp(name, "userfaultfd"))
        end_at_userfaultfd();
    else if (!strcmp(name, "generated"))
        drop_generated_code();
    else if (!strcmp(name, "unseen"))
        unload_unseen();
    else
        return 2;
    puts("fine");
    fflush(stdout);
    _exit(0); /* what is left of plug-ins may not be able to end */
}
#endif
