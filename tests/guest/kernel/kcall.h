/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kcall.h - the raw kernel calls and a little TAP, for the tests in the guest
 *
 * The test image stands where the system library would: it is linked at
 * LIBRARY_BASE and started by the kernel with a boot_info.
 */
#ifndef KCALL_H
#define KCALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/ckpt-nic.h"
#include "abi/guest-boot.h"
#include "abi/guest-syscall.h"

#define PAGE          4096ul
#define MS            1000000ull
#define RW            (SYS_PROT_READ | SYS_PROT_WRITE)
#define N_ELEMENTS(a) (sizeof(a) / sizeof((a)[0]))

#define ESRCH         3
#define EINTR         4
#define EAGAIN        11
#define ENOMEM        12
#define EACCES        13
#define EFAULT        14
#define EEXIST        17
#define EINVAL        22
#define ENOSYS        38
#define EMSGSIZE      90
#define ENOTSUP       95
#define ETIMEDOUT     110

/* Fails the running test and leaves it, with the place. */
#define CHECK(condition)                                                       \
    do {                                                                       \
        if (!(condition)) {                                                    \
            tap_failed(__FILE__, __LINE__, #condition);                        \
            return;                                                            \
        }                                                                      \
    } while (0)

typedef void (*test_fn)(void);

struct test {
    const char *name;
    test_fn run;
};

extern const struct test thread_tests[], memory_tests[], upcall_tests[],
    host_tests[];
extern const unsigned int n_thread_tests, n_memory_tests, n_upcall_tests,
    n_host_tests;
extern const struct boot_info *boot_info;

/* start.S */
int64_t kcall(uint64_t number, ...);
int64_t kcall6(uint64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d,
               uint64_t e);
void reflect_entry(void);
void upcall_entry(void);
void thread_entry(void);
extern char text_lo[], text_hi[];

/* main.c */
void tap_failed(const char *file, int line, const char *what);
void say(const char *text);
void say_number(const char *text, uint64_t value);
uint64_t now_ns(void);
void memory_set(void *to, int byte, size_t bytes);
void *memcpy(void *to, const void *from, size_t bytes);

/* thread helpers in main.c: a stack and a block for each */
#define THREADS_MAX 16
extern struct sys_ublock ublocks[THREADS_MAX];
int64_t start_thread(unsigned int slot, void (*run)(uint64_t), uint64_t arg);
void join_thread(unsigned int slot);

/* what other processes of the bundle do, see main.c */
void glutton_process(void);
void line_process(void);
void modest_process(void);
void peer_process(void);
void swamped_process(void);
void random_process(uint64_t seed);

#endif
