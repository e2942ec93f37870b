/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * thread.c - the program's threads
 *
 * A thread is a kernel thread plus one block of library memory:
 *
 *    block             guard page
 *                      library stack, downwards from stack_top
 *    stack_top         struct frame
 *    frame_top         struct thread (GS), then its two xsave areas
 *
 * frame_top is HEAD_BYTES before the end of a page: what a short call uses of
 * the stack and what it writes in struct thread is one page of a checkpoint.
 *
 * The block is freed by the kernel when the thread is off it; the program's
 * own stack is free as soon as thread_leave() has cleared clear_child_tid,
 * since from there on nothing returns to it.
 */
#include <errno.h>
#include <asm/unistd.h>
#include <linux/capability.h>
#include <linux/resource.h>
#include <linux/sched.h>
#include <string.h>
#include "guest-libc/sys/altstack.h"
#include "guest-libc/sys/thread.h"

#define PAGE_BYTES          4096u
#define HEAD_BYTES          1024u
#define STACK_BYTES         ((68u << 10) - HEAD_BYTES)
#define XSAVE_ALIGN         64u
#define XSAVE_TRAILER_BYTES 64u /* the signal frame's end mark */

_Static_assert(offsetof(struct sys_ublock, app_rip) == UBLOCK_APP_RIP, "");
_Static_assert(offsetof(struct sys_ublock, app_rflags) == UBLOCK_APP_RFLAGS,
               "");
_Static_assert(offsetof(struct sys_ublock, stack_top) == UBLOCK_STACK_TOP, "");
_Static_assert(offsetof(struct sys_ublock, self) == UBLOCK_SELF, "");
_Static_assert(offsetof(struct sys_ublock, scratch) == UBLOCK_SCRATCH, "");
_Static_assert(offsetof(struct sys_ublock, pending) == UBLOCK_PENDING, "");
_Static_assert(offsetof(struct thread, frame_top) == THREAD_FRAME_TOP, "");
_Static_assert(sizeof(struct frame) == FRAME_BYTES, "");

extern const char thread_first_return[], helper_first[];

struct process process;

static size_t round_up(size_t n, size_t to)
{
    return (n + to - 1) & ~(to - 1);
}

/**
 * thread_new - make a thread block
 *
 * Return: the block, not yet known to anybody, or NULL without memory.
 * Context: any.
 */
struct thread *thread_new(void)
{
    size_t xsave_bytes =
        round_up(process.xsave_bytes + XSAVE_TRAILER_BYTES, XSAVE_ALIGN);
    size_t head_bytes = round_up(sizeof(struct thread), XSAVE_ALIGN);
    size_t block_bytes = round_up(
        PAGE_BYTES + STACK_BYTES + head_bytes + 2 * xsave_bytes, PAGE_BYTES);
    uint8_t *block = lib_pages(block_bytes);
    struct thread *t;

    if (!block) {
        return NULL;
    }
    if (prim_protect((uint64_t)block, PAGE_BYTES, 0, SYS_MAP_LIBRARY) < 0) {
        lib_pages_free(block, block_bytes);
        return NULL;
    }
    t = (struct thread *)(block + PAGE_BYTES + STACK_BYTES);
    t->block = block;
    t->block_bytes = block_bytes;
    t->frame_top = (uint64_t)t;
    t->ublock.stack_top = t->frame_top - FRAME_BYTES;
    t->ublock.self = (uint64_t)t;
    t->ublock.xsave[0] = (uint64_t)t + head_bytes;
    t->ublock.xsave[1] = t->ublock.xsave[0] + xsave_bytes;
    altstack_reset(t);
    return t;
}

static void thread_list_add_locked(struct thread *t)
{
    t->tid = process.next_tid++;
    t->next = process.threads;
    process.threads = t;
    process.n_threads++;
}

static void thread_list_remove_locked(struct thread *t)
{
    struct thread **link = &process.threads;

    while (*link != t) {
        link = &(*link)->next;
    }
    *link = t->next;
    process.n_threads--;
    if (process.first == t) {
        process.first = NULL;
    }
}

/**
 * thread_boot - make the calling thread the program's first
 * @info: what the layer below says of this process
 *
 * Context: boot, on the kernel's boot stack.
 */
void thread_boot(const struct boot_info *info)
{
    struct thread *t;

    process.xsave_bytes = info->xsave_bytes;
    process.xsave_mask = info->xsave_mask;
    process.next_tid = FIRST_TID;
    clock_boot();
    limit_boot();
    t = thread_new();
    lib_assert(t);
    thread_list_add_locked(t);
    creds_boot(&t->creds);
    process.dumpable = true;
    process.first = t;
    prim_thread_adopt(&t->ublock);
    t->prim_tid = prim_query(SYS_QUERY_TID);
}

/**
 * thread_tid - the calling thread's number, as the program sees it
 *
 * Return: the number.
 * Context: any.
 */
int thread_tid(void)
{
    return thread_self()->tid;
}

/**
 * thread_find_locked - find a thread of the program
 * @tid: as the program sees it
 *
 * Return: the thread, NULL if there is none.
 * Context: lock held.
 */
struct thread *thread_find_locked(int tid)
{
    struct thread *t;

    for (t = process.threads; t && t->tid != tid; t = t->next) {
    }
    return t;
}

/**
 * thread_helper_main - first C code of a helper thread
 *
 * Context: called from entry.S; does not return.
 */
_Noreturn void thread_helper_main(void)
{
    struct thread *t = thread_self();

    t->helper_run(t->helper_arg);
    lib_panic("a helper thread returned");
}

static long thread_start(struct thread *t, const char *rip, uint64_t rsp)
{
    struct sys_thread start = {
        .rip = (uint64_t)rip,
        .rsp = rsp,
        .fs_base = t->fs_base,
        .gs_base = (uint64_t)t,
        .ublock = (uint64_t)&t->ublock,
    };
    long tid = prim_thread_create(&start);

    if (tid > 0) {
        t->prim_tid = tid;
    }
    return tid;
}

/**
 * thread_spawn_helper - start a thread of the library's own
 * @run: must not return
 * @arg: for @run
 *
 * Return: 0 or a negative errno.
 * Context: any.
 */
long thread_spawn_helper(void (*run)(void *arg), void *arg)
{
    struct thread *t = thread_new();
    long ret;

    if (!t) {
        return -ENOMEM;
    }
    t->helper = true;
    t->helper_run = run;
    t->helper_arg = arg;
    t->signal_mask = ~0ull;
    ret = thread_start(t, helper_first, t->ublock.stack_top);
    if (ret < 0) {
        lib_pages_free(t->block, t->block_bytes);
        return ret;
    }
    return 0;
}

#define CLONE_NEEDED (CLONE_VM | CLONE_THREAD | CLONE_SIGHAND)

static long clone_store_tid(uint64_t flags, int tid, uint64_t parent_tid,
                            uint64_t child_tid)
{
    if ((flags & CLONE_PARENT_SETTID) &&
        copy_to_user(parent_tid, &tid, sizeof(tid))) {
        return -EFAULT;
    }
    if ((flags & CLONE_CHILD_SETTID) &&
        copy_to_user(child_tid, &tid, sizeof(tid))) {
        return -EFAULT;
    }
    return 0;
}

/* What a thread has of its maker besides the memory. */
static void thread_inherit_locked(struct thread *t, const struct thread *parent)
{
    creds_copy(&t->creds, &parent->creds);
    t->no_new_privs = parent->no_new_privs;
    t->slack_ns = parent->slack_ns;
    t->nice = parent->nice;
    if (!parent->sched_reset) {
        t->sched_policy = parent->sched_policy;
        t->sched_priority = parent->sched_priority;
    } else if (t->nice < 0) {
        t->nice = 0;
    }
}

/* A number of threads is a limit of whoever may not do without it. */
static bool thread_limit_reached(void)
{
    bool reached;

    lib_lock();
    reached = (uint64_t)process.n_threads >= limit_now(RLIMIT_NPROC);
    lib_unlock();
    return reached && !creds_may(CAP_SYS_RESOURCE) && !creds_may(CAP_SYS_ADMIN);
}

/* clone(flags, stack, parent_tid, child_tid, tls): threads only, no fork */
/* @linux call clone - threads only: what fork() asks for is ENOSYS
 * @test guest/programs/threads.c "threads start" */
static long thread_clone(struct sys_args *args)
{
    uint64_t flags = args->arg[0];
    struct thread *parent = thread_self();
    struct thread *t;
    struct frame *frame;
    long ret;

    if ((flags & CLONE_NEEDED) != CLONE_NEEDED) {
        lib_log("clone: only threads, flags %lx", flags);
        return -ENOSYS;
    }
    if ((flags & CLONE_SETTLS) && args->arg[4] >= USER_END) {
        return -EPERM;
    }
    t = thread_limit_reached() ? NULL : thread_new();
    if (!t) {
        return -EAGAIN;
    }
    frame = (struct frame *)(t->frame_top - FRAME_BYTES);
    *frame = *args->frame;
    frame->rax = 0;
    if (args->arg[1]) {
        frame->rsp = args->arg[1];
    }
    t->fs_base = flags & CLONE_SETTLS ? args->arg[4] : parent->fs_base;
    t->signal_mask = parent->signal_mask;
    memcpy(t->name, parent->name, sizeof(t->name));
    t->clear_child_tid = flags & CLONE_CHILD_CLEARTID ? args->arg[3] : 0;

    lib_lock();
    thread_list_add_locked(t);
    thread_inherit_locked(t, parent);
    ret = clone_store_tid(flags, t->tid, args->arg[2], args->arg[3]);
    if (process.ender) {
        ret = -EAGAIN; /* this thread is to leave, and so would that one */
    }
    if (!ret) {
        ret = thread_start(t, thread_first_return, (uint64_t)frame);
    }
    if (ret < 0) {
        thread_list_remove_locked(t);
        creds_drop(&t->creds);
        lib_unlock();
        lib_pages_free(t->block, t->block_bytes);
        return ret;
    }
    ret = t->tid;
    lib_unlock();
    return ret;
}

/**
 * thread_leave - the calling thread's end
 *
 * We are on the library's stack and never return to the program's, so the
 * word that tells others to free it may be cleared before the thread is gone.
 *
 * Context: no lock held; does not return.
 */
_Noreturn void thread_leave(void)
{
    struct thread *t = thread_self();
    uint32_t zero = 0;

    lib_lock();
    robust_leave_locked(t);
    futex_pi_leave_locked(t);
    thread_list_remove_locked(t);
    signal_thread_leaves_locked(t);
    creds_drop(&t->creds);
    if (t->clear_child_tid &&
        !copy_to_user(t->clear_child_tid, &zero, sizeof(zero))) {
        futex_wake_locked(t->clear_child_tid, 1, ~0u);
    }
    if (process.ender) {
        lib_wake(&process.ender_word, 1);
    }
    lib_unlock();
    prim_thread_exit(t->block, t->block_bytes);
}

/* @linux call exit
 * @test libc-linux/net/check-endings "(plain, 'last', 300000)" */
static long thread_exit(struct sys_args *args)
{
    lib_lock();
    if (process.n_threads == 1 && !process.ender) {
        process_end(args->arg[0] & 0xff);
    }
    lib_unlock();
    thread_leave();
}

/* @linux call exit_group
 * @test libc-linux/net/check-endings "(plain, 'threads', 300000)" */
static long thread_exit_group(struct sys_args *args)
{
    lib_lock();
    process_end(args->arg[0] & 0xff);
}

/* @linux call set_tid_address gettid
 * @test guest/programs/identity.c "where the thread's number is cleared" */
static long thread_set_tid_address(struct sys_args *args)
{
    struct thread *t = thread_self();

    lib_lock();
    t->clear_child_tid = args->arg[0];
    lib_unlock();
    return t->tid;
}

static long thread_gettid(struct sys_args *args)
{
    (void)args;
    return thread_tid();
}

/* @linux call clone3 rseq membarrier - not served: ENOSYS, C libraries do
 * without */
static long thread_enosys(struct sys_args *args)
{
    (void)args;
    return -ENOSYS;
}

#define ARCH_SET_FS 0x1002
#define ARCH_GET_FS 0x1003

/* GS is the library's: a program that wants it is refused. */
/* @linux call arch_prctl - FS only: GS is the library's, EINVAL
 * @test guest/programs/threads.c "each keeps its own thread-local variable" */
static long thread_arch_prctl(struct sys_args *args)
{
    struct thread *t = thread_self();

    switch (args->arg[0]) {
    case ARCH_SET_FS:
        if (args->arg[1] >= USER_END) {
            return -EPERM;
        }
        t->fs_base = args->arg[1];
        return prim_thread_set(SYS_THREAD_FS, t->fs_base);
    case ARCH_GET_FS:
        return copy_to_user(args->arg[1], &t->fs_base, sizeof(t->fs_base));
    default:
        return -EINVAL;
    }
}

const struct sys_entry thread_calls[] = {
    { __NR_clone, "clone", thread_clone },
    /* Both C libraries fall back to clone(), fork() is a later matter. */
    { __NR_clone3, "clone3", thread_enosys },
    { __NR_rseq, "rseq", thread_enosys },
    { __NR_membarrier, "membarrier", thread_enosys },
    { __NR_exit, "exit", thread_exit },
    { __NR_exit_group, "exit_group", thread_exit_group },
    { __NR_set_tid_address, "set_tid_address", thread_set_tid_address },
    { __NR_gettid, "gettid", thread_gettid },
    { __NR_arch_prctl, "arch_prctl", thread_arch_prctl },
    { 0, NULL, NULL },
};
