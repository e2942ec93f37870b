/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * made-file.c - open files whose contents are made up when they are read
 *
 * A read at the beginning makes the text, and those behind it go on in the same
 * text, so that what a program reads in pieces fits together.  To see what is
 * new it goes back to the beginning, as with Linux' own.
 */
#include <string.h>
#include "guest-libc/net/heap.h"
#include "guest-libc/posix/text.h"
#include "guest-libc/posix/tree-file.h"

#define MADE_WRITE_MAX 128u

struct made_file {
    struct tree_file base;
    struct text text;
    bool is_made;
    int32_t task; /* whom the node told of when it was opened */
};

static struct made_file *made_of(struct file *file)
{
    return list_entry(file, struct made_file, base.file);
}

static const struct tree_made *maker_of(const struct made_file *m)
{
    return m->base.node->data;
}

/* 0, or -ESRCH: the thread is gone and the node tells of another. */
static long check_task(const struct made_file *m)
{
    return m->base.node->task == m->task ? 0 : -ESRCH;
}

static long make(struct made_file *m)
{
    long ret = check_task(m);

    m->text.used = 0;
    m->text.failed = false;
    ret = ret ? ret : maker_of(m)->make(m->base.node, &m->text);
    if (!ret && m->text.failed) {
        ret = -ENOMEM;
    }
    m->is_made = !ret;
    return ret;
}

static long made_read_at(struct file *file, struct uio *uio, uint64_t offset)
{
    struct made_file *m = made_of(file);
    long ret = m->is_made && offset ? 0 : make(m);
    size_t n;

    if (ret || offset >= m->text.used) {
        return ret;
    }
    n = uio_min(uio, m->text.used - offset);
    return uio_copy_out(uio, m->text.bytes + offset, n) ? -EFAULT : (long)n;
}

static long made_read(struct file *file, struct uio *uio)
{
    struct made_file *m = made_of(file);
    long ret = made_read_at(file, uio, m->base.position);

    if (ret > 0) {
        m->base.position += ret;
    }
    return ret;
}

static long made_write(struct file *file, struct uio *uio)
{
    struct made_file *m = made_of(file);
    char text[MADE_WRITE_MAX + 1];
    size_t n = uio->left_bytes;
    long ret = check_task(m);

    if (ret || n > MADE_WRITE_MAX) {
        return ret ? ret : -EINVAL;
    }
    if (uio_copy_in(uio, text, n)) {
        return -EFAULT;
    }
    text[n] = '\0';
    ret = maker_of(m)->write(m->base.node, text);
    return ret ? ret : (long)n;
}

static long made_seek(struct file *file, int64_t offset, uint32_t whence)
{
    struct made_file *m = made_of(file);

    if (whence == SEEK_CUR) {
        offset += m->base.position;
    } else if (whence != SEEK_SET) {
        return -EINVAL;
    }
    if (offset < 0) {
        return -EINVAL;
    }
    m->base.position = offset;
    return offset;
}

static void made_release(struct file *file)
{
    struct made_file *m = made_of(file);

    text_free(&m->text);
    heap_free(m);
}

static const struct file_ops made_ops = {
    .name = "file",
    .mode = LINUX_S_IFREG | 0444,
    .in_tree = true,
    .events = tree_file_events,
    .read = made_read,
    .read_at = made_read_at,
    .write = made_write,
    .seek = made_seek,
    .release = made_release,
};

/**
 * made_file_open() - open a file that is made up
 * @node: of kind TREE_MADE
 * @flags: O_*
 *
 * Return: with one reference, or NULL without memory.
 * Context: lock held.
 */
struct file *made_file_open(const struct tree_node *node, uint32_t flags)
{
    struct made_file *m = heap_zalloc(sizeof(*m));

    if (!m) {
        return NULL;
    }
    file_init(&m->base.file, &made_ops, flags);
    m->base.node = node;
    m->task = node->task;
    return &m->base.file;
}
