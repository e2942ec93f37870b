/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kernel.h - every type and function of the kernel that crosses files
 *
 * Grouped by the file that has them, in the order in which main.c starts the
 * parts.  Concurrency, once for all of it: there is one CPU and the kernel
 * runs with interrupts off, so nothing here needs a lock.  A function that
 * can switch to another thread says "may block" at its definition; across
 * such a call everything may have changed.
 *
 * Errors are negative errno values.  Whatever a process passes in is checked
 * and refused; KASSERT() is for what only our own mistake can break.
 */
#ifndef KERNEL_H
#define KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/ckpt-nic.h"
#include "abi/guest-boot.h"
#include "abi/guest-syscall.h"
#include "memlayout.h"
#include "x86.h"

#define ESRCH            3
#define EINTR            4
#define EAGAIN           11
#define ENOMEM           12
#define EACCES           13
#define EFAULT           14
#define EEXIST           17
#define EINVAL           22
#define ENOSYS           38
#define EMSGSIZE         90
#define ENOTSUP          95
#define ETIMEDOUT        110

#define N_ELEMENTS(a)    (sizeof(a) / sizeof((a)[0]))
/* For large or seldom used variables: see kernel.lds. */
#define BULKY            __attribute__((section(".bss.bulky")))
#define ALIGN_DOWN(x, a) ((x) & ~((uint64_t)(a)-1))
#define ALIGN_UP(x, a)   ALIGN_DOWN((x) + (a)-1, a)
#define CONTAINER_OF(p, type, field)                                           \
    ((type *)((char *)(p)-offsetof(type, field)))

struct process;
struct thread;

/* ---- string.c: what the compiler also calls by itself ---- */
void *memcpy(void *to, const void *from, size_t bytes);
void *memmove(void *to, const void *from, size_t bytes);
void *memset(void *to, int byte, size_t bytes);
int memcmp(const void *a, const void *b, size_t bytes);
size_t strlen(const char *s);

/* ---- lists: a ring of nodes with a head ---- */
struct list {
    struct list *next;
    struct list *prev;
};

static inline void list_init(struct list *head)
{
    head->next = head;
    head->prev = head;
}

static inline bool list_empty(const struct list *head)
{
    return head->next == head;
}

static inline void list_add_before(struct list *at, struct list *node)
{
    node->prev = at->prev;
    node->next = at;
    at->prev->next = node;
    at->prev = node;
}

/* A removed node is a list of its own, so that removing twice is harmless. */
static inline void list_remove(struct list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    list_init(node);
}

/* ---- trap frame: what entry.S pushes ---- */
struct trap_frame {
    uint64_t r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8;
    uint64_t rax, rcx, rdx, rsi, rdi;
    uint64_t vector;
    uint64_t error;
    uint64_t rip, cs, rflags, rsp, ss;
};

static inline bool frame_is_user(const struct trap_frame *frame)
{
    return frame->cs & 3;
}

/* ---- format.c ---- */
size_t format_va(char *buf, size_t size_bytes, const char *format,
                 __builtin_va_list args);
size_t format(char *buf, size_t size_bytes, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* ---- log.c ---- */
void log_line(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_flush(void);

/* ---- panic.c ---- */
void panic(const char *format, ...)
    __attribute__((noreturn, format(printf, 1, 2)));
void panic_frame(const struct trap_frame *frame, const char *what)
    __attribute__((noreturn));

#define KASSERT(condition)                                                     \
    do {                                                                       \
        if (!(condition)) {                                                    \
            panic("%s:%d: broken: %s", __FILE__, __LINE__, #condition);        \
        }                                                                      \
    } while (0)

/* ---- main.c ---- */
void kernel_main(uint64_t start_info_paddr);

/* ---- boot-bundle.c ---- */
struct boot_module {
    uint64_t paddr;
    uint64_t len_bytes;
};

void bundle_init(const struct boot_module *module);
void bundle_start_processes(void);

/* ---- pmem.c: pages of RAM ---- */
static inline void *pmem_to_virt(uint64_t paddr)
{
    return (void *)(paddr + DIRECT_BASE);
}

static inline uint64_t pmem_of_virt(const void *p)
{
    return (uint64_t)p - DIRECT_BASE;
}

void pmem_init(uint64_t start_info_paddr, struct boot_module *ret_module);
uint64_t pmem_alloc(void);
uint64_t pmem_alloc_zero(void);
uint64_t pmem_alloc_run(uint32_t n_run);
void pmem_free(uint64_t paddr);
uint64_t pmem_free_bytes(void);
bool pmem_range(uint32_t i, uint64_t *ret_start, uint64_t *ret_end);

/* ---- quota.c: how much of it a process may take ---- */
struct quota {
    uint64_t used_bytes;
};

void quota_init(uint32_t n_processes);
uint32_t quota_threads(void);
void quota_end(struct quota *quota);
uint64_t quota_room(const struct quota *quota);
void quota_add(struct quota *quota, int64_t bytes);
bool quota_take(struct quota *quota, uint64_t bytes);

/* ---- slab.c: objects of one size ---- */
struct slab {
    void *free; /* first free object, linked through them */
    uint32_t object_bytes;
};

void slab_init(struct slab *slab, uint32_t object_bytes);
void *slab_alloc_zero(struct slab *slab);
void slab_free(struct slab *slab, void *object);

/* ---- pagetable.c: four levels of tables ---- */
#define PT_TABLE_BYTES 0x200000ull /* that one table of the last level maps */

extern uint64_t pt_kernel_root;
extern uint64_t pt_user_tables; /* how many, but for the top ones */

void pt_init(void);
uint64_t pt_new_root(void);
void pt_free_root(uint64_t root);
uint64_t *pt_entry(uint64_t root, uint64_t vaddr);
uint64_t *pt_next(uint64_t root, uint64_t *vaddr, uint64_t end);
void pt_prune(uint64_t root, uint64_t start, uint64_t end);
int pt_map_kernel(uint64_t vaddr, uint64_t paddr, uint64_t flags);

/* ---- vm.c: the mappings of a process ---- */
enum vma_kind {
    VMA_ANON,    /* zero pages, taken on first touch, ours to free */
    VMA_RESERVE, /* only the addresses are taken */
    VMA_PHYS,    /* a run of pages that belongs to someone else */
};

struct vma {
    struct list node; /* in struct vm, by address */
    uint64_t start;
    uint64_t end;
    uint64_t paddr; /* VMA_PHYS: of start */
    uint32_t prot;  /* SYS_PROT_* */
    enum vma_kind kind;
    bool grows; /* SYS_MAP_GROWSDOWN */
    bool wipe;  /* SYS_WIPE */
};

struct vm {
    struct list vmas;
    struct vma *last; /* the one found last, or NULL */
    uint64_t root;    /* physical address of the top table */
    struct quota quota;
};

void vm_init(void);
int vm_create(struct vm *vm);
void vm_destroy(struct vm *vm);
int vm_map(struct vm *vm, uint64_t start, uint64_t bytes, uint32_t prot,
           enum vma_kind kind, uint64_t paddr);
int64_t vm_map_anon(struct vm *vm, uint64_t addr, uint64_t bytes, uint32_t prot,
                    uint32_t flags);
int vm_unmap(struct vm *vm, uint64_t start, uint64_t end);
int vm_protect(struct vm *vm, uint64_t start, uint64_t end, uint32_t prot);
int vm_discard(struct vm *vm, uint64_t start, uint64_t end);
int64_t vm_remap(struct vm *vm, uint64_t old, uint64_t old_bytes,
                 uint64_t new_bytes, uint32_t flags, uint64_t new);
bool vm_gap(struct vm *vm, uint64_t start, uint64_t end, uint64_t *ret_end);
uint64_t vm_find_free(struct vm *vm, uint64_t bytes, uint32_t flags);
int vm_resident(struct vm *vm, uint64_t start, uint64_t end,
                uint8_t *ret_pages);
int vm_set_wipe(struct vm *vm, uint64_t start, uint64_t end, bool on);
void vm_wipe(struct vm *vm);
int vm_fault(struct vm *vm, uint64_t vaddr, uint64_t error);
void *vm_pin(struct vm *vm, uint64_t vaddr);
bool vm_area(struct vm *vm, uint64_t from, struct sys_area *ret_area);

/* ---- process.c ---- */
struct net_port;

#define PROCESS_MAIL_MAX 8

struct process {
    struct list node; /* of all processes */
    struct list threads;
    uint32_t number;
    uint32_t n_threads;
    uint32_t last_tid;
    uint32_t exit_status; /* as CKPT_NIC_EXIT */
    bool dying;           /* no thread of it may run user code again */
    bool out_of_memory;   /* that is why */
    bool ending;          /* its program has ended, see SYS_ENDING */
    struct vm vm;
    uint64_t reflect_entry; /* of handler_set(), all 0: none */
    uint64_t upcall_entry;
    uint64_t text_lo;
    uint64_t text_hi;
    uint64_t cpu_ns;        /* of threads that ended */
    struct net_port *port;  /* NULL before net_attach() */
    uint64_t info_paddr;    /* its struct boot_info, a page */
    uint64_t ring_paddr;    /* its ring: taken at boot, when runs are left */
    struct ckpt_mbox *mail; /* PROCESS_MAIL_MAX of them, a page; behind them
                               the last CKPT_MBOX_IDENTITY */
    bool line_unread;       /* that one has not been taken (R2) */
    uint32_t mail_head;     /* counters of put and taken */
    uint32_t mail_tail;
};

void process_init(void);
struct process *process_create(uint32_t number);
void process_kill(struct process *process, uint32_t status);
void process_out_of_memory(struct process *process);
void process_kill_all(uint32_t status);
void process_is_ending(struct process *process, uint32_t status);
void process_last_thread_gone(struct process *process);
void process_forget_ublocks(struct process *process, uint64_t start,
                            uint64_t end);
void process_mail(const struct ckpt_mbox *message);
void process_new_line(const struct ckpt_mbox *message);
void process_clock_set(void);
bool process_take_mail(struct process *process, struct ckpt_mbox *ret_message);
void process_notice(struct process *process, uint32_t pending_bit);
struct process *process_next(struct process *process);

/* ---- thread.c ---- */
enum thread_state {
    THREAD_RUNNABLE, /* in the run queue, or running */
    THREAD_WAITING,  /* in a wait queue, maybe with a deadline */
    THREAD_DEAD,     /* off every queue, stack freed by the next */
};

struct thread {
    struct list queue;       /* run queue or wait queue */
    struct list timed;       /* by deadline, while waiting with one */
    struct list sibling;     /* of process->threads */
    struct process *process; /* NULL: the idle thread */
    uint32_t tid;
    uint32_t kstack_slot;
    enum thread_state state;
    bool interrupted; /* thread_interrupt() not yet seen by the library */
    uint64_t ksp;     /* where thread_switch() left */
    uint64_t kstack_top;
    uint64_t fs_base; /* while not the owner of the CPU's user state */
    uint64_t gs_base;
    uint64_t library_gs;              /* GS base for upcalls */
    uint64_t ublock;                  /* user address, 0: none */
    struct sys_ublock *ublock_direct; /* the same, NULL: look it up */
    void *xsave;
    uint64_t wait_addr;
    uint64_t deadline_ns;
    int wait_result;
    uint64_t cpu_ns;
    uint64_t slice_left_ns; /* see sched.c; not while its slice is timed */
    uint64_t stopped_ns;    /* when it last ran */
};

/* Read and written by entry.S at fixed offsets. */
struct cpu {
    uint64_t user_rsp;      /*  0 scratch of syscall_entry */
    uint64_t kstack_top;    /*  8 */
    uint64_t ublock_direct; /* 16 0: reflect by the slow way */
    uint64_t reflect_entry; /* 24 */
    uint64_t text_lo;       /* 32 */
    uint64_t text_hi;       /* 40 */
    uint8_t smap;           /* 48 */
};

extern struct cpu cpu;
extern struct thread *current;

void thread_init(void);
struct thread *thread_new_idle(void (*entry)(void));
int thread_create(struct process *process, const struct sys_thread *spec,
                  struct thread **ret_thread);
void thread_destroy(struct thread *thread);
void thread_load_user(struct thread *thread);
void thread_save_user(void);
void thread_sync_cpu(struct thread *thread);
struct thread *thread_find(struct process *process, uint32_t tid);
struct trap_frame *thread_frame(struct thread *thread);
struct sys_ublock *thread_ublock(struct thread *thread);
void thread_interrupt(struct thread *thread, uint32_t bits);
void thread_switch(uint64_t *save_ksp, uint64_t ksp);

/* ---- sched.c ---- */
void sched_init(void);
void sched_start(void) __attribute__((noreturn));
void sched_begin(struct trap_frame *frame);
void sched_ready(struct thread *thread);
void sched_set_urgent(bool on);
void sched_remove(struct thread *thread);
void sched_yield(void);
void sched_block(void);
void sched_exit(void) __attribute__((noreturn));
void sched_before_return(void);
void sched_slice_over(uint64_t now_ns);
uint64_t sched_slice_end_ns(void);
uint64_t sched_cpu_ns(const struct thread *thread);

/* ---- wait.c: sleep until an address changes ---- */
void wait_init(void);
int wait_on(uint64_t addr, uint32_t value, uint64_t deadline_ns);
uint32_t wait_wake(struct process *process, uint64_t addr, uint32_t count);
void wait_finish(struct thread *thread, int result);
void wait_expire(uint64_t now_ns);
uint64_t wait_first_deadline_ns(void);

/* ---- time.c ---- */
void time_init(void);
uint64_t time_now_ns(void);
uint64_t time_at_ns(uint64_t tsc);
uint64_t time_wall_offset_ns(void);
void time_set(uint64_t mult, uint64_t wall_offset_ns);
uint64_t time_shared_paddr(void);
void time_restored(void);
void time_new_line(void);
void time_arm(void);
void time_interrupt(void);

/* ---- wallclock.c: keep to the host's clock ---- */
uint64_t wallclock_start(uint64_t tsc_rate);
uint64_t wallclock_next_ns(void);
void wallclock_idle(void);
void wallclock_look(uint64_t now_ns);

/* ---- apic.c ---- */
void apic_init(void);
void apic_timer_set(uint64_t delta_ns);
void apic_timer_stop(void);
void apic_end_of_interrupt(void);

/* ---- cpu.c: control registers and tables of the processor ---- */
extern uint64_t cpu_xsave_mask;
extern uint32_t cpu_xsave_bytes;
extern bool cpu_has_xsaveopt;

void cpu_init(void);
void cpu_set_kstack(uint64_t top);

/* ---- trap.c ---- */
void trap_dispatch(struct trap_frame *frame);
void trap_before_user(struct trap_frame *frame);

/* ---- upcall.c: into the library, and back by resume() ---- */
void upcall_fault(struct trap_frame *frame, uint64_t cr2);
void upcall_interrupt(struct trap_frame *frame);
int upcall_resume(struct trap_frame *frame, uint64_t context_addr);

/* ---- entry.S ---- */
void syscall_entry(void);
void thread_begin(void);
extern char vector_stubs[];
#define VECTOR_STUB_BYTES 16
int user_copy(void *to, const void *from, size_t bytes);
int user_load32(uint32_t *ret, const uint32_t *from);
int user_xsave(void *area, uint64_t mask);
int user_xrstor(const void *area, uint64_t mask);

/* ---- syscall.c ---- */
typedef int64_t (*syscall_fn)(const uint64_t arg[6]);

void syscall_dispatch(struct trap_frame *frame);
bool user_range_ok(uint64_t addr, uint64_t bytes);
int copy_from_user(void *to, uint64_t from, size_t bytes);
int copy_to_user(uint64_t to, const void *from, size_t bytes);
int load_user_u32(uint64_t addr, uint32_t *ret_value);

/* ---- sys_thread.c ---- */
int64_t sys_handler_set(const uint64_t arg[6]);
int64_t sys_thread_create(const uint64_t arg[6]);
int64_t sys_thread_exit(const uint64_t arg[6]);
int64_t sys_thread_interrupt(const uint64_t arg[6]);
int64_t sys_thread_set(const uint64_t arg[6]);
int64_t sys_wait(const uint64_t arg[6]);
int64_t sys_wake(const uint64_t arg[6]);
int64_t sys_yield(const uint64_t arg[6]);
int64_t sys_resume(const uint64_t arg[6]);
int64_t sys_exit(const uint64_t arg[6]);
int64_t sys_ending(const uint64_t arg[6]);

/* ---- sys_memory.c ---- */
int64_t sys_map(const uint64_t arg[6]);
int64_t sys_unmap(const uint64_t arg[6]);
int64_t sys_protect(const uint64_t arg[6]);
int64_t sys_remap(const uint64_t arg[6]);
int64_t sys_discard(const uint64_t arg[6]);
int64_t sys_resident(const uint64_t arg[6]);
int64_t sys_wipe(const uint64_t arg[6]);
int64_t sys_areas(const uint64_t arg[6]);

/* ---- sys_net.c: packets, commit and all that the NIC tells ---- */
int64_t sys_net_attach(const uint64_t arg[6]);
int64_t sys_net_send(const uint64_t arg[6]);
int64_t sys_commit(const uint64_t arg[6]);
int64_t sys_query(const uint64_t arg[6]);
int64_t sys_log(const uint64_t arg[6]);
int64_t sys_random(const uint64_t arg[6]);
int64_t sys_mailbox(const uint64_t arg[6]);

/* ---- nic.c: the ckpt-nic ---- */
#define NIC_RX_BUFFERS 8

void nic_init(void);
void nic_init_rings(void);
uint64_t nic_value(enum ckpt_nic_sel which);
void nic_mac(uint8_t ret_mac[6]);
uint32_t nic_mtu(void);
uint8_t *nic_tx_buffer(void);
bool nic_tx_room(void);
void nic_tx_send(uint32_t len_bytes);
void nic_rx_return(uint32_t buffer);
const uint8_t *nic_rx_data(uint32_t buffer);
uint64_t nic_commit(uint32_t flags);
int nic_command(enum ckpt_nic_cmd command, const void *buf, uint32_t len_bytes);
void nic_exit(uint32_t status);
void nic_ending(uint32_t status);
void nic_interrupt(void);
uint64_t nic_poll_ns(void);
void nic_poll(uint64_t now_ns);
void nic_poll_for(void);

/* ---- netswitch.c: frames to processes by their MAC address ---- */
struct net_held {
    uint32_t buffer; /* of nic.c */
    uint32_t len_bytes;
};

struct net_port {
    struct list node; /* of all ports */
    struct process *process;
    struct sys_net *ring; /* direct address of a run of pages */
    uint64_t user_addr;
    uint64_t head; /* ours; the copy in the ring is for the library */
    uint8_t mac[6];
    bool wants_tx; /* a send was refused: tell when it goes on */
    bool wants_commit;
    uint32_t n_held; /* frames kept in their receive buffers */
    struct net_held held[NIC_RX_BUFFERS];
};

void netswitch_init(void);
uint32_t netswitch_ring_bytes(void);
int netswitch_attach(struct process *process, const uint8_t mac[6]);
void netswitch_detach(struct process *process);
void netswitch_readdress(struct net_port *port, const uint8_t mac[6]);
void netswitch_receive(uint32_t buffer, uint32_t len_bytes);
int netswitch_send(struct process *process, uint32_t len_bytes);
void netswitch_retry(struct net_port *port);
void netswitch_retry_all(void);
bool netswitch_keeps(void);
void netswitch_tx_goes_on(void);
void netswitch_committed(void);
void netswitch_notice(struct net_port *port);

/* ---- mailbox.c: messages of the host ---- */
void mailbox_read(void);

#endif
