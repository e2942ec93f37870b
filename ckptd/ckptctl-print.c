/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ckptctl-print.c - values for programs (JSON) and for people
 */
#include <math.h>
#include <stdio.h>

#include "ckptd/ckptctl.h"

static void print_string(const char *s)
{
    const char *at;

    putchar('"');
    for (at = s; *at; at++) {
        switch (*at) {
        case '"':
        case '\\':
            printf("\\%c", *at);
            break;
        case '\n':
            fputs("\\n", stdout);
            break;
        default:
            if ((unsigned char)*at < 0x20 || *at == 0x7f) {
                printf("\\u%04x", (unsigned char)*at);
            } else {
                putchar(*at);
            }
        }
    }
    putchar('"');
}

static void print_double(double number)
{
    char text[G_ASCII_DTOSTR_BUF_SIZE];

    /* JSON knows no infinity. */
    fputs(isfinite(number) ? g_ascii_formatd(text, sizeof(text), "%.3f", number)
                           : "null",
          stdout);
}

static void print_value(GVariant *value, guint indent);

static void print_container(GVariant *value, guint indent, gboolean dict)
{
    gsize n = g_variant_n_children(value), i;
    GVariant *child, *key, *inner;

    fputs(dict ? "{" : "[", stdout);
    for (i = 0; i < n; i++) {
        printf("%s\n%*s", i ? "," : "", (int)indent + 2, "");
        child = g_variant_get_child_value(value, i);
        if (dict) {
            key = g_variant_get_child_value(child, 0);
            inner = g_variant_get_child_value(child, 1);
            print_string(g_variant_get_string(key, NULL));
            fputs(": ", stdout);
            print_value(inner, indent + 2);
            g_variant_unref(inner);
            g_variant_unref(key);
        } else {
            print_value(child, indent + 2);
        }
        g_variant_unref(child);
    }
    if (n) {
        printf("\n%*s", (int)indent, "");
    }
    fputs(dict ? "}" : "]", stdout);
}

static void print_value(GVariant *value, guint indent)
{
    g_autofree char *text = NULL;
    GVariant *inner;

    switch (g_variant_classify(value)) {
    case G_VARIANT_CLASS_VARIANT:
        inner = g_variant_get_variant(value);
        print_value(inner, indent);
        g_variant_unref(inner);
        break;
    case G_VARIANT_CLASS_STRING:
        print_string(g_variant_get_string(value, NULL));
        break;
    case G_VARIANT_CLASS_DOUBLE:
        print_double(g_variant_get_double(value));
        break;
    case G_VARIANT_CLASS_ARRAY:
        print_container(value, indent,
                        g_variant_type_is_dict_entry(
                            g_variant_type_element(g_variant_get_type(value))));
        break;
    default:
        text = g_variant_print(value, FALSE);
        fputs(text, stdout);
    }
}

/**
 * ckptctl_print_json() - print a value as JSON, and a newline
 * @value: of strings, numbers, booleans, arrays and a{sv}
 */
void ckptctl_print_json(GVariant *value)
{
    print_value(value, 0);
    putchar('\n');
}

/**
 * ckptctl_human_bytes() - a number of bytes that is easy to read
 * @bytes: the number
 *
 * Return: to be freed.
 */
char *ckptctl_human_bytes(guint64 bytes)
{
    return g_format_size_full(bytes, G_FORMAT_SIZE_IEC_UNITS);
}
