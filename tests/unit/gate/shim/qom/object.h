/* SPDX-License-Identifier: GPL-2.0-or-later */
/* object.h - no objects, and nothing to ask them */
#ifndef SHIM_OBJECT_H
#define SHIM_OBJECT_H

#define OBJECT(object)                              (object)
#define object_property_get_int(object, name, errp) 0

#endif
