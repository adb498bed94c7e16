#include "broker/history.h"

#include "broker/text.h"

static void thin_out(struct history *history)
{
    for (int i = 0; 2 * i < history->n; i++)
        history->rows[i] = history->rows[2 * i];
    history->n = (history->n + 1) / 2;
    history->every *= 2;
}

void history_add(struct history *history, const struct history_row *row)
{
    if (!history->every)
        history->every = 1;
    if (history->n && ++history->skipped < history->every)
        return;
    history->skipped = 0;
    if (history->n == HISTORY_ROWS)
        thin_out(history);
    history->rows[history->n++] = *row;
}

int history_json(const struct history *history, char *json, size_t size)
{
#define HISTORY_KEY(name, key) key,
    static const char *const keys[] = {HISTORY_COLUMNS(HISTORY_KEY)};
    struct text text = {json, size, 0};
    text_add(&text, "{\"every\":%d,\"columns\":[\"seconds\"", history->every ? history->every : 1);
    for (int c = 0; c < HISTORY_WIDTH; c++)
        text_add(&text, ",\"%s\"", keys[c]);
    text_add(&text, "],\"rows\":[");
    for (int i = 0; i < history->n; i++) {
        text_add(&text, "%s[%.1f", i ? "," : "", history->rows[i].seconds);
        for (int c = 0; c < HISTORY_WIDTH; c++) {
            text_add(&text, ",");
            text_number(&text, (double)history->rows[i].values[c]);
        }
        text_add(&text, "]");
    }
    text_add(&text, "]}");
    return text_end(&text);
}
