/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tree.c - the read-only tree of files
 *
 * Theory of operation.  The bundle lists files by absolute path; directories
 * follow from the paths.  At the start each name becomes a node, found by its
 * directory and its name in one hash table; the files' bytes stay where they
 * are in the bundle.  So a path costs one probe for each of its names however
 * many files there are, and after the start nothing here is written but what
 * tree_generate() changes: the tree costs a checkpoint no page.
 *
 * The array of nodes is a range that is touched as it fills, so its size is
 * an upper bound: one node for each '/' of all paths.
 */
#include <string.h>
#include "guest-libc/net/heap.h"
#include "guest-libc/posix/defaults.h"
#include "guest-libc/posix/inotify.h"
#include "guest-libc/posix/linux.h"
#include "guest-libc/posix/proc.h"
#include "guest-libc/posix/tree.h"
#include "guest-libc/sys/libos.h"

#define TREE_SPARE_NODES 512u /* defaults, and what is generated later */
#define TREE_LINKS_MAX   40u  /* of Linux, on the way of one path */

static struct {
    struct tree_node *nodes; /* the first is the root */
    size_t n_nodes, max_nodes;
    struct tree_node **buckets; /* a power of two */
    size_t n_buckets;
    uint32_t start_s; /* since 1970: age of what the bundle does not date */
} tree BULKY;

/* One name of a path. */
struct step {
    const char *name;
    size_t len;
};

/* The next name of *path, which moves behind it: false at the end. */
static bool next_step(const char **path, struct step *ret_step)
{
    const char *s = *path;

    while (*s == '/') {
        s++;
    }
    ret_step->name = s;
    while (*s && *s != '/') {
        s++;
    }
    ret_step->len = s - ret_step->name;
    *path = s;
    return ret_step->len != 0;
}

static bool step_is(const struct step *step, const char *name)
{
    return strlen(name) == step->len && !memcmp(step->name, name, step->len);
}

/* FNV-1a, begun with the directory's number. */
static struct tree_node **bucket_of(const struct tree_node *dir,
                                    const struct step *step)
{
    uint64_t hash = 0xcbf29ce484222325ull ^ tree_number(dir);

    for (size_t i = 0; i < step->len; i++) {
        hash = (hash ^ (uint8_t)step->name[i]) * 0x100000001b3ull;
    }
    return &tree.buckets[(hash ^ hash >> 32) & (tree.n_buckets - 1)];
}

static struct tree_node *find_child(const struct tree_node *dir,
                                    const struct step *step)
{
    struct tree_node *node = *bucket_of(dir, step);

    while (node && (node->parent != dir || node->name_len != step->len ||
                    memcmp(node->name, step->name, step->len))) {
        node = node->hash_next;
    }
    return node;
}

static struct tree_node *add_child(struct tree_node *dir,
                                   const struct step *step)
{
    struct tree_node **bucket = bucket_of(dir, step);
    struct tree_node *node;

    if (tree.n_nodes == tree.max_nodes) {
        return NULL;
    }
    node = &tree.nodes[tree.n_nodes++];
    *node = (struct tree_node){
        .name = step->name,
        .name_len = step->len,
        .parent = dir,
        .sibling = dir->child,
        .hash_next = *bucket,
        .kind = TREE_DIRECTORY,
        .mode = 0555,
        .mtime_s = tree.start_s,
    };
    dir->child = *bucket = node;
    return node;
}

/*
 * The node of an absolute path, made together with the directories above it
 * where it is not there; a new node is an empty directory.  NULL: not a plain
 * absolute path, a file in the way, or no room.
 */
static struct tree_node *make_path(const char *path)
{
    struct tree_node *node = tree.nodes, *child;
    size_t len = strlen(path);
    struct step step;

    if (path[0] != '/' || path[len - 1] == '/') {
        return NULL;
    }
    while (next_step(&path, &step)) {
        if (step.len > TREE_NAME_MAX || step_is(&step, ".") ||
            step_is(&step, "..") || node->kind != TREE_DIRECTORY ||
            node->data) {
            return NULL;
        }
        child = find_child(node, &step);
        node = child ? child : add_child(node, &step);
        if (!node) {
            return NULL;
        }
    }
    return node;
}

/* A directory that holds something, or anything that is none, is taken. */
static bool is_vacant(const struct tree_node *node)
{
    return node->kind == TREE_DIRECTORY && !node->child && !node->data &&
           node != tree.nodes;
}

/**
 * tree_add() - a node of the start
 * @path: absolute; it and @data stay where they are
 * @kind: what it is
 * @mode: permission bits
 * @data: see enum tree_kind
 * @len_bytes: of the data
 *
 * The first of a name wins: the process's own files come before those of all,
 * and both before the defaults.
 *
 * Return: the node, NULL if it is not there by this call.
 */
struct tree_node *tree_add(const char *path, enum tree_kind kind, uint16_t mode,
                           const void *data, size_t len_bytes)
{
    struct tree_node *node = make_path(path);

    if (!node || !is_vacant(node)) {
        return NULL;
    }
    node->kind = kind;
    node->mode = mode;
    node->data = data;
    node->len_bytes = len_bytes;
    return node;
}

static void make_room(void)
{
    size_t names = TREE_SPARE_NODES, buckets = 1;
    struct boot_file file;
    uint32_t at = 0;

    while (boot_file_next(&at, &file)) {
        for (const char *s = file.path; *s; s++) {
            names += *s == '/';
        }
    }
    while (buckets < names) {
        buckets *= 2;
    }
    tree.nodes = lib_pages(names * sizeof(*tree.nodes));
    tree.buckets = lib_pages(buckets * sizeof(*tree.buckets));
    if (!tree.nodes || !tree.buckets) {
        lib_panic("no memory for the names of %lu files", names);
    }
    tree.max_nodes = names;
    tree.n_buckets = buckets;
}

static void add_bundle(void)
{
    struct boot_file file;
    struct tree_node *node;
    uint32_t at = 0;

    while (boot_file_next(&at, &file)) {
        node = tree_add(file.path, TREE_REGULAR, file.mode & 0777, file.bytes,
                        file.len_bytes);
        if (node) {
            node->mtime_s = file.mtime_s;
        } else {
            lib_log("file %s of the boot bundle is left out: it is there "
                    "twice, or its path is not absolute and plain",
                    file.path);
        }
    }
}

/**
 * tree_start() - make the tree
 *
 * Context: once, before the program runs; the bundle is open.
 */
void tree_start(void)
{
    const struct tree_default *d;

    make_room();
    tree.start_s = prim_wall_ns() / NSEC_PER_SEC;
    tree.nodes->mtime_s = tree.start_s;
    tree.nodes->name = "";
    tree.nodes->parent = tree.nodes;
    tree.nodes->mode = 0555;
    tree.n_nodes = 1;
    add_bundle();
    for (d = defaults_list(); d->path; d++) {
        tree_add(d->path, d->kind, d->mode, d->data, d->len_bytes);
    }
    proc_start();
}

/**
 * tree_root() - where absolute paths begin
 *
 * Return: the root directory.
 */
const struct tree_node *tree_root(void)
{
    return tree.nodes;
}

/* The child of a name, whoever makes it. */
static const struct tree_node *child_of(const struct tree_node *dir,
                                        const struct step *step)
{
    const struct tree_maker *maker = dir->data;

    return maker ? maker->find(dir, step->name, step->len)
                 : find_child(dir, step);
}

static long walk(const struct tree_node *node, const char *path, bool follow,
                 unsigned *links, const struct tree_node **ret_node);

/* Where a link leads; as walk(). */
static long follow_link(const struct tree_node *dir,
                        const struct tree_node *link, unsigned *links,
                        const struct tree_node **ret_node)
{
    if (!*links) {
        return -ELOOP;
    }
    --*links;
    if (link->kind == TREE_LINK) {
        return walk(dir, link->data, true, links, ret_node);
    }
    *ret_node = ((const struct tree_magic *)link->data)->target(link);
    return *ret_node ? 0 : -ENOENT;
}

static bool is_link(const struct tree_node *node)
{
    return node->kind == TREE_LINK || node->kind == TREE_MAGIC;
}

/* No more names? */
static bool is_end(const char *path)
{
    while (*path == '/') {
        path++;
    }
    return !*path;
}

static long walk(const struct tree_node *node, const char *path, bool follow,
                 unsigned *links, const struct tree_node **ret_node)
{
    const struct tree_node *child;
    struct step step;
    bool last;
    long ret;

    *ret_node = NULL;
    if (!path[0]) {
        return -ENOENT;
    }
    if (path[0] == '/') {
        node = tree.nodes;
    }
    while (next_step(&path, &step)) {
        if (node->kind != TREE_DIRECTORY) {
            return -ENOTDIR;
        }
        if (step.len > TREE_NAME_MAX) {
            return -ENAMETOOLONG;
        }
        if (step_is(&step, ".")) {
            continue;
        }
        child = step_is(&step, "..") ? node->parent : child_of(node, &step);
        last = is_end(path);
        if (!child) {
            *ret_node = last ? node : NULL;
            return -ENOENT;
        }
        if (is_link(child) && (follow || *path)) {
            ret = follow_link(node, child, links, &child);
            if (ret) {
                *ret_node = last ? child : NULL;
                return ret;
            }
        }
        node = child;
    }
    /* What ends in '/' has to be a directory. */
    if (path[-1] == '/' && node->kind != TREE_DIRECTORY) {
        return -ENOTDIR;
    }
    *ret_node = node;
    return 0;
}

/**
 * tree_walk() - find what a path names
 * @from: where a relative path begins
 * @path: any string
 * @follow: a link at its end is followed
 * @ret_node: see tree.h
 *
 * Return: 0, -ENOENT, -ENOTDIR, -ELOOP, -ENAMETOOLONG.
 * Context: lock held.
 */
long tree_walk(const struct tree_node *from, const char *path, bool follow,
               const struct tree_node **ret_node)
{
    unsigned links = TREE_LINKS_MAX;

    return walk(from, path, follow, &links, ret_node);
}

/**
 * tree_mode() - kind and permission bits of a node
 * @node: the node
 *
 * Return: as st_mode has them.
 */
uint32_t tree_mode(const struct tree_node *node)
{
    static const uint32_t kinds[TREE_KINDS] = {
        [TREE_DIRECTORY] = LINUX_S_IFDIR, [TREE_REGULAR] = LINUX_S_IFREG,
        [TREE_DEVICE] = LINUX_S_IFCHR,    [TREE_LINK] = LINUX_S_IFLNK,
        [TREE_MADE] = LINUX_S_IFREG,      [TREE_MAGIC] = LINUX_S_IFLNK,
    };

    return kinds[node->kind] | node->mode;
}

/**
 * tree_mount() - which mount a node is of
 * @node: the node
 *
 * Return: its number, st_dev.
 */
enum tree_mount tree_mount(const struct tree_node *node)
{
    static const char *const names[] = {
        [TREE_MOUNT_DEV] = "dev",
        [TREE_MOUNT_PROC] = "proc",
        [TREE_MOUNT_SYS] = "sys",
    };
    const struct tree_node *top = node;
    unsigned i;

    while (top->parent != tree.nodes) {
        top = top->parent;
    }
    for (i = TREE_MOUNT_DEV; i <= TREE_MOUNT_SYS; i++) {
        if (top->name_len == strlen(names[i]) &&
            !memcmp(top->name, names[i], top->name_len)) {
            return i;
        }
    }
    return TREE_MOUNT_ROOT;
}

/**
 * tree_size() - how much there is
 * @ret_nodes: files and directories
 * @ret_bytes: of the files
 */
void tree_size(uint64_t *ret_nodes, uint64_t *ret_bytes)
{
    *ret_nodes = tree.n_nodes;
    *ret_bytes = 0;
    for (size_t i = 0; i < tree.n_nodes; i++) {
        if (tree.nodes[i].kind == TREE_REGULAR) {
            *ret_bytes += tree.nodes[i].len_bytes;
        }
    }
}

/**
 * tree_name_number() - a number in a name
 * @name: not NUL terminated
 * @len: its length
 *
 * Return: the value, -1 if it is none as Linux would write it.
 */
int64_t tree_name_number(const char *name, size_t len)
{
    int64_t value = 0;

    if (!len || len > 9 || (name[0] == '0' && len > 1)) {
        return -1;
    }
    for (size_t i = 0; i < len; i++) {
        if (name[i] < '0' || name[i] > '9') {
            return -1;
        }
        value = value * 10 + (name[i] - '0');
    }
    return value;
}

/**
 * tree_path() - the absolute path of a node
 * @node: the node
 * @path: filled in
 * @size_bytes: room there
 *
 * Return: length with the NUL, or -ERANGE.
 */
long tree_path(const struct tree_node *node, char *path, size_t size_bytes)
{
    const struct tree_node *n;
    size_t len = node == tree.nodes ? 2 : 1;

    for (n = node; n != tree.nodes; n = n->parent) {
        len += n->name_len + 1u;
    }
    if (len > size_bytes) {
        return -ERANGE;
    }
    path[0] = '/';
    path[len - 1] = '\0';
    path += len - 1;
    for (n = node; n != tree.nodes; n = n->parent) {
        path -= n->name_len;
        memcpy(path, n->name, n->name_len);
        *--path = '/';
    }
    return len;
}

/**
 * tree_number() - the number of a node
 * @node: the node
 *
 * Return: from 1, the root's.
 */
uint64_t tree_number(const struct tree_node *node)
{
    uint64_t number = node - tree.nodes + 1;

    /* Those made up elsewhere have addresses of their own as well. */
    return node >= tree.nodes && number <= tree.n_nodes
               ? number
               : tree.max_nodes + ((uintptr_t)node >> 3 & UINT32_MAX);
}

/**
 * tree_numbered() - the node of a number
 * @number: any value
 *
 * Return: the node, or NULL.
 */
const struct tree_node *tree_numbered(uint64_t number)
{
    return number - 1 < tree.n_nodes ? &tree.nodes[number - 1] : NULL;
}

/**
 * tree_generate() - give a file contents that the library knows
 * @path: absolute, a constant string
 * @text: its new contents, copied
 *
 * Return: 0, -EEXIST (the bundle has such a file, which stays), -ENOMEM.
 * Context: after posix_start(), lock held.
 */
long tree_generate(const char *path, const char *text)
{
    struct tree_node *node = make_path(path);
    size_t len = strlen(text);
    char *data;

    if (!node) {
        return -ENOMEM;
    }
    if (!node->generated && !is_vacant(node)) {
        return -EEXIST;
    }
    data = heap_zalloc(len ? len : 1);
    if (!data) {
        return -ENOMEM;
    }
    memcpy(data, text, len);
    if (node->generated) {
        heap_free((void *)(uintptr_t)node->data);
    }
    node->kind = TREE_REGULAR;
    node->mode = 0444;
    node->mtime_s = prim_wall_ns() / NSEC_PER_SEC;
    node->generated = true;
    node->data = data;
    node->len_bytes = len;
    inotify_node(node, IN_MODIFY);
    inotify_node(node, IN_CLOSE_WRITE);
    return 0;
}
