/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-shm.c - sealed memory shared with QEMU: the hold, the staging slots
 *
 * Without the seals a QEMU could shrink the file and turn our next read of the
 * mapping into SIGBUS.  ckptd makes and seals both; after ckptd's own death
 * the running QEMU hands them back, and then the seals are checked, not
 * trusted.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "abi/ckpt-hold.h"
#include "ckptd/ckptd-error.h"
#include "ckptd/ckptd-shm.h"

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

static gboolean fail(const char *what, const char *name, GError **error)
{
    g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_IO, "%s of %s: %s", what, name,
                g_strerror(errno));
    return FALSE;
}

static gboolean map(int fd, const char *name, guint64 size_bytes,
                    struct ckptd_shm *ret_shm, GError **error)
{
    void *addr =
        mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    if (addr == MAP_FAILED) {
        return fail("mmap", name, error);
    }
    *ret_shm = (struct ckptd_shm){ fd, addr, size_bytes };
    return TRUE;
}

/**
 * ckptd_shm_create() - new shared memory, zero, sealed and mapped
 * @name: for /proc and messages
 * @size_bytes: of it
 * @ret_shm: filled in on success
 * @error: set on failure
 *
 * Return: TRUE when made.
 */
gboolean ckptd_shm_create(const char *name, guint64 size_bytes,
                          struct ckptd_shm *ret_shm, GError **error)
{
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    gboolean ok;

    if (fd < 0) {
        return fail("memfd_create", name, error);
    }
    if (ftruncate(fd, size_bytes) < 0) {
        ok = fail("ftruncate", name, error);
    } else if (fcntl(fd, F_ADD_SEALS, SEALS) < 0) {
        ok = fail("F_ADD_SEALS", name, error);
    } else {
        ok = map(fd, name, size_bytes, ret_shm, error);
    }
    if (!ok) {
        close(fd);
    }
    return ok;
}

/**
 * ckptd_shm_adopt() - map shared memory that a peer gave us
 * @fd: from the peer; ours on success only
 * @name: for messages
 * @size_bytes: what it must have, 0 = any
 * @ret_shm: filled in on success
 * @error: says why it cannot be trusted
 *
 * Return: TRUE when it is sealed against shrinking and of that size.
 */
gboolean ckptd_shm_adopt(int fd, const char *name, guint64 size_bytes,
                         struct ckptd_shm *ret_shm, GError **error)
{
    int seals = fcntl(fd, F_GET_SEALS);
    struct stat st;

    if (seals < 0 || (seals & SEALS) != SEALS) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_INVALID,
                    "%s: not a sealed memfd", name);
        return FALSE;
    }
    if (fstat(fd, &st) < 0) {
        return fail("fstat", name, error);
    }
    if (st.st_size == 0 || (size_bytes && (guint64)st.st_size != size_bytes)) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_INVALID,
                    "%s has %" G_GINT64_FORMAT " bytes, not %" G_GUINT64_FORMAT,
                    name, (gint64)st.st_size, size_bytes);
        return FALSE;
    }
    return map(fd, name, st.st_size, ret_shm, error);
}

/**
 * ckptd_shm_clear() - unmap and close
 * @shm: may be CKPTD_SHM_NONE, which it is afterwards
 */
void ckptd_shm_clear(struct ckptd_shm *shm)
{
    if (shm->fd >= 0) {
        munmap(shm->addr, shm->size_bytes);
        close(shm->fd);
    }
    *shm = (struct ckptd_shm)CKPTD_SHM_NONE;
}

/**
 * ckptd_shm_held_bytes() - output that waits in a hold, for `status`
 * @hold: mapped, or CKPTD_SHM_NONE
 *
 * The two counters are the gate's (QEMU); they are read one after the other,
 * and a gate that writes nonsense must not look like more than the ring.
 *
 * Return: bytes, 0 if there is no sane hold.
 */
guint64 ckptd_shm_held_bytes(const struct ckptd_shm *hold)
{
    const struct ckpt_hold_header *header = hold->addr;
    guint64 cursor, head;

    if (!header || hold->size_bytes < sizeof(*header)) {
        return 0;
    }
    /* Both pair with the gate's release stores, abi/ckpt-hold.h. */
    cursor = __atomic_load_n(&header->tx_cursor, __ATOMIC_ACQUIRE);
    head = __atomic_load_n(&header->tx_head, __ATOMIC_ACQUIRE);
    return head - cursor <= hold->size_bytes ? head - cursor : 0;
}
