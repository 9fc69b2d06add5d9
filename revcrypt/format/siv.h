/* AES-SIV-512 (RFC 5297) over whole runs of blocks, composed of libcrypto's AES. */

#ifndef REVCRYPT_SIV_H
#define REVCRYPT_SIV_H

#include <stddef.h>
#include <stdint.h>

enum {
    AES_BLOCK = 16,
    SIV_KEY_SIZE = 64,
    PLAIN_BLOCK = 4096,
    NONCE_SIZE = 16,
    OVERHEAD = NONCE_SIZE + AES_BLOCK,
    CIPHER_BLOCK = PLAIN_BLOCK + OVERHEAD,
    FILE_ID_SIZE = 16
};

/* The contexts of one key. Not for use by two threads at once. */
typedef struct siv siv;

/* Returns NULL if memory or libcrypto fail. */
siv *siv_new(const uint8_t key[SIV_KEY_SIZE]);
void siv_free(siv *self);

/* Seals the blocks of size bytes of plaintext, the first of which has the number first.
   The nonce of block 0 is nonce0; its lower half counts up. output has room for
   OVERHEAD bytes more per block. Returns 0, or -1 if libcrypto fails. */
int siv_seal(siv *self, const uint8_t *file_id, const uint8_t *nonce0, uint64_t first,
             const uint8_t *plaintext, size_t size, uint8_t *output);

/* Opens the blocks in size bytes of ciphertext. With holes, full blocks of zero bytes
   are zeros. output has room for OVERHEAD bytes less per block. Returns the number of
   blocks that authenticate before the first that does not, or before the end, or -1 if
   libcrypto fails. Nothing of a block that does not authenticate is left in output. */
long siv_open(siv *self, const uint8_t *file_id, uint64_t first, int holes,
              const uint8_t *ciphertext, size_t size, uint8_t *output);

#endif
