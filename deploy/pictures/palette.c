#include "deploy/pictures/palette.h"

#define RIM_DARKENS 0.68f
#define WHITE_BELOW 0.56f /* where white and black read about equally well in small type */

/* shade 0, 1, ...; a row that ends early repeats its shades. */
static const struct ink_row {
    const char *name;
    int count; /* of shades */
    uint32_t shades[PALETTE_SHADES];
    float alpha;
    int has_rim;
} inks[INK_COUNT] = {
    [INK_GROUND] = {"ground", 4, {0xF1EEE6, 0xE4EBDF, 0xE1E8EE, 0xEDE3DA}, 1, 0},
    [INK_WALL] = {"wall", 2, {0xA4ABB5, 0x828A96}, 1, 0},
    [INK_GRID] = {"grid", 1, {0xD8D3C7}, 1, 0},
    [INK_GOAL] = {"goal", 4, {0xF2B134, 0xF2EE85, 0xF2EC3C, 0xF2CD85}, 1, 1},
    [INK_ALLY] =
        {"ally", 10, {0x0072B2, 0x56B4E9, 0x009E73, 0x251A6B, 0x8C2373, 0x36D3D8, 0x662CB2, 0x4D8A8C, 0x423CF2, 0x6079F2}, 1, 1},
    [INK_ENEMY] = {"enemy", 5, {0xD55E00, 0x721616, 0xBF2626, 0xE57D50, 0x724439}, 1, 1},
    [INK_HEALTH] = {"health", 1, {0x2A9D6F}, 1, 0},
    [INK_SHIELD] = {"shield", 1, {0x3D8BD4}, 1, 0},
    [INK_EFFECT] = {"effect", 4, {0x8E44AD, 0xC0398B, 0x5E35B1, 0xB5651D}, 0.55f, 0},
    [INK_LABEL] = {"label", 2, {0x22262B, 0xFFFFFF}, 1, 0},
};

struct colour palette_fill(enum scene_ink ink, int shade)
{
    const struct ink_row *row = &inks[ink];
    uint32_t rgb = row->shades[(unsigned)shade % (unsigned)row->count];
    return (struct colour){(uint8_t)(rgb >> 16), (uint8_t)(rgb >> 8), (uint8_t)rgb, row->alpha};
}

struct colour palette_rim(enum scene_ink ink, int shade)
{
    struct colour fill = palette_fill(ink, shade);
    return (struct colour){(uint8_t)((float)fill.r * RIM_DARKENS), (uint8_t)((float)fill.g * RIM_DARKENS),
                           (uint8_t)((float)fill.b * RIM_DARKENS), fill.alpha};
}

float palette_rim_share(enum scene_ink ink, enum scene_shape shape)
{
    return !inks[ink].has_rim ? 0 : shape == SCENE_CIRCLE ? PALETTE_RIM_CIRCLE : shape == SCENE_RECT ? PALETTE_RIM_RECT : 0;
}

/* Weights of ITU-R BT.709 on values as they are stored: close enough for a choice between two. */
int palette_is_dark(struct colour colour)
{
    return (0.2126f * colour.r + 0.7152f * colour.g + 0.0722f * colour.b) / 255 < WHITE_BELOW;
}

int palette_shades(enum scene_ink ink)
{
    return inks[ink].count;
}

const char *palette_ink_name(enum scene_ink ink)
{
    return inks[ink].name;
}
