/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-io.h - the store's only way to the disk
 *
 * struct ckptd_io is the seam at which tests put a file system that crashes at
 * every write and sync. Its functions return a negative errno; the wrappers
 * below make a GError of it, once, with the name of the file.
 */
#ifndef CKPTD_IO_H
#define CKPTD_IO_H

#include <glib.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "ckptd/ckptd-error.h"

#define CKPTD_IO_WRITE  (1u << 0)
#define CKPTD_IO_CREATE (1u << 1)
#define CKPTD_IO_DSYNC  (1u << 2) /* a write that returned is durable */
#define CKPTD_IO_DIRECT (1u << 3) /* refused with -EINVAL where impossible */
#define CKPTD_IO_NEW    (1u << 4) /* with CREATE: -EEXIST where it is there */

struct ckptd_io {
    int (*open)(struct ckptd_io *io, const char *path, unsigned flags);
    void (*close)(struct ckptd_io *io, int handle);
    ssize_t (*writev)(struct ckptd_io *io, int handle, const struct iovec *iov,
                      int n_iov, uint64_t offset);
    ssize_t (*read)(struct ckptd_io *io, int handle, void *buf, size_t len,
                    uint64_t offset);
    int (*sync)(struct ckptd_io *io, int handle);
    int (*resize)(struct ckptd_io *io, int handle, uint64_t bytes);
    int (*reserve)(struct ckptd_io *io, int handle, uint64_t bytes);
    int (*punch)(struct ckptd_io *io, int handle, uint64_t offset,
                 uint64_t len);
    int64_t (*size)(struct ckptd_io *io, int handle);
    void (*advise)(struct ckptd_io *io, int handle, uint64_t offset,
                   uint64_t len, gboolean will_need);
    int (*lock)(struct ckptd_io *io, int handle, gboolean shared);
    int (*fd)(struct ckptd_io *io, int handle);
    int (*make_dir)(struct ckptd_io *io, const char *path);
    int (*sync_dir)(struct ckptd_io *io, const char *path);
    int (*remove_dir)(struct ckptd_io *io, const char *path);
    int (*rename)(struct ckptd_io *io, const char *from, const char *to);
    int (*exchange)(struct ckptd_io *io, const char *a, const char *b);
    int (*link)(struct ckptd_io *io, const char *from, const char *to);
    int (*unlink)(struct ckptd_io *io, const char *path);
    int (*list)(struct ckptd_io *io, const char *path, GPtrArray *names);
};

struct ckptd_io *ckptd_io_system(void);

typedef struct ckptd_file {
    struct ckptd_io *io;
    int handle;
    char *path;      /* for messages */
    gboolean direct; /* O_DIRECT was asked for and granted */
} CkptdFile;

CkptdFile *ckptd_io_open(struct ckptd_io *io, const char *dir, const char *name,
                         unsigned flags, GError **error);
void ckptd_io_close(CkptdFile *f);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CkptdFile, ckptd_io_close)

gboolean ckptd_io_writev(CkptdFile *f, struct iovec *iov, int n_iov,
                         uint64_t offset, GError **error);
gboolean ckptd_io_write(CkptdFile *f, const void *buf, size_t len,
                        uint64_t offset, GError **error);
gboolean ckptd_io_read(CkptdFile *f, void *buf, size_t len, uint64_t offset,
                       size_t *ret_len, GError **error);
gboolean ckptd_io_sync(CkptdFile *f, GError **error);
gboolean ckptd_io_resize(CkptdFile *f, uint64_t bytes, GError **error);
gboolean ckptd_io_reserve(CkptdFile *f, uint64_t bytes, GError **error);
gboolean ckptd_io_punch(CkptdFile *f, uint64_t offset, uint64_t len,
                        GError **error);
gboolean ckptd_io_size(CkptdFile *f, uint64_t *ret_bytes, GError **error);
gboolean ckptd_io_lock(CkptdFile *f, gboolean shared, GError **error);
void ckptd_io_advise(CkptdFile *f, uint64_t offset, uint64_t len,
                     gboolean will_need);
int ckptd_io_fd(CkptdFile *f);

gboolean ckptd_io_make_dir(struct ckptd_io *io, const char *path,
                           GError **error);
gboolean ckptd_io_make_new_dir(struct ckptd_io *io, const char *path,
                               GError **error);
gboolean ckptd_io_sync_dir(struct ckptd_io *io, const char *path,
                           GError **error);
gboolean ckptd_io_remove_dir(struct ckptd_io *io, const char *path,
                             GError **error);
gboolean ckptd_io_replace_dir(struct ckptd_io *io, const char *path,
                              const char *fresh, gboolean *ret_replaced,
                              GError **error);
gboolean ckptd_io_rename(struct ckptd_io *io, const char *dir, const char *from,
                         const char *to, GError **error);
gboolean ckptd_io_link(struct ckptd_io *io, const char *from, const char *dir,
                       const char *name, GError **error);
gboolean ckptd_io_unlink(struct ckptd_io *io, const char *dir, const char *name,
                         GError **error);
GPtrArray *ckptd_io_list(struct ckptd_io *io, const char *dir, GError **error);

void *ckptd_io_alloc(size_t len_bytes);

#endif
