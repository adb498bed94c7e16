/* The book of trajectories: see ledger.h.
 *
 * Invariant of each entry: decided_upto <= received_upto <= announced, and everything in (decided_upto, received_upto] is either held
 * or marked in the bitmap. `away` and `held` are walked and counted, not computed from the fates. */
#include "learner/ledger.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/codec.h"

struct ledger {
    struct ledger_entry **entries;
    int count, capacity;
    uint64_t folded_announced, folded[FATES]; /* incarnations that are no longer remembered one by one */
    uint64_t rejected[REJECT_REASONS];
    uint64_t received, distinct, duplicate, gap;
};

const char *reject_reason_name(enum reject_reason reason)
{
    static const char *const names[REJECT_REASONS] = {"run",        "version", "order",   "schema",     "shape",  "bytes",
                                                      "not_finite", "range",   "content", "given_back", "rescore"};
    return (unsigned)reason < REJECT_REASONS ? names[reason] : "?";
}

int ledger_create(struct ledger **ledger)
{
    *ledger = calloc(1, sizeof **ledger);
    return *ledger ? 0 : ERR_NOMEM;
}

static void clear(struct ledger *ledger)
{
    for (int i = 0; i < ledger->count; i++)
        free(ledger->entries[i]);
    free(ledger->entries);
    *ledger = (struct ledger){0};
}

void ledger_destroy(struct ledger **ledger)
{
    if (*ledger)
        clear(*ledger);
    free(*ledger);
    *ledger = NULL;
}

/* --- the bitmap of what was decided out of order --- */

static bool is_marked(const struct ledger_entry *entry, uint64_t sequence)
{
    uint64_t bit = sequence % PROTOCOL_WINDOW_MAX;
    return sequence > entry->decided_upto && entry->decided[bit / 64] >> bit % 64 & 1;
}

static void mark(struct ledger_entry *entry, uint64_t sequence)
{
    uint64_t bit = sequence % PROTOCOL_WINDOW_MAX;
    entry->decided[bit / 64] |= (uint64_t)1 << bit % 64;
}

static void unmark(struct ledger_entry *entry, uint64_t sequence)
{
    uint64_t bit = sequence % PROTOCOL_WINDOW_MAX;
    entry->decided[bit / 64] &= ~((uint64_t)1 << bit % 64);
}

static void advance_decided(struct ledger_entry *entry)
{
    while (is_marked(entry, entry->decided_upto + 1)) {
        unmark(entry, entry->decided_upto + 1);
        entry->decided_upto++;
    }
    if (entry->received_upto < entry->decided_upto)
        entry->received_upto = entry->decided_upto;
}

/* Announced, not received here, and not decided by an earlier process of this history. */
static uint64_t away_of(const struct ledger_entry *entry)
{
    uint64_t away = 0;
    for (uint64_t s = entry->received_upto + 1; s <= entry->announced && s <= entry->decided_upto + PROTOCOL_WINDOW_MAX; s++)
        away += !is_marked(entry, s);
    return away;
}

/* --- entries --- */

struct ledger_entry *ledger_find(struct ledger *ledger, uint32_t actor, uint64_t incarnation)
{
    for (int i = ledger->count - 1; i >= 0; i--)
        if (ledger->entries[i]->actor == actor && ledger->entries[i]->incarnation == incarnation)
            return ledger->entries[i];
    return NULL;
}

static void fold(struct ledger *ledger, int index)
{
    struct ledger_entry *entry = ledger->entries[index];
    ledger->folded_announced += entry->announced;
    for (int f = 0; f < FATES; f++)
        ledger->folded[f] += entry->count[f];
    free(entry);
    memmove(&ledger->entries[index], &ledger->entries[index + 1], (size_t)(--ledger->count - index) * sizeof *ledger->entries);
}

/* Entries stand in the order of their first appearance, so the first gone one without held trajectories is the oldest. */
static void make_room(struct ledger *ledger)
{
    for (int i = 0; ledger->count >= LEDGER_ENTRIES_MAX && i < ledger->count; i++)
        if (ledger->entries[i]->is_gone && !ledger->entries[i]->held)
            fold(ledger, i--);
}

static struct ledger_entry *add(struct ledger *ledger, uint32_t actor, uint64_t incarnation)
{
    make_room(ledger);
    if (ledger->count == ledger->capacity) {
        int capacity = ledger->capacity ? 2 * ledger->capacity : 16;
        struct ledger_entry **grown = realloc(ledger->entries, (size_t)capacity * sizeof *grown);
        if (!grown)
            return NULL;
        ledger->entries = grown;
        ledger->capacity = capacity;
    }
    struct ledger_entry *entry = calloc(1, sizeof *entry);
    if (!entry)
        return NULL;
    entry->actor = actor;
    entry->incarnation = incarnation;
    return ledger->entries[ledger->count++] = entry;
}

/* The actor forgot what an earlier learner acknowledged beyond our knowledge: that work was rolled back. */
static void roll_back(struct ledger_entry *entry, uint64_t acked_upto)
{
    while (entry->decided_upto < acked_upto) {
        uint64_t sequence = entry->decided_upto + 1;
        if (is_marked(entry, sequence))
            unmark(entry, sequence);
        else
            entry->count[FATE_ROLLED_BACK]++;
        entry->decided_upto = sequence;
    }
    advance_decided(entry);
}

static void come_back(struct ledger_entry *entry)
{
    entry->is_gone = false;
    entry->count[FATE_LOST] = 0; /* in flight again, with what it may have announced since */
}

struct ledger_entry *ledger_seen(struct ledger *ledger, uint32_t actor, uint64_t incarnation, uint64_t announced,
                                 uint64_t acked_upto)
{
    struct ledger_entry *entry = ledger_find(ledger, actor, incarnation);
    if (!entry && !(entry = add(ledger, actor, incarnation)))
        return NULL;
    if (entry->is_gone)
        come_back(entry);
    if (announced > entry->announced)
        entry->announced = announced;
    if (acked_upto > entry->announced)
        entry->announced = acked_upto;
    /* What is held here cannot have been acknowledged by us: held trajectories are of this process, acknowledged ones decided. */
    if (acked_upto > entry->decided_upto && entry->held == 0)
        roll_back(entry, acked_upto);
    return entry;
}

void ledger_gone(struct ledger *ledger, struct ledger_entry *entry)
{
    (void)ledger;
    if (entry->is_gone)
        return;
    entry->is_gone = true;
    entry->count[FATE_LOST] = away_of(entry);
}

int ledger_receive(struct ledger *ledger, struct ledger_entry *entry, uint64_t sequence)
{
    ledger->received++;
    if (sequence <= entry->received_upto) {
        ledger->duplicate++;
        return ERR_DUPLICATE;
    }
    if (sequence != entry->received_upto + 1 || sequence > entry->decided_upto + PROTOCOL_WINDOW_MAX) {
        ledger->gap++;
        return ERR_AGAIN;
    }
    entry->received_upto = sequence;
    if (is_marked(entry, sequence)) { /* decided before the restart, out of order */
        ledger->duplicate++;
        return ERR_DUPLICATE;
    }
    if (sequence > entry->announced)
        entry->announced = sequence;
    else if (entry->is_gone)
        entry->count[FATE_LOST]--; /* the last messages of the dead arrive, too */
    ledger->distinct++;
    entry->held++;
    return 0;
}

void ledger_decide(struct ledger *ledger, uint32_t actor, uint64_t incarnation, uint64_t sequence, enum fate fate,
                   enum reject_reason reason)
{
    struct ledger_entry *entry = ledger_find(ledger, actor, incarnation);
    ASSERT(entry && entry->held > 0 && sequence > entry->decided_upto && sequence <= entry->received_upto);
    ASSERT(!is_marked(entry, sequence) && (unsigned)fate < FATES_TOLD);
    entry->held--;
    entry->count[fate]++;
    if (fate == FATE_REJECTED)
        ledger->rejected[reason]++;
    mark(entry, sequence);
    advance_decided(entry);
}

int ledger_count(const struct ledger *ledger)
{
    return ledger->count;
}

struct ledger_entry *ledger_at(struct ledger *ledger, int index)
{
    return ledger->entries[index];
}

/* --- the book --- */

struct book ledger_book(const struct ledger *ledger)
{
    struct book book = {.announced = ledger->folded_announced,
                        .received = ledger->received,
                        .distinct = ledger->distinct,
                        .duplicate = ledger->duplicate,
                        .gap = ledger->gap};
    memcpy(book.fates, ledger->folded, sizeof book.fates);
    memcpy(book.rejected, ledger->rejected, sizeof book.rejected);
    for (int i = 0; i < ledger->count; i++) {
        const struct ledger_entry *entry = ledger->entries[i];
        book.announced += entry->announced;
        book.held += entry->held;
        book.away += entry->is_gone ? 0 : away_of(entry);
        for (int f = 0; f < FATES; f++)
            book.fates[f] += entry->count[f];
    }
    book.unexplained = (int64_t)(book.announced - book.away - book.held);
    for (int f = 0; f < FATES; f++)
        book.unexplained -= (int64_t)book.fates[f];
    return book;
}

int ledger_json(const struct ledger *ledger, char *out, size_t size)
{
    struct book book = ledger_book(ledger);
    size_t used = 0;
#define ADD(...) (used += used < size ? (size_t)snprintf(out + used, size - used, __VA_ARGS__) : 0)
    ADD("{\"announced\":%llu", (unsigned long long)book.announced);
    for (int f = 0; f < FATES; f++)
        ADD(",\"%s\":%llu", fate_name((enum fate)f), (unsigned long long)book.fates[f]);
    ADD(",\"in_flight\":{\"actors\":%llu,\"learner\":%llu},\"unexplained\":%lld,\"rejected_by\":{", (unsigned long long)book.away,
        (unsigned long long)book.held, (long long)book.unexplained);
    for (int r = 0; r < REJECT_REASONS; r++)
        ADD("%s\"%s\":%llu", r ? "," : "", reject_reason_name((enum reject_reason)r), (unsigned long long)book.rejected[r]);
    ADD("},\"deliveries\":{\"received\":%llu,\"distinct\":%llu,\"duplicate\":%llu,\"gap\":%llu}}",
        (unsigned long long)book.received, (unsigned long long)book.distinct, (unsigned long long)book.duplicate,
        (unsigned long long)book.gap);
#undef ADD
    return used < size ? (int)used : ERR_LIMIT;
}

/* --- checkpoint --- */

#define OFF(field) offsetof(struct ledger_entry, field)
static const struct codec_field entry_fields[] = {
    {"actor", CODEC_U32, OFF(actor), 0},
    {"incarnation", CODEC_U64, OFF(incarnation), 0},
    {"gone", CODEC_BOOL, OFF(is_gone), 0},
    {"announced", CODEC_U64, OFF(announced), 0},
    {"decided_upto", CODEC_U64, OFF(decided_upto), 0},
    {"count", CODEC_U64S, OFF(count), FATES},
    {"decided", CODEC_U64S, OFF(decided), PROTOCOL_WINDOW_MAX / 64},
};
static const struct codec_field totals_fields[] = {
    {"folded_announced", CODEC_U64, offsetof(struct ledger, folded_announced), 0},
    {"folded", CODEC_U64S, offsetof(struct ledger, folded), FATES},
    {"rejected", CODEC_U64S, offsetof(struct ledger, rejected), REJECT_GIVEN_BACK + 1},
    {"rejected_rescore", CODEC_U64, offsetof(struct ledger, rejected[REJECT_RESCORE]), 0, CODEC_OPTIONAL},
};
#define ENTRY_BYTES_MAX 1024
#define TOTALS_BYTES_MAX 1024

int ledger_save(const struct ledger *ledger, unsigned char **data, size_t *length)
{
    size_t size = TOTALS_BYTES_MAX + (size_t)ledger->count * ENTRY_BYTES_MAX;
    if (!(*data = malloc(size)))
        return ERR_NOMEM;
    struct pack pack;
    pack_begin(&pack, *data, size);
    pack_array(&pack, 2);
    codec_pack_map(&pack, totals_fields, ARRAY_LEN(totals_fields), ledger, 0);
    pack_array(&pack, (uint32_t)ledger->count);
    for (int i = 0; i < ledger->count; i++)
        codec_pack_map(&pack, entry_fields, ARRAY_LEN(entry_fields), ledger->entries[i], 0);
    int used = pack_end(&pack);
    ASSERT(used > 0); /* the sizes above are ceilings */
    *length = (size_t)used;
    return 0;
}

static bool entry_is_sane(const struct ledger_entry *entry)
{
    return entry->decided_upto <= entry->announced;
}

int ledger_load(struct ledger *ledger, const void *data, size_t length, struct err *err)
{
    struct unpack unpack;
    clear(ledger);
    unpack_begin(&unpack, data, length);
    if (unpack_array(&unpack, 2) != 2)
        unpack_fail(&unpack, ERR_FORMAT, "two parts expected");
    codec_unpack_fields(&unpack, totals_fields, ARRAY_LEN(totals_fields), ledger, unpack_map(&unpack, CODEC_FIELDS_MAX));
    for (uint32_t left = unpack_array(&unpack, LEDGER_ENTRIES_MAX); left > 0 && !unpack.error; left--) {
        struct ledger_entry *entry = add(ledger, 0, 0);
        if (!entry)
            return err_set(err, ERR_NOMEM, "no memory for the ledger");
        codec_unpack_fields(&unpack, entry_fields, ARRAY_LEN(entry_fields), entry, unpack_map(&unpack, CODEC_FIELDS_MAX));
        if (!unpack.error && !entry_is_sane(entry))
            unpack_fail(&unpack, ERR_RANGE, "decided more than announced");
        entry->received_upto = entry->decided_upto;
        if (entry->is_gone && !unpack.error)
            entry->count[FATE_LOST] = away_of(entry); /* what was held of the dead went with the process that held it */
    }
    return unpack_end(&unpack, "ledger", err);
}
