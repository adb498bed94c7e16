#include "actor/columns.h"

static int declare(struct columns *columns, struct schema *schema, enum column_id id, const char *name, enum column_type type,
                   enum column_span span, int width, double min, double max, struct err *err)
{
    columns->index[id] = -1;
    if (width == 0)
        return 0;
    int index = schema_add(schema, "base", name, type, span, width, min, max, err);
    if (index < 0)
        return index;
    columns->index[id] = index;
    return 0;
}

static int most_choices(const struct spec *spec)
{
    int most = 0;
    for (int c = 0; c < spec->C; c++)
        most = spec->components[c].choices > most ? spec->components[c].choices : most;
    return most;
}

int columns_declare(struct columns *columns, struct schema *schema, const struct spec *spec, int K, int H, int snapshot_bytes,
                    struct err *err)
{
    const int N = spec->N, O = spec->O, A = spec->A, C = spec->C;
    const bool is_box = spec->action == ACTION_BOX;
    const enum column_type action_type = is_box ? COLUMN_F32 : COLUMN_I32;
    const double action_min = is_box ? -1e6 : 0, action_max = is_box ? 1e6 : most_choices(spec) - 1;
    const double logp_max = is_box ? 1e3 : 1e-3; /* a density may exceed 1 */
    int r;
#define COLUMN_DECLARE(name, type, span, width, min, max)                                           \
    if ((r = declare(columns, schema, COL_##name, #name, type, span, (int)(width), min, max, err))) \
        return r;
    COLUMN_MAP(COLUMN_DECLARE)
#undef COLUMN_DECLARE
    return schema_finish(schema, err);
}

void frame_map(struct frame *frame, const struct columns *columns, const struct schema_layout *layout, unsigned char *bytes)
{
    for (int id = 0; id < COLUMNS; id++) {
        int index = columns->index[id];
        frame->at[id] = index < 0 ? NULL : bytes + layout->start[index];
    }
}
