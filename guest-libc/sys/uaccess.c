/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * uaccess.c - the program's memory, seen from the library
 *
 * A bad pointer in a system call is the program's mistake and must give
 * EFAULT, not end the process.  Range first: the library lies in the same
 * address space, and a call must not be a way to read or write it.
 */
#include <errno.h>
#include "guest-libc/sys/libos.h"
#include "guest-libc/sys/uaccess.h"

struct uaccess_entry {
    int32_t at;
    int32_t to;
};

/* Bounds of the section, as linkers name them. */
extern const struct uaccess_entry __start_uaccess_table[];
extern const struct uaccess_entry __stop_uaccess_table[];

/**
 * uaccess_fixup - look a faulting instruction up in the exception table
 * @rip: its address
 *
 * Return: address to go on at, 0 if no copy routine faulted.
 * Context: any, no lock.
 */
uint64_t uaccess_fixup(uint64_t rip)
{
    const struct uaccess_entry *entry;

    for (entry = __start_uaccess_table; entry < __stop_uaccess_table; entry++) {
        if ((uint64_t)(uintptr_t)&entry->at + (int64_t)entry->at == rip) {
            return (uint64_t)(uintptr_t)&entry->to + (int64_t)entry->to;
        }
    }
    return 0;
}

static bool user_range(uint64_t addr, size_t len_bytes)
{
    return addr < USER_END && len_bytes <= USER_END - addr;
}

/**
 * copy_from_user - read the program's memory
 * @to: library buffer
 * @user_from: address in the program
 * @len_bytes: bytes to read
 *
 * Return: 0 or -EFAULT; @to may be partly written then.
 * Context: any, the lock may be held.
 */
long copy_from_user(void *to, uint64_t user_from, size_t len_bytes)
{
    if (!user_range(user_from, len_bytes) ||
        uaccess_copy(to, (const void *)user_from, len_bytes)) {
        return -EFAULT;
    }
    return 0;
}

/**
 * copy_to_user - write the program's memory
 * @user_to: address in the program
 * @from: library buffer
 * @len_bytes: bytes to write
 *
 * Return: 0 or -EFAULT; a part may have been written then.
 * Context: any, the lock may be held.
 */
long copy_to_user(uint64_t user_to, const void *from, size_t len_bytes)
{
    if (!user_range(user_to, len_bytes) ||
        uaccess_copy((void *)user_to, from, len_bytes)) {
        return -EFAULT;
    }
    return 0;
}

/**
 * clear_user - write zeros into the program's memory
 * @user_to: address in the program
 * @len_bytes: bytes to clear
 *
 * Return: 0 or -EFAULT.
 * Context: any, the lock may be held.
 */
long clear_user(uint64_t user_to, size_t len_bytes)
{
    if (!user_range(user_to, len_bytes) ||
        uaccess_zero((void *)user_to, len_bytes)) {
        return -EFAULT;
    }
    return 0;
}

/**
 * strncpy_from_user - read a NUL terminated string of the program
 * @to: buffer of @size_bytes
 * @user_from: address in the program
 * @size_bytes: room in @to, the NUL included
 *
 * Return: length without the NUL, -EFAULT, or -ENAMETOOLONG.
 * Context: any, the lock may be held.
 */
long strncpy_from_user(char *to, uint64_t user_from, size_t size_bytes)
{
    size_t limit = size_bytes;
    long len;

    if (user_from >= USER_END) {
        return -EFAULT;
    }
    if (limit > USER_END - user_from) {
        limit = USER_END - user_from;
    }
    len = uaccess_string(to, (const char *)user_from, limit);
    if (len < 0) {
        return -EFAULT;
    }
    if ((size_t)len == limit) {
        return limit == size_bytes ? -ENAMETOOLONG : -EFAULT;
    }
    return len;
}

/**
 * load_user_u32 - read one aligned word of the program in one access
 * @ret_value: result
 * @user_from: address in the program
 *
 * Return: 0, -EINVAL if it is not aligned, -EFAULT.
 * Context: any, the lock may be held.
 */
long load_user_u32(uint32_t *ret_value, uint64_t user_from)
{
    if (user_from & 3) {
        return -EINVAL;
    }
    if (!user_range(user_from, 4) ||
        uaccess_load32(ret_value, (const uint32_t *)user_from)) {
        return -EFAULT;
    }
    return 0;
}

/**
 * cmpxchg_user_u32 - exchange one aligned word of the program, if it is as
 * expected
 * @user_at: address in the program
 * @expected: what is to be there; becomes what was there
 * @new_value: to store then
 *
 * Return: 0, -EINVAL if it is not aligned, -EFAULT.
 * Context: any, the lock may be held.
 */
long cmpxchg_user_u32(uint64_t user_at, uint32_t *expected, uint32_t new_value)
{
    if (user_at & 3) {
        return -EINVAL;
    }
    if (!user_range(user_at, 4) ||
        uaccess_cmpxchg32((uint32_t *)user_at, expected, new_value)) {
        return -EFAULT;
    }
    return 0;
}
