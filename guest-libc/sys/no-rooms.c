/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * no-rooms.c - what stands in for net/ and posix/ where they are not linked
 *
 * Weak, so that the real ones win: unit tests, and a library for programs that
 * only compute, need neither.
 */
#include <errno.h>
#include "guest-libc/sys/libos.h"

#define STAND_IN __attribute__((weak))

STAND_IN const struct sys_entry posix_calls[] = { { 0, NULL, NULL } };
STAND_IN const struct sys_entry net_calls[] = { { 0, NULL, NULL } };

STAND_IN long posix_start(void)
{
    return 0;
}

STAND_IN long posix_map_check(uint64_t fd, bool shared_write)
{
    (void)fd;
    (void)shared_write;
    return -EBADF;
}

STAND_IN long posix_map_fill(uint64_t fd, uint64_t offset, uint64_t user_addr,
                             size_t len_bytes)
{
    (void)fd;
    (void)offset;
    (void)user_addr;
    (void)len_bytes;
    return -EBADF;
}

STAND_IN void posix_wall_set(bool step)
{
    (void)step;
}

STAND_IN void posix_flush(void)
{
}

STAND_IN void posix_signal_sent(int sig)
{
    (void)sig;
}

STAND_IN void posix_exit(uint32_t status)
{
    (void)status;
}

STAND_IN long net_start(const struct boot_net *net)
{
    (void)net;
    return 0;
}

STAND_IN void net_kick(void)
{
}

STAND_IN void net_restored(void)
{
}

STAND_IN void net_new_line(const struct ckpt_identity *id)
{
    (void)id;
}
