/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptd-peer-cert.c - by what hosts know each other: a key and a certificate
 *
 * Made once, by GnuTLS, and signed by itself: there is no authority.  Each side
 * of a pair keeps the fingerprint of the other's certificate and takes no
 * other, so that name and dates in it mean nothing.
 */
#include "ckptd/ckptd-peer-cert.h"

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdint.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "ckptd/ckptd-error.h"
#include "ckptd/ckptd-lookup.h"

#define CERT_FILE "cert.pem"
#define KEY_FILE  "key.pem"
#define YEARS     30
#define YEAR_S    (365 * 24 * 3600l)

static gboolean failed(GError **error, const char *what, int ret)
{
    g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_FAILED, "%s: %s", what,
                gnutls_strerror(ret));
    return FALSE;
}

static int fill_in(gnutls_x509_crt_t crt, gnutls_x509_privkey_t key)
{
    static const char name[] = "CN=sluice";
    time_t now = time(NULL);
    uint8_t serial[16];
    int ret;

    if (getrandom(serial, sizeof(serial), 0) != sizeof(serial)) {
        g_error("no random numbers");
    }
    serial[0] &= 0x7f; /* it is a positive number */
    if ((ret = gnutls_x509_crt_set_version(crt, 3)) < 0 ||
        (ret = gnutls_x509_crt_set_serial(crt, serial, sizeof(serial))) < 0 ||
        (ret = gnutls_x509_crt_set_dn(crt, name, NULL)) < 0 ||
        (ret = gnutls_x509_crt_set_activation_time(crt, now - YEAR_S)) < 0 ||
        (ret = gnutls_x509_crt_set_expiration_time(crt, now + YEARS * YEAR_S)) <
            0 ||
        (ret = gnutls_x509_crt_set_key(crt, key)) < 0) {
        return ret;
    }
    return gnutls_x509_crt_sign2(crt, crt, key, GNUTLS_DIG_SHA256, 0);
}

static gboolean write_secret(const char *dir, const char *name,
                             const gnutls_datum_t *text, GError **error)
{
    g_autofree char *path = g_build_filename(dir, name, NULL);

    return g_file_set_contents_full(path, (const char *)text->data, text->size,
                                    G_FILE_SET_CONTENTS_CONSISTENT |
                                        G_FILE_SET_CONTENTS_DURABLE,
                                    0600, error);
}

/* The certificate last: without it there is no pair, and both are made. */
static gboolean write_pair(const char *dir, gnutls_x509_crt_t crt,
                           gnutls_x509_privkey_t key, GError **error)
{
    gnutls_datum_t text = { 0 };
    gboolean ok;
    int ret;

    ret = gnutls_x509_privkey_export2_pkcs8(key, GNUTLS_X509_FMT_PEM, NULL,
                                            GNUTLS_PKCS_PLAIN, &text);
    if (ret < 0) {
        return failed(error, "exporting the key", ret);
    }
    ok = write_secret(dir, KEY_FILE, &text, error);
    gnutls_memset(text.data, 0, text.size);
    gnutls_free(text.data);
    if (!ok) {
        return FALSE;
    }
    ret = gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, &text);
    if (ret < 0) {
        return failed(error, "exporting the certificate", ret);
    }
    ok = write_secret(dir, CERT_FILE, &text, error);
    gnutls_free(text.data);
    return ok;
}

static gboolean make_pair(const char *dir, GError **error)
{
    unsigned bits = GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1);
    gnutls_x509_privkey_t key = NULL;
    gnutls_x509_crt_t crt = NULL;
    gboolean ok = FALSE;
    int ret;

    if ((ret = gnutls_x509_privkey_init(&key)) < 0 ||
        (ret = gnutls_x509_crt_init(&crt)) < 0 ||
        (ret = gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA, bits, 0)) <
            0 ||
        (ret = fill_in(crt, key)) < 0) {
        failed(error, "making a certificate", ret);
    } else {
        ok = write_pair(dir, crt, key, error);
    }
    gnutls_x509_crt_deinit(crt);
    gnutls_x509_privkey_deinit(key);
    return ok;
}

/**
 * ckptd_peer_cert_load() - this host's key and certificate
 * @dir:   where they are; made at the first call, readable for us alone
 * @error: where to say why not
 *
 * Return: to be unreffed, or NULL.
 * Context: any one thread; blocks.
 */
GTlsCertificate *ckptd_peer_cert_load(const char *dir, GError **error)
{
    g_autofree char *cert = g_build_filename(dir, CERT_FILE, NULL);
    g_autofree char *key = g_build_filename(dir, KEY_FILE, NULL);
    g_autoptr(GError) local = NULL;

    if (!g_tls_backend_supports_tls(g_tls_backend_get_default())) {
        g_set_error(error, CKPTD_ERROR, CKPTD_ERROR_FAILED,
                    "GLib has no TLS here: install the package "
                    "glib-networking");
        return NULL;
    }
    if (!ckptd_lookup_path(cert, &local)) {
        if (!ckptd_lookup_is_absence(local)) {
            g_propagate_error(error, g_steal_pointer(&local));
            return NULL;
        }
        if (!make_pair(dir, error)) {
            return NULL;
        }
    }
    return g_tls_certificate_new_from_files(cert, key, error);
}

/**
 * ckptd_peer_cert_print() - a certificate's fingerprint
 * @cert: of a host
 *
 * Return: CKPTD_PEER_PRINT_CHARS hex digits, to be freed.
 */
char *ckptd_peer_cert_print(GTlsCertificate *cert)
{
    g_autoptr(GByteArray) der = NULL;

    g_object_get(cert, "certificate", &der, NULL);
    return g_compute_checksum_for_data(G_CHECKSUM_SHA256, der->data, der->len);
}

/**
 * ckptd_peer_print_ok() - can this be a fingerprint?
 * @print: text
 *
 * Return: TRUE for 64 hex digits in lower case.
 */
gboolean ckptd_peer_print_ok(const char *print)
{
    return strlen(print) == CKPTD_PEER_PRINT_CHARS &&
           strspn(print, "0123456789abcdef") == CKPTD_PEER_PRINT_CHARS;
}
