/* (Format specification, sections 4.1 and 4.2.) What depends on a name is encrypted before
   any table is asked: base64 sees ciphertext only. */

#include "eme.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>

enum { BLOCKS_MOST = PADDED_MOST / EME_BLOCK };

struct eme {
    EVP_CIPHER_CTX *encrypt, *decrypt; /* AES-256-ECB */
    uint8_t masks[BLOCKS_MOST][EME_BLOCK]; /* L, 2L, 4L ... */
};

static const char ALPHABET[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static void xor_block(uint8_t *a, const uint8_t *b)
{
    for (int i = 0; i < EME_BLOCK; i++)
        a[i] ^= b[i];
}

/* Multiply by x in GF(2^128), little-endian. */
static void dbl(uint8_t *block)
{
    uint8_t carry = block[EME_BLOCK - 1] >> 7;
    for (int i = EME_BLOCK - 1; i > 0; i--)
        block[i] = (uint8_t)(block[i] << 1 | block[i - 1] >> 7);
    block[0] = (uint8_t)(block[0] << 1 ^ (0x87 & -carry));
}

static int ecb(EVP_CIPHER_CTX *context, uint8_t *blocks, int count)
{
    int written;
    int size = count * EME_BLOCK;
    return EVP_CipherUpdate(context, blocks, &written, blocks, size) == 1
        && written == size;
}

static EVP_CIPHER_CTX *make_context(const uint8_t *key, int encrypts)
{
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    if (context == NULL)
        return NULL;
    if (EVP_CipherInit_ex(context, EVP_aes_256_ecb(), NULL, key, NULL, encrypts) != 1) {
        EVP_CIPHER_CTX_free(context);
        return NULL;
    }
    EVP_CIPHER_CTX_set_padding(context, 0);
    return context;
}

eme *eme_new(const uint8_t *key)
{
    eme *self = OPENSSL_zalloc(sizeof *self);
    if (self == NULL)
        return NULL;
    self->encrypt = make_context(key, 1);
    self->decrypt = make_context(key, 0);
    if (self->encrypt == NULL || self->decrypt == NULL
        || !ecb(self->encrypt, self->masks[0], 1)) {
        eme_free(self);
        return NULL;
    }
    dbl(self->masks[0]);
    for (int i = 1; i < BLOCKS_MOST; i++) {
        memcpy(self->masks[i], self->masks[i - 1], EME_BLOCK);
        dbl(self->masks[i]);
    }
    return self;
}

void eme_free(eme *self)
{
    if (self == NULL)
        return;
    EVP_CIPHER_CTX_free(self->encrypt);
    EVP_CIPHER_CTX_free(self->decrypt);
    OPENSSL_clear_free(self, sizeof *self);
}

static int transform(const eme *self, EVP_CIPHER_CTX *aes, const uint8_t *tweak,
                     uint8_t (*blocks)[EME_BLOCK], int count)
{
    uint8_t mp[EME_BLOCK], mc[EME_BLOCK];
    for (int i = 0; i < count; i++)
        xor_block(blocks[i], self->masks[i]);
    if (!ecb(aes, blocks[0], count))
        return 0;
    memcpy(mp, tweak, EME_BLOCK);
    for (int i = 0; i < count; i++)
        xor_block(mp, blocks[i]);
    memcpy(mc, mp, EME_BLOCK);
    if (!ecb(aes, mc, 1))
        return 0;
    /* M, which is doubled for each block but the first, and that is put right last. */
    xor_block(mp, mc);
    memcpy(blocks[0], mc, EME_BLOCK);
    xor_block(blocks[0], tweak);
    for (int i = 1; i < count; i++) {
        dbl(mp);
        xor_block(blocks[i], mp);
        xor_block(blocks[0], blocks[i]);
    }
    if (!ecb(aes, blocks[0], count))
        return 0;
    for (int i = 0; i < count; i++)
        xor_block(blocks[i], self->masks[i]);
    return 1;
}

static int encode(const uint8_t *data, int size, int raw, uint8_t *text)
{
    uint8_t *end = text;
    for (; size > 0; size -= 3, data += 3) {
        uint32_t bits = (uint32_t)data[0] << 16;
        bits |= size > 1 ? (uint32_t)data[1] << 8 : 0;
        bits |= size > 2 ? data[2] : 0;
        *end++ = (uint8_t)ALPHABET[bits >> 18];
        *end++ = (uint8_t)ALPHABET[bits >> 12 & 63];
        if (size > 1)
            *end++ = (uint8_t)ALPHABET[bits >> 6 & 63];
        else if (!raw)
            *end++ = '=';
        if (size > 2)
            *end++ = (uint8_t)ALPHABET[bits & 63];
        else if (!raw)
            *end++ = '=';
    }
    return (int)(end - text);
}

/* The six bits that a character stands for, or -1. */
static int bits_of(uint8_t character)
{
    if (character >= 'A' && character <= 'Z')
        return character - 'A';
    if (character >= 'a' && character <= 'z')
        return character - 'a' + 26;
    if (character >= '0' && character <= '9')
        return character - '0' + 52;
    return character == '-' ? 62 : character == '_' ? 63 : -1;
}

/* Returns how many bytes were decoded, or -2 for what encode does not write. */
static int decode(const uint8_t *text, size_t size, int raw, uint8_t *data)
{
    uint8_t again[TEXT_MOST];
    int written = 0, held = 0;
    uint32_t bits = 0;
    if (size == 0 || size > TEXT_MOST)
        return -2;
    for (size_t i = 0; i < size && text[i] != '='; i++) {
        int six = bits_of(text[i]);
        if (six < 0)
            return -2;
        bits = bits << 6 | (uint32_t)six;
        held += 6;
        if (held >= 8) {
            held -= 8;
            if (written == STORED_MOST)
                return -2;
            data[written++] = (uint8_t)(bits >> held);
        }
    }
    /* One name must have one spelling: no unused bits, and padding as it should be. */
    if (encode(data, written, raw, again) != (int)size || memcmp(again, text, size) != 0)
        return -2;
    return written;
}

int eme_encrypt_name(eme *self, const uint8_t *iv, const uint8_t *name, size_t size,
                     int raw, uint8_t *text)
{
    uint8_t blocks[BLOCKS_MOST][EME_BLOCK];
    uint8_t *bytes = (uint8_t *)blocks;
    int padding = EME_BLOCK - (int)(size % EME_BLOCK);
    int padded = (int)size + padding;
    memcpy(bytes, name, size);
    memset(bytes + size, padding, (size_t)padding);
    if (!transform(self, self->encrypt, iv, blocks, padded / EME_BLOCK))
        return -1;
    return encode(bytes, padded, raw, text);
}

int eme_decrypt_name(eme *self, const uint8_t *iv, const uint8_t *text, size_t size,
                     int raw, uint8_t *name)
{
    uint8_t blocks[BLOCKS_MOST][EME_BLOCK];
    uint8_t *bytes = (uint8_t *)blocks;
    int padded = decode(text, size, raw, bytes);
    if (padded <= 0 || padded % EME_BLOCK != 0)
        return -2;
    if (!transform(self, self->decrypt, iv, blocks, padded / EME_BLOCK))
        return -1;
    int padding = bytes[padded - 1];
    if (padding < 1 || padding > EME_BLOCK)
        return -2;
    for (int i = 1; i <= padding; i++)
        if (bytes[padded - i] != padding)
            return -2;
    memcpy(name, bytes, (size_t)(padded - padding));
    return padded - padding;
}
