/* SPDX-License-Identifier: GPL-2.0-or-later */
/* list.h - doubly linked ring with a head that is no element */
#ifndef POSIX_LIST_H
#define POSIX_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *next, *prev;
};

#define LIST_INIT(head)                                                        \
    {                                                                          \
        &(head), &(head)                                                       \
    }
#define list_entry(node, type, member)                                         \
    ((type *)((char *)(node)-offsetof(type, member)))
#define list_for_each(node, head)                                              \
    for ((node) = (head)->next; (node) != (head); (node) = (node)->next)

static inline void list_init(struct list *head)
{
    head->next = head->prev = head;
}

static inline bool list_empty(const struct list *head)
{
    return head->next == head;
}

static inline void list_append(struct list *head, struct list *node)
{
    node->prev = head->prev;
    node->next = head;
    head->prev->next = node;
    head->prev = node;
}

/* The node is left as a ring of its own: removing it again does no harm. */
static inline void list_remove(struct list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    list_init(node);
}

#endif
