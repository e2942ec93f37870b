/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * proc-fd.c - /proc/self/fd and fdinfo: the open descriptors as files
 *
 * A descriptor has three nodes, made when somebody looks for it first: the
 * link, what it leads to if that has no node of its own (a socket, a pipe), and
 * the file in fdinfo.  They stay, in pieces that belong to so many numbers, and
 * count for nothing while the number is not in use.
 */
#include <string.h>
#include "guest-libc/posix/file.h"
#include "guest-libc/posix/proc.h"
#include "guest-libc/posix/tree-file.h"

#define FD_PIECE   32u
#define FD_NAME    8u
#define LINK_BYTES 64u /* st_size of the links, of Linux */

struct fd_node {
    struct tree_node link, open, info;
    char name[FD_NAME];
};

static struct fd_node *fd_pieces[FD_MAX / FD_PIECE] BULKY;

static uint32_t number_of(const struct tree_node *node)
{
    return tree_name_number(node->name, node->name_len);
}

static struct file *file_of(const struct tree_node *node)
{
    return fd_file_any(number_of(node));
}

static long link_text(const struct tree_node *node, char *to, size_t room)
{
    struct file *file = file_of(node);

    return file ? file_name(file, to, room) : -ENOENT;
}

static const struct tree_node *link_target(const struct tree_node *node)
{
    struct file *file = file_of(node);
    const struct tree_node *target = file ? tree_file_node(file) : NULL;

    if (!file || target) {
        return target;
    }
    return &list_entry(node, struct fd_node, link)->open;
}

static const struct tree_magic fd_link = { link_text, link_target };
static const struct tree_open fd_open_file = { file_of };

/* @linux proc /proc/self/fdinfo - position, flags, mount and inode only
 * @test guest/programs/proc.c "fdinfo tells position and flags" */
static long make_info(const struct tree_node *node, struct text *text)
{
    struct file *file = file_of(node);
    const struct tree_node *target = file ? tree_file_node(file) : NULL;

    if (!file) {
        return -ENOENT;
    }
    text_put(text, "pos:\t%lu\nflags:\t0%o\nmnt_id:\t%u\nino:\t%lu\n",
             tree_file_position(file),
             file->flags |
                 (fd_is_cloexec(number_of(node)) ? (uint32_t)O_CLOEXEC : 0),
             target ? tree_mount(target) : 0,
             target ? tree_number(target) : file->number);
    return 0;
}

static const struct tree_made fd_info = { "", 0400, make_info, NULL };

static void make_node(struct fd_node *n, struct tree_node *node,
                      enum tree_kind kind, uint16_t mode, const void *data)
{
    *node = (struct tree_node){
        .name = n->name,
        .name_len = strlen(n->name),
        .kind = kind,
        .mode = mode,
        .data = data,
    };
}

/* The nodes of a number, NULL without memory. */
static struct fd_node *nodes_of(uint32_t fd)
{
    struct fd_node **piece = &fd_pieces[fd / FD_PIECE];
    struct fd_node *n;

    if (!*piece) {
        *piece = lib_pages(FD_PIECE * sizeof(**piece));
    }
    if (!*piece) {
        return NULL;
    }
    n = *piece + fd % FD_PIECE;
    if (!n->name[0]) {
        text_line(n->name, sizeof(n->name), "%u", fd);
        make_node(n, &n->link, TREE_MAGIC, 0, &fd_link);
        n->link.len_bytes = LINK_BYTES;
        make_node(n, &n->open, TREE_OPEN, 0, &fd_open_file);
        make_node(n, &n->info, TREE_MADE, fd_info.mode, &fd_info);
    }
    return n;
}

/* Reading and writing are rights of the link. */
static uint16_t link_mode(const struct file *file)
{
    switch (file->flags & O_ACCMODE) {
    case O_RDONLY:
        return 0500;
    case O_WRONLY:
        return 0300;
    default:
        return 0700;
    }
}

/* A node of the open number @fd below @dir, or NULL. */
static const struct tree_node *node_of(const struct tree_node *dir, uint32_t fd,
                                       bool info)
{
    struct file *file = fd_file_any(fd);
    struct fd_node *n = file ? nodes_of(fd) : NULL;
    struct tree_node *parent = (struct tree_node *)(uintptr_t)dir;

    if (!n) {
        return NULL;
    }
    if (info) {
        n->info.parent = parent;
        return &n->info;
    }
    n->link.parent = n->open.parent = parent;
    n->link.mode = link_mode(file);
    return &n->link;
}

static const struct tree_node *find(const struct tree_node *dir,
                                    const char *name, size_t len, bool info)
{
    int64_t fd = tree_name_number(name, len);

    return fd >= 0 && fd < FD_MAX ? node_of(dir, fd, info) : NULL;
}

static const struct tree_node *next(const struct tree_node *dir,
                                    uint64_t *position, bool info)
{
    const struct tree_node *node;

    while (*position < FD_MAX) {
        node = node_of(dir, (*position)++, info);
        if (node) {
            return node;
        }
    }
    return NULL;
}

static const struct tree_node *fd_find(const struct tree_node *dir,
                                       const char *name, size_t len)
{
    return find(dir, name, len, false);
}

static const struct tree_node *fd_next(const struct tree_node *dir,
                                       uint64_t *position)
{
    return next(dir, position, false);
}

static const struct tree_node *info_find(const struct tree_node *dir,
                                         const char *name, size_t len)
{
    return find(dir, name, len, true);
}

static const struct tree_node *info_next(const struct tree_node *dir,
                                         uint64_t *position)
{
    return next(dir, position, true);
}

/* @linux proc /proc/self/fd
 * @test guest/programs/proc.c "each descriptor is a link to its file"
 * @test guest/programs/devices.c "a pipe is opened again" */
const struct tree_maker proc_fd_maker = { fd_find, fd_next };
const struct tree_maker proc_fdinfo_maker = { info_find, info_next };
