/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * session-fixture.h - a session, and a QEMU that is a few lines long
 *
 * The QEMU is this very process: it connects to the session's socket and
 * behaves as well, or as badly, as a test needs.  A guest of 4 MiB keeps the
 * store small.
 */
#ifndef SESSION_FIXTURE_H
#define SESSION_FIXTURE_H

#include <glib.h>

#include "ckptd/ckptd-session.h"
#include "ckptd/ckptd-shm.h"
#include "ckptd/ckptd-wire.h"

#define RAM_BYTES   (4u << 20)
#define RAM_PAGES   (RAM_BYTES / CKPT_PAGE_BYTES)
#define DEADLINE_US (10 * G_USEC_PER_SEC)

struct event {
    enum ckptd_session_event_type type;
    uint64_t number;
    char *text;
};

struct fixture {
    char *dir, *socket, *store, *labels, *log, *seq, *moved;
    gboolean external; /* somebody else starts its QEMU */
    uint64_t ended_epoch;
    const char *from; /* directory of a label, see ckptd_session_config */
    CkptdSession *session;
    GAsyncQueue *events;
    int sock;
    struct ckptd_packet packet;
    struct ckpt_welcome welcome;
    struct ckptd_shm hold, staging;
    int base_fd;
};

void event_free(gpointer data);
uint64_t expect_event(struct fixture *f, enum ckptd_session_event_type type);
void open_session(struct fixture *f, gboolean checkpoint);
void set_up(struct fixture *f, gconstpointer opaque);
void die(struct fixture *f);
void tear_down(struct fixture *f, gconstpointer opaque);
void dial(struct fixture *f);
void say(struct fixture *f, uint32_t type, uint64_t epoch, uint64_t generation,
         const void *payload, size_t len, const int *fds, guint n_fds);
void expect_message(struct fixture *f, uint32_t type);
void expect_hang_up(struct fixture *f);
struct ckpt_hello hello(void);
uint64_t start(struct fixture *f, enum ckpt_action action);
void incoming(struct fixture *f);
void *slot_of(struct fixture *f, uint32_t slot);
void fill_slot(struct fixture *f, uint32_t slot, uint64_t epoch,
               uint64_t generation, uint64_t n_pages, int fill);
void submit(struct fixture *f, uint32_t slot, uint64_t epoch,
            uint64_t generation);
void submit_of(struct fixture *f, uint32_t slot, uint64_t epoch,
               uint64_t generation, uint64_t submit_ns);
void commit(struct fixture *f, uint64_t epoch, uint64_t generation, int fill);
void output(struct fixture *f, uint64_t epoch, uint64_t generation,
            uint32_t kind, uint64_t seq, const char *text);
void output_with(struct fixture *f, uint64_t epoch, uint64_t generation,
                 uint32_t kind, uint32_t flags, uint64_t seq, const char *text);
void drain(struct fixture *f);
void drain_all(struct fixture *f);
void scribble(guint8 *data, size_t len);
uint64_t committed(struct fixture *f);

#define TEST(name)                                                             \
    static void name(struct fixture *f, gconstpointer opaque G_GNUC_UNUSED)

#define ADD(path, func)                                                        \
    g_test_add(path, struct fixture, NULL, set_up, func, tear_down)
#define ADD_EXTERNAL(path, func)                                               \
    g_test_add(path, struct fixture, "external", set_up, func, tear_down)

#endif
