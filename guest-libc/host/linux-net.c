/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * linux-net.c - a TAP device behind the kernel's packet calls
 *
 * A thread of the host's reads the device and fills the same ring that the
 * Sluice kernel fills, so that the library sees no difference.  When the ring is
 * full it waits, as that kernel does, and frames wait in the device's queue.
 */
#include <errno.h>
#include <asm/fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <linux/time_types.h>
#include <linux/ioctl.h>
#include <string.h>
#include "guest-libc/host/host.h"
#include "guest-libc/host/linux-call.h"
#include "guest-libc/sys/libos.h"

#define PAGE_BYTES         4096u
#define RING_ALIGN         16u
#define LENGTH_BYTES       4u
#define TAP_MTU            1500u
#define IOV_MAX_N          16u
#define READER_STACK_BYTES (32u << 10)
#define FULL_WAIT_NS       1000000
#define READER_FLAGS                                                           \
    (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |        \
     CLONE_SYSVSEM)

static const char *tap_name;
static int tap_fd = -1;
static struct sys_net *net; /* made once, by prim_net_attach() */

/* Locally administered; differs from what Linux gives its own end. */
static const uint8_t default_mac[6] = { 0x52, 0x54, 0x00, 0x53, 0x4c, 0x01 };

/**
 * host_net_configure - name the TAP device
 * @name: the device, which must exist and be up
 *
 * Context: before boot_main().
 */
void host_net_configure(const char *name)
{
    tap_name = name;
}

/**
 * host_net_event - count the event word up and wake who waits there
 *
 * Context: any thread, also in a host signal handler.
 */
void host_net_event(void)
{
    struct sys_net *n = __atomic_load_n(&net, __ATOMIC_ACQUIRE);

    if (n) {
        __atomic_fetch_add(&n->event, 1, __ATOMIC_RELEASE);
        prim_wake(&n->event, INT32_MAX);
    }
}

static uint32_t record_bytes(uint32_t len_bytes)
{
    return (LENGTH_BYTES + len_bytes + RING_ALIGN - 1) & ~(RING_ALIGN - 1);
}

/* One frame into the ring; false: it is full. */
static bool ring_put(const uint8_t *frame, uint32_t len_bytes)
{
    uint8_t *data = (uint8_t *)net + net->data_offset;
    uint64_t head = net->head;
    /* Pairs with the library's release of tail. */
    uint64_t tail = __atomic_load_n(&net->tail, __ATOMIC_ACQUIRE);
    uint32_t need = record_bytes(len_bytes);
    uint32_t at = head % net->size_bytes;
    uint32_t to_end = net->size_bytes - at;
    uint32_t pad = SYS_NET_PAD;
    uint32_t skip = need > to_end ? to_end : 0;

    if (head + skip + need - tail > net->size_bytes) {
        return false;
    }
    if (skip) {
        memcpy(data + at, &pad, sizeof(pad));
        head += skip;
        at = 0;
    }
    memcpy(data + at, &len_bytes, sizeof(len_bytes));
    memcpy(data + at + LENGTH_BYTES, frame, len_bytes);
    __atomic_store_n(&net->head, head + need, __ATOMIC_RELEASE);
    return true;
}

/**
 * host_reader_main - first C code of the reading thread
 *
 * Context: called from entry-linux.S; does not return.
 */
_Noreturn void host_reader_main(void)
{
    static uint8_t frame[CKPT_FRAME_MAX];
    static const struct __kernel_timespec full_wait = {
        .tv_nsec = FULL_WAIT_NS,
    };
    long n;

    host_signals_block();
    for (;;) {
        n = linux_call(__NR_read, tap_fd, (uint64_t)frame, sizeof(frame), 0);
        if (n < (long)CKPT_FRAME_MIN) {
            continue;
        }
        while (!ring_put(frame, n)) {
            linux_call(__NR_nanosleep, (uint64_t)&full_wait, 0, 0, 0);
        }
        host_net_event();
    }
}

static long tap_open(void)
{
    struct ifreq request;
    long fd, ret;

    if (!tap_name) {
        return -ENODEV;
    }
    fd = linux_call(__NR_open, (uint64_t) "/dev/net/tun", O_RDWR, 0, 0);
    if (fd < 0) {
        return fd;
    }
    memset(&request, 0, sizeof(request));
    memcpy(request.ifr_name, tap_name, strlen(tap_name));
    request.ifr_flags = IFF_TAP | IFF_NO_PI;
    ret = linux_call(__NR_ioctl, fd, TUNSETIFF, (uint64_t)&request, 0);
    if (ret < 0) {
        linux_call(__NR_close, fd, 0, 0, 0);
        return ret;
    }
    tap_fd = fd;
    return 0;
}

/* The reader takes no signals, so it needs neither dispatch nor a block. */
static long reader_start(void)
{
    uint8_t *stack = lib_pages(READER_STACK_BYTES);
    long ret;

    if (!stack) {
        return -ENOMEM;
    }
    ret = host_reader_clone(READER_FLAGS, stack + READER_STACK_BYTES - 64);
    return ret < 0 ? ret : 0;
}

long prim_net_attach(const uint8_t *mac, struct sys_net **ret_net)
{
    struct sys_net *n;
    long ret;

    if (net) {
        return -EBUSY;
    }
    ret = tap_open();
    if (ret) {
        return ret;
    }
    n = lib_pages(PAGE_BYTES + SYS_NET_RING_BYTES);
    if (!n) {
        return -ENOMEM;
    }
    n->size_bytes = SYS_NET_RING_BYTES;
    n->data_offset = PAGE_BYTES;
    n->mtu = TAP_MTU;
    memcpy(n->mac, mac ? mac : default_mac, sizeof(n->mac));
    __atomic_store_n(&net, n, __ATOMIC_RELEASE);
    ret = reader_start();
    if (!ret) {
        *ret_net = n;
    }
    return ret;
}

long prim_net_send(const struct sys_iov *iov, uint32_t n)
{
    long ret;

    if (tap_fd < 0) {
        return -ENODEV;
    }
    if (n > IOV_MAX_N) {
        return -EINVAL;
    }
    /* struct sys_iov is struct iovec. */
    ret = linux_call(__NR_writev, tap_fd, (uint64_t)iov, n, 0);
    return ret < 0 && ret != -EAGAIN ? -EINVAL : ret < 0 ? ret : 0;
}
