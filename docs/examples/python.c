/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * python.c - the distribution's CPython as one static program
 *
 * libpython3-dev has the interpreter as an archive with most of the modules
 * that are written in C. Those that come as shared objects a static program
 * cannot load, and the standard library does without nearly all of them. It does
 * not without _contextvars (decimal and asyncio need it), which is no more
 * than a list of types: it is here. And so is `sluice`, by which a program in
 * Python takes part in forks and rollbacks.
 *
 * tests/data/rules.mk shows how it is compiled.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include "sluice.h"

static PyObject *copy_context(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    return PyContext_CopyCurrent();
}

static PyMethodDef contextvars_functions[] = {
    { "copy_context", copy_context, METH_NOARGS, NULL },
    { 0 },
};

static struct PyModuleDef contextvars_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_contextvars",
    .m_methods = contextvars_functions,
};

static PyObject *contextvars_init(void)
{
    PyObject *module = PyModule_Create(&contextvars_module);

    if (module && (PyModule_AddType(module, &PyContext_Type) ||
                   PyModule_AddType(module, &PyContextVar_Type) ||
                   PyModule_AddType(module, &PyContextToken_Type))) {
        Py_CLEAR(module);
    }
    return module;
}

static const volatile uint64_t *line_counter;

static PyObject *line(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    if (!line_counter) {
        Py_RETURN_NONE;
    }
    return PyLong_FromUnsignedLongLong(*line_counter);
}

static PyMethodDef sluice_functions[] = {
    { "line", line, METH_NOARGS,
      "How many lines began since the boot, None on plain Linux. Has changed\n"
      "before any instruction runs in a new one." },
    { 0 },
};

static struct PyModuleDef sluice_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "sluice",
    .m_doc = "What Sluice gives a program beyond Linux, see sluice(3).",
    .m_methods = sluice_functions,
};

static PyObject *sluice_init(void)
{
    line_counter = sluice_line_counter();
    return PyModule_Create(&sluice_module);
}

int main(int argc, char **argv)
{
    if (PyImport_AppendInittab("_contextvars", contextvars_init) ||
        PyImport_AppendInittab("sluice", sluice_init)) {
        return 1;
    }
    return Py_BytesMain(argc, argv);
}
