/* Names: EME over AES-256 (Halevi and Rogaway, 2003), composed of libcrypto's AES, and the
   base64url around it. */

#ifndef REVCRYPT_EME_H
#define REVCRYPT_EME_H

#include <stddef.h>
#include <stdint.h>

enum {
    EME_BLOCK = 16,
    EME_KEY_SIZE = 32,
    /* EME takes up to 128 blocks. Names in directories have up to 255 bytes, so up to 16
       blocks with their padding; but longer ones may be asked for. */
    NAME_MOST = 2047,
    PADDED_MOST = 2048,
    TEXT_MOST = 2732,
    STORED_MOST = 256
};

/* The contexts of one key. Not for use by two threads at once. */
typedef struct eme eme;

/* key has EME_KEY_SIZE bytes. Returns NULL if memory or libcrypto fail. */
eme *eme_new(const uint8_t *key);
void eme_free(eme *self);

/* Encrypts a name of at most NAME_MOST bytes under the IV of a directory into text, which has
   room for TEXT_MOST bytes. raw leaves out base64's padding. Returns the length of the
   text, or -1 if libcrypto fails. */
int eme_encrypt_name(eme *self, const uint8_t *iv, const uint8_t *name,
                     size_t size, int raw, uint8_t *text);

/* Decrypts size bytes of text into name, which has room for STORED_MOST bytes. Returns the
   length of the name, -1 if libcrypto fails, or -2 if the text is none that encryption
   writes. */
int eme_decrypt_name(eme *self, const uint8_t *iv, const uint8_t *text,
                     size_t size, int raw, uint8_t *name);

#endif
