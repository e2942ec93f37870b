/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sys_net.c - kernel calls whose other side is the NIC
 *
 * Arguments, results and reasons: abi/guest-syscall.h.
 */
#include "kernel.h"

#define RANDOM_MAX 256u
#define IOV_MAX    64u

/* Bytes of log lines on their way; the NIC wants them contiguous. */
static char log_page[PAGE_BYTES] __attribute__((aligned(PAGE_BYTES))) BULKY;

/**
 * sys_net_attach - make the process's receive ring
 * @arg: user address of a MAC address or 0, user address for the result
 *
 * Return: 0, -EFAULT, -ENOMEM, -EEXIST (attached already, or the address is
 * taken).
 */
int64_t sys_net_attach(const uint64_t arg[6])
{
    struct process *process = current->process;
    uint8_t mac[6];
    int result;

    if (arg[0] == 0) {
        nic_mac(mac);
    } else if (copy_from_user(mac, arg[0], sizeof(mac)) != 0) {
        return -EFAULT;
    }
    result = netswitch_attach(process, mac);
    if (result != 0) {
        return result;
    }
    return copy_to_user(arg[1], &process->port->user_addr,
                        sizeof(process->port->user_addr));
}

/* Collect the pieces of a frame: its length, or an error. */
static int64_t gather(uint8_t *frame, uint64_t iov_addr, uint64_t n_iov)
{
    uint32_t max_bytes = nic_mtu() + CKPT_FRAME_MIN;
    uint32_t used = 0;
    struct sys_iov iov;
    uint64_t i;

    for (i = 0; i < n_iov; i++) {
        if (copy_from_user(&iov, iov_addr + i * sizeof(iov), sizeof(iov))) {
            return -EFAULT;
        }
        if (iov.len_bytes > max_bytes - used) {
            return -EMSGSIZE;
        }
        if (iov.len_bytes != 0 &&
            copy_from_user(frame + used, iov.addr, iov.len_bytes) != 0) {
            return -EFAULT;
        }
        used += iov.len_bytes;
    }
    return used < CKPT_FRAME_MIN ? -EINVAL : (int64_t)used;
}

/**
 * sys_net_send - send one frame
 * @arg: user address of struct sys_iov, how many
 *
 * Return: 0, -EAGAIN, -EINVAL, -EMSGSIZE or -EFAULT.
 */
int64_t sys_net_send(const uint64_t arg[6])
{
    int64_t len;

    if (current->process->port == NULL || arg[1] == 0 || arg[1] > IOV_MAX) {
        return -EINVAL;
    }
    if (current->process->line_unread) {
        return 0; /* R2: lost, as on a wire */
    }
    len = gather(nic_tx_buffer(), arg[0], arg[1]);
    if (len < 0) {
        return len;
    }
    return netswitch_send(current->process, (uint32_t)len);
}

/**
 * sys_commit - ask for a checkpoint
 * @arg: CKPT_COMMIT_*
 *
 * Return: the epoch asked for, -EINVAL, or -ENOTSUP.
 */
int64_t sys_commit(const uint64_t arg[6])
{
    struct net_port *port = current->process->port;
    uint64_t epoch;

    if (arg[0] & ~(uint64_t)(CKPT_COMMIT_NOW | CKPT_COMMIT_NOTIFY)) {
        return -EINVAL;
    }
    if ((arg[0] & CKPT_COMMIT_NOTIFY) && port != NULL) {
        port->wants_commit = true;
    }
    epoch = nic_commit((uint32_t)arg[0]);
    return epoch == 0 ? -ENOTSUP : (int64_t)epoch;
}

static uint64_t process_cpu_ns(const struct process *process)
{
    uint64_t ns = process->cpu_ns;
    const struct list *node;

    for (node = process->threads.next; node != &process->threads;
         node = node->next) {
        ns += sched_cpu_ns(CONTAINER_OF(node, struct thread, sibling));
    }
    return ns;
}

static int64_t thread_cpu_ns(uint32_t tid)
{
    const struct thread *thread =
        tid == 0 ? current : thread_find(current->process, tid);

    return thread == NULL ? -ESRCH : (int64_t)sched_cpu_ns(thread);
}

/**
 * sys_query - read a value
 * @arg: enum sys_query, number of a thread
 *
 * Return: the value, -EINVAL, or -ESRCH.
 */
int64_t sys_query(const uint64_t arg[6])
{
    switch (arg[0]) {
    case SYS_QUERY_EPOCH:
        return (int64_t)nic_value(CKPT_SEL_EPOCH);
    case SYS_QUERY_COMMITTED:
        return (int64_t)nic_value(CKPT_SEL_COMMITTED);
    case SYS_QUERY_GENERATION:
        return (int64_t)nic_value(CKPT_SEL_GENERATION);
    case SYS_QUERY_FREE_BYTES:
        return (int64_t)quota_room(&current->process->vm.quota);
    case SYS_QUERY_TID:
        return current->tid;
    case SYS_QUERY_CPU_NS:
        return (int64_t)process_cpu_ns(current->process);
    case SYS_QUERY_THREAD_CPU_NS:
        return thread_cpu_ns((uint32_t)arg[1]);
    default:
        return -EINVAL;
    }
}

/**
 * sys_log - bytes for the guest's log
 * @arg: user address, how many
 *
 * Return: how many were taken, -EFAULT, or -EAGAIN (the hold is full).
 */
int64_t sys_log(const uint64_t arg[6])
{
    uint32_t bytes =
        arg[1] > sizeof(log_page) ? sizeof(log_page) : (uint32_t)arg[1];
    int result;

    if (bytes == 0) {
        return 0;
    }
    if (copy_from_user(log_page, arg[0], bytes) != 0) {
        return -EFAULT;
    }
    log_flush(); /* the kernel's own lines were first */
    result = nic_command(CKPT_CMD_LOG, log_page, bytes);
    if (result == -EAGAIN && current->process->port != NULL) {
        current->process->port->wants_tx = true;
    }
    return result < 0 ? result : (int64_t)bytes;
}

/**
 * sys_random - fresh entropy of the host
 * @arg: user address, how many bytes
 *
 * Return: 0, -EINVAL or -EFAULT.
 */
int64_t sys_random(const uint64_t arg[6])
{
    uint64_t words[RANDOM_MAX / sizeof(uint64_t)];
    uint64_t i;
    int result;

    if (arg[1] > RANDOM_MAX) {
        return -EINVAL;
    }
    for (i = 0; i * sizeof(uint64_t) < arg[1]; i++) {
        words[i] = nic_value(CKPT_SEL_ENTROPY);
    }
    result = copy_to_user(arg[0], words, arg[1]);
    memset(words, 0, sizeof(words));
    return result;
}

/**
 * sys_mailbox - the oldest message for this process
 * @arg: user address of a struct ckpt_mbox
 *
 * Return: 0, -EAGAIN (none) or -EFAULT.
 */
int64_t sys_mailbox(const uint64_t arg[6])
{
    static struct ckpt_mbox message BULKY;

    if (!process_take_mail(current->process, &message)) {
        return -EAGAIN;
    }
    return copy_to_user(arg[0], &message, sizeof(message));
}
