/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * main.c - the parts of the kernel, in the order in which they start
 */
#include "kernel.h"

/**
 * kernel_main - from boot.S, on the boot stack and the first page tables
 * @start_info_paddr: of the PVH start info
 */
void kernel_main(uint64_t start_info_paddr)
{
    struct boot_module module;

    nic_init();                           /* log and panic from here on */
    pmem_init(start_info_paddr, &module); /* pages */
    pt_init();                            /* final page tables, W^X */
    cpu_init();                           /* gates, SMEP, SMAP, XSAVE */
    time_init();                          /* the clock */
    apic_init();                          /* timer and interrupt line */
    vm_init();                            /* address spaces */
    wait_init();                          /* wait and wake */
    sched_init();                         /* run queue */
    thread_init();                        /* threads */
    process_init();                       /* processes */
    netswitch_init();                     /* ports */
    nic_init_rings();                     /* frames */
    bundle_init(&module);                 /* what to run */
    bundle_start_processes();
    log_line("%u MiB free, generation %lu, MTU %u",
             (uint32_t)(pmem_free_bytes() >> 20),
             nic_value(CKPT_SEL_GENERATION), nic_mtu());
    sched_start();
}
