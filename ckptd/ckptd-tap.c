/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-tap.c - a network interface of this host that is a guest's cable
 *
 * Theory of operation
 *
 * The interface is not persistent: it lives as long as somebody has its
 * descriptor open. ckptd has it, over all QEMUs of the guest, and each QEMU
 * inherits it. So
 *
 *   QEMU dies    the interface stays, with its carrier and its place in the
 *                bridge; frames wait in its queue (txqueuelen), and what does
 *                not fit is dropped, as on any cable;
 *   ckptd dies   QEMU has it; the next ckptd takes it back out of QEMU's table
 *                of descriptors (pidfd_getfd);
 *   both die     the kernel removes it, and there is nothing to clean up. The
 *                recovery makes one of the same name and address.
 *
 * One that exists already, made persistent by an administrator, is used and
 * left behind as it was. A user who may not make one at all asks
 * qemu-bridge-helper, which may, within what its configuration says.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ckptd/ckptd-error.h"
#include "ckptd/ckptd-paths.h"
#include "ckptd/ckptd-tap.h"

#define TUN_DEVICE       "/dev/net/tun"
#define HELPER_TIMEOUT_S 5
#define HELPER_FD        3
#define MESSAGE_MAX      512
/*
 * Frames that wait for the guest: a segment of each of very many peers. The
 * kernel's own length is 1000 or less.
 */
#define QUEUE_FRAMES     8192

/**
 * struct tap - an interface being made
 *
 * @fd:       of the interface
 * @control:  any socket, for the calls that take a name
 * @request:  has the name
 * @existing: it was there before us: only used, not changed
 */
struct tap {
    int fd;
    int control;
    struct ifreq request;
    gboolean existing;
};

static gboolean fail(GError **error, const char *name, const char *what)
{
    g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_IO, "interface %s: %s: %s",
                name, what, g_strerror(errno));
    return FALSE;
}

static gboolean refuse(GError **error, const char *name, const char *what)
{
    g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_FAILED, "interface %s: %s",
                name, what);
    return FALSE;
}

/**
 * ckptd_tap_name_ok() - may an interface be called so?
 * @name: to look at
 *
 * Return: TRUE for 1 to 15 letters, digits, '.', '_', '-', not first '.'.
 */
gboolean ckptd_tap_name_ok(const char *name)
{
    size_t len = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                              "abcdefghijklmnopqrstuvwxyz0123456789._-");

    return len >= 1 && len < IFNAMSIZ && !name[len] && name[0] != '.' &&
           name[0] != '-';
}

/* --- one of our own, or one that is there --------------------------------- */

static gboolean attach_failed(const struct tap *tap, GError **error)
{
    const char *name = tap->request.ifr_name;

    switch (errno) {
    case EBUSY:
        return refuse(error, name,
                      "taken: somebody uses it; choose another ifname=");
    case EINVAL:
        return refuse(error, name,
                      "taken: it is no TAP, or has several queues; choose "
                      "another ifname=");
    case EPERM:
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_FAILED, "interface %s: %s",
                    name,
                    tap->existing
                        ? "it belongs to another user"
                        : "only root may make one: run ckptd as root, give "
                          "bridge= (and no ifname=) to ask qemu-bridge-helper, "
                          "or have one made for you: `ip tuntap add mode tap "
                          "user USER dev NAME`");
        return FALSE;
    default:
        return fail(error, name, "TUNSETIFF");
    }
}

static gboolean attach(struct tap *tap, GError **error)
{
    tap->fd = open(TUN_DEVICE, O_RDWR | O_CLOEXEC | O_NONBLOCK);
    if (tap->fd < 0) {
        return fail(error, tap->request.ifr_name, "opening " TUN_DEVICE);
    }
    tap->existing = if_nametoindex(tap->request.ifr_name) != 0;
    tap->request.ifr_flags = IFF_TAP | IFF_NO_PI;
    return ioctl(tap->fd, TUNSETIFF, &tap->request) == 0 ||
           attach_failed(tap, error);
}

/*
 * A bridge without an address of its own takes the lowest of its ports', and
 * everybody's ARP tables would be wrong whenever a guest came or went: so the
 * host's side gets a high one, as libvirt and qemu-bridge-helper do.
 */
static gboolean set_address(struct tap *tap, const char *guest_mac,
                            GError **error)
{
    unsigned char *mac = (unsigned char *)tap->request.ifr_hwaddr.sa_data;
    unsigned int byte[6];
    int i;

    if (sscanf(guest_mac, "%2x:%2x:%2x:%2x:%2x:%2x", &byte[0], &byte[1],
               &byte[2], &byte[3], &byte[4], &byte[5]) != 6) {
        return refuse(error, guest_mac, "not a hardware address");
    }
    tap->request.ifr_hwaddr.sa_family = ARPHRD_ETHER;
    mac[0] = 0xfe;
    for (i = 1; i < 6; i++) {
        mac[i] = byte[i];
    }
    return ioctl(tap->control, SIOCSIFHWADDR, &tap->request) == 0 ||
           fail(error, tap->request.ifr_name, "setting its address");
}

static gboolean set_queue(struct tap *tap, GError **error)
{
    struct ifreq request = { .ifr_qlen = QUEUE_FRAMES };

    g_strlcpy(request.ifr_name, tap->request.ifr_name,
              sizeof(request.ifr_name));
    return ioctl(tap->control, SIOCSIFTXQLEN, &request) == 0 ||
           fail(error, request.ifr_name, "setting the length of its queue");
}

static gboolean join_bridge(struct tap *tap, const char *bridge, GError **error)
{
    const char *name = tap->request.ifr_name;
    struct ifreq request = { 0 };

    request.ifr_ifindex = if_nametoindex(name);
    g_strlcpy(request.ifr_name, bridge, sizeof(request.ifr_name));
    if (ioctl(tap->control, SIOCBRADDIF, &request) == 0) {
        return TRUE;
    }
    switch (errno) {
    case ENODEV:
        return refuse(error, bridge,
                      "there is no such bridge; `ip link add NAME type bridge` "
                      "makes one");
    case EOPNOTSUPP:
    case EINVAL:
        return refuse(error, bridge, "it is not a bridge");
    case EBUSY:
        return refuse(error, name,
                      "it is in a bridge already: leave out bridge=");
    case EPERM:
        return refuse(error, bridge, "only root may add to a bridge");
    default:
        return fail(error, bridge, "adding to the bridge");
    }
}

static gboolean set_up(struct tap *tap, GError **error)
{
    const char *name = tap->request.ifr_name;

    if (ioctl(tap->control, SIOCGIFFLAGS, &tap->request) < 0) {
        return fail(error, name, "reading its state");
    }
    if (tap->request.ifr_flags & IFF_UP) {
        return TRUE;
    }
    tap->request.ifr_flags |= IFF_UP;
    return ioctl(tap->control, SIOCSIFFLAGS, &tap->request) == 0 ||
           fail(error, name, "setting it up");
}

static gboolean make(struct tap *tap, const char *bridge, const char *guest_mac,
                     GError **error)
{
    return attach(tap, error) &&
           (tap->existing ||
            (set_address(tap, guest_mac, error) && set_queue(tap, error))) &&
           (!bridge || join_bridge(tap, bridge, error)) && set_up(tap, error);
}

static int open_own(const char *name, const char *bridge, const char *guest_mac,
                    GError **error)
{
    struct tap tap = { .fd = -1 };

    g_strlcpy(tap.request.ifr_name, name, sizeof(tap.request.ifr_name));
    tap.control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (tap.control < 0) {
        fail(error, name, "socket");
        return -1;
    }
    if (!make(&tap, bridge, guest_mac, error) && tap.fd >= 0) {
        close(tap.fd);
        tap.fd = -1;
    }
    close(tap.control);
    return tap.fd;
}

/* --- by qemu-bridge-helper ------------------------------------------------ */

static int receive_fd(int from)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    char byte;
    struct iovec iov = { &byte, 1 };
    struct msghdr msg = {
        .msg_iov = &iov,
        .msg_iovlen = 1,
        .msg_control = &control,
        .msg_controllen = sizeof(control),
    };
    struct cmsghdr *part;
    int fd = -1;

    if (recvmsg(from, &msg, MSG_CMSG_CLOEXEC) <= 0) {
        return -1;
    }
    part = CMSG_FIRSTHDR(&msg);
    if (part && part->cmsg_level == SOL_SOCKET &&
        part->cmsg_type == SCM_RIGHTS &&
        part->cmsg_len == CMSG_LEN(sizeof(int))) {
        memcpy(&fd, CMSG_DATA(part), sizeof(fd));
    }
    return fd;
}

/* Run it with @socket as its descriptor HELPER_FD; what it says on stderr. */
static char *run_helper(const char *bridge, int socket, int answer, int *ret_fd,
                        GError **error)
{
    g_autofree char *path = ckptd_paths_find("bridge-helper", error);
    g_autofree char *fd_word = g_strdup_printf("--fd=%d", HELPER_FD);
    g_autofree char *br_word = g_strdup_printf("--br=%s", bridge);
    const char *argv[] = { path, fd_word, br_word, NULL };
    int target = HELPER_FD, errors = -1;
    char said[MESSAGE_MAX];
    ssize_t len;
    GPid pid;

    if (!path ||
        !g_spawn_async_with_pipes_and_fds(
            NULL, argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL, -1, -1, -1,
            &socket, &target, 1, &pid, NULL, NULL, &errors, error)) {
        close(socket);
        return NULL;
    }
    close(socket); /* now it alone has it, and its end is our end of file */
    *ret_fd = receive_fd(answer);
    if (*ret_fd < 0) {
        kill(pid, SIGKILL);
    }
    len = read(errors, said, sizeof(said) - 1);
    said[MAX(len, 0)] = '\0';
    close(errors);
    waitpid(pid, NULL, 0);
    return g_utf8_make_valid(g_strstrip(said), -1);
}

static int open_by_helper(const char *bridge, GError **error)
{
    struct timeval timeout = { .tv_sec = HELPER_TIMEOUT_S };
    g_autofree char *said = NULL;
    int pair[2], fd = -1;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
        fail(error, bridge, "socketpair");
        return -1;
    }
    setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
    said = run_helper(bridge, pair[1], pair[0], &fd, error);
    close(pair[0]);
    if (said && fd < 0) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_FAILED,
                    "qemu-bridge-helper gave no interface on %s: %s; it must "
                    "be setuid root and /etc/qemu/bridge.conf must allow the "
                    "bridge",
                    bridge, said[0] ? said : "it said nothing");
    }
    return fd;
}

/* --- what others call ----------------------------------------------------- */

static gboolean may_make(void)
{
    struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI };
    int fd = open(TUN_DEVICE, O_RDWR | O_CLOEXEC);
    gboolean ok =
        fd < 0 || ioctl(fd, TUNSETIFF, &request) == 0 || errno != EPERM;

    if (fd >= 0) {
        close(fd);
    }
    return ok;
}

/**
 * ckptd_tap_open() - make an interface, or use one that is there
 * @name: it is to have, or NULL when qemu-bridge-helper may choose one
 * @fallback: its name if @name is NULL and we may make it
 * @bridge: to put it into, or NULL
 * @guest_mac: the guest's address, of which the host's side's is made
 * @error: says what to do about it
 *
 * Return: its descriptor, close-on-exec; the interface is up.
 * Context: blocks for some milliseconds.
 */
int ckptd_tap_open(const char *name, const char *fallback, const char *bridge,
                   const char *guest_mac, GError **error)
{
    if (!name && bridge && !may_make()) {
        return open_by_helper(bridge, error);
    }
    return open_own(name ? name : fallback, bridge, guest_mac, error);
}

/**
 * ckptd_tap_name() - what the interface is called
 * @fd: any descriptor
 *
 * Return: its name, to be freed; NULL if @fd is no TAP.
 */
char *ckptd_tap_name(int fd)
{
    struct ifreq request = { 0 };

    if (ioctl(fd, TUNGETIFF, &request) < 0 || !(request.ifr_flags & IFF_TAP)) {
        return NULL;
    }
    return g_strndup(request.ifr_name, IFNAMSIZ);
}

/**
 * ckptd_tap_take_back() - the interface out of a process that has it
 * @process: the guest's QEMU
 * @number: of the descriptor in there
 * @error: set on failure
 *
 * Return: its descriptor, close-on-exec, or -1.
 */
int ckptd_tap_take_back(const struct ckptd_process *process, int number,
                        GError **error)
{
    g_autofree char *name = NULL;
    int fd = syscall(SYS_pidfd_getfd, process->pidfd, number, 0);

    if (fd < 0) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_IO, "pidfd_getfd: %s",
                    g_strerror(errno));
        return -1;
    }
    name = ckptd_tap_name(fd);
    if (!name) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_INVALID,
                    "descriptor %d of process %d is no TAP", number,
                    (int)process->pid);
        close(fd);
        return -1;
    }
    return fd;
}
