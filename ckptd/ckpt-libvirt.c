/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckpt-libvirt.c - ckptd's hand in libvirt, a process for each guest
 *
 * ckptd knows when a guest has crashed and decides whether it goes on; libvirt
 * starts QEMUs. In between is this process, because libvirt's calls block: a
 * start takes as long as it takes, and neither ckptd nor another guest waits
 * for it. It decides nothing but one thing that ckptd cannot see: a domain that
 * somebody has ended through libvirt (`virsh destroy` may kill QEMU as a fault
 * would) is not started.
 *
 * Orders come and answers go on descriptor 3 (PROTOCOL.md). An order is
 * carried out when the domain is down for libvirt too: ckptd often knows
 * earlier, and then the event of the stop is waited for.
 *
 * One thread: libvirt's event loop, and after each round of it step(). libvirt
 * is called from there alone, never from within a callback.
 */
#include <errno.h>
#include <glib.h>
#include <inttypes.h>
#include <libvirt/virterror.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ckptd/ckpt-libvirt-domain.h"

#define ORDERS_FD    3
#define ORDER_MAX    64
#define RECONNECT_MS 1000
/* libvirtd that does not answer for 5 times so long is away. */
#define KEEPALIVE_S  5
#define KEEPALIVE_N  5

/**
 * struct watch - this process
 *
 * @order:   number of the start that is asked for, 0 = none
 * @anyway:  it is an operator's: also of a domain that was ended by hand
 * @lost:    the connection is of no use any more
 * @started: the domain was seen to start, its description is to be kept
 * @over:    ckptd has gone, or does not need us any more
 */
struct watch {
    const char *uri;
    struct domain domain;
    virConnectPtr conn;
    int event_id;
    int retry_timer;
    guint64 order;
    gboolean anyway;
    gboolean lost;
    gboolean started;
    gboolean over;
};

static void answer(struct watch *w, const char *word, const char *text)
{
    g_autofree char *line =
        g_strdup_printf("%s %" PRIu64 " %s", word, w->order, text);

    fprintf(stderr, "%s\n", line);
    if (send(ORDERS_FD, line, strlen(line), MSG_NOSIGNAL) < 0) {
        w->over = TRUE;
    }
}

static void answer_last(struct watch *w, const char *word, const char *text)
{
    answer(w, word, text);
    w->order = 0;
}

/* --- what happens --------------------------------------------------------- */

static void on_order(int watch_id, int fd, int events, void *opaque)
{
    struct watch *w = opaque;
    char text[ORDER_MAX + 1], rest;
    ssize_t len = recv(fd, text, ORDER_MAX, MSG_DONTWAIT);
    guint64 number;

    (void)watch_id;
    (void)events;
    if (len < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    text[MAX(len, 0)] = '\0';
    if (len > 0 && sscanf(text, "start %" SCNu64 "%c", &number, &rest) == 1) {
        w->order = number;
        w->anyway = FALSE;
    } else if (len > 0 && sscanf(text, "start-anyway %" SCNu64 "%c", &number,
                                 &rest) == 1) {
        w->order = number;
        w->anyway = TRUE;
    } else if (g_str_equal(text, "forget")) {
        w->order = 0;
    } else {
        w->over = TRUE; /* it hung up */
    }
}

static int on_lifecycle(virConnectPtr conn, virDomainPtr domain, int event,
                        int detail, void *opaque)
{
    char uuid[VIR_UUID_STRING_BUFLEN];
    struct watch *w = opaque;

    (void)conn;
    if (virDomainGetUUIDString(domain, uuid) < 0 ||
        g_ascii_strcasecmp(uuid, w->domain.uuid)) {
        return 0;
    }
    if (event == VIR_DOMAIN_EVENT_STARTED) {
        w->domain.detail = -1;
        w->started = TRUE;
    } else if (event == VIR_DOMAIN_EVENT_STOPPED) {
        w->domain.detail = detail;
    }
    return 0;
}

static void on_close(virConnectPtr conn, int reason, void *opaque)
{
    struct watch *w = opaque;

    (void)conn;
    (void)reason;
    w->lost = TRUE;
}

static void on_retry(int timer, void *opaque)
{
    (void)opaque;
    virEventUpdateTimeout(timer, -1); /* step() does the rest */
}

/* --- the connection ------------------------------------------------------- */

static void disconnect(struct watch *w)
{
    if (!w->conn) {
        return;
    }
    if (w->event_id >= 0) {
        virConnectDomainEventDeregisterAny(w->conn, w->event_id);
    }
    virConnectUnregisterCloseCallback(w->conn, on_close);
    virConnectClose(w->conn);
    w->conn = NULL;
    w->lost = FALSE;
}

static gboolean prepare(struct watch *w)
{
    w->event_id = virConnectDomainEventRegisterAny(
        w->conn, NULL, VIR_DOMAIN_EVENT_ID_LIFECYCLE,
        VIR_DOMAIN_EVENT_CALLBACK(on_lifecycle), w, NULL);
    return w->event_id >= 0 &&
           virConnectRegisterCloseCallback(w->conn, on_close, w, NULL) == 0 &&
           virConnectSetKeepAlive(w->conn, KEEPALIVE_S, KEEPALIVE_N) >= 0;
}

/* Return: TRUE when there is a connection; else it is tried again soon. */
static gboolean connect_to(struct watch *w)
{
    if (w->lost) {
        disconnect(w);
        fprintf(stderr, "%s: the connection is lost\n", w->uri);
    }
    if (w->conn) {
        return TRUE;
    }
    w->conn = virConnectOpen(w->uri);
    if (w->conn && prepare(w)) {
        fprintf(stderr, "connected to %s\n", w->uri);
        w->started = TRUE; /* it may run since before we came */
        return TRUE;
    }
    if (w->order) {
        answer(w, "waits", virGetLastErrorMessage());
    }
    disconnect(w);
    virEventUpdateTimeout(w->retry_timer, RECONNECT_MS);
    return FALSE;
}

/* --- work ----------------------------------------------------------------- */

static void keep_xml(struct watch *w)
{
    g_autoptr(GError) error = NULL;

    w->started = FALSE;
    if (!domain_keep_xml(&w->domain, w->conn, &error)) {
        fprintf(stderr, "%s\n", error->message);
    }
}

static void carry_out(struct watch *w)
{
    g_autoptr(GError) error = NULL;
    const char *why = NULL;

    switch (domain_look(&w->domain, w->conn, &why, &error)) {
    case DOMAIN_RUNS:
        return; /* its end will be told */
    case DOMAIN_STAYS:
        if (!w->anyway) {
            answer_last(w, "stays", why);
            return;
        }
        break;
    case DOMAIN_MAY_START:
        break;
    case DOMAIN_UNKNOWN:
        answer_last(w, "failed", error->message);
        return;
    }
    if (domain_start(&w->domain, w->conn, &error)) {
        answer_last(w, "started", "");
    } else {
        answer_last(w, "failed", error->message);
    }
}

static void step(struct watch *w)
{
    if (w->over || !connect_to(w)) {
        return;
    }
    if (w->started) {
        keep_xml(w);
    }
    if (w->order) {
        carry_out(w);
    }
}

static void be_quiet(void *opaque, virErrorPtr error)
{
    (void)opaque;
    (void)error;
}

static gboolean parse(struct watch *w, int *argc, char ***argv, GError **error)
{
    g_autoptr(GOptionContext) context =
        g_option_context_new("URI UUID XMLFILE");

    g_option_context_set_summary(
        context, "Starts the libvirt domain UUID when ckptd says so, on "
                 "descriptor 3; ckptd starts it\nfor each guest of libvirt.");
    if (!g_option_context_parse(context, argc, argv, error)) {
        return FALSE;
    }
    if (*argc != 4) {
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED,
                    "URI, UUID and XMLFILE are needed; see --help");
        return FALSE;
    }
    w->uri = (*argv)[1];
    w->domain.uuid = (*argv)[2];
    w->domain.xml_path = (*argv)[3];
    return TRUE;
}

static gboolean start(struct watch *w, GError **error)
{
    virSetErrorFunc(NULL, be_quiet);
    if (virInitialize() < 0 || virEventRegisterDefaultImpl() < 0 ||
        virEventAddHandle(ORDERS_FD,
                          VIR_EVENT_HANDLE_READABLE | VIR_EVENT_HANDLE_HANGUP,
                          on_order, w, NULL) < 0) {
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED,
                    "descriptor %d: %s", ORDERS_FD, virGetLastErrorMessage());
        return FALSE;
    }
    w->retry_timer = virEventAddTimeout(-1, on_retry, NULL, NULL);
    return w->retry_timer >= 0;
}

int main(int argc, char **argv)
{
    struct watch w = { .domain.detail = -1, .event_id = -1 };
    g_autoptr(GError) error = NULL;

    setlocale(LC_ALL, "");
    signal(SIGPIPE, SIG_IGN);
    if (!parse(&w, &argc, &argv, &error) || !start(&w, &error)) {
        g_printerr("ckpt-libvirt: %s\n", error->message);
        return 1;
    }
    step(&w);
    while (!w.over && virEventRunDefaultImpl() == 0) {
        step(&w);
    }
    disconnect(&w);
    return 0;
}
