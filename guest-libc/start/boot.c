/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * boot.c - from the layer below to the program's first instruction
 *
 * The order matters: the first thread must have its block before anything may
 * take the lock or be interrupted, and the handler is set last of all, when
 * every call that it may serve can be served.
 */
#include "guest-libc/start/boot.h"
#include "guest-libc/start/bundle.h"
#include "guest-libc/start/elf.h"
#include "guest-libc/start/stack.h"
#include "guest-libc/start/vdso.h"
#include "guest-libc/sys/sys-table.h"
#include "guest-libc/sys/thread.h"

#define STATUS_CANNOT_RUN 126u /* as a shell says it */

_Noreturn void start_program(uint64_t entry, uint64_t rsp);

static _Noreturn void refuse(const char *program, const char *why)
{
    lib_log("cannot run %s: %s", program, why);
    prim_exit(STATUS_CANNOT_RUN);
}

/* As Linux does at execve(). */
static void name_first_thread(const char *path)
{
    const char *name = path;

    for (; *path; path++) {
        if (path[0] == '/') {
            name = path + 1;
        }
    }
    report_rename(thread_tid(), name);
}

static void start_rooms(void)
{
    struct bundle_data net = bundle_find(BOOT_NET);
    bool has_net = net.bytes && net.len_bytes >= sizeof(struct boot_net);

    if (posix_start() < 0) {
        lib_panic("posix_start failed");
    }
    if (net_start(has_net ? (const struct boot_net *)net.bytes : NULL) < 0) {
        lib_panic("net_start failed");
    }
}

/**
 * boot_main - start the process
 * @info: what the layer below says of it; stays mapped
 *
 * Context: the first thread, on the stack that the layer below gave.
 */
_Noreturn void boot_main(const struct boot_info *info)
{
    struct elf_image image;
    struct stack_input stack = { 0 };
    struct bundle_data program;
    const char *wrong;
    uint64_t rsp;

    prim_boot(info);
    if (info->magic != BOOT_INFO_MAGIC || info->version != SYS_ABI_VERSION) {
        lib_panic("kernel and library do not belong together");
    }
    bundle_open(info);
    sys_table_init();
    thread_boot(info);
    start_rooms();

    program = bundle_find(BOOT_PROGRAM);
    if (!program.bytes) {
        refuse("nothing", "the bundle holds no program");
    }
    stack.program = program.entry->name;
    wrong = elf_load(program.bytes, program.len_bytes, &image);
    if (wrong) {
        refuse(stack.program, wrong);
    }
    name_first_thread(stack.program);
    process.brk_start = process.brk_now = image.end;
    stack.argv = bundle_find(BOOT_ARGV);
    stack.envp = bundle_find(BOOT_ENVP);
    stack.image = &image;
    stack.vdso = vdso_map(info->shared);
    stack.random = info->entropy;
    stack.xsave_bytes = info->xsave_bytes;
    rsp = stack_build(&stack);
    if (!rsp) {
        refuse(stack.program, "no room for its arguments");
    }
    prim_handler_set();
    /* A message that came before now found nobody to tell. */
    __atomic_fetch_or(&thread_self()->ublock.pending, SYS_PENDING_MAILBOX,
                      __ATOMIC_RELEASE);
    start_program(image.entry, rsp);
}
