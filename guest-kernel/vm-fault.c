/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vm-fault.c - the pages of a process: the first touch, and what is there
 *
 * The invariants V1 to V4 are told in vm.c.
 */
#include "kernel.h"
#include "vm.h"

/*
 * Let an area reach down to @page.  What lies below must stay out of reach of
 * a stack that runs over, unless it is a stack too or cannot be touched.
 */
static bool grow_down(struct vm *vm, struct vma *vma, uint64_t page)
{
    const struct vma *below = PREV_VMA(vma);
    uint64_t lowest = USER_BASE;

    if (&vma->node != vm->vmas.next) {
        lowest = below->end;
        if (below->prot != 0 && !below->grows) {
            lowest += SYS_GROWS_GAP;
        }
    }
    if (page < lowest || vma->end - page > SYS_GROWS_MAX) {
        return false;
    }
    vma->start = page;
    return true;
}

static uint64_t take_page(struct vm *vm)
{
    uint64_t paddr;

    if (!quota_take(&vm->quota, PAGE_BYTES)) {
        return 0;
    }
    paddr = pmem_alloc_zero();
    if (paddr == 0) {
        quota_add(&vm->quota, -(int64_t)PAGE_BYTES);
    }
    return paddr;
}

/**
 * vm_fault - give a touched address its page
 * @vm: the space
 * @vaddr: the address
 * @error: page fault error code
 *
 * Return: 0 if the access can be tried again, -EFAULT if it is not allowed,
 * -ENOMEM.
 */
int vm_fault(struct vm *vm, uint64_t vaddr, uint64_t error)
{
    uint64_t page = ALIGN_DOWN(vaddr, PAGE_BYTES);
    struct vma *vma = vma_find(vm, vaddr);
    uint32_t need = SYS_PROT_READ | SYS_PROT_WRITE | SYS_PROT_EXEC;
    uint64_t *entry;
    uint64_t paddr;

    if (error & PF_WRITE) {
        need = SYS_PROT_WRITE;
    } else if (error & PF_EXEC) {
        need = SYS_PROT_EXEC;
    }
    if (IS_END(vm, vma) || !(vma->prot & need) ||
        (vma->start > vaddr && !(vma->grows && grow_down(vm, vma, page)))) {
        return -EFAULT;
    }
    entry = vm_entry(vm, page);
    if (entry == NULL) {
        return -ENOMEM;
    }
    if (*entry != 0) {
        /* V1: the entry allows it, so only the TLB was behind. */
        invlpg(page);
        return 0;
    }
    if (vma->kind == VMA_PHYS) {
        paddr = vma->paddr + (page - vma->start);
    } else {
        paddr = take_page(vm);
    }
    if (paddr == 0) {
        return -ENOMEM;
    }
    *entry = pte_make(paddr, vma->prot);
    return 0;
}

/**
 * vm_pin - where a page of the process lies for the kernel
 * @vm: the space
 * @vaddr: an address that must be writable anonymous memory
 *
 * The answer holds until the page is unmapped, moved or discarded.
 *
 * Return: the direct address of @vaddr, or NULL.
 */
void *vm_pin(struct vm *vm, uint64_t vaddr)
{
    struct vma *vma = vma_find(vm, vaddr);
    uint64_t *entry;

    if (IS_END(vm, vma) || vma->start > vaddr || vma->kind != VMA_ANON ||
        vm_fault(vm, vaddr, PF_WRITE) != 0) {
        return NULL;
    }
    entry = pt_entry(vm->root, ALIGN_DOWN(vaddr, PAGE_BYTES));
    return pmem_to_virt((*entry & PTE_ADDR) + vaddr % PAGE_BYTES);
}

/**
 * vm_area - describe one area
 * @vm: the space
 * @from: the first one that ends behind this address
 * @ret_area: what it is
 *
 * Return: false if there is none.
 */
bool vm_area(struct vm *vm, uint64_t from, struct sys_area *ret_area)
{
    struct vma *vma = vma_find(vm, from);
    uint64_t at, bytes = 0;

    if (IS_END(vm, vma)) {
        return false;
    }
    for (at = vma->start; pt_next(vm->root, &at, vma->end) != NULL;
         at += PAGE_BYTES) {
        bytes += PAGE_BYTES;
    }
    *ret_area = (struct sys_area){
        .start = vma->start,
        .end = vma->end,
        .resident_bytes = bytes,
        .prot = vma->prot,
    };
    return true;
}
