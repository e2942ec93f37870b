/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckpt-netd-tcp.c - make a guest's repeated SYN harmless to libslirp
 *
 * A guest that was recovered to a moment within a TCP handshake sends its SYN
 * or SYN|ACK once more, on a connection that libslirp has long established.
 * libslirp 4.7 obeys the maximum segment size option of any SYN, and doing so
 * it allocates the connection's send buffer anew: bytes that it had
 * acknowledged to the peer, and that the guest had not yet acknowledged, are
 * gone, and the connection hangs for ever (A1).  Without the option it only
 * acknowledges.  The option says nothing new: the guest's MTU is libslirp's.
 */
#include "ckptd/ckpt-netd-tcp.h"

#define ETHER_BYTES      14
#define ETHERTYPE_IPV4   0x0800
#define IPV4_MIN_BYTES   20
#define IPV4_TCP         6
#define TCP_MIN_BYTES    20
#define TCP_OFF_FLAGS    13
#define TCP_OFF_CHECKSUM 16
#define TCP_SYN          0x02
#define OPTION_END       0
#define OPTION_NOP       1
#define OPTION_MSS       2
#define OPTION_MSS_BYTES 4

static guint16 get16(const guint8 *p)
{
    return (guint16)(p[0] << 8 | p[1]);
}

static void put16(guint8 *p, guint16 value)
{
    p[0] = value >> 8;
    p[1] = value & 0xff;
}

/* The TCP header of a frame that begins a connection, and its length. */
static guint8 *find_syn(guint8 *frame, gsize len_bytes, gsize *ret_bytes)
{
    guint8 *ip = frame + ETHER_BYTES, *tcp;
    gsize ip_bytes, tcp_bytes;

    if (len_bytes < ETHER_BYTES + IPV4_MIN_BYTES + TCP_MIN_BYTES ||
        get16(frame + 12) != ETHERTYPE_IPV4 || ip[0] >> 4 != 4 ||
        ip[9] != IPV4_TCP || (get16(ip + 6) & 0x3fff)) {
        return NULL;
    }
    ip_bytes = (ip[0] & 0xf) * 4;
    if (ip_bytes < IPV4_MIN_BYTES ||
        len_bytes < ETHER_BYTES + ip_bytes + TCP_MIN_BYTES) {
        return NULL;
    }
    tcp = ip + ip_bytes;
    tcp_bytes = (tcp[12] >> 4) * 4;
    if (!(tcp[TCP_OFF_FLAGS] & TCP_SYN) || tcp_bytes < TCP_MIN_BYTES ||
        len_bytes < ETHER_BYTES + ip_bytes + tcp_bytes) {
        return NULL;
    }
    *ret_bytes = tcp_bytes;
    return tcp;
}

/* One aligned 16 bit word less and another instead: RFC 1624, equation 3. */
static void replace16(guint8 *tcp, gsize at, guint16 value)
{
    guint32 sum = (guint16)~get16(tcp + TCP_OFF_CHECKSUM);

    sum += (guint16)~get16(tcp + at) + value;
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    put16(tcp + TCP_OFF_CHECKSUM, (guint16)~sum);
    put16(tcp + at, value);
}

/**
 * netd_tcp_hide_mss() - let a SYN carry no maximum segment size
 * @frame: of the guest, changed in place
 * @len_bytes: its length
 *
 * Each byte of the option becomes a NOP, the checksum follows.
 *
 * Return: TRUE when there was one.
 */
gboolean netd_tcp_hide_mss(guint8 *frame, gsize len_bytes)
{
    gsize tcp_bytes, at = TCP_MIN_BYTES, i;
    guint8 *tcp = find_syn(frame, len_bytes, &tcp_bytes);

    while (tcp && at < tcp_bytes && tcp[at] != OPTION_END) {
        if (tcp[at] == OPTION_NOP) {
            at++;
            continue;
        }
        if (at + 1 >= tcp_bytes || tcp[at + 1] < 2) {
            return FALSE;
        }
        if (tcp[at] == OPTION_MSS && tcp[at + 1] == OPTION_MSS_BYTES &&
            at + OPTION_MSS_BYTES <= tcp_bytes) {
            for (i = at; i < at + OPTION_MSS_BYTES; i++) {
                gsize word = i & ~(gsize)1;
                guint16 old = get16(tcp + word);

                replace16(tcp, word,
                          i & 1 ? (old & 0xff00) | OPTION_NOP
                                : (old & 0x00ff) | OPTION_NOP << 8);
            }
            return TRUE;
        }
        at += tcp[at + 1];
    }
    return FALSE;
}
