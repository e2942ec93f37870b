/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-shm.h - sealed memory shared with QEMU: the hold, the staging slots
 */
#ifndef CKPTD_SHM_H
#define CKPTD_SHM_H

#include <glib.h>

/**
 * struct ckptd_shm - a mapped memfd
 *
 * @fd:         or -1 when there is none
 * @addr:       where it is mapped, shared
 * @size_bytes: fixed by seals
 */
struct ckptd_shm {
    int fd;
    void *addr;
    guint64 size_bytes;
};

#define CKPTD_SHM_NONE                                                         \
    {                                                                          \
        -1, NULL, 0                                                            \
    }

gboolean ckptd_shm_create(const char *name, guint64 size_bytes,
                          struct ckptd_shm *ret_shm, GError **error);
gboolean ckptd_shm_adopt(int fd, const char *name, guint64 size_bytes,
                         struct ckptd_shm *ret_shm, GError **error);
void ckptd_shm_clear(struct ckptd_shm *shm);
guint64 ckptd_shm_held_bytes(const struct ckptd_shm *hold);

#endif
