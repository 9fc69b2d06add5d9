/* CMAC is serial within one block of a file, but the blocks of a run are independent. So
   all of them take each step together, in one AES-ECB call over one AES block of each;
   that keeps the pipelines of the processor full. There is no own AES, no table and no
   branch that depends on a secret. */

#include "siv.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>

/* Blocks that step together; more do not help. */
enum { LANES = 32 };

struct siv {
    EVP_CIPHER_CTX *mac; /* AES-256-ECB under the first half of the key */
    EVP_CIPHER_CTX *ctr; /* AES-256-CTR under the second half */
    uint8_t k1[AES_BLOCK], k2[AES_BLOCK]; /* CMAC sub-keys (RFC 4493, section 2.3) */
    uint8_t zero[AES_BLOCK]; /* CMAC of a block of zeros, doubled: where S2V starts */
};

/* One block of the file on its way through S2V. */
typedef struct {
    uint8_t nonce[NONCE_SIZE];
    uint8_t ad[8 + FILE_ID_SIZE];
    const uint8_t *plaintext;
    uint8_t siv[AES_BLOCK];
} lane;

static void xor16(uint8_t *a, const uint8_t *b)
{
    uint64_t x[2], y[2];
    memcpy(x, a, sizeof x);
    memcpy(y, b, sizeof y);
    x[0] ^= y[0];
    x[1] ^= y[1];
    memcpy(a, x, sizeof x);
}

/* Multiply by x in GF(2^128), big-endian (RFC 5297, section 2.3). */
static void dbl(uint8_t *block)
{
    uint8_t carry = block[0] >> 7;
    for (int i = 0; i < AES_BLOCK - 1; i++)
        block[i] = (uint8_t)(block[i] << 1 | block[i + 1] >> 7);
    block[AES_BLOCK - 1] = (uint8_t)(block[AES_BLOCK - 1] << 1 ^ (0x87 & -carry));
}

static void put_u64(uint8_t *to, uint64_t value)
{
    for (int i = 7; i >= 0; i--, value >>= 8)
        to[i] = (uint8_t)value;
}

static uint64_t get_u64(const uint8_t *from)
{
    uint64_t value = 0;
    for (int i = 0; i < 8; i++)
        value = value << 8 | from[i];
    return value;
}

static int ecb(siv *self, uint8_t (*blocks)[AES_BLOCK], int count)
{
    int written;
    int size = count * AES_BLOCK;
    return EVP_EncryptUpdate(self->mac, blocks[0], &written, blocks[0], size) == 1
        && written == size;
}

static EVP_CIPHER_CTX *make_context(const EVP_CIPHER *cipher, const uint8_t *key)
{
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    if (context == NULL)
        return NULL;
    if (EVP_EncryptInit_ex(context, cipher, NULL, key, NULL) != 1) {
        EVP_CIPHER_CTX_free(context);
        return NULL;
    }
    EVP_CIPHER_CTX_set_padding(context, 0);
    return context;
}

siv *siv_new(const uint8_t key[SIV_KEY_SIZE])
{
    siv *self = OPENSSL_zalloc(sizeof *self);
    if (self == NULL)
        return NULL;
    self->mac = make_context(EVP_aes_256_ecb(), key);
    self->ctr = make_context(EVP_aes_256_ctr(), key + SIV_KEY_SIZE / 2);
    uint8_t block[1][AES_BLOCK] = {{0}};
    if (self->mac == NULL || self->ctr == NULL || !ecb(self, block, 1)) {
        siv_free(self);
        return NULL;
    }
    dbl(block[0]);
    memcpy(self->k1, block[0], AES_BLOCK);
    dbl(block[0]);
    memcpy(self->k2, block[0], AES_BLOCK);
    memcpy(block[0], self->k1, AES_BLOCK);
    if (!ecb(self, block, 1)) {
        siv_free(self);
        return NULL;
    }
    dbl(block[0]);
    memcpy(self->zero, block[0], AES_BLOCK);
    OPENSSL_cleanse(block, sizeof block);
    return self;
}

void siv_free(siv *self)
{
    if (self == NULL)
        return;
    EVP_CIPHER_CTX_free(self->mac);
    EVP_CIPHER_CTX_free(self->ctr);
    OPENSSL_clear_free(self, sizeof *self);
}

/* S2V over [associated data, nonce, plaintext] (RFC 5297, section 2.4) for count lanes,
   whose plaintexts all have size bytes, at least 1. */
static int s2v(siv *self, lane *lanes, int count, size_t size)
{
    uint8_t d[LANES][AES_BLOCK], x[LANES][AES_BLOCK], y[LANES][AES_BLOCK];
    int ok;

    /* 24 bytes of associated data: a whole block, and half a padded one. */
    for (int i = 0; i < count; i++)
        memcpy(x[i], lanes[i].ad, AES_BLOCK);
    ok = ecb(self, x, count);
    for (int i = 0; i < count; i++) {
        uint8_t last[AES_BLOCK] = {0};
        memcpy(last, lanes[i].ad + AES_BLOCK, 8);
        last[8] = 0x80;
        xor16(x[i], last);
        xor16(x[i], self->k2);
        memcpy(y[i], lanes[i].nonce, NONCE_SIZE);
        xor16(y[i], self->k1);
    }
    ok = ok && ecb(self, x, count) && ecb(self, y, count);
    for (int i = 0; i < count; i++) {
        memcpy(d[i], self->zero, AES_BLOCK);
        xor16(d[i], x[i]);
        dbl(d[i]);
        xor16(d[i], y[i]);
    }

    /* What is left of the plaintext after all AES blocks but the last two, or one: there
       d is added to the last 16 bytes, or to the padded whole if it is shorter. */
    size_t rest = size < AES_BLOCK ? size : AES_BLOCK + size % AES_BLOCK;
    size_t steps = (size - rest) / AES_BLOCK;
    memset(x, 0, sizeof x);
    for (size_t step = 0; ok && step < steps; step++) {
        for (int i = 0; i < count; i++)
            xor16(x[i], lanes[i].plaintext + step * AES_BLOCK);
        ok = ecb(self, x, count);
    }
    size_t ends = rest <= AES_BLOCK ? 1 : 2;
    uint8_t end[LANES][2 * AES_BLOCK];
    memset(end, 0, sizeof end);
    for (int i = 0; i < count; i++) {
        memcpy(end[i], lanes[i].plaintext + size - rest, rest);
        if (size < AES_BLOCK) {
            end[i][rest] = 0x80;
            dbl(d[i]);
            xor16(end[i], d[i]);
            xor16(end[i], self->k1);
        } else {
            xor16(end[i] + rest - AES_BLOCK, d[i]);
            if (rest == AES_BLOCK) {
                xor16(end[i], self->k1);
            } else {
                end[i][rest] = 0x80;
                xor16(end[i] + AES_BLOCK, self->k2);
            }
        }
    }
    for (size_t step = 0; ok && step < ends; step++) {
        for (int i = 0; i < count; i++)
            xor16(x[i], end[i] + step * AES_BLOCK);
        ok = ecb(self, x, count);
    }
    for (int i = 0; i < count; i++)
        memcpy(lanes[i].siv, x[i], AES_BLOCK);
    OPENSSL_cleanse(end, sizeof end);
    return ok;
}

static int ctr(siv *self, const uint8_t *tag, const uint8_t *input, size_t size,
               uint8_t *output)
{
    int written;
    uint8_t counter[AES_BLOCK];
    memcpy(counter, tag, AES_BLOCK);
    /* RFC 5297, section 2.5: so that 32-bit counters need no carry. */
    counter[8] &= 0x7f;
    counter[12] &= 0x7f;
    return EVP_EncryptInit_ex(self->ctr, NULL, NULL, NULL, counter) == 1
        && EVP_EncryptUpdate(self->ctr, output, &written, input, (int)size) == 1;
}

static void name_lane(lane *lane, const uint8_t *file_id, uint64_t number)
{
    put_u64(lane->ad, number);
    memcpy(lane->ad + 8, file_id, FILE_ID_SIZE);
}

int siv_seal(siv *self, const uint8_t *file_id, const uint8_t *nonce0, uint64_t first,
             const uint8_t *plaintext, size_t size, uint8_t *output)
{
    lane lanes[LANES];
    uint64_t low = get_u64(nonce0 + 8);
    while (size) {
        /* A short block, which can only be the last, goes alone. */
        size_t length = size < PLAIN_BLOCK ? size : PLAIN_BLOCK;
        size_t full = size / PLAIN_BLOCK;
        int count = full < 1 ? 1 : full < LANES ? (int)full : LANES;
        for (int i = 0; i < count; i++) {
            name_lane(&lanes[i], file_id, first + (uint64_t)i);
            memcpy(lanes[i].nonce, nonce0, 8);
            put_u64(lanes[i].nonce + 8, low + first + (uint64_t)i);
            lanes[i].plaintext = plaintext + (size_t)i * length;
        }
        if (!s2v(self, lanes, count, length))
            return -1;
        for (int i = 0; i < count; i++) {
            memcpy(output, lanes[i].nonce, NONCE_SIZE);
            memcpy(output + NONCE_SIZE, lanes[i].siv, AES_BLOCK);
            if (!ctr(self, lanes[i].siv, lanes[i].plaintext, length, output + OVERHEAD))
                return -1;
            output += length + OVERHEAD;
        }
        plaintext += (size_t)count * length;
        size -= (size_t)count * length;
        first += (uint64_t)count;
    }
    return 0;
}

/* Whether all bytes are zero; how long this takes tells only what is stored in clear. */
static int is_zero(const uint8_t *bytes, size_t size)
{
    return bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0;
}

/* Returns how many of the lanes, from the first on, authenticate. */
static long open_lanes(siv *self, lane *lanes, int count, size_t length,
                       const uint8_t *ciphertext, int holes, uint8_t *output)
{
    for (int i = 0; i < count; i++) {
        const uint8_t *block = ciphertext + (size_t)i * (length + OVERHEAD);
        uint8_t *plaintext = output + (size_t)i * length;
        memcpy(lanes[i].nonce, block, NONCE_SIZE);
        lanes[i].plaintext = plaintext;
        if (!ctr(self, block + NONCE_SIZE, block + OVERHEAD, length, plaintext))
            return -1;
    }
    if (!s2v(self, lanes, count, length))
        return -1;
    for (int i = 0; i < count; i++) {
        const uint8_t *block = ciphertext + (size_t)i * (length + OVERHEAD);
        if (is_zero(block, NONCE_SIZE)) {
            /* What was never written looks like this. */
            if (!holes || length != PLAIN_BLOCK || !is_zero(block, CIPHER_BLOCK))
                return i;
            memset(output + (size_t)i * length, 0, length);
        } else if (CRYPTO_memcmp(block + NONCE_SIZE, lanes[i].siv, AES_BLOCK) != 0) {
            return i;
        }
    }
    return count;
}

long siv_open(siv *self, const uint8_t *file_id, uint64_t first, int holes,
              const uint8_t *ciphertext, size_t size, uint8_t *output)
{
    lane lanes[LANES];
    long opened = 0;
    while (size) {
        if (size <= OVERHEAD)
            return opened;
        size_t length = (size < CIPHER_BLOCK ? size : CIPHER_BLOCK) - OVERHEAD;
        size_t full = size / CIPHER_BLOCK;
        int count = full < 1 ? 1 : full < LANES ? (int)full : LANES;
        for (int i = 0; i < count; i++)
            name_lane(&lanes[i], file_id, first + (uint64_t)i);
        long good = open_lanes(self, lanes, count, length, ciphertext, holes, output);
        if (good < count) {
            long kept = good < 0 ? 0 : good;
            OPENSSL_cleanse(output + (size_t)kept * length,
                            (size_t)(count - kept) * length);
            return good < 0 ? -1 : opened + good;
        }
        opened += count;
        first += (uint64_t)count;
        output += (size_t)count * length;
        ciphertext += (size_t)count * (length + OVERHEAD);
        size -= (size_t)count * (length + OVERHEAD);
    }
    return opened;
}
