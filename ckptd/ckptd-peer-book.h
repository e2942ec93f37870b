/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-peer-book.h - which hosts this one knows, and how to reach them
 */
#ifndef CKPTD_PEER_BOOK_H
#define CKPTD_PEER_BOOK_H

#include <glib.h>

typedef struct ckptd_book CkptdBook;

/**
 * struct ckptd_host - a host that is paired with this one
 *
 * @address: as for ckptd_link_connect(), "" if it does not listen
 * @print:   fingerprint of its certificate
 */
struct ckptd_host {
    char *name;
    char *address;
    char *print;
};

void ckptd_host_free(struct ckptd_host *host);
typedef struct ckptd_host CkptdHost;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CkptdHost, ckptd_host_free)

/**
 * struct ckptd_token - what an invitation says
 */
struct ckptd_token {
    char *address;
    char *print;
    char *secret;
};

CkptdBook *ckptd_book_open(const char *dir, GError **error);
void ckptd_book_close(CkptdBook *book);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CkptdBook, ckptd_book_close)

const char *ckptd_book_dir(const CkptdBook *book);
struct ckptd_host *ckptd_book_find(CkptdBook *book, const char *name,
                                   GError **error);
struct ckptd_host *ckptd_book_find_print(CkptdBook *book, const char *print);
gboolean ckptd_book_add(CkptdBook *book, const struct ckptd_host *host,
                        GError **error);
gboolean ckptd_book_remove(CkptdBook *book, const char *name, GError **error);
GPtrArray *ckptd_book_list(CkptdBook *book);

char *ckptd_book_invite(CkptdBook *book, const char *address,
                        const char *print);
gboolean ckptd_book_redeem(CkptdBook *book, const char *secret);
gboolean ckptd_token_parse(const char *text, struct ckptd_token *ret_token,
                           GError **error);
void ckptd_token_clear(struct ckptd_token *token);

char *ckptd_book_listen_address(CkptdBook *book, GError **error);
gboolean ckptd_book_set_listen(CkptdBook *book, const char *address,
                               GError **error);

#endif
