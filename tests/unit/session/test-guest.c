/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test-guest.c - a guest stays itself, and ckptd alive, whatever its QEMU says
 *
 * The guest is a real one that somebody else starts, with its socket, its
 * session and its place in the main loop.  Its QEMU is this program in another
 * process, which says what is sound by itself at random, in any order.  The
 * guest's state machine asserts that each step is legal, so a build of any kind
 * notices when a message makes it take another; and behind each QEMU that went
 * mad comes a sane one, which must get what is durable and be able to go on.
 */
#include <glib.h>
#include <glib/gstdio.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ckptd/ckptd-domain.h"
#include "ckptd/ckptd-guest-internal.h"
#include "tests/unit/session/session-fixture.h"

#define ROUNDS     30
#define LIVES      2
#define MESSAGES   40
#define FLOOD      3000
#define DEADLINE_S 120
#define ANSWER_MS  1000
#define NOTES_MAX  16

/* --- the other process ---------------------------------------------------- */

struct mad {
    struct fixture f;
    GRand *rand;
    uint64_t generation;
    uint64_t epoch; /* last durable, as far as it knows */
};

static gboolean chance(struct mad *m, int one_in)
{
    return g_rand_int_range(m->rand, 0, one_in) == 0;
}

/* Read what there is, until @type comes or nothing more does. */
static gboolean hear(struct mad *m, uint32_t type, int timeout_ms)
{
    struct pollfd pfd = { m->f.sock, POLLIN, 0 };
    struct ckptd_packet *p = &m->f.packet;

    while (poll(&pfd, 1, timeout_ms) > 0 &&
           ckptd_wire_recv(m->f.sock, p, NULL) == CKPTD_RECV_PACKET) {
        if (p->msg.type == CKPT_MSG_COMMITTED) {
            m->epoch = p->msg.epoch;
        }
        if (p->msg.type == type) {
            return TRUE;
        }
        if (p->msg.type == CKPT_MSG_REFUSE) {
            return FALSE;
        }
    }
    return FALSE;
}

static void take_welcome(struct mad *m)
{
    struct fixture *f = &m->f;
    int hold = ckptd_wire_steal_fd(&f->packet, 0);
    int staging = ckptd_wire_steal_fd(&f->packet, 1);

    memcpy(&f->welcome, f->packet.payload, sizeof(f->welcome));
    m->generation = f->packet.msg.generation;
    m->epoch = f->packet.msg.epoch;
    if (staging >= 0) {
        ckptd_shm_clear(&f->hold);
        ckptd_shm_clear(&f->staging);
        ckptd_shm_adopt(hold, "hold", f->welcome.hold_bytes, &f->hold, NULL);
        ckptd_shm_adopt(staging, "staging",
                        f->welcome.staging_slots * f->welcome.slot_bytes,
                        &f->staging, NULL);
    }
}

static gboolean greet(struct mad *m, uint32_t flags)
{
    int fds[2] = { m->f.hold.fd, m->f.staging.fd };
    gboolean back = (flags & CKPT_HELLO_RECONNECT) && fds[0] >= 0;
    struct ckpt_hello h = hello();

    h.flags = flags;
    h.committed = back ? m->epoch : 0;
    say(&m->f, CKPT_MSG_HELLO, m->epoch, m->generation, &h, sizeof(h), fds,
        back ? 2 : 0);
    if (!hear(m, CKPT_MSG_WELCOME, ANSWER_MS)) {
        return FALSE;
    }
    take_welcome(m);
    return TRUE;
}

/* Mostly what is sound by itself: one that is ended at once says little. */
static uint32_t pick(struct mad *m, const uint32_t *from, guint n)
{
    return from[g_rand_int_range(m->rand, 0, n)];
}

static void mad_greets(struct mad *m)
{
    static const uint32_t first[] = { 0, 0, CKPT_HELLO_INCOMING };
    static const uint32_t again[] = {
        CKPT_HELLO_INCOMING,  CKPT_HELLO_INCOMING,      CKPT_HELLO_RECONNECT,
        CKPT_HELLO_RECONNECT, CKPT_HELLO_NO_CHECKPOINT, 0,
    };
    gboolean greeted = m->f.sock >= 0;

    if (greeted && !chance(m, 8)) { /* else it stays open */
        close(m->f.sock);
    }
    dial(&m->f);
    greet(m, greeted ? pick(m, again, G_N_ELEMENTS(again))
                     : pick(m, first, G_N_ELEMENTS(first)));
}

static void mad_epoch(struct mad *m)
{
    static const uint32_t flags[] = { CKPT_EPOCH_LAST, CKPT_EPOCH_ARRIVING,
                                      CKPT_EPOCH_ARRIVED };
    gboolean comes = m->f.welcome.action == CKPT_ACTION_INCOMING;
    uint64_t n = m->epoch + 1;
    struct ckpt_epoch e = { .slot = n % 2, .cause = CKPT_CAUSE_FRAME };

    if (!m->f.staging.addr) {
        return;
    }
    if (comes) {
        e.flags = chance(m, 3) ? CKPT_EPOCH_ARRIVED : CKPT_EPOCH_ARRIVING;
        m->generation += e.flags == CKPT_EPOCH_ARRIVED;
    } else if (chance(m, 20)) {
        e.flags = pick(m, flags, G_N_ELEMENTS(flags));
    }
    e.cause = chance(m, 3) ? CKPT_CAUSE_RESET : CKPT_CAUSE_FRAME;
    fill_slot(&m->f, e.slot, n, m->generation, n == 1 ? RAM_PAGES : 3, 'm');
    say(&m->f, CKPT_MSG_EPOCH, n, m->generation, &e, sizeof(e), NULL, 0);
    if (hear(m,
             comes && e.flags == CKPT_EPOCH_ARRIVING ? CKPT_MSG_STORED
                                                     : CKPT_MSG_COMMITTED,
             100) &&
        e.flags == CKPT_EPOCH_ARRIVED) {
        m->f.welcome.action = CKPT_ACTION_CONTINUE;
    }
}

static void mad_output(struct mad *m)
{
    uint32_t kind =
        g_rand_int_range(m->rand, CKPT_OUTPUT_LOG, CKPT_OUTPUT_ENDING + 1);

    output(&m->f, m->epoch, m->generation, kind, g_rand_int(m->rand), "four");
}

static void mad_bye(struct mad *m)
{
    char payload[CKPT_MSG_MAX - sizeof(struct ckpt_msg)];
    struct ckpt_bye bye = {
        .reason = g_rand_int_range(m->rand, CKPT_BYE_EXIT, CKPT_BYE_RESET + 1),
    };

    memset(payload, 0xc3, sizeof(payload)); /* grows when it is made valid */
    memcpy(payload, &bye, sizeof(bye));
    say(&m->f, CKPT_MSG_BYE, m->epoch, m->generation, payload, sizeof(payload),
        NULL, 0);
}

static void mad_move(struct mad *m)
{
    struct ckpt_move move = {
        .phase =
            g_rand_int_range(m->rand, CKPT_MOVE_LEAVING, CKPT_MOVE_MOVED + 1),
    };

    say(&m->f, CKPT_MSG_MOVE, m->epoch, m->generation, &move, sizeof(move),
        NULL, 0);
}

static void mad_name(struct mad *m)
{
    say(&m->f, CKPT_MSG_NAME, m->epoch, m->generation, "label", 5, NULL, 0);
}

static void be_mad(struct mad *m)
{
    static void (*const what[])(struct mad *) = {
        mad_greets, mad_epoch,  mad_epoch, mad_epoch, mad_epoch,
        mad_output, mad_output, mad_bye,   mad_move,  mad_name,
    };
    guint i, n = g_rand_int_range(m->rand, 1, MESSAGES);

    mad_greets(m);
    for (i = 0; i < n; i++) {
        what[g_rand_int_range(m->rand, 0, G_N_ELEMENTS(what))](m);
    }
}

/* One epoch in the line that is there, and a good end. */
static int be_sane(struct mad *m)
{
    struct ckpt_bye bye = { .reason = CKPT_BYE_SHUTDOWN };

    dial(&m->f);
    if (!greet(m, 0)) {
        return 2;
    }
    fill_slot(&m->f, 1, m->epoch + 1, m->generation, m->epoch ? 3 : RAM_PAGES,
              's');
    submit(&m->f, 1, m->epoch + 1, m->generation);
    if (!hear(m, CKPT_MSG_COMMITTED, DEADLINE_S * 1000)) {
        return 3;
    }
    say(&m->f, CKPT_MSG_BYE, m->epoch, m->generation, &bye, sizeof(bye), NULL,
        0);
    return 0;
}

/* Sends the guest away, and dies before it can tell what became of it. */
static int be_lost(struct mad *m)
{
    struct ckpt_move move = { .phase = CKPT_MOVE_LEAVING };

    dial(&m->f);
    if (!greet(m, 0)) {
        return 2;
    }
    fill_slot(&m->f, 1, m->epoch + 1, m->generation, RAM_PAGES, 'l');
    submit(&m->f, 1, m->epoch + 1, m->generation);
    if (!hear(m, CKPT_MSG_COMMITTED, DEADLINE_S * 1000)) {
        return 3;
    }
    say(&m->f, CKPT_MSG_MOVE, m->epoch, m->generation, &move, sizeof(move),
        NULL, 0);
    return hear(m, CKPT_MSG_MOVE_OK, DEADLINE_S * 1000) ? 0 : 4;
}

/* Says the same thing without an end, and reads nothing. */
static void be_loud(struct mad *m)
{
    guint i;

    dial(&m->f);
    greet(m, 0);
    for (i = 0; i < FLOOD; i++) {
        output(&m->f, 0, m->generation, CKPT_OUTPUT_PANIC, 0, "help");
    }
}

static void be_deaf(struct mad *m)
{
    dial(&m->f);
    greet(m, 0);
    pause();
}

static int run_qemu(char **argv)
{
    g_autoptr(GRand) random = g_rand_new_with_seed(atoi(argv[4]));
    struct mad m = { .rand = random };

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    m.f.socket = argv[3];
    m.f.sock = m.f.base_fd = -1;
    m.f.hold = m.f.staging = (struct ckptd_shm)CKPTD_SHM_NONE;
    ckptd_wire_packet_init(&m.f.packet);
    if (g_str_equal(argv[2], "sane")) {
        return be_sane(&m);
    }
    if (g_str_equal(argv[2], "lost")) {
        return be_lost(&m);
    }
    if (g_str_equal(argv[2], "loud")) {
        be_loud(&m);
    } else if (g_str_equal(argv[2], "deaf")) {
        be_deaf(&m);
    } else {
        be_mad(&m);
    }
    return 0;
}

/* --- the guest ------------------------------------------------------------ */

struct world {
    char *dir;
    char *socket;
    struct ckptd_paths paths;
    CkptdGuest *g;
};

static const char *self;

static gboolean not_fatal(const char *domain G_GNUC_UNUSED,
                          GLogLevelFlags level,
                          const char *message G_GNUC_UNUSED,
                          gpointer opaque G_GNUC_UNUSED)
{
    return (level & (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL)) != 0;
}

static void set_up_world(struct world *w, gconstpointer opaque G_GNUC_UNUSED)
{
    g_autoptr(GError) error = NULL;
    struct ckptd_spec *spec;

    g_test_log_set_fatal_handler(not_fatal, NULL);
    alarm(DEADLINE_S);
    w->dir = g_dir_make_tmp("ckptd-guest-XXXXXX", NULL);
    w->paths.state_dir = g_build_filename(w->dir, "state", NULL);
    w->paths.runtime_dir = g_build_filename(w->dir, "run", NULL);
    spec = ckptd_spec_new_external(g_variant_new_parsed("{'name': <'guest'>}"),
                                   &error);
    g_assert_no_error(error);
    spec->memory_mib = RAM_BYTES >> 20;
    spec->hold_mib = 1;
    w->g = ckptd_guest_create(&w->paths, spec, &error);
    g_assert_no_error(error);
    ckptd_guest_start(w->g, &error);
    g_assert_no_error(error);
    g_assert_cmpint(w->g->state, ==, CKPTD_GUEST_WAITING);
    w->socket = ckptd_guest_engine_path(w->g);
}

static void tear_down_world(struct world *w, gconstpointer opaque G_GNUC_UNUSED)
{
    ckptd_guest_end_qemu(w->g);
    ckptd_guest_leave(w->g);
    ckptd_guest_unref(w->g);
    while (g_main_context_iteration(NULL, FALSE)) {
    }
    g_assert_true(ckptd_guest_remove_tree(w->dir, NULL));
    ckptd_paths_clear(&w->paths);
    g_free(w->socket);
    g_free(w->dir);
    alarm(0);
}

static GPid run(struct world *w, const char *how, guint seed)
{
    g_autofree char *number = g_strdup_printf("%u", seed);
    char *argv[] = { (char *)self, (char *)"--qemu", (char *)how,
                     w->socket,    number,           NULL };
    g_autoptr(GError) error = NULL;
    GPid pid;

    g_spawn_async(NULL, argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL, &pid,
                  &error);
    g_assert_no_error(error);
    return pid;
}

static void on_end(GPid pid G_GNUC_UNUSED, gint status, gpointer opaque)
{
    *(int *)opaque = status;
}

/* What an operator may do meanwhile. */
static void meddle(struct world *w)
{
    switch (g_test_rand_int_range(0, 40)) {
    case 0:
        ckptd_guest_kill(w->g, NULL, NULL);
        break;
    case 1:
        ckptd_guest_crash(w->g, NULL);
        break;
    case 2:
        ckptd_guest_reclaim(w->g, NULL);
        break;
    default:
        break;
    }
}

/*
 * Let the loop run until the process has ended, and the guest has no QEMU.
 * Return: the process' wait status.
 */
static int until_over(struct world *w, GPid pid, gboolean meddles)
{
    int status = -1;

    g_child_watch_add(pid, on_end, &status);
    while (status < 0 || !ckptd_guest_is_down(w->g)) {
        g_assert_cmpuint(w->g->notes.waiting, <=, NOTES_MAX);
        g_main_context_iteration(NULL, TRUE);
        if (meddles) {
            meddle(w);
        }
    }
    return status;
}

static void be_ready(struct world *w)
{
    g_autoptr(GError) error = NULL;

    if (w->g->state == CKPTD_GUEST_MOVED) {
        ckptd_guest_reclaim(w->g, &error);
    } else if (w->g->state == CKPTD_GUEST_FAILED) {
        ckptd_guest_start(w->g, &error);
    }
    g_assert_no_error(error);
    g_assert_cmpint(w->g->state, ==, CKPTD_GUEST_WAITING);
}

static uint64_t durable(struct world *w)
{
    g_autofree struct ckptd_session_stats *stats =
        g_new0(struct ckptd_session_stats, 1);

    ckptd_session_stats(w->g->session, stats);
    return stats->committed;
}

#define WORLD_TEST(name)                                                       \
    static void name(struct world *w, gconstpointer opaque G_GNUC_UNUSED)
#define ADD_WORLD(path, func)                                                  \
    g_test_add(path, struct world, NULL, set_up_world, func, tear_down_world)

/* Sound messages in any order: the guest's states stay legal, and it goes on. */
static void mad_qemus(gconstpointer opaque)
{
    struct world w;
    uint64_t before;
    guint round, life, seed;

    for (round = 0; round < ROUNDS; round++) {
        set_up_world(&w, opaque);
        for (life = 0; life < LIVES; life++) {
            seed = g_test_rand_int();
            g_test_message("round %u: seed %u", round, seed);
            until_over(&w, run(&w, "mad", seed), round % 2);
            be_ready(&w);
        }
        before = durable(&w);
        g_assert_cmpint(until_over(&w, run(&w, "sane", 0), FALSE), ==, 0);
        be_ready(&w);
        g_assert_cmpuint(durable(&w), ==, before + 1);
        tear_down_world(&w, opaque);
    }
}

/* What waits for the main thread is bounded, however much QEMU has to say. */
WORLD_TEST(loud_qemu)
{
    GPid pid = run(w, "loud", 0);
    guint heard = 0;

    while (!w->g->panic || heard++ < 200) {
        g_assert_cmpuint(w->g->notes.waiting, <=, NOTES_MAX);
        g_main_context_iteration(NULL, heard < 100);
    }
    kill(pid, SIGKILL);
    until_over(w, pid, FALSE);
}

static void no_matter(guint64 epoch G_GNUC_UNUSED,
                      const GError *error G_GNUC_UNUSED,
                      gpointer opaque G_GNUC_UNUSED)
{
}

/* A QEMU that reads nothing costs the main thread nothing: alarm() rings long
 * before as many waits as there are orders here are over. */
WORLD_TEST(deaf_qemu)
{
    GPid pid = run(w, "deaf", 0);
    guint i;

    while (w->g->state != CKPTD_GUEST_RUNNING) {
        g_main_context_iteration(NULL, TRUE);
    }
    for (i = 0; i < 1000; i++) {
        ckptd_guest_checkpoint(w->g, no_matter, NULL);
    }
    kill(pid, SIGKILL);
    until_over(w, pid, FALSE);
    g_assert_cmpint(until_over(w, run(w, "sane", 0), FALSE), ==, 0);
}

/* F1: it may run elsewhere, so nobody starts it here unasked. */
WORLD_TEST(lost_guest)
{
    g_assert_cmpint(until_over(w, run(w, "lost", 0), FALSE), ==, 0);
    g_assert_cmpint(w->g->state, ==, CKPTD_GUEST_MOVED);
    be_ready(w); /* an operator reclaims it */
    g_assert_cmpint(until_over(w, run(w, "sane", 0), FALSE), ==, 0);
}

/* Its command line, and libvirt's note of it, tell whose QEMU a process is. */
static void domains(void)
{
    static const char uuid[] = "11111111-2222-4333-8444-555555555555";
    static const char other[] = "11111111-2222-4333-8444-555555555556";
    char *argv[] = { (char *)self, (char *)"--sleep", (char *)"-uuid",
                     (char *)uuid, NULL };
    g_autofree char *path =
        g_build_filename(g_get_tmp_dir(), "ckptd-domain-XXXXXX", NULL);
    g_autofree char *number = NULL;
    g_autoptr(GError) error = NULL;
    GPid pid;

    close(g_mkstemp(path));
    g_spawn_async(NULL, argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL, &pid,
                  &error);
    g_assert_no_error(error);
    number = g_strdup_printf("%d", (int)pid);
    g_file_set_contents(path, number, -1, NULL);
    g_assert_true(
        ckptd_domain_check(pid, &(struct ckptd_domain){ uuid, NULL }, &error));
    g_assert_true(ckptd_domain_check(
        pid, &(struct ckptd_domain){ uuid, "/no/such/file" }, &error));
    g_assert_true(
        ckptd_domain_check(pid, &(struct ckptd_domain){ uuid, path }, &error));
    g_assert_false(
        ckptd_domain_check(pid, &(struct ckptd_domain){ other, path }, NULL));
    g_assert_false(ckptd_domain_check(
        getpid(), &(struct ckptd_domain){ uuid, NULL }, NULL));
    g_file_set_contents(path, "1", -1, NULL);
    g_assert_false(
        ckptd_domain_check(pid, &(struct ckptd_domain){ uuid, path }, NULL));
    kill(pid, SIGKILL);
    g_spawn_close_pid(pid);
    unlink(path);
}

int main(int argc, char **argv)
{
    self = argv[0];
    if (argc == 5 && g_str_equal(argv[1], "--qemu")) {
        return run_qemu(argv);
    }
    if (argc > 1 && g_str_equal(argv[1], "--sleep")) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        pause();
    }
    g_test_init(&argc, &argv, NULL);
    g_log_set_always_fatal(G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL);
    g_test_add_data_func("/guest/mad-qemu", NULL, mad_qemus);
    g_test_add_func("/guest/domains", domains);
    ADD_WORLD("/guest/loud-qemu", loud_qemu);
    ADD_WORLD("/guest/deaf-qemu", deaf_qemu);
    ADD_WORLD("/guest/lost", lost_guest);
    return g_test_run();
}
