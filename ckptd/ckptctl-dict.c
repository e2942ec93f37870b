/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptctl-dict.c - the dictionaries (a{sv}) that go to ckptd and come back
 *
 * An option that was not given is not sent, so what it means then is ckptd's to
 * say; a key that is not there reads as nothing, so that a ckptctl can show what
 * another version's ckptd says.
 */
#include "ckptd/ckptctl-dict.h"

/**
 * ckptctl_dict_add_text() - an option that takes a word
 * @dict: to be sent
 * @key: its name
 * @value: (nullable): not given
 */
void ckptctl_dict_add_text(GVariantDict *dict, const char *key,
                           const char *value)
{
    if (value) {
        g_variant_dict_insert(dict, key, "s", value);
    }
}

/**
 * ckptctl_dict_add_list() - an option that may be given several times
 * @dict: to be sent
 * @key: its name
 * @list: (nullable): not given
 */
void ckptctl_dict_add_list(GVariantDict *dict, const char *key, char **list)
{
    if (list) {
        g_variant_dict_insert(dict, key, "^as", list);
    }
}

/**
 * ckptctl_dict_add_number() - an option that takes a number
 * @dict: to be sent
 * @key: its name
 * @value: or CKPTCTL_NOT_GIVEN; ckptctl_parse() has refused what is negative
 */
void ckptctl_dict_add_number(GVariantDict *dict, const char *key, gint value)
{
    if (value != CKPTCTL_NOT_GIVEN) {
        g_variant_dict_insert(dict, key, "u", (guint)value);
    }
}

/**
 * ckptctl_dict_text() - a word of an answer
 * @dict: the answer
 * @key: its name
 *
 * Return: the answer's; "" if it is not there.
 */
const char *ckptctl_dict_text(GVariant *dict, const char *key)
{
    const char *value = "";

    g_variant_lookup(dict, key, "&s", &value);
    return value;
}

/**
 * ckptctl_dict_number() - a number of an answer, of whatever size
 * @dict: the answer
 * @key: its name
 *
 * Return: it, 0 if it is not there.
 */
guint64 ckptctl_dict_number(GVariant *dict, const char *key)
{
    guint64 t = 0;
    guint u = 0;
    gint i = 0;

    if (g_variant_lookup(dict, key, "u", &u)) {
        return u;
    }
    if (g_variant_lookup(dict, key, "i", &i)) {
        return i;
    }
    g_variant_lookup(dict, key, "t", &t);
    return t;
}

/**
 * ckptctl_dict_flag() - a yes or no of an answer
 * @dict: the answer
 * @key: its name
 *
 * Return: it, FALSE if it is not there.
 */
gboolean ckptctl_dict_flag(GVariant *dict, const char *key)
{
    gboolean value = FALSE;

    g_variant_lookup(dict, key, "b", &value);
    return value;
}
