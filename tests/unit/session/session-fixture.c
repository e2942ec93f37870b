/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * session-fixture.c - a session, and a QEMU that is a few lines long
 */
#include "tests/unit/session/session-fixture.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "ckptd/ckptd-guest-internal.h"

/* --- the fixture ---------------------------------------------------------- */

/**
 * event_free() - free an event
 * @data: struct event
 */
void event_free(gpointer data)
{
    struct event *event = data;

    g_free(event->text);
    g_free(event);
}

static void on_event(const struct ckptd_session_event *event, gpointer opaque)
{
    struct fixture *f = opaque;
    struct event *copy = g_new0(struct event, 1);

    *copy = (struct event){ event->type, event->number, g_strdup(event->text) };
    g_async_queue_push(f->events, copy);
}

/**
 * expect_event() - the session tells something next
 * @f: the fixture
 * @type: what
 *
 * Return: its number.
 */
uint64_t expect_event(struct fixture *f, enum ckptd_session_event_type type)
{
    struct event *event = g_async_queue_timeout_pop(f->events, DEADLINE_US);
    uint64_t number;

    g_assert_nonnull(event);
    if (event->type != type && event->text) {
        g_test_message("event %d: %s", event->type, event->text);
    }
    g_assert_cmpint(event->type, ==, type);
    number = event->number;
    event_free(event);
    return number;
}

/**
 * open_session() - as ckptd does at its start
 * @f: the fixture, without a session
 * @checkpoint: the guest has a store
 */
void open_session(struct fixture *f, gboolean checkpoint)
{
    struct ckptd_session_config config = {
        .socket_path = f->external ? NULL : f->socket,
        .store_dir = checkpoint ? f->store : NULL,
        .labels_dir = f->labels,
        .from_dir = f->from,
        .moved_path = f->moved,
        .identities = { { .mac = { 2, 0, 0, 0, 0, 1 } },
                        { .mac = { 2, 0, 0, 0, 0, 2 } } },
        .n_identities = 2,
        .log_path = f->log,
        .seq_path = f->seq,
        .manifest = { .uuid = "11111111-2222-4333-8444-555555555555",
                      .name = "guest",
                      .ram_bytes = RAM_BYTES },
        .ended_epoch = f->ended_epoch,
        .hold_bytes = 1 << 20,
        .notify = on_event,
        .opaque = f,
    };
    g_autoptr(GError) error = NULL;

    f->session = ckptd_session_new(&config, &error);
    g_assert_no_error(error);
}

/**
 * set_up() - an open session and no QEMU
 * @f: the fixture
 * @opaque: not NULL: of a guest whose QEMU somebody else starts
 */
void set_up(struct fixture *f, gconstpointer opaque)
{
    f->external = opaque != NULL;
    f->dir = g_dir_make_tmp("ckptd-session-XXXXXX", NULL);
    f->socket = g_build_filename(f->dir, "engine.sock", NULL);
    f->store = g_build_filename(f->dir, "store", NULL);
    f->labels = g_build_filename(f->dir, "labels", NULL);
    f->log = g_build_filename(f->dir, "log", NULL);
    f->seq = g_build_filename(f->dir, "seq", NULL);
    f->moved = g_build_filename(f->dir, "moved", NULL);
    f->events = g_async_queue_new_full(event_free);
    f->sock = f->base_fd = -1;
    f->hold = f->staging = (struct ckptd_shm)CKPTD_SHM_NONE;
    ckptd_wire_packet_init(&f->packet);
    open_session(f, TRUE);
}

/**
 * die() - QEMU dies: its socket and mappings go, ckptd keeps its own
 * @f: the fixture
 */
void die(struct fixture *f)
{
    if (f->sock >= 0) {
        close(f->sock);
    }
    if (f->base_fd >= 0) {
        close(f->base_fd);
    }
    f->sock = f->base_fd = -1;
    ckptd_shm_clear(&f->hold);
    ckptd_shm_clear(&f->staging);
    ckptd_wire_packet_clear(&f->packet);
}

/**
 * tear_down() - leave nothing
 * @f: the fixture
 * @opaque: not used
 */
void tear_down(struct fixture *f, gconstpointer opaque G_GNUC_UNUSED)
{
    die(f);
    ckptd_session_free(f->session);
    g_async_queue_unref(f->events);
    g_assert_true(ckptd_guest_remove_tree(f->dir, NULL));
    g_free(f->dir);
    g_free(f->socket);
    g_free(f->store);
    g_free(f->labels);
    g_free(f->log);
    g_free(f->seq);
    g_free(f->moved);
}

/* --- a QEMU --------------------------------------------------------------- */

/**
 * dial() - connect to the session
 * @f: the fixture
 */
void dial(struct fixture *f)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    struct timeval timeout = { .tv_sec = 10 };
    int pair[2];

    if (f->external) {
        g_assert_cmpint(
            socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), ==, 0);
        f->sock = pair[0];
        setsockopt(f->sock, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
        ckptd_session_serve(f->session, pair[1]);
        return;
    }
    f->sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    setsockopt(f->sock, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
    g_strlcpy(addr.sun_path, f->socket, sizeof(addr.sun_path));
    g_assert_cmpint(connect(f->sock, (struct sockaddr *)&addr, sizeof(addr)),
                    ==, 0);
}

/**
 * say() - send a message
 * @f: the fixture
 * @type: enum ckpt_msg_type
 * @epoch: of its header
 * @generation: of its header
 * @payload: may be NULL
 * @len: of it
 * @fds: to go along
 * @n_fds: how many
 */
void say(struct fixture *f, uint32_t type, uint64_t epoch, uint64_t generation,
         const void *payload, size_t len, const int *fds, guint n_fds)
{
    struct ckpt_msg msg = {
        .type = type, .len_bytes = len, .epoch = epoch, .generation = generation
    };

    ckptd_wire_send(f->sock, &msg, payload, fds, n_fds, NULL);
}

/**
 * expect_message() - the session says something next
 * @f: the fixture; its packet is the message
 * @type: enum ckpt_msg_type
 */
void expect_message(struct fixture *f, uint32_t type)
{
    g_autoptr(GError) error = NULL;

    g_assert_cmpint(ckptd_wire_recv(f->sock, &f->packet, &error), ==,
                    CKPTD_RECV_PACKET);
    if (f->packet.msg.type == CKPT_MSG_REFUSE && type != CKPT_MSG_REFUSE) {
        g_test_message("refused: %.*s", (int)f->packet.msg.len_bytes,
                       (char *)f->packet.payload);
    }
    g_assert_cmpuint(f->packet.msg.type, ==, type);
}

/**
 * expect_hang_up() - the connection ends, and until then nothing was committed (S2)
 * @f: the fixture
 */
void expect_hang_up(struct fixture *f)
{
    enum ckptd_recv got;

    while ((got = ckptd_wire_recv(f->sock, &f->packet, NULL)) ==
           CKPTD_RECV_PACKET) {
        g_assert_cmpuint(f->packet.msg.type, !=, CKPT_MSG_COMMITTED);
    }
    g_assert_cmpint(got, ==, CKPTD_RECV_END);
}

/**
 * hello() - what a QEMU says first
 *
 * Return: a sound HELLO of this guest.
 */
struct ckpt_hello hello(void)
{
    struct ckpt_hello h = {
        .version = CKPT_WIRE_VERSION,
        .ram_bytes = RAM_BYTES,
        .tsc_hz = 1000000000,
        .page_bytes = CKPT_PAGE_BYTES,
        .devstate_max = 65536,
        .name = "guest",
        .qemu = "10.0.0",
        .machine = "microvm",
        .cpu = "max",
        .accel = "tcg",
    };

    return h;
}

/* HELLO and WELCOME.  Return: the generation. */
static uint64_t greet(struct fixture *f, uint32_t flags,
                      enum ckpt_action action)
{
    struct ckpt_hello h = hello();
    g_autoptr(GError) error = NULL;
    uint64_t generation;

    dial(f);
    h.flags = flags;
    say(f, CKPT_MSG_HELLO, 0, 0, &h, sizeof(h), NULL, 0);
    expect_message(f, CKPT_MSG_WELCOME);
    memcpy(&f->welcome, f->packet.payload, sizeof(f->welcome));
    g_assert_cmpuint(f->welcome.action, ==, action);
    generation = f->packet.msg.generation;
    g_assert_true(ckptd_shm_adopt(ckptd_wire_steal_fd(&f->packet, 0), "hold",
                                  f->welcome.hold_bytes, &f->hold, &error));
    g_assert_true(ckptd_shm_adopt(
        ckptd_wire_steal_fd(&f->packet, 1), "staging",
        f->welcome.staging_slots * f->welcome.slot_bytes, &f->staging, &error));
    f->base_fd = ckptd_wire_steal_fd(&f->packet, 2);
    return generation;
}

/**
 * start() - HELLO and WELCOME of a fresh QEMU
 * @f: the fixture
 * @action: that WELCOME has to say
 *
 * Return: the generation.
 */
uint64_t start(struct fixture *f, enum ckpt_action action)
{
    uint64_t generation;

    ckptd_session_prepare(f->session);
    ckptd_session_expect(f->session, getpid(), FALSE);
    generation = greet(f, 0, action);
    g_assert_cmpuint(expect_event(f, CKPTD_SESSION_WELCOMED), ==, generation);
    return generation;
}

/**
 * incoming() - HELLO and WELCOME of a QEMU to which the guest is to come
 * @f: the fixture, external
 */
void incoming(struct fixture *f)
{
    greet(f, CKPT_HELLO_INCOMING, CKPT_ACTION_INCOMING);
    expect_event(f, CKPTD_SESSION_ARRIVING);
}

/**
 * slot_of() - where a slot is
 * @f: the fixture, welcomed
 * @slot: its number
 *
 * Return: its address.
 */
void *slot_of(struct fixture *f, uint32_t slot)
{
    return (char *)f->staging.addr + slot * f->welcome.slot_bytes;
}

/**
 * fill_slot() - pages 0..n-1 all filled with @fill; epoch 1 has all of RAM
 * @f: the fixture, welcomed
 * @slot: which
 * @epoch: of the slot
 * @generation: of the slot
 * @n_pages: n
 * @fill: a byte
 */
void fill_slot(struct fixture *f, uint32_t slot, uint64_t epoch,
               uint64_t generation, uint64_t n_pages, int fill)
{
    struct ckpt_slot head = {
        .magic = CKPT_SLOT_MAGIC,
        .epoch = epoch,
        .generation = generation,
        .n_pages = n_pages,
        .n_data = n_pages,
        .list_offset = sizeof(head),
        .devstate_bytes = 100,
    };
    char *at = slot_of(f, slot);
    uint64_t i;

    head.devstate_offset = head.list_offset + n_pages * sizeof(uint64_t);
    head.data_offset = (head.devstate_offset + 100 + CKPT_PAGE_BYTES - 1) &
                       ~(uint64_t)(CKPT_PAGE_BYTES - 1);
    memcpy(at, &head, sizeof(head));
    for (i = 0; i < n_pages; i++) {
        memcpy(at + head.list_offset + i * sizeof(i), &i, sizeof(i));
    }
    memset(at + head.devstate_offset, 'd', 100);
    memset(at + head.data_offset, fill, n_pages * CKPT_PAGE_BYTES);
}

/**
 * submit() - say that a slot is full
 * @f: the fixture, welcomed
 * @slot: which
 * @epoch: of it
 * @generation: of it
 */
void submit(struct fixture *f, uint32_t slot, uint64_t epoch,
            uint64_t generation)
{
    submit_of(f, slot, epoch, generation, g_get_monotonic_time() * 1000);
}

/**
 * submit_of() - likewise, of a slot that was full at another time
 * @f: the fixture, welcomed
 * @slot: which
 * @epoch: of it
 * @generation: of it
 * @submit_ns: when, of the monotonic clock
 */
void submit_of(struct fixture *f, uint32_t slot, uint64_t epoch,
               uint64_t generation, uint64_t submit_ns)
{
    struct ckpt_epoch e = {
        .slot = slot,
        .flags = epoch == 1 ? CKPT_EPOCH_FULL : 0,
        .cause = CKPT_CAUSE_FRAME,
        .pause_ns = 1000,
        .submit_ns = submit_ns,
    };

    say(f, CKPT_MSG_EPOCH, epoch, generation, &e, sizeof(e), NULL, 0);
}

/**
 * commit() - an epoch, up to COMMITTED
 * @f: the fixture, welcomed
 * @epoch: of it
 * @generation: of it
 * @fill: what its pages are filled with
 */
void commit(struct fixture *f, uint64_t epoch, uint64_t generation, int fill)
{
    fill_slot(f, epoch % 2, epoch, generation, epoch == 1 ? RAM_PAGES : 3,
              fill);
    submit(f, epoch % 2, epoch, generation);
    expect_message(f, CKPT_MSG_COMMITTED);
    g_assert_cmpuint(f->packet.msg.epoch, ==, epoch);
}

/**
 * output() - something that the guest wrote
 * @f: the fixture, welcomed
 * @epoch: in which
 * @generation: of the sender
 * @kind: enum ckpt_output_kind
 * @seq: of the hold
 * @text: what
 */
void output(struct fixture *f, uint64_t epoch, uint64_t generation,
            uint32_t kind, uint64_t seq, const char *text)
{
    output_with(f, epoch, generation, kind,
                kind == CKPT_OUTPUT_PANIC ? 0 : CKPT_OUTPUT_COMMITTED, seq,
                text);
}

/**
 * output_with() - likewise, with flags of one's own
 * @f: the fixture, welcomed
 * @epoch: in which
 * @generation: of the sender
 * @kind: enum ckpt_output_kind
 * @flags: enum ckpt_output_flags
 * @seq: of the hold
 * @text: what
 */
void output_with(struct fixture *f, uint64_t epoch, uint64_t generation,
                 uint32_t kind, uint32_t flags, uint64_t seq, const char *text)
{
    guint8 payload[256];
    struct ckpt_output o = { .kind = kind, .seq = seq, .flags = flags };

    memcpy(payload, &o, sizeof(o));
    memcpy(payload + sizeof(o), text, strlen(text));
    say(f, CKPT_MSG_OUTPUT, epoch, generation, payload,
        sizeof(o) + strlen(text), NULL, 0);
}

/**
 * drain() - QEMU is dead, and all it said is heard
 * @f: the fixture
 */
void drain(struct fixture *f)
{
    ckptd_session_drain(f->session);
    expect_event(f, CKPTD_SESSION_DRAINED);
}

/**
 * drain_all() - likewise, whatever the session had to say about that
 * @f: the fixture
 */
void drain_all(struct fixture *f)
{
    enum ckptd_session_event_type type;
    struct event *event;

    ckptd_session_drain(f->session);
    do {
        event = g_async_queue_timeout_pop(f->events, DEADLINE_US);
        g_assert_nonnull(event);
        type = event->type;
        event_free(event);
    } while (type != CKPTD_SESSION_DRAINED);
}

/**
 * scribble() - change some bytes at random
 * @data: the bytes
 * @len: how many there are
 */
void scribble(guint8 *data, size_t len)
{
    guint flips = g_test_rand_int_range(1, 5);

    while (flips--) {
        data[g_test_rand_int_range(0, len)] = g_test_rand_int_range(0, 256);
    }
}

/**
 * committed() - greatest durable epoch
 * @f: the fixture
 *
 * Return: the epoch.
 */
uint64_t committed(struct fixture *f)
{
    g_autofree struct ckptd_session_stats *stats =
        g_new0(struct ckptd_session_stats, 1);

    ckptd_session_stats(f->session, stats);
    return stats->committed;
}
