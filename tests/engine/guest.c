/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guest.c - the smallest guest that a checkpoint engine can be tested with
 *
 * 32-bit, no paging, no processes: it changes pages, logs the number of each
 * round, asks for commits, and proves at every round that its memory is that
 * of the round before, which it would not be after a wrong restore.  What the
 * firmware has told it must still be there, too.
 *
 * Command line: pages=N rounds=N mode=N wait=N seed=N panic=N fault=N
 *   mode 0  changes the same N pages in every round
 *   mode 1  changes N pages all over RAM, other ones in every round
 *   wait 1  a round ends when its checkpoint is durable, told by interrupt
 *   wait 0  it ends at once; output alone makes checkpoints
 *   wait 2  changes @pages once, says "idle 1", and then only reads its mail
 *   wait 3  says nothing: only time makes checkpoints
 *   wait 4  sends a frame from its address, which an IDENTITY changes, and
 *           ends when its checkpoint is durable; lines are logged as they begin
 *   flood=1 wait 4: does not wait, and frames are long
 *   deaf=1  wait 4: keeps the address that it had
 *   clock=1 logs the time stamp counter / 2^20 instead of the round's number
 *   panic=N fault=N     panics, or triple faults, in that round
 * After @rounds rounds it exits with status 42; 0 = never.
 */
#include "abi/ckpt-nic.h"

#define RAM_TEST_BASE  0x800000u /* pages that rounds change */
#define RAM_TEST_PAGES 4096u
#define LOG_TRIES_MAX  100000000u
#define TX_ENTRIES     16u
#define FRAME_SHORT    64u
#define FRAME_LONG     1514u
#define FRAME_TYPE     0xb588u /* 0x88b5, as it lies in the frame */

#define LAPIC          0xfee00000u
#define IOAPIC         0xfec00000u
#define VECTOR         0x40

struct pvh_start_info {
    uint32_t magic, version, flags, nr_modules;
    uint64_t modlist, cmdline, rsdp, memmap;
    uint32_t memmap_entries, reserved;
};

static volatile uint32_t interrupts;
static uint32_t page_round[RAM_TEST_PAGES]; /* what each page must hold */
static char log_text[64];

static inline void outl(uint16_t port, uint32_t v)
{
    __asm__ volatile("outl %0, %1" : : "a"(v), "Nd"(port) : "memory");
}

static inline uint32_t inl(uint16_t port)
{
    uint32_t v;

    __asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port) : "memory");
    return v;
}

static void nic_set(uint32_t reg, uint32_t v)
{
    outl(CKPT_NIC_IOBASE + reg, v);
}

static uint32_t nic_get(uint32_t reg)
{
    return inl(CKPT_NIC_IOBASE + reg);
}

static uint64_t nic_value(uint32_t sel)
{
    uint32_t low;

    nic_set(CKPT_NIC_SEL, sel);
    low = nic_get(CKPT_NIC_VALUE_LO);
    return low | (uint64_t)nic_get(CKPT_NIC_VALUE_HI) << 32;
}

static uint32_t nic_buffer(uint32_t cmd, const void *buf, uint32_t len_bytes)
{
    nic_set(CKPT_NIC_BUF_LO, (uint32_t)buf);
    nic_set(CKPT_NIC_BUF_HI, 0);
    nic_set(CKPT_NIC_BUF_LEN, len_bytes);
    nic_set(CKPT_NIC_BUF_CMD, cmd);
    return nic_get(CKPT_NIC_BUF_CMD);
}

static uint32_t put(char *dst, const char *text)
{
    uint32_t n = 0;

    while (text[n]) {
        dst[n] = text[n];
        n++;
    }
    return n;
}

static uint32_t put_number(char *dst, uint32_t v)
{
    char digits[10];
    uint32_t n = 0, i;

    do {
        digits[n++] = '0' + v % 10;
        v /= 10;
    } while (v);
    for (i = 0; i < n; i++) {
        dst[i] = digits[n - 1 - i];
    }
    return n;
}

static void halt_forever(void)
{
    for (;;) {
        __asm__ volatile("sti; hlt");
    }
}

static void panic(const char *what, uint32_t number)
{
    uint32_t n = put(log_text, what);

    n += put_number(log_text + n, number);
    nic_buffer(CKPT_CMD_PANIC, log_text, n);
    halt_forever();
}

static void log_number(const char *what, uint32_t number)
{
    uint32_t n = put(log_text, what), tries = 0;

    n += put_number(log_text + n, number);
    log_text[n++] = '\n';
    while (nic_buffer(CKPT_CMD_LOG, log_text, n) != CKPT_RESULT_OK) {
        if (++tries == LOG_TRIES_MAX) {
            panic("log stays full ", number);
        }
    }
}

static uint32_t option(const char *cmdline, const char *name, uint32_t value)
{
    const char *p, *q;

    for (p = cmdline; *p; p++) {
        const char *s = p;

        for (q = name; *q && *s == *q; q++) {
            s++;
        }
        if (!*q && *s == '=') {
            value = 0;
            for (s++; *s >= '0' && *s <= '9'; s++) {
                value = value * 10 + (*s - '0');
            }
            return value;
        }
    }
    return value;
}

/* --- interrupt: ISA IRQ 3, IOAPIC pin 3, one vector ----------------------- */

static struct {
    uint16_t low, selector, flags, high;
} __attribute__((packed)) idt[VECTOR + 1];

void interrupt(void);
void interrupt(void)
{
    uint32_t causes = nic_get(CKPT_NIC_INT_STATUS);

    nic_set(CKPT_NIC_INT_ACK, causes);
    interrupts++;
    *(volatile uint32_t *)(LAPIC + 0xb0) = 0;
}

__asm__(".globl interrupt_entry\n"
        "interrupt_entry:\n"
        "    pusha\n"
        "    cld\n"
        "    call interrupt\n"
        "    popa\n"
        "    iret\n");
extern char interrupt_entry[];

static void interrupts_on(void)
{
    struct {
        uint16_t limit;
        uint32_t base;
    } __attribute__((packed)) idtr = { sizeof(idt) - 1, (uint32_t)idt };
    uint16_t cs;

    __asm__ volatile("mov %%cs, %0" : "=r"(cs));
    idt[VECTOR].low = (uint32_t)interrupt_entry & 0xffff;
    idt[VECTOR].high = (uint32_t)interrupt_entry >> 16;
    idt[VECTOR].selector = cs;
    idt[VECTOR].flags = 0x8e00;
    __asm__ volatile("lidt %0" : : "m"(idtr));

    *(volatile uint32_t *)(LAPIC + 0x350) = 0x10000; /* no PIC: KVM has one */
    *(volatile uint32_t *)(LAPIC + 0xf0) = 0x1ff;    /* enable, spurious 255 */
    *(volatile uint32_t *)IOAPIC = 0x10 + 2 * CKPT_NIC_IRQ;
    *(volatile uint32_t *)(IOAPIC + 0x10) = VECTOR; /* edge, fixed, CPU 0 */
    *(volatile uint32_t *)IOAPIC = 0x11 + 2 * CKPT_NIC_IRQ;
    *(volatile uint32_t *)(IOAPIC + 0x10) = 0;
    nic_set(CKPT_NIC_INT_ENABLE,
            CKPT_INT_COMMIT | CKPT_INT_MAILBOX | CKPT_INT_TX);
    __asm__ volatile("sti");
}

/* --- rounds --------------------------------------------------------------- */

static volatile uint32_t *page_word(uint32_t page_no)
{
    return (volatile uint32_t *)(RAM_TEST_BASE + page_no * 4096) +
           page_no % 1024;
}

static void change_page(uint32_t page_no, uint32_t round)
{
    if (*page_word(page_no) != page_round[page_no]) {
        panic("wrong memory in round ", round);
    }
    *page_word(page_no) = round;
    page_round[page_no] = round;
}

static void wait_for_commit(void)
{
    uint64_t epoch;

    nic_set(CKPT_NIC_COMMIT, CKPT_COMMIT_NOW | CKPT_COMMIT_NOTIFY);
    epoch = nic_value(CKPT_SEL_COMMIT);
    for (;;) {
        __asm__ volatile("cli");
        if (nic_value(CKPT_SEL_COMMITTED) >= epoch) {
            __asm__ volatile("sti");
            return;
        }
        __asm__ volatile("sti; hlt");
    }
}

/* Read mail as it comes, and say of what kind it was. */
static void read_mail(void)
{
    static struct ckpt_mbox mail;

    for (;;) {
        __asm__ volatile("cli");
        if (!nic_value(CKPT_SEL_MAILBOX)) {
            __asm__ volatile("sti; hlt");
            continue;
        }
        if (nic_buffer(CKPT_CMD_MAILBOX, &mail, sizeof(mail)) ==
            CKPT_RESULT_OK) {
            log_number("mail ", mail.kind);
        }
    }
}

/* --- frames --------------------------------------------------------------- */

static struct {
    struct ckpt_ring ring;
    struct ckpt_desc desc[TX_ENTRIES];
} __attribute__((aligned(CKPT_RING_ALIGN))) tx;

static struct frame {
    uint8_t to[6], from[6];
    uint16_t type, pad;
    uint32_t line, round; /* lines that had begun when it was made */
    uint8_t rest[FRAME_LONG - 24];
} __attribute__((packed)) frames[TX_ENTRIES];

static uint8_t own_mac[6];
static uint32_t lines;

static void frames_start(void)
{
    uint64_t mac = nic_value(CKPT_SEL_MAC);
    uint32_t i;

    for (i = 0; i < 6; i++) {
        own_mac[i] = mac >> (8 * i);
    }
    nic_set(CKPT_NIC_QSEL, CKPT_QUEUE_TX);
    nic_set(CKPT_NIC_QADDR_LO, (uint32_t)&tx);
    nic_set(CKPT_NIC_QADDR_HI, 0);
    nic_set(CKPT_NIC_QSIZE, TX_ENTRIES);
}

static void send_frame(uint32_t round, uint32_t len_bytes)
{
    uint32_t at = tx.ring.prod % TX_ENTRIES, i;
    struct frame *frame = &frames[at];

    for (;;) {
        __asm__ volatile("cli");
        if (tx.ring.prod - *(volatile uint32_t *)&tx.ring.cons < TX_ENTRIES) {
            break;
        }
        __asm__ volatile("sti; hlt");
    }
    __asm__ volatile("sti");
    for (i = 0; i < 6; i++) {
        frame->to[i] = 0xff;
        frame->from[i] = own_mac[i];
    }
    frame->type = FRAME_TYPE;
    frame->line = lines;
    frame->round = round;
    tx.desc[at].paddr = (uint32_t)frame;
    tx.desc[at].len_bytes = len_bytes;
    tx.desc[at].flags = 0;
    __atomic_store_n(&tx.ring.prod, tx.ring.prod + 1, __ATOMIC_RELEASE);
    nic_set(CKPT_NIC_KICK, CKPT_QUEUE_TX);
}

/* Does another line begin?  Then this is who we are from now on. */
static void hear_of_lines(uint32_t deaf)
{
    static struct ckpt_mbox mail;
    const struct ckpt_identity *id = (const void *)mail.data;
    uint32_t i;

    while (nic_value(CKPT_SEL_MAILBOX)) {
        if (nic_buffer(CKPT_CMD_MAILBOX, &mail, sizeof(mail)) !=
                CKPT_RESULT_OK ||
            mail.kind != CKPT_MBOX_IDENTITY) {
            continue;
        }
        for (i = 0; !deaf && i < 6; i++) {
            own_mac[i] = id->mac[i];
        }
        lines++;
        log_number("line ", id->why);
        log_number("generation ", id->generation);
    }
}

static uint32_t tsc_mega(void)
{
    uint32_t low, high;

    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return high << 12 | low >> 20;
}

static void triple_fault(void)
{
    static const struct {
        uint16_t limit;
        uint32_t base;
    } __attribute__((packed)) none = { 0, 0 };

    __asm__ volatile("lidt %0; ud2" : : "m"(none));
}

void guest_main(const struct pvh_start_info *info);
void guest_main(const struct pvh_start_info *info)
{
    const char *cmdline = (const char *)(uint32_t)info->cmdline;
    uint32_t pages = option(cmdline, "pages", 10);
    uint32_t rounds = option(cmdline, "rounds", 0);
    uint32_t mode = option(cmdline, "mode", 0);
    uint32_t wait = option(cmdline, "wait", 1);
    uint32_t random = option(cmdline, "seed", 1);
    uint32_t clock = option(cmdline, "clock", 0);
    uint32_t flood = option(cmdline, "flood", 0);
    uint32_t deaf = option(cmdline, "deaf", 0);
    uint32_t panic_round = option(cmdline, "panic", 0);
    uint32_t fault_round = option(cmdline, "fault", 0);
    uint32_t round, i;

    if (nic_get(CKPT_NIC_ID) != CKPT_NIC_ID_VALUE) {
        halt_forever();
    }
    interrupts_on();
    if (wait == 4) {
        frames_start();
    }
    for (i = 0; i < RAM_TEST_PAGES; i++) { /* RAM outlives a reset */
        page_round[i] = *page_word(i);
    }
    for (round = 1; !rounds || round <= rounds; round++) {
        for (i = 0; i < pages; i++) {
            random = random * 1664525 + 1013904223;
            change_page(mode ? (random >> 8) % RAM_TEST_PAGES
                             : i % RAM_TEST_PAGES,
                        round);
        }
        if (info->cmdline != (uint32_t)cmdline ||
            option(cmdline, "pages", 10) != pages ||
            option(cmdline, "wait", 1) != wait) {
            panic("wrong command line in round ", round);
        }
        if (round == panic_round) {
            panic("as asked for in round ", round);
        }
        if (round == fault_round) {
            triple_fault();
        }
        if (wait == 3) {
            continue;
        }
        if (wait == 4) {
            hear_of_lines(deaf);
            send_frame(round, flood ? FRAME_LONG : FRAME_SHORT);
            if (!flood) {
                wait_for_commit();
            }
            continue;
        }
        if (wait == 2) {
            log_number("idle ", round);
            read_mail();
        }
        log_number(clock ? "tsc " : "round ", clock ? tsc_mega() : round);
        if (wait) {
            wait_for_commit();
        }
    }
    nic_set(CKPT_NIC_EXIT, 42);
    halt_forever();
}

__asm__(".pushsection .note.pvh, \"a\", @note\n"
        "    .long 4, 4, 18\n" /* XEN_ELFNOTE_PHYS32_ENTRY */
        "    .asciz \"Xen\"\n"
        "    .long start\n"
        ".popsection\n"
        ".globl start\n"
        "start:\n"
        "    mov $stack_top, %esp\n"
        "    lgdt gdtr\n" /* the firmware's will be gone */
        "    ljmp $8, $1f\n"
        "1:  mov $16, %ax\n"
        "    mov %ax, %ds\n"
        "    mov %ax, %es\n"
        "    mov %ax, %ss\n"
        "    push %ebx\n"
        "    call guest_main\n"
        ".pushsection .rodata\n"
        ".balign 8\n"
        "gdt: .quad 0, 0x00cf9b000000ffff, 0x00cf93000000ffff\n"
        "gdtr: .word 23\n"
        "    .long gdt\n"
        ".popsection\n"
        ".pushsection .bss\n"
        "    .balign 16\n"
        "    .skip 16384\n"
        "stack_top:\n"
        ".popsection\n");
