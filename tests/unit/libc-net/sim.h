/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sim.h - a world for net/ and posix/: a clock that jumps, a wire that loses
 *
 * sim.c stands in for what prim.h and libos.h promise. There is one thread. A
 * sleep of the library lets simulated time pass: frames travel, the peer
 * (another lwIP, peer.c) answers, until the word that is slept on changes or
 * the deadline is there. So a minute of retransmissions takes milliseconds and
 * a run is the same each time for the same seed.
 */
#ifndef SIM_H
#define SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "abi/guest-boot.h"

#define SIM_ADDRESS 0x0200a8c0u /* 192.168.0.2 */
#define SIM_PEER    0x0100a8c0u /* 192.168.0.1 */

struct sim {
    uint64_t now_ns;
    uint64_t wall_step_ns;     /* by which the wall clock was set meanwhile */
    uint64_t last_deadline_ns; /* of the last sleep */
    uint64_t committed, epoch, line;
    unsigned randoms;      /* times that the host was asked for entropy */
    unsigned loss_percent; /* of frames, each way */
    unsigned double_percent;
    unsigned reorder_percent; /* these arrive a few ms late */
    bool gate_full;           /* prim_net_send() says -EAGAIN */
    uint64_t gate_opens_ns;   /* when that ends; 0: never */
    unsigned refused;         /* attempts while it was full */
    unsigned sent, received;  /* frames on the wire, before any loss */
    unsigned resets;          /* TCP segments with RST among @sent */
    unsigned sigpipes;
    unsigned sleeps; /* of the library: each is a wake-up */
    /* Another line has begun, and nobody has read of it. */
    const struct ckpt_identity *identity;
    unsigned endings; /* times that prim_ending() was called */
    uint32_t ending_status;
    /* Sees the frames that reach the peer's end; true: it was for this one. */
    bool (*listener)(const uint8_t *frame, size_t len_bytes);
    /* The last frame that left. */
    uint8_t last_frame[2048];
    size_t last_frame_bytes;
};

extern struct sim sim;

/* Files of the boot bundle, set before sim_start(). */
struct boot_file;
extern const struct boot_file *sim_files;
extern uint32_t sim_n_files;

/* @net NULL: SIM_ADDRESS, and the peer as the gateway. */
void sim_start(const struct boot_net *net);
void sim_seed(uint32_t seed);
/* Let time pass while the program computes. */
void sim_pass(uint64_t ns);
/* A frame comes in. */
void sim_inject(const void *frame, size_t len_bytes);
/* From peer.c: its frames. */
void sim_peer_sends(const void *frame, size_t len_bytes);

/* peer.c */
enum peer_mode {
    PEER_ECHO,
    PEER_HOLD
};

/* Echo servers for TCP and UDP on port 7. */
void peer_start(void);
void peer_input(const void *frame, size_t len_bytes);
void peer_tick(void); /* each 10 ms */
void peer_mode(enum peer_mode mode);
/* Start a connection to our port; it says hello with @len_bytes bytes 'p'. */
void peer_connect(uint16_t port, size_t len_bytes);
size_t peer_received_bytes(void);
/* Is its connection still there? */
bool peer_is_connected(void);

#endif
