/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * device.c - the few device files that programs take for granted
 *
 * /dev/stdin, stdout, stderr and fd are links (defaults.c).
 *
 * Random bytes come from the host at every read: a pool here would repeat
 * itself when the guest is forked (R2).
 */
#include "guest-libc/posix/device.h"
#include "guest-libc/posix/tree-file.h"

#define DEVICE_RANDOM_BYTES 256u

static long null_read(struct file *file, struct uio *uio)
{
    (void)file;
    (void)uio;
    return 0;
}

static long null_write(struct file *file, struct uio *uio)
{
    long n = uio->left_bytes;

    (void)file;
    uio->left_bytes = 0;
    return n;
}

static long zero_read(struct file *file, struct uio *uio)
{
    size_t n = uio->left_bytes;

    (void)file;
    return uio_zero_out(uio, n) ? -EFAULT : (long)n;
}

static long random_read(struct file *file, struct uio *uio)
{
    uint8_t some[DEVICE_RANDOM_BYTES];
    long done = 0;

    (void)file;
    while (uio->left_bytes) {
        size_t n = uio_min(uio, sizeof(some));

        prim_random(some, n);
        if (uio_copy_out(uio, some, n)) {
            return done ? done : -EFAULT;
        }
        done += n;
    }
    return done;
}

static long full_write(struct file *file, struct uio *uio)
{
    (void)file;
    (void)uio;
    return -ENOSPC;
}

/* Every place is alike. */
static long device_read_at(struct file *file, struct uio *uio, uint64_t offset)
{
    (void)offset;
    return file->ops->read(file, uio);
}

static long device_seek(struct file *file, int64_t offset, uint32_t whence)
{
    (void)file;
    (void)offset;
    (void)whence;
    return 0;
}

#define DEVICE_OPS                                                             \
    .mode = LINUX_S_IFCHR | 0666, .in_tree = true, .events = tree_file_events, \
    .read_at = device_read_at, .seek = device_seek,                            \
    .release = tree_file_release
#define DEVICE_MEM(minor) (1u << 8 | (minor))

/* @linux dev /dev/null /dev/zero /dev/full
 * @test guest/programs/devices.c "null, zero and full" */
static const struct file_ops null_ops = {
    DEVICE_OPS,        .name = "/dev/null", .rdev = DEVICE_MEM(3),
    .read = null_read, .write = null_write,
};

static const struct file_ops zero_ops = {
    DEVICE_OPS,         .name = "/dev/zero", .rdev = DEVICE_MEM(5),
    .maps_zeros = true, .read = zero_read,   .write = null_write,
};

static const struct file_ops full_ops = {
    DEVICE_OPS,        .name = "/dev/full", .rdev = DEVICE_MEM(7),
    .read = zero_read, .write = full_write,
};

/* @linux dev /dev/random /dev/urandom - writing to them mixes nothing in
 * @test guest/programs/devices.c "random bytes" */
static const struct file_ops random_ops = {
    DEVICE_OPS,          .name = "/dev/random", .rdev = DEVICE_MEM(8),
    .read = random_read, .write = null_write,
};

static const struct file_ops urandom_ops = {
    DEVICE_OPS,          .name = "/dev/urandom", .rdev = DEVICE_MEM(9),
    .read = random_read, .write = null_write,
};

/*
 * No process here has a terminal.
 *
 * @linux dev /dev/tty
 * @test guest/programs/devices.c "there is no terminal"
 */
static const struct file_ops tty_ops = {
    DEVICE_OPS,
    .name = "/dev/tty",
    .rdev = 5u << 8,
    .open_error = -ENXIO,
};

static const struct file_ops *const devices[] = {
    &null_ops, &zero_ops, &full_ops, &random_ops, &urandom_ops, &tty_ops,
};

/**
 * device_numbered() - list the devices
 * @i: from 0
 *
 * Return: one; its name is its path.  NULL: there are no more.
 */
const struct file_ops *device_numbered(size_t i)
{
    return i < sizeof(devices) / sizeof(devices[0]) ? devices[i] : NULL;
}
