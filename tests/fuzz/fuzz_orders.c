/* Lists of orders: snapshots point into the input, and what was read packs again. */
#include "tests/fuzz/fuzz.h"
#include "wire/envelope.h"

#define ITEMS_MAX 32

static void check_snapshot(const struct order *order, const uint8_t *data, size_t size)
{
    ASSERT(order->snapshot_bytes <= ORDER_SNAPSHOT_MAX);
    if (order->snapshot_bytes > 0)
        ASSERT(order->snapshot >= data && order->snapshot + order->snapshot_bytes <= data + size);
}

void fuzz_orders(const uint8_t *data, size_t size)
{
    static struct order_item items[ITEMS_MAX];
    static unsigned char wire[1 << 20];
    struct err err;
    int n = 0, packed = 0;
    if (orders_decode(items, ITEMS_MAX, &n, data, size, &err))
        return;
    ASSERT(n >= 0 && n <= ITEMS_MAX);
    for (int i = 0; i < n; i++)
        check_snapshot(&items[i].order, data, size);
    if (n == 0)
        return; /* an empty list is read, but never written */
    int length = orders_encode(items, n, wire, sizeof wire, &packed);
    ASSERT(length > 0 && packed == n);
    ASSERT(orders_decode(items, ITEMS_MAX, &n, wire, (size_t)length, &err) == 0 && n == packed);
}
