/* The binding of siv.c and eme.c to Python: revcrypt.format._bulk. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <openssl/crypto.h>
#include <string.h>

#include "eme.h"
#include "siv.h"

static PyObject *failed(void)
{
    PyErr_SetString(PyExc_RuntimeError, "libcrypto failed");
    return NULL;
}

/* Instances of types that are made at run time hold a reference to them. */
static void free_object(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(object);
    Py_DECREF(type);
}

/* Runs: the interpreter lock is released for the whole of each. */

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
    siv_free(self->contexts);
    OPENSSL_cleanse(self->key, sizeof self->key);
    free_object(object);
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

/* Names: a directory's at a time. The interpreter lock, which is held all the while, lets
   one thread at a time use the contexts. */

typedef struct {
    PyObject_HEAD
    eme *contexts;
    int raw;
} Names;

static PyObject *Names_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    Py_buffer key;
    int raw;
    static char *names[] = {"key", "raw", NULL};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "y*p:Names", names, &key, &raw))
        return NULL;
    Names *self = NULL;
    if (key.len != EME_KEY_SIZE)
        PyErr_Format(PyExc_ValueError, "a key has %d bytes", EME_KEY_SIZE);
    else
        self = (Names *)PyType_GenericAlloc(type, 0);
    if (self != NULL) {
        self->raw = raw;
        self->contexts = eme_new(key.buf);
        if (self->contexts == NULL) {
            Py_DECREF(self);
            self = NULL;
            PyErr_NoMemory();
        }
    }
    PyBuffer_Release(&key);
    return (PyObject *)self;
}

static void Names_dealloc(PyObject *object)
{
    eme_free(((Names *)object)->contexts);
    free_object(object);
}

/* Returns the translation of one name, or NULL with an exception. */
typedef PyObject *(*translation)(Names *self, const uint8_t *iv, const uint8_t *bytes,
                                 Py_ssize_t size);

static PyObject *encrypt_one(Names *self, const uint8_t *iv, const uint8_t *name,
                             Py_ssize_t size)
{
    uint8_t text[TEXT_MOST];
    if (size > NAME_MOST) {
        PyErr_Format(PyExc_ValueError, "a name has at most %d bytes", NAME_MOST);
        return NULL;
    }
    int length =
        eme_encrypt_name(self->contexts, iv, name, (size_t)size, self->raw, text);
    return length < 0 ? failed() : PyBytes_FromStringAndSize((char *)text, length);
}

static PyObject *decrypt_one(Names *self, const uint8_t *iv, const uint8_t *text,
                             Py_ssize_t size)
{
    uint8_t name[STORED_MOST];
    int length =
        eme_decrypt_name(self->contexts, iv, text, (size_t)size, self->raw, name);
    if (length == -1)
        return failed();
    if (length < 0)
        Py_RETURN_NONE;
    return PyBytes_FromStringAndSize((char *)name, length);
}

static PyObject *translate(Names *self, PyObject *args, const char *format,
                           translation one)
{
    PyObject *names;
    const uint8_t *iv;
    Py_ssize_t iv_size;
    if (!PyArg_ParseTuple(args, format, &iv, &iv_size, &names))
        return NULL;
    if (iv_size != EME_BLOCK) {
        PyErr_Format(PyExc_ValueError, "an IV has %d bytes", EME_BLOCK);
        return NULL;
    }
    /* A copy that nobody else can change meanwhile. */
    PyObject *list = PySequence_List(names);
    Py_ssize_t count = list == NULL ? 0 : PyList_Size(list);
    for (Py_ssize_t i = 0; i < count; i++) {
        char *bytes;
        Py_ssize_t size;
        PyObject *item = NULL;
        if (PyBytes_AsStringAndSize(PyList_GetItem(list, i), &bytes, &size) == 0)
            item = one(self, iv, (uint8_t *)bytes, size);
        if (item == NULL || PyList_SetItem(list, i, item) != 0) {
            Py_DECREF(list);
            return NULL;
        }
    }
    return list;
}

static PyObject *Names_encrypt(PyObject *self, PyObject *args)
{
    return translate((Names *)self, args, "y#O:encrypt", encrypt_one);
}

static PyObject *Names_decrypt(PyObject *self, PyObject *args)
{
    return translate((Names *)self, args, "y#O:decrypt", decrypt_one);
}

/* The module */

static PyMethodDef runs_methods[] = {
    {"seal", Runs_seal, METH_VARARGS,
     "seal(file_id, block0_nonce, first, plaintext)\n--\n\n"
     "Return the blocks of *plaintext*, which starts at block number *first*."},
    {"open", Runs_open, METH_VARARGS,
     "open(file_id, first, ciphertext, holes)\n--\n\n"
     "Return the plaintext of the blocks from number *first* on.\n\n"
     "If a block does not authenticate, return how many blocks before it do."},
    {NULL, NULL, 0, NULL},
};

static PyMethodDef names_methods[] = {
    {"encrypt", Names_encrypt, METH_VARARGS,
     "encrypt(iv, names)\n--\n\nReturn the full cipher name of each name."},
    {"decrypt", Names_decrypt, METH_VARARGS,
     "decrypt(iv, texts)\n--\n\n"
     "Return what is in each cipher name, or None where it is none."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot runs_slots[] = {
    {Py_tp_doc, "Runs(key)\n--\n\nAES-SIV-512 over runs of blocks, for any thread."},
    {Py_tp_new, Runs_new},
    {Py_tp_dealloc, Runs_dealloc},
    {Py_tp_methods, runs_methods},
    {0, NULL},
};

static PyType_Slot names_slots[] = {
    {Py_tp_doc, "Names(key, raw)\n--\n\nNames in AES-256-EME and base64url."},
    {Py_tp_new, Names_new},
    {Py_tp_dealloc, Names_dealloc},
    {Py_tp_methods, names_methods},
    {0, NULL},
};

static PyType_Spec specs[] = {
    {"revcrypt.format._bulk.Runs", sizeof(Runs), 0, Py_TPFLAGS_DEFAULT, runs_slots},
    {"revcrypt.format._bulk.Names", sizeof(Names), 0, Py_TPFLAGS_DEFAULT, names_slots},
};

static int execute(PyObject *module)
{
    for (size_t i = 0; i < sizeof specs / sizeof *specs; i++) {
        PyObject *type = PyType_FromModuleAndSpec(module, &specs[i], NULL);
        if (type == NULL)
            return -1;
        int status = PyModule_AddType(module, (PyTypeObject *)type);
        Py_DECREF(type);
        if (status != 0)
            return -1;
    }
    return 0;
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, execute},
    {0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "revcrypt.format._bulk",
    .m_doc = "What the format does in bulk: runs of blocks, and names of directories.",
    .m_slots = module_slots,
};

PyMODINIT_FUNC PyInit__bulk(void)
{
    return PyModuleDef_Init(&module);
}
