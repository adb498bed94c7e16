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

int columns_declare(struct columns *columns, struct schema *schema, const struct spec *spec, int K, int H, int snapshot_bytes,
                    struct err *err)
{
    const int N = spec->N, O = spec->O, A = spec->A;
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
