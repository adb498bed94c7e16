/* MessagePack codec: see pack.h.
 *
 * Invariants of the reader: at <= length; nothing is read beyond length; a container's count is checked against the bytes left
 * (an element takes at least one), so no loop over a count runs longer than the frame; after the first error every call
 * returns zero and consumes nothing. Source of the type bytes: the MessagePack specification, section "Formats". */
#include "wire/pack.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define SKIP_DEPTH_MAX 8
#define KEY_BYTES_MAX 32

/* --- writing --- */

static int pack_write(void *context, const char *bytes, size_t length)
{
    struct pack *pack = context;
    if (pack->is_full || length > pack->size - pack->used) {
        pack->is_full = true;
        return -1;
    }
    memcpy(pack->data + pack->used, bytes, length);
    pack->used += length;
    return 0;
}

void pack_begin(struct pack *pack, void *data, size_t size)
{
    *pack = (struct pack){.data = data, .size = size};
    msgpack_packer_init(&pack->packer, pack, pack_write);
}

void pack_map(struct pack *pack, uint32_t count)
{
    msgpack_pack_map(&pack->packer, count);
}

void pack_array(struct pack *pack, uint32_t count)
{
    msgpack_pack_array(&pack->packer, count);
}

void pack_key(struct pack *pack, const char *key)
{
    ASSERT(strlen(key) <= KEY_BYTES_MAX);
    pack_text(pack, key);
}

void pack_text(struct pack *pack, const char *text)
{
    size_t length = strlen(text);
    msgpack_pack_str(&pack->packer, length);
    msgpack_pack_str_body(&pack->packer, text, length);
}

void pack_u64(struct pack *pack, uint64_t value)
{
    msgpack_pack_uint64(&pack->packer, value);
}

void pack_i64(struct pack *pack, int64_t value)
{
    msgpack_pack_int64(&pack->packer, value);
}

void pack_f64(struct pack *pack, double value)
{
    msgpack_pack_double(&pack->packer, value);
}

void pack_bool(struct pack *pack, bool value)
{
    if (value)
        msgpack_pack_true(&pack->packer);
    else
        msgpack_pack_false(&pack->packer);
}

void pack_bytes(struct pack *pack, const void *bytes, size_t length)
{
    msgpack_pack_bin(&pack->packer, length);
    if (length > 0)
        msgpack_pack_bin_body(&pack->packer, bytes, length);
}

void pack_hash(struct pack *pack, struct hash hash)
{
    unsigned char bytes[16];
    for (int i = 0; i < 8; i++) {
        bytes[i] = (unsigned char)(hash.high >> (56 - 8 * i));
        bytes[8 + i] = (unsigned char)(hash.low >> (56 - 8 * i));
    }
    pack_bytes(pack, bytes, sizeof bytes);
}

int pack_end(const struct pack *pack)
{
    return pack->is_full || pack->used > INT32_MAX ? ERR_LIMIT : (int)pack->used;
}

/* --- reading --- */

static const char *type_name(unsigned char byte)
{
    static const char *const names[32] = {
        "nil",   "reserved", "false",    "true",     "bin",      "bin",     "bin",     "ext",     "ext",     "ext", "float",
        "float", "unsigned", "unsigned", "unsigned", "unsigned", "integer", "integer", "integer", "integer", "ext", "ext",
        "ext",   "ext",      "ext",      "text",     "text",     "text",    "array",   "array",   "map",     "map",
    };
    if (byte <= 0x7f || byte >= 0xe0)
        return "integer";
    if (byte <= 0x8f)
        return "map";
    if (byte <= 0x9f)
        return "array";
    return byte <= 0xbf ? "text" : names[byte - 0xc0];
}

void unpack_begin(struct unpack *unpack, const void *data, size_t length)
{
    *unpack = (struct unpack){.data = data, .length = length};
}

void unpack_fail(struct unpack *unpack, int code, const char *what)
{
    if (unpack->error)
        return;
    ASSERT(code < 0);
    unpack->error = code;
    snprintf(unpack->what, sizeof unpack->what, "%s, at byte %zu", what, unpack->at);
}

static void fail_type(struct unpack *unpack, const char *expected, unsigned char got)
{
    char what[64];
    snprintf(what, sizeof what, "expected %s, got %s", expected, type_name(got));
    unpack_fail(unpack, ERR_FORMAT, what);
}

static size_t bytes_left(const struct unpack *unpack)
{
    return unpack->length - unpack->at;
}

/* The next `count` bytes, or NULL (and the error is set) when fewer are left. */
static const unsigned char *take(struct unpack *unpack, uint64_t count)
{
    if (unpack->error)
        return NULL;
    if (count > bytes_left(unpack)) {
        unpack_fail(unpack, ERR_FORMAT, "cut short");
        return NULL;
    }
    const unsigned char *bytes = unpack->data + unpack->at;
    unpack->at += (size_t)count;
    return bytes;
}

/* Big-endian unsigned number of 1, 2, 4 or 8 bytes; 0 after an error. */
static uint64_t take_number(struct unpack *unpack, int count)
{
    const unsigned char *bytes = take(unpack, (uint64_t)count);
    uint64_t number = 0;
    for (int i = 0; bytes && i < count; i++)
        number = number << 8 | bytes[i];
    return number;
}

/* The type byte without consuming it; false after an error or at the end. */
static bool peek(struct unpack *unpack, unsigned char *byte)
{
    if (unpack->error)
        return false;
    if (bytes_left(unpack) == 0) {
        unpack_fail(unpack, ERR_FORMAT, "cut short");
        return false;
    }
    *byte = unpack->data[unpack->at];
    return true;
}

static uint32_t check_count(struct unpack *unpack, uint64_t count, uint64_t max, unsigned bytes_each)
{
    if (count > max)
        unpack_fail(unpack, ERR_LIMIT, "container has too many elements");
    else if (count * bytes_each > bytes_left(unpack))
        unpack_fail(unpack, ERR_FORMAT, "container claims more than the frame holds");
    return unpack->error ? 0 : (uint32_t)count;
}

uint32_t unpack_map(struct unpack *unpack, uint32_t max)
{
    unsigned char byte;
    uint64_t count = 0;
    if (!peek(unpack, &byte))
        return 0;
    if ((byte & 0xf0) != 0x80 && byte != 0xde && byte != 0xdf) {
        fail_type(unpack, "map", byte);
        return 0;
    }
    unpack->at++;
    count = byte == 0xde ? take_number(unpack, 2) : byte == 0xdf ? take_number(unpack, 4) : byte & 0x0f;
    return check_count(unpack, count, max, 2);
}

uint32_t unpack_array(struct unpack *unpack, uint32_t max)
{
    unsigned char byte;
    uint64_t count = 0;
    if (!peek(unpack, &byte))
        return 0;
    if ((byte & 0xf0) != 0x90 && byte != 0xdc && byte != 0xdd) {
        fail_type(unpack, "array", byte);
        return 0;
    }
    unpack->at++;
    count = byte == 0xdc ? take_number(unpack, 2) : byte == 0xdd ? take_number(unpack, 4) : byte & 0x0f;
    return check_count(unpack, count, max, 1);
}

/* Body of a str, NULL after an error. */
static const unsigned char *take_text(struct unpack *unpack, size_t max, size_t *length)
{
    unsigned char byte;
    *length = 0;
    if (!peek(unpack, &byte))
        return NULL;
    if ((byte & 0xe0) != 0xa0 && (byte < 0xd9 || byte > 0xdb)) {
        fail_type(unpack, "text", byte);
        return NULL;
    }
    unpack->at++;
    uint64_t count = (byte & 0xe0) == 0xa0 ? byte & 0x1f : take_number(unpack, 1 << (byte - 0xd9));
    if (count > max)
        unpack_fail(unpack, ERR_LIMIT, "text is too long");
    const unsigned char *bytes = take(unpack, count);
    *length = bytes ? (size_t)count : 0;
    return bytes;
}

const char *unpack_key(struct unpack *unpack, size_t *length)
{
    const unsigned char *bytes = take_text(unpack, KEY_BYTES_MAX, length);
    return bytes ? (const char *)bytes : "";
}

bool unpack_text(struct unpack *unpack, char *out, size_t size)
{
    size_t length;
    memset(out, 0, size);
    const unsigned char *bytes = take_text(unpack, size - 1, &length);
    if (!bytes)
        return false;
    if (memchr(bytes, 0, length)) {
        unpack_fail(unpack, ERR_FORMAT, "text holds a zero byte");
        return false;
    }
    memcpy(out, bytes, length);
    return true;
}

struct integer { /* value is `bits` read as two's complement when negative, as unsigned otherwise */
    bool is_negative;
    uint64_t bits;
};

static struct integer take_signed(struct unpack *unpack, int count)
{
    uint64_t bits = take_number(unpack, count);
    int shift = 64 - 8 * count;
    int64_t value = (int64_t)(bits << shift) >> shift;
    return (struct integer){value < 0, (uint64_t)value};
}

static bool is_integer(unsigned char byte)
{
    return byte <= 0x7f || byte >= 0xe0 || (byte >= 0xcc && byte <= 0xd3);
}

static struct integer take_integer(struct unpack *unpack)
{
    unsigned char byte;
    if (!peek(unpack, &byte))
        return (struct integer){0};
    if (!is_integer(byte)) {
        fail_type(unpack, "integer", byte);
        return (struct integer){0};
    }
    if (byte >= 0xe0)
        return take_signed(unpack, 1);
    unpack->at++;
    if (byte <= 0x7f)
        return (struct integer){false, byte};
    return byte <= 0xcf ? (struct integer){false, take_number(unpack, 1 << (byte - 0xcc))}
                        : take_signed(unpack, 1 << (byte - 0xd0));
}

static void fail_range(struct unpack *unpack)
{
    unpack_fail(unpack, ERR_RANGE, "integer out of range");
}

uint64_t unpack_u64(struct unpack *unpack, uint64_t max)
{
    struct integer integer = take_integer(unpack);
    if (integer.is_negative || integer.bits > max)
        fail_range(unpack);
    return unpack->error ? 0 : integer.bits;
}

int64_t unpack_i64(struct unpack *unpack, int64_t min, int64_t max)
{
    struct integer integer = take_integer(unpack);
    int64_t value = (int64_t)integer.bits;
    if ((!integer.is_negative && integer.bits > INT64_MAX) || value < min || value > max)
        fail_range(unpack);
    return unpack->error ? 0 : value;
}

double unpack_f64(struct unpack *unpack)
{
    unsigned char byte;
    double value = 0;
    if (!peek(unpack, &byte))
        return 0;
    if (is_integer(byte)) {
        struct integer integer = take_integer(unpack);
        value = integer.is_negative ? (double)(int64_t)integer.bits : (double)integer.bits;
        return unpack->error ? 0 : value;
    }
    if (byte != 0xca && byte != 0xcb) {
        fail_type(unpack, "number", byte);
        return 0;
    }
    unpack->at++;
    uint64_t bits = take_number(unpack, byte == 0xca ? 4 : 8);
    uint32_t narrow = (uint32_t)bits;
    float single;
    memcpy(&single, &narrow, sizeof single);
    memcpy(&value, &bits, sizeof value);
    value = byte == 0xca ? (double)single : value;
    if (isnan(value))
        unpack_fail(unpack, ERR_NOT_FINITE, "number is NaN");
    return unpack->error ? 0 : value;
}

bool unpack_bool(struct unpack *unpack)
{
    unsigned char byte;
    if (!peek(unpack, &byte))
        return false;
    if (byte != 0xc2 && byte != 0xc3) {
        fail_type(unpack, "boolean", byte);
        return false;
    }
    unpack->at++;
    return byte == 0xc3;
}

const unsigned char *unpack_bytes(struct unpack *unpack, size_t max, size_t *length)
{
    unsigned char byte;
    *length = 0;
    if (!peek(unpack, &byte))
        return NULL;
    if (byte < 0xc4 || byte > 0xc6) {
        fail_type(unpack, "bin", byte);
        return NULL;
    }
    unpack->at++;
    uint64_t count = take_number(unpack, 1 << (byte - 0xc4));
    if (count > max)
        unpack_fail(unpack, ERR_LIMIT, "bin is too long");
    const unsigned char *bytes = take(unpack, count);
    *length = bytes ? (size_t)count : 0;
    return bytes;
}

struct hash unpack_hash(struct unpack *unpack)
{
    size_t length;
    struct hash hash = {0};
    const unsigned char *bytes = unpack_bytes(unpack, 16, &length);
    if (bytes && length != 16)
        unpack_fail(unpack, ERR_FORMAT, "hash is not 16 bytes long");
    for (size_t i = 0; !unpack->error && i < 8; i++) {
        hash.high = hash.high << 8 | bytes[i];
        hash.low = hash.low << 8 | bytes[8 + i];
    }
    return hash;
}

/* Consumes one value or, of a container, its header; returns the number of values inside the container. */
static uint64_t skip_one(struct unpack *unpack)
{
    unsigned char byte;
    if (!peek(unpack, &byte))
        return 0;
    if ((byte & 0xf0) == 0x80 || byte == 0xde || byte == 0xdf)
        return 2 * (uint64_t)unpack_map(unpack, UINT32_MAX);
    if ((byte & 0xf0) == 0x90 || byte == 0xdc || byte == 0xdd)
        return unpack_array(unpack, UINT32_MAX);
    if (is_integer(byte)) {
        take_integer(unpack);
        return 0;
    }
    if ((byte & 0xe0) == 0xa0) {
        take(unpack, 1 + (byte & 0x1fu));
        return 0;
    }
    unpack->at++;
    if (byte >= 0xc4 && byte <= 0xc6) /* bin 8, 16, 32 */
        take(unpack, take_number(unpack, 1 << (byte - 0xc4)));
    else if (byte >= 0xc7 && byte <= 0xc9) /* ext 8, 16, 32: length, type, data */
        take(unpack, 1 + take_number(unpack, 1 << (byte - 0xc7)));
    else if (byte == 0xca || byte == 0xcb) /* float 32, 64 */
        take(unpack, byte == 0xca ? 4 : 8);
    else if (byte >= 0xd4 && byte <= 0xd8) /* fixext 1..16: type, data */
        take(unpack, 1 + (1u << (byte - 0xd4)));
    else if (byte >= 0xd9 && byte <= 0xdb) /* str 8, 16, 32 */
        take(unpack, take_number(unpack, 1 << (byte - 0xd9)));
    else if (byte == 0xc1)
        unpack_fail(unpack, ERR_FORMAT, "reserved type byte c1");
    return 0; /* nil, false, true have no body */
}

void unpack_skip(struct unpack *unpack)
{
    uint64_t pending[SKIP_DEPTH_MAX + 1] = {1}; /* values still to read at each depth */
    int depth = 0;
    while (depth >= 0 && !unpack->error) {
        if (pending[depth] == 0) {
            depth--;
            continue;
        }
        pending[depth]--;
        uint64_t inside = skip_one(unpack);
        if (inside > 0 && depth == SKIP_DEPTH_MAX)
            unpack_fail(unpack, ERR_LIMIT, "nested too deeply");
        else if (inside > 0)
            pending[++depth] = inside;
    }
}

int unpack_field(struct unpack *unpack, const char *const *names, int count, uint64_t *seen)
{
    size_t length;
    const char *key = unpack_key(unpack, &length);
    if (unpack->error)
        return -1;
    int next = *seen ? 64 - __builtin_clzll(*seen) : 0; /* writers keep the order of the names: try the one after the last first */
    for (int n = 0; n < count; n++) {
        int i = (next + n) % count;
        if (strlen(names[i]) != length || memcmp(names[i], key, length) != 0)
            continue;
        if (*seen >> i & 1) {
            unpack_fail(unpack, ERR_DUPLICATE, "key twice in a map");
            return -1;
        }
        *seen |= (uint64_t)1 << i;
        return i;
    }
    unpack_skip(unpack);
    return -1;
}

void unpack_require(struct unpack *unpack, const char *const *names, int count, uint64_t seen, uint64_t required)
{
    for (int i = 0; i < count && !unpack->error; i++) {
        char what[64];
        if (!(required >> i & 1) || seen >> i & 1)
            continue;
        snprintf(what, sizeof what, "key %s is missing", names[i]);
        unpack_fail(unpack, ERR_FORMAT, what);
    }
}

int unpack_end(const struct unpack *unpack, const char *name, struct err *err)
{
    if (unpack->error)
        return err_set(err, unpack->error, "%s: %s", name, unpack->what);
    if (unpack->at != unpack->length)
        return err_set(err, ERR_FORMAT, "%s: %zu bytes left over", name, unpack->length - unpack->at);
    return 0;
}
