/* SPDX-License-Identifier: GPL-2.0-or-later */
/* trace-hw_ckpt.h - the trace events of the gate, without a backend */
#ifndef SHIM_TRACE_H
#define SHIM_TRACE_H

#define trace_ckpt_gate_hold(epoch, seq, bytes, kind)    ((void)0)
#define trace_ckpt_gate_refuse(epoch, hushed, total)     ((void)0)
#define trace_ckpt_gate_full(epoch, bytes)               ((void)0)
#define trace_ckpt_gate_offer(epoch, seq, bytes)         ((void)0)
#define trace_ckpt_gate_release(epoch, seq, bytes)       ((void)0)
#define trace_ckpt_gate_commit(epoch, held, journaled)   ((void)0)
#define trace_ckpt_gate_journal(epoch, seq, bytes, kind) ((void)0)
#define trace_ckpt_gate_replay(epoch, seq, bytes, kind)  ((void)0)
#define trace_ckpt_gate_cut(ring, epoch, seq, bytes)     ((void)0)
#define trace_ckpt_gate_adopt(epoch, held, journaled)    ((void)0)

#endif
