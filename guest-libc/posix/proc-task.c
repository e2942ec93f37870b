/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * proc-task.c - /proc/self/task: a directory for each thread
 *
 * Nodes cannot go away and threads have ever new numbers, so there is a fixed
 * number of places for a thread's directory, taken in turn when one is looked
 * for.  A file that is still open when its place goes to another thread is
 * ESRCH from then on, as that of a thread that ended is.
 */
#include <string.h>
#include "guest-libc/posix/linux.h"
#include "guest-libc/posix/proc.h"

#define TASK_PLACES 64u
#define TASK_FILES  12u
#define TASK_NAME   12u

struct task {
    struct tree_node dir, files[TASK_FILES];
    char name[TASK_NAME];
};

static struct task *tasks BULKY; /* TASK_PLACES; lock */
static unsigned task_next_place BULKY;

static unsigned n_files(void)
{
    unsigned n = 0;

    while (proc_task_files[n].name) {
        n++;
    }
    lib_assert(n <= TASK_FILES);
    return n;
}

static struct task *task_of(const struct tree_node *dir)
{
    return (struct task *)((uintptr_t)dir - offsetof(struct task, dir));
}

static const struct tree_node *file_next(const struct tree_node *dir,
                                         uint64_t *position)
{
    return *position < n_files() ? &task_of(dir)->files[(*position)++] : NULL;
}

static const struct tree_node *file_find(const struct tree_node *dir,
                                         const char *name, size_t len)
{
    const struct tree_node *node;
    uint64_t position = 0;

    while ((node = file_next(dir, &position))) {
        if (node->name_len == len && !memcmp(node->name, name, len)) {
            return node;
        }
    }
    return NULL;
}

static const struct tree_maker files_maker = { file_find, file_next };

/* Make @t the directory of thread @tid below @above. */
static void fill(struct task *t, const struct tree_node *above, int tid)
{
    unsigned i, n = n_files();

    text_line(t->name, sizeof(t->name), "%d", tid);
    t->dir = (struct tree_node){
        .name = t->name,
        .name_len = strlen(t->name),
        .parent = (struct tree_node *)(uintptr_t)above,
        .kind = TREE_DIRECTORY,
        .mode = 0555,
        .data = &files_maker,
        .task = tid,
    };
    for (i = 0; i < n; i++) {
        t->files[i] = (struct tree_node){
            .name = proc_task_files[i].name,
            .name_len = strlen(proc_task_files[i].name),
            .parent = &t->dir,
            .kind = TREE_MADE,
            .mode = proc_task_files[i].mode,
            .data = &proc_task_files[i],
            .task = tid,
        };
    }
}

/* The directory of a thread that there is, NULL without memory. */
static const struct tree_node *dir_of(const struct tree_node *above, int tid)
{
    struct task *t;
    unsigned i;

    if (!tasks) {
        tasks = lib_pages(TASK_PLACES * sizeof(*tasks));
    }
    if (!tasks) {
        return NULL;
    }
    for (i = 0; i < TASK_PLACES; i++) {
        if (tasks[i].dir.task == tid) {
            return &tasks[i].dir;
        }
    }
    t = &tasks[task_next_place++ % TASK_PLACES];
    fill(t, above, tid);
    return &t->dir;
}

static const struct tree_node *task_find(const struct tree_node *dir,
                                         const char *name, size_t len)
{
    int64_t tid = tree_name_number(name, len);
    struct thread_report report;

    if (tid <= 0 || !report_thread(tid, &report) || report.tid != tid) {
        return NULL;
    }
    return dir_of(dir, tid);
}

static const struct tree_node *task_next(const struct tree_node *dir,
                                         uint64_t *position)
{
    struct thread_report report;

    if (!report_thread(*position, &report)) {
        return NULL;
    }
    *position = report.tid + 1;
    return dir_of(dir, report.tid);
}

/* @linux proc /proc/self/task
 * @test guest/programs/proc.c "each thread has a directory" */
const struct tree_maker proc_task_maker = { task_find, task_next };

static const struct tree_node *task_dir(void)
{
    const struct tree_node *node = NULL;

    tree_walk(tree_root(), "/proc/self/task", true, &node);
    return node;
}

static long thread_self_text(const struct tree_node *node, char *to,
                             size_t room)
{
    struct process_report process;

    (void)node;
    report_process(&process);
    return text_line(to, room, "%d/task/%d", process.pid, thread_tid());
}

static const struct tree_node *thread_self_target(const struct tree_node *node)
{
    const struct tree_node *dir = task_dir();

    (void)node;
    return dir ? dir_of(dir, thread_tid()) : NULL;
}

/* @linux proc /proc/thread-self
 * @test guest/programs/proc.c "/proc/thread-self is the caller's" */
const struct tree_magic proc_thread_self = { thread_self_text,
                                             thread_self_target };
