/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stepped.c - what tests/libc-linux/core/step.c steps through
 *
 * The first thread makes a call when it has its turn, with a value of its own in
 * every register that a call keeps.  The second one sends it a signal
 * when it is told, and makes no call before.  The words below are read and
 * written from outside.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
    MODE_SHORT, /* a call that returns at once */
    MODE_SLEEP, /* one that sleeps until a signal comes */
    MODE_END
};

volatile uint32_t step_mode, step_ready;
volatile uint32_t step_go,
    step_sent; /* the second thread sends when go grows */
volatile uint32_t step_turn, step_calls; /* a call when turn grows */
volatile uint32_t step_handled;
volatile uint32_t step_wrong, step_not_interrupted;

static pthread_t first;
static const struct timespec long_time = { 1000, 0 };

static void on_signal(int sig)
{
    (void)sig;
    __asm__ volatile("pcmpeqd %%xmm0, %%xmm0; pcmpeqd %%xmm7, %%xmm7"
                     :
                     :
                     : "xmm0", "xmm7");
    step_handled++;
}

static void *sender(void *arg)
{
    (void)arg;
    step_ready = 1;
    for (;;) {
        while (step_sent == step_go) {
            __asm__ volatile("pause");
        }
        pthread_kill(first, SIGUSR1);
        step_sent++;
    }
    return NULL;
}

/* One call; false if a register is not what it was. */
static int call(long number, long a, long b, long *ret)
{
    uint64_t in[6] = { 0x1111, 0x2222, 0x3333, 0x4444, 0x5555, 0x6666 };
    uint64_t out[6];
    uint64_t x0 = 0x123456789abcdefull, x7 = 0xfedcba987654321ull;

    __asm__ volatile("mov 0(%[in]), %%r12\n\t"
                     "mov 8(%[in]), %%r13\n\t"
                     "mov 16(%[in]), %%r14\n\t"
                     "mov 24(%[in]), %%r8\n\t"
                     "mov 32(%[in]), %%r9\n\t"
                     "mov 40(%[in]), %%r10\n\t"
                     "movq %[x0], %%xmm0\n\t"
                     "movq %[x7], %%xmm7\n\t"
                     "syscall\n\t"
                     "mov %%r12, 0(%[out])\n\t"
                     "mov %%r13, 8(%[out])\n\t"
                     "mov %%r14, 16(%[out])\n\t"
                     "mov %%r8, 24(%[out])\n\t"
                     "mov %%r9, 32(%[out])\n\t"
                     "mov %%r10, 40(%[out])\n\t"
                     "movq %%xmm0, %[x0]\n\t"
                     "movq %%xmm7, %[x7]\n\t"
                     : "=a"(*ret), [x0] "+m"(x0), [x7] "+m"(x7)
                     : "a"(number), "D"(a), "S"(b), [in] "d"(in), [out] "b"(out)
                     : "rcx", "r8", "r9", "r10", "r11", "r12", "r13", "r14",
                       "xmm0", "xmm7", "memory");
    return !memcmp(in, out, sizeof(in)) && x0 == 0x123456789abcdefull &&
           x7 == 0xfedcba987654321ull;
}

int main(void)
{
    int pid = getpid();
    pthread_t second;
    uint32_t before;
    long ret;

    first = pthread_self();
    signal(SIGUSR1, on_signal);
    siginterrupt(SIGUSR1, 1);
    pthread_create(&second, NULL, sender, NULL);
    for (;;) {
        while (step_calls == step_turn) {
            __asm__ volatile("pause");
        }
        if (step_mode == MODE_END) {
            break;
        }
        if (step_mode == MODE_SHORT) {
            step_wrong += !call(SYS_getpid, 0, 0, &ret) || ret != pid;
        } else {
            before = step_handled;
            step_wrong += !call(SYS_nanosleep, (long)&long_time, 0, &ret);
            step_not_interrupted += ret != -EINTR || step_handled == before;
        }
        step_calls++;
    }
    return step_wrong || step_not_interrupted;
}
