/* Descriptions: a map {spec: {...}, schema: bytes}, see description.h. */
#include "wire/description.h"

#include <stdlib.h>
#include <string.h>

#include "wire/codec.h"

#define OFF(field) offsetof(struct spec, field)

static const struct codec_field block_fields[] = {
    {"name", CODEC_TEXT, offsetof(struct spec_block, name), sizeof(((struct spec_block *)0)->name)},
    {"start", CODEC_I32, offsetof(struct spec_block, start), 0},
    {"width", CODEC_I32, offsetof(struct spec_block, width), 0},
};
static const struct codec_field component_fields[] = {
    {"choices", CODEC_I32, offsetof(struct spec_component, choices), 0},
    {"low", CODEC_F64, offsetof(struct spec_component, low), 0},
    {"high", CODEC_F64, offsetof(struct spec_component, high), 0},
};
static const struct codec_field width_fields[] = {
    {"width", CODEC_I32, 0, 0},
};
static const struct codec_field spec_fields[] = {
    {"env", CODEC_TEXT, OFF(env), sizeof(((struct spec *)0)->env)},
    {"scenario", CODEC_TEXT, OFF(scenario), sizeof(((struct spec *)0)->scenario)},
    {"N", CODEC_I32, OFF(N), 0},
    {"O", CODEC_I32, OFF(O), 0},
    {"S", CODEC_I32, OFF(S), 0},
    {"A", CODEC_I32, OFF(A), 0},
    {"horizon", CODEC_I32, OFF(horizon), 0},
    {"state_bytes", CODEC_I32, OFF(state_bytes), 0},
    {"action", CODEC_U32, OFF(action), 0, 255},
    {"components", CODEC_LIST, OFF(C), SPEC_COMPONENTS_MAX, 0, 0, OFF(components), sizeof(struct spec_component), component_fields,
     ARRAY_LEN(component_fields)},
    {"widths", CODEC_LIST, OFF(n_widths), SPEC_AGENTS_MAX, 0, CODEC_OPTIONAL, OFF(widths), sizeof(int32_t), width_fields,
     ARRAY_LEN(width_fields)},
    {"state_is_observation", CODEC_BOOL, OFF(state_is_observation), 0},
    {"return_min", CODEC_F64, OFF(return_min), 0},
    {"return_max", CODEC_F64, OFF(return_max), 0},
    {"blocks", CODEC_LIST, OFF(n_blocks), SPEC_BLOCKS_MAX, 0, 0, OFF(blocks), sizeof(struct spec_block), block_fields,
     ARRAY_LEN(block_fields)},
};

int description_encode(const struct spec *spec, const struct schema *schema, void *out, size_t size)
{
    unsigned char *bytes = malloc(DESCRIPTION_BYTES_MAX);
    if (!bytes)
        return ERR_NOMEM;
    int length = schema_encode(schema, bytes, DESCRIPTION_BYTES_MAX);
    struct pack pack;
    pack_begin(&pack, out, size);
    pack_map(&pack, 2);
    pack_key(&pack, "spec");
    codec_pack_map(&pack, spec_fields, ARRAY_LEN(spec_fields), spec, 0);
    pack_key(&pack, "schema");
    pack_bytes(&pack, bytes, length > 0 ? (size_t)length : 0);
    free(bytes);
    return length < 0 ? length : pack_end(&pack);
}

int description_decode(struct spec *spec, struct schema *schema, const void *data, size_t length, struct err *err)
{
    static const char *const names[] = {"spec", "schema"};
    struct unpack unpack;
    uint64_t seen = 0;
    const unsigned char *bytes = NULL;
    size_t schema_length = 0;
    memset(spec, 0, sizeof *spec);
    unpack_begin(&unpack, data, length);
    for (uint32_t left = unpack_map(&unpack, 16); left > 0 && !unpack.error; left--)
        switch (unpack_field(&unpack, names, 2, &seen)) {
        case 0:
            codec_unpack_fields(&unpack, spec_fields, ARRAY_LEN(spec_fields), spec, unpack_map(&unpack, CODEC_FIELDS_MAX));
            break;
        case 1: bytes = unpack_bytes(&unpack, DESCRIPTION_BYTES_MAX, &schema_length); break;
        }
    unpack_require(&unpack, names, 2, seen, 3);
    int r = unpack_end(&unpack, "description", err);
    if (!r)
        r = spec_check(spec, err);
    return r ? r : schema_decode(schema, bytes, schema_length, err);
}
