/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sigcontext.h - a thread's registers: in a Linux signal frame, in an upcall
 *
 * The same registers by two layouts.  Flags, segments and what a fault says
 * are the business of whoever converts: what may be taken over differs.
 */
#ifndef SYS_SIGCONTEXT_H
#define SYS_SIGCONTEXT_H

#include <asm/sigcontext.h>

#include "abi/guest-syscall.h"

static inline void sigcontext_put(struct sigcontext *sc,
                                  const struct sys_context *c)
{
    sc->rax = c->rax;
    sc->rbx = c->rbx;
    sc->rcx = c->rcx;
    sc->rdx = c->rdx;
    sc->rsi = c->rsi;
    sc->rdi = c->rdi;
    sc->rbp = c->rbp;
    sc->rsp = c->rsp;
    sc->r8 = c->r8;
    sc->r9 = c->r9;
    sc->r10 = c->r10;
    sc->r11 = c->r11;
    sc->r12 = c->r12;
    sc->r13 = c->r13;
    sc->r14 = c->r14;
    sc->r15 = c->r15;
    sc->rip = c->rip;
}

static inline void sigcontext_get(struct sys_context *c,
                                  const struct sigcontext *sc)
{
    c->rax = sc->rax;
    c->rbx = sc->rbx;
    c->rcx = sc->rcx;
    c->rdx = sc->rdx;
    c->rsi = sc->rsi;
    c->rdi = sc->rdi;
    c->rbp = sc->rbp;
    c->rsp = sc->rsp;
    c->r8 = sc->r8;
    c->r9 = sc->r9;
    c->r10 = sc->r10;
    c->r11 = sc->r11;
    c->r12 = sc->r12;
    c->r13 = sc->r13;
    c->r14 = sc->r14;
    c->r15 = sc->r15;
    c->rip = sc->rip;
}

#endif
