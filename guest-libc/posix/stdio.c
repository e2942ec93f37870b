/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stdio.c - descriptors 0, 1 and 2: nothing to read, and the log
 *
 * Lines of 1 and 2 go to the log whole, so that those of several threads do
 * not mix.  A line that is not finished waits until it is, until the buffer is
 * full, until a thread is about to sleep (a prompt must be seen) or until the
 * process ends.  Nothing is lost: when the hold is full the writer waits.
 */
#include <string.h>
#include "guest-libc/net/heap.h"
#include "guest-libc/net/net.h"
#include "guest-libc/posix/file.h"

#define STDIO_LINE     1024u
/* Only if the event that the hold goes on is missed. */
#define STDIO_RETRY_NS 10000000ull

struct stdio {
    struct file file;
    char *line; /* STDIO_LINE; NULL for 0 */
    uint32_t used;
};

static struct stdio *stdio_fds[3];

static struct stdio *stdio_of(struct file *file)
{
    return list_entry(file, struct stdio, file);
}

static uint32_t stdin_events(struct file *file)
{
    (void)file;
    return EPOLLIN | EPOLLHUP;
}

static long stdin_read(struct file *file, struct uio *uio)
{
    (void)file;
    (void)uio;
    return 0;
}

static uint32_t stdout_events(struct file *file)
{
    (void)file;
    return EPOLLOUT | EPOLLWRNORM;
}

/* All of it, however long the hold is full. */
static void log_all(const char *text, size_t len_bytes)
{
    uint32_t word = 0;

    while (len_bytes) {
        size_t n = len_bytes < CKPT_LOG_MAX ? len_bytes : CKPT_LOG_MAX;
        long ret = prim_log(text, n);

        if (ret > 0) {
            text += ret;
            len_bytes -= ret;
        } else if (ret == -EAGAIN) {
            net_sleep(&word, 0, prim_now_ns() + STDIO_RETRY_NS);
        } else {
            return;
        }
    }
}

static void line_out(struct stdio *s, uint32_t len_bytes)
{
    char text[STDIO_LINE];

    /* The lock may be let go in log_all(): others may write meanwhile. */
    memcpy(text, s->line, len_bytes);
    s->used -= len_bytes;
    memmove(s->line, s->line + len_bytes, s->used);
    log_all(text, len_bytes);
}

/* Length of the finished lines in the buffer. */
static uint32_t lines_length(const struct stdio *s)
{
    uint32_t n = s->used;

    while (n && s->line[n - 1] != '\n') {
        n--;
    }
    return n;
}

static long stdout_write(struct file *file, struct uio *uio)
{
    struct stdio *s = stdio_of(file);
    long done = 0;

    while (uio->left_bytes) {
        size_t n = uio_min(uio, STDIO_LINE - s->used);
        uint32_t whole;

        if (uio_copy_in(uio, s->line + s->used, n)) {
            return done ? done : -EFAULT;
        }
        s->used += n;
        done += n;
        whole = lines_length(s);
        if (whole || s->used == STDIO_LINE) {
            line_out(s, whole ? whole : s->used);
        }
    }
    return done;
}

static void stdio_release(struct file *file)
{
    struct stdio *s = stdio_of(file);

    if (s->used) {
        line_out(s, s->used);
    }
    for (int fd = 0; fd < 3; fd++) {
        if (stdio_fds[fd] == s) {
            stdio_fds[fd] = NULL;
        }
    }
    heap_free(s->line);
    heap_free(s);
}

static const struct file_ops stdin_ops = {
    .name = "stdin",
    .mode = LINUX_S_IFCHR | 0666,
    .events = stdin_events,
    .read = stdin_read,
    .release = stdio_release,
};

static const struct file_ops stdout_ops = {
    .name = "log",
    .mode = LINUX_S_IFIFO | 0600,
    .events = stdout_events,
    .write = stdout_write,
    .release = stdio_release,
};

/**
 * stdio_open() - the file of a standard descriptor
 * @fd: 0, 1 or 2
 *
 * Return: with one reference, or NULL.
 * Context: at the start.
 */
struct file *stdio_open(int fd)
{
    struct stdio *s = heap_zalloc(sizeof(*s));

    if (!s) {
        return NULL;
    }
    if (fd == 0) {
        file_init(&s->file, &stdin_ops, O_RDONLY);
        return &s->file;
    }
    s->line = heap_zalloc(STDIO_LINE);
    if (!s->line) {
        heap_free(s);
        return NULL;
    }
    file_init(&s->file, &stdout_ops, O_WRONLY);
    stdio_fds[fd] = s;
    return &s->file;
}

/**
 * stdio_flush() - unfinished lines go out
 *
 * Context: lock held.
 */
void stdio_flush(void)
{
    for (int fd = 1; fd < 3; fd++) {
        if (stdio_fds[fd] && stdio_fds[fd]->used) {
            line_out(stdio_fds[fd], stdio_fds[fd]->used);
        }
    }
}
