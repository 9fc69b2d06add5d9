/* The binding of siv.c to Python: revcrypt.format._bulk.Runs. The interpreter lock is
   released for the whole of each run. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <string.h>

#include "siv.h"

typedef struct {
    PyObject_HEAD
    siv *contexts;
    int is_busy; /* guarded by the interpreter lock */
    uint8_t key[SIV_KEY_SIZE];
} Runs;

/* Contexts have a state, so a second thread gets some of its own. */
static siv *take(Runs *self)
{
    if (self->is_busy)
        return siv_new(self->key);
    self->is_busy = 1;
    return self->contexts;
}

static void give_back(Runs *self, siv *contexts)
{
    if (contexts == self->contexts)
        self->is_busy = 0;
    else
        siv_free(contexts);
}

static PyObject *Runs_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    Py_buffer key;
    static char *names[] = {"key", NULL};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "y*:Runs", names, &key))
        return NULL;
    Runs *self = NULL;
    if (key.len != SIV_KEY_SIZE) {
        PyErr_Format(PyExc_ValueError, "a key has %d bytes", SIV_KEY_SIZE);
    } else {
        self = (Runs *)PyType_GenericAlloc(type, 0);
    }
    if (self != NULL) {
        memcpy(self->key, key.buf, SIV_KEY_SIZE);
        self->contexts = siv_new(self->key);
        if (self->contexts == NULL) {
            Py_DECREF(self);
            self = NULL;
            PyErr_NoMemory();
        }
    }
    PyBuffer_Release(&key);
    return (PyObject *)self;
}

static void Runs_dealloc(PyObject *object)
{
    Runs *self = (Runs *)object;
    PyTypeObject *type = Py_TYPE(object);
    siv_free(self->contexts);
    freefunc free_object = (freefunc)PyType_GetSlot(type, Py_tp_free);
    free_object(object);
    Py_DECREF(type);
}

static PyObject *failed(void)
{
    PyErr_SetString(PyExc_RuntimeError, "libcrypto failed");
    return NULL;
}

static PyObject *Runs_seal(PyObject *object, PyObject *args)
{
    Runs *self = (Runs *)object;
    const uint8_t *file_id, *nonce0;
    Py_ssize_t file_id_size, nonce0_size;
    unsigned long long first;
    Py_buffer plaintext;
    if (!PyArg_ParseTuple(args, "y#y#Ky*:seal", &file_id, &file_id_size, &nonce0,
                          &nonce0_size, &first, &plaintext))
        return NULL;
    PyObject *result = NULL;
    if (file_id_size != FILE_ID_SIZE || nonce0_size != NONCE_SIZE) {
        PyErr_SetString(PyExc_ValueError, "file id and nonce have 16 bytes each");
        goto end;
    }
    Py_ssize_t blocks = (plaintext.len + PLAIN_BLOCK - 1) / PLAIN_BLOCK;
    result = PyBytes_FromStringAndSize(NULL, plaintext.len + blocks * OVERHEAD);
    if (result == NULL)
        goto end;
    uint8_t *output = (uint8_t *)PyBytes_AsString(result);
    siv *contexts = take(self);
    int status = -1;
    if (contexts != NULL) {
        Py_BEGIN_ALLOW_THREADS
        status = siv_seal(contexts, file_id, nonce0, first, plaintext.buf,
                          (size_t)plaintext.len, output);
        Py_END_ALLOW_THREADS
        give_back(self, contexts);
    }
    if (status != 0) {
        Py_CLEAR(result);
        failed();
    }
end:
    PyBuffer_Release(&plaintext);
    return result;
}

static PyObject *Runs_open(PyObject *object, PyObject *args)
{
    Runs *self = (Runs *)object;
    const uint8_t *file_id;
    Py_ssize_t file_id_size;
    unsigned long long first;
    Py_buffer ciphertext;
    int holes;
    if (!PyArg_ParseTuple(args, "y#Ky*p:open", &file_id, &file_id_size, &first,
                          &ciphertext, &holes))
        return NULL;
    PyObject *result = NULL;
    if (file_id_size != FILE_ID_SIZE) {
        PyErr_SetString(PyExc_ValueError, "a file id has 16 bytes");
        goto end;
    }
    Py_ssize_t blocks = (ciphertext.len + CIPHER_BLOCK - 1) / CIPHER_BLOCK;
    Py_ssize_t rest = ciphertext.len % CIPHER_BLOCK;
    /* A last block without payload does not authenticate and takes no room. */
    Py_ssize_t stub = rest != 0 && rest <= OVERHEAD;
    Py_ssize_t size = stub ? ciphertext.len - rest - (blocks - 1) * OVERHEAD
                           : ciphertext.len - blocks * OVERHEAD;
    result = PyBytes_FromStringAndSize(NULL, size);
    if (result == NULL)
        goto end;
    uint8_t *output = (uint8_t *)PyBytes_AsString(result);
    siv *contexts = take(self);
    long opened = -1;
    if (contexts != NULL) {
        Py_BEGIN_ALLOW_THREADS
        opened = siv_open(contexts, file_id, first, holes, ciphertext.buf,
                          (size_t)ciphertext.len, output);
        Py_END_ALLOW_THREADS
        give_back(self, contexts);
    }
    if (opened < 0) {
        Py_CLEAR(result);
        failed();
    } else if (opened < blocks) {
        Py_DECREF(result);
        result = PyLong_FromLong(opened);
    }
end:
    PyBuffer_Release(&ciphertext);
    return result;
}

static PyMethodDef methods[] = {
    {"seal", Runs_seal, METH_VARARGS,
     "seal(file_id, block0_nonce, first, plaintext)\n--\n\n"
     "Return the blocks of *plaintext*, which starts at block number *first*."},
    {"open", Runs_open, METH_VARARGS,
     "open(file_id, first, ciphertext, holes)\n--\n\n"
     "Return the plaintext of the blocks from number *first* on.\n\n"
     "If a block does not authenticate, return how many blocks before it do."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "Runs(key)\n--\n\nAES-SIV-512 over runs of blocks, for any thread."},
    {Py_tp_new, Runs_new},
    {Py_tp_dealloc, Runs_dealloc},
    {Py_tp_methods, methods},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "revcrypt.format._bulk.Runs",
    .basicsize = sizeof(Runs),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = slots,
};

static int execute(PyObject *module)
{
    PyObject *type = PyType_FromModuleAndSpec(module, &spec, NULL);
    if (type == NULL)
        return -1;
    int status = PyModule_AddType(module, (PyTypeObject *)type);
    Py_DECREF(type);
    return status;
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, execute},
    {0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "revcrypt.format._bulk",
    .m_doc = "AES-SIV over whole runs of blocks.",
    .m_slots = module_slots,
};

PyMODINIT_FUNC PyInit__bulk(void)
{
    return PyModuleDef_Init(&module);
}
