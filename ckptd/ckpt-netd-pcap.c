/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckpt-netd-pcap.c - write the frames of both directions to a capture file
 *
 * Time stamps are CLOCK_REALTIME in nanoseconds, to be laid beside the commit
 * times of the checkpoint log.  Each frame is one write(2), so that the file is
 * whole up to the last frame whenever somebody looks, or kills us.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>
#include <gio/gio.h>

#include "ckptd/ckpt-netd-pcap.h"

#define PCAP_MAGIC_NS 0xa1b23c4du
#define PCAP_SNAPLEN  65535u
#define PCAP_ETHERNET 1u

struct pcap_file {
    guint32 magic;
    guint16 major;
    guint16 minor;
    guint32 zone;
    guint32 sigfigs;
    guint32 snaplen;
    guint32 linktype;
};

struct pcap_record {
    guint32 sec;
    guint32 nsec;
    guint32 captured_bytes;
    guint32 frame_bytes;
};

struct NetdPcap {
    int fd;
};

/**
 * netd_pcap_open() - begin a capture
 * @path: of the file; an older one is replaced
 * @error: set on failure
 *
 * Return: the capture, or NULL.
 */
NetdPcap *netd_pcap_open(const char *path, GError **error)
{
    const struct pcap_file head = {
        .magic = PCAP_MAGIC_NS,
        .major = 2,
        .minor = 4,
        .snaplen = PCAP_SNAPLEN,
        .linktype = PCAP_ETHERNET,
    };
    int fd =
        open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    NetdPcap *pcap;

    if (fd < 0 || write(fd, &head, sizeof(head)) != sizeof(head)) {
        g_set_error(error, G_IO_ERROR, g_io_error_from_errno(errno),
                    "capture %s: %s", path, g_strerror(errno));
        if (fd >= 0) {
            close(fd);
        }
        return NULL;
    }
    pcap = g_new0(NetdPcap, 1);
    pcap->fd = fd;
    return pcap;
}

/**
 * netd_pcap_write() - record a frame, seen now
 * @pcap: the capture, or NULL; one that cannot be written ends itself
 * @frame: the frame
 * @len_bytes: its length
 */
void netd_pcap_write(NetdPcap *pcap, const void *frame, gsize len_bytes)
{
    struct pcap_record rec;
    struct iovec iov[2] = {
        { &rec, sizeof(rec) },
        { (void *)frame, len_bytes },
    };
    struct timespec now;

    if (!pcap || pcap->fd < 0) {
        return;
    }
    clock_gettime(CLOCK_REALTIME, &now);
    rec = (struct pcap_record){
        .sec = now.tv_sec,
        .nsec = now.tv_nsec,
        .captured_bytes = len_bytes,
        .frame_bytes = len_bytes,
    };
    if (writev(pcap->fd, iov, 2) != (ssize_t)(sizeof(rec) + len_bytes)) {
        g_warning("the capture ends here: %s", g_strerror(errno));
        close(pcap->fd);
        pcap->fd = -1;
    }
}

/**
 * netd_pcap_close() - end a capture
 * @pcap: the capture, or NULL
 */
void netd_pcap_close(NetdPcap *pcap)
{
    if (pcap) {
        if (pcap->fd >= 0) {
            close(pcap->fd);
        }
        g_free(pcap);
    }
}
