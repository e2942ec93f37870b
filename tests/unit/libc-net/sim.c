/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sim.c - prim.h and libos.h for one thread in simulated time */
#include <errno.h>
#include <glib.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "guest-libc/net/net.h"
#include "guest-libc/sys/libos.h"
#include "tests/unit/libc-net/sim.h"

#define WIRE_NS     50000ull        /* one way */
#define TICK_NS     10000000ull     /* of the peer */
#define FOREVER_NS  600000000000ull /* a sleep longer than this hangs */
/* Addresses of the program below this are bad ones. */
#define USER_LOWEST 4096u

struct packet {
    uint64_t at_ns;
    bool to_peer;
    size_t len_bytes;
    uint8_t data[2048];
};

struct sim sim;

static GList *wire; /* of struct packet, by time */
static uint32_t rng = 1;
static uint64_t tick_ns;
static struct sys_net *ring;

static unsigned dice(void)
{
    rng ^= rng << 13;
    rng ^= rng >> 17;
    rng ^= rng << 5;
    return rng;
}

void sim_seed(uint32_t seed)
{
    rng = seed * 2654435761u + 1;
}

/* -- the wire ---------------------------------------------------------------- */

/* @a is new: behind those of the same time. */
static gint earlier(gconstpointer a, gconstpointer b)
{
    const struct packet *x = a, *y = b;

    return x->at_ns < y->at_ns ? -1 : 1;
}

static void wire_put(bool to_peer, const void *data, size_t len_bytes)
{
    unsigned copies = 1 + (dice() % 100 < sim.double_percent);

    g_assert_cmpuint(len_bytes, <=, sizeof(((struct packet *)0)->data));
    if (dice() % 100 < sim.loss_percent) {
        return;
    }
    while (copies--) {
        struct packet *p = g_new0(struct packet, 1);
        bool late = dice() % 100 < sim.reorder_percent;

        p->at_ns = sim.now_ns + WIRE_NS + (late ? dice() % 5000000 : 0);
        p->to_peer = to_peer;
        p->len_bytes = len_bytes;
        memcpy(p->data, data, len_bytes);
        wire = g_list_insert_sorted(wire, p, earlier);
    }
}

/* As the kernel does: see abi/guest-syscall.h. */
static void ring_put(const void *data, size_t len_bytes)
{
    uint8_t *ring_data = (uint8_t *)ring + ring->data_offset;
    uint32_t len = (uint32_t)len_bytes, pad = SYS_NET_PAD;
    uint64_t at = ring->head % ring->size_bytes;
    uint64_t need = (sizeof(len) + len_bytes + 15) & ~15ull, skip = 0;

    if (at + need > ring->size_bytes) {
        skip = ring->size_bytes - at;
    }
    if (ring->head + skip + need - ring->tail > ring->size_bytes) {
        ring->dropped++;
        return;
    }
    if (skip) {
        memcpy(ring_data + at, &pad, sizeof(pad));
        at = 0;
    }
    memcpy(ring_data + at, &len, sizeof(len));
    memcpy(ring_data + at + sizeof(len), data, len_bytes);
    ring->head += skip + need;
    ring->event++;
}

void sim_inject(const void *frame, size_t len_bytes)
{
    ring_put(frame, len_bytes);
}

void sim_peer_sends(const void *frame, size_t len_bytes)
{
    sim.received++;
    wire_put(false, frame, len_bytes);
}

/* Make happen what is next, not after @until_ns: false if nothing was. */
static bool step(uint64_t until_ns)
{
    struct packet *p = wire ? wire->data : NULL;
    uint64_t at = p && p->at_ns < tick_ns ? p->at_ns : tick_ns;

    if (sim.gate_full && sim.gate_opens_ns && sim.gate_opens_ns <= at) {
        at = sim.gate_opens_ns;
    }
    if (at > until_ns) {
        sim.now_ns = until_ns;
        return false;
    }
    sim.now_ns = at > sim.now_ns ? at : sim.now_ns;
    if (sim.gate_full && sim.gate_opens_ns && at == sim.gate_opens_ns) {
        sim.gate_full = false;
        ring->event++;
    } else if (p && p->at_ns == at) {
        wire = g_list_delete_link(wire, wire);
        if (p->to_peer && sim.listener && sim.listener(p->data, p->len_bytes)) {
            /* It was not for the peer. */
        } else if (p->to_peer) {
            peer_input(p->data, p->len_bytes);
        } else {
            ring_put(p->data, p->len_bytes);
        }
        g_free(p);
    } else {
        tick_ns += TICK_NS;
        peer_tick();
    }
    return true;
}

void sim_pass(uint64_t ns)
{
    uint64_t until = sim.now_ns + ns;

    while (step(until)) {
    }
}

void sim_start(const struct boot_net *net)
{
    static const struct boot_net fixed = {
        .address = SIM_ADDRESS,
        .netmask = 0x00ffffff,
        .gateway = SIM_PEER,
    };
    size_t bytes = 4096 + SYS_NET_RING_BYTES;

    ring = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    g_assert(ring != MAP_FAILED);
    ring->size_bytes = SYS_NET_RING_BYTES;
    ring->data_offset = 4096;
    ring->mtu = 1500;
    memcpy(ring->mac, "\2\0\0\0\0\2", 6);
    sim.now_ns = 5000000000ull;
    tick_ns = sim.now_ns;
    peer_start();
    g_assert_cmpint(posix_start(), ==, 0);
    g_assert_cmpint(net_start(net ? net : &fixed), ==, 0);
}

/* -- prim.h -------------------------------------------------------------------- */

uint64_t prim_now_ns(void)
{
    return sim.now_ns;
}

uint64_t prim_wall_ns(void)
{
    return sim.now_ns + 1000000000000000000ull + sim.wall_step_ns;
}

uint64_t prim_wall_offset_ns(void)
{
    return prim_wall_ns() - sim.now_ns;
}

uint64_t prim_generation(void)
{
    return 1;
}

const uint64_t *prim_line(void)
{
    return &sim.line;
}

void prim_random(void *buf, size_t len_bytes)
{
    uint8_t *p = buf;

    sim.randoms++;

    while (len_bytes--) {
        *p++ = (uint8_t)dice();
    }
}

void prim_ending(uint32_t status)
{
    sim.endings++;
    sim.ending_status = status;
}

long prim_log(const void *buf, size_t len_bytes)
{
    fwrite(buf, 1, len_bytes, stderr);
    return (long)len_bytes;
}

long prim_net_attach(const uint8_t *mac, struct sys_net **ret_net)
{
    g_assert_null(mac);
    *ret_net = ring;
    return 0;
}

static bool is_reset(const uint8_t *frame, size_t len_bytes)
{
    return len_bytes >= 54 && frame[12] == 8 && frame[13] == 0 &&
           frame[23] == IPPROTO_TCP && (frame[47] & 4);
}

long prim_net_send(const struct sys_iov *iov, uint32_t n)
{
    size_t len = 0;

    if (sim.gate_full) {
        sim.refused++;
        return -EAGAIN;
    }
    for (uint32_t i = 0; i < n; i++) {
        g_assert_cmpuint(len + iov[i].len_bytes, <=, sizeof(sim.last_frame));
        memcpy(sim.last_frame + len, (void *)iov[i].addr, iov[i].len_bytes);
        len += iov[i].len_bytes;
    }
    sim.last_frame_bytes = len;
    sim.sent++;
    sim.resets += is_reset(sim.last_frame, len);
    wire_put(true, sim.last_frame, len);
    return 0;
}

long prim_commit(uint32_t flags)
{
    (void)flags;
    return (long)sim.epoch;
}

long prim_query(enum sys_query query)
{
    return (long)(query == SYS_QUERY_COMMITTED ? sim.committed : sim.epoch);
}

long prim_areas(uint64_t from, struct sys_area *ret_areas, uint32_t n)
{
    if (from >= 0x3000 || !n) {
        return 0;
    }
    *ret_areas = (struct sys_area){ 0x1000, 0x3000, 0x1000, 7, 0 };
    return 1;
}

/* -- libos.h -------------------------------------------------------------------- */

void lib_lock(void)
{
}

void lib_unlock(void)
{
}

long lib_wait(uint32_t *word, uint32_t seen, uint64_t deadline_ns)
{
    uint64_t start = sim.now_ns;

    sim.last_deadline_ns = deadline_ns;
    sim.sleeps++;
    while (*word == seen) {
        if (sim.now_ns >= deadline_ns) {
            return -ETIMEDOUT;
        }
        if (sim.now_ns - start > FOREVER_NS) {
            g_error("sleeps for ever");
        }
        step(deadline_ns);
    }
    return 0;
}

void lib_wake(uint32_t *word, uint32_t count)
{
    (void)count;
    ++*word;
}

long thread_spawn_helper(void (*run)(void *arg), void *arg)
{
    (void)run;
    (void)arg;
    return 0;
}

void signal_raise_locked(int sig)
{
    g_assert_cmpint(sig, ==, 13);
    sim.sigpipes++;
}

void signal_mask_for_call_locked(uint64_t mask)
{
    (void)mask;
}

uint64_t signal_pending_locked(void)
{
    return 0;
}

bool signal_read_locked(uint64_t set, struct signalfd_siginfo *ret_info)
{
    (void)set;
    (void)ret_info;
    return false;
}

long copy_from_user(void *to, uint64_t user_from, size_t len_bytes)
{
    if (user_from < USER_LOWEST) {
        return -EFAULT;
    }
    memcpy(to, (void *)user_from, len_bytes);
    return 0;
}

long copy_to_user(uint64_t user_to, const void *from, size_t len_bytes)
{
    if (user_to < USER_LOWEST) {
        return -EFAULT;
    }
    memcpy((void *)user_to, from, len_bytes);
    return 0;
}

long clear_user(uint64_t user_to, size_t len_bytes)
{
    memset((void *)user_to, 0, len_bytes);
    return 0;
}

long strncpy_from_user(char *to, uint64_t user_from, size_t size_bytes)
{
    size_t len = strlen((char *)user_from);

    if (len >= size_bytes) {
        return -ENAMETOOLONG;
    }
    memcpy(to, (void *)user_from, len + 1);
    return (long)len;
}

void *lib_pages(size_t len_bytes)
{
    void *p = mmap(NULL, len_bytes, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return p == MAP_FAILED ? NULL : p;
}

void lib_pages_free(void *addr, size_t len_bytes)
{
    munmap(addr, len_bytes);
}

void lib_log(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}

_Noreturn void lib_panic(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    abort();
}

uint32_t limit_files(void)
{
    return 16384;
}

/* As clock.c, for posix/ alone. */
void wall_clock_look_locked(void)
{
    static uint64_t seen_ns = 1000000000000000000ull;
    int64_t step_ns = prim_wall_offset_ns() - seen_ns;

    if (step_ns) {
        seen_ns += step_ns;
        posix_wall_set(step_ns > 10000000 || step_ns < -10000000);
    }
}

void mailbox_read_locked(void)
{
    const struct ckpt_identity *id = sim.identity;

    sim.identity = NULL;
    if (id) {
        net_new_line(id);
    }
}

uint64_t sys_poll_locked(void)
{
    mailbox_read_locked();
    return SYS_FOREVER;
}

static char hostname[64] = "guest";

const char *boot_hostname(void)
{
    return hostname;
}

void boot_set_hostname(const char *name)
{
    g_strlcpy(hostname, name, sizeof(hostname));
}

uint64_t boot_ram_bytes(void)
{
    return 64ull << 20;
}

const struct boot_file *sim_files;
uint32_t sim_n_files;

bool boot_file_next(uint32_t *index, struct boot_file *ret_file)
{
    if (*index == sim_n_files) {
        return false;
    }
    *ret_file = sim_files[(*index)++];
    return true;
}

bool boot_program(struct boot_file *ret_file)
{
    *ret_file = (struct boot_file){
        .path = "./bin/server",
        .bytes = "ELF",
        .len_bytes = 3,
    };
    return true;
}

const struct program_place *program_place(void)
{
    static const struct program_place place = { .vdso = 0 };

    return &place;
}

bool report_thread(int tid, struct thread_report *ret_report)
{
    *ret_report = (struct thread_report){ .tid = 1, .name = "guest" };
    return tid <= 1;
}

long report_rename(int tid, const char *name)
{
    (void)name;
    return tid == 1 ? 0 : -ESRCH;
}

void report_process(struct process_report *ret_report)
{
    *ret_report =
        (struct process_report){ .pid = 1, .n_threads = 1, .domain = "" };
}

void report_limit(uint32_t resource, uint64_t *ret_now, uint64_t *ret_max)
{
    (void)resource;
    *ret_now = *ret_max = UINT64_MAX;
}

int thread_tid(void)
{
    return 1;
}
