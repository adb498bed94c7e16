/* Traffic Junction: roads, their cells' codes, and the routes over them.
 *
 * A map has vertical and horizontal roads. A two-way road is two lanes side by side, traffic on the right: southbound west of
 * northbound, westbound north of eastbound. The easy map has one vertical road, southbound only, and one horizontal, eastbound
 * only. `first` is the column or row of a road's first lane, D the side.
 *
 *   map      side       vertical roads, first         horizontal roads, first     entries in order              routes
 *   easy     dim + 1    D/2                           D/2                         S, E                          2
 *   medium   dim        D/2 - 1                       D/2 - 1                     S, N, E, W                    12
 *   hard     dim        D/3 - 2, 2D/3                 D/3 - 2, 2D/3               S S, E E, N N, W W            56
 *
 * A route starts on the lane of its entry and meets crossing roads one after the other. At the first it goes straight, right or
 * left; at the second too, if it meets one; from the third on straight. That makes 1, 3 or 7 routes per entry, in the order of
 * the turns: (straight, straight), (straight, right), ... (left, left), those that leave the map after one turn once. A turn is
 * made where the old lane and the new one meet, so a left turn crosses the opposite lane first.
 *
 * Codes number the cells of the horizontal roads, then of the vertical ones, each row by row; a crossing has the vertical
 * road's. */
#include "envs/traffic.h"

enum heading { SOUTH, WEST, NORTH, EAST, HEADINGS }; /* a right turn is the next one, a left turn the one before */
enum { STRAIGHT, RIGHT, LEFT, TURNS };
#define CHOSEN_TURNS 2

struct lane {
    enum heading heading;
    int line; /* column of a vertical lane, row of a horizontal one */
};

struct map {
    int n_roads; /* of each direction */
    int first[2];
    bool is_one_way;
    int n_entries;
    struct lane entry[TRAFFIC_ENTRIES_MAX];
};

static bool is_vertical(enum heading heading)
{
    return heading == SOUTH || heading == NORTH;
}

/* The lane of a road that runs in a heading. */
static struct lane lane_of(const struct map *map, int road, enum heading heading)
{
    bool is_second = !map->is_one_way && (heading == NORTH || heading == EAST);
    return (struct lane){heading, map->first[road] + is_second};
}

static struct map find_map(const struct traffic_params *p)
{
    static const enum heading order[] = {SOUTH, NORTH, EAST, WEST}, easy_order[] = {SOUTH, EAST},
                              hard_order[] = {SOUTH, EAST, NORTH, WEST};
    int D = p->side;
    bool is_hard = p->difficulty == MAP_HARD, is_easy = p->difficulty == MAP_EASY;
    struct map map = {.n_roads = is_hard ? 2 : 1, .is_one_way = is_easy};
    map.first[0] = is_hard ? D / 3 - 2 : is_easy ? D / 2 : D / 2 - 1;
    map.first[1] = 2 * D / 3;
    const enum heading *headings = is_easy ? easy_order : is_hard ? hard_order : order;
    for (int i = 0; i < (is_easy ? 2 : 4); i++)
        for (int road = 0; road < map.n_roads; road++)
            map.entry[map.n_entries++] = lane_of(&map, road, headings[i]);
    return map;
}

static void mark_codes(struct traffic_params *p, const struct map *map)
{
    int width = map->is_one_way ? 1 : 2, code = 0;
    for (int cell = 0; cell < p->side * p->side; cell++)
        p->code[cell] = TRAFFIC_NO_ROAD;
    for (int road = 0; road < map->n_roads; road++)
        for (int lane = 0; lane < width; lane++)
            for (int col = 0; col < p->side; col++)
                p->code[(map->first[road] + lane) * p->side + col] = (int16_t)code++;
    for (int road = 0; road < map->n_roads; road++)
        for (int row = 0; row < p->side; row++)
            for (int lane = 0; lane < width; lane++)
                p->code[row * p->side + map->first[road] + lane] = (int16_t)code++;
}

static void append(struct traffic_params *p, int row, int col)
{
    ASSERT(p->n_places < TRAFFIC_PLACES_MAX);
    p->place[p->n_places++] = (uint16_t)(row << 8 | col);
}

/* Drives along a lane from `from` (a row of a vertical lane, a column of a horizontal one) up to and without `to`. */
static void follow(struct traffic_params *p, struct lane lane, int from, int to)
{
    for (int at = from; at != to; at += to > from ? 1 : -1)
        append(p, is_vertical(lane.heading) ? at : lane.line, is_vertical(lane.heading) ? lane.line : at);
}

static bool is_ascending(enum heading heading)
{
    return heading == SOUTH || heading == EAST;
}

/* Appends the cells of the route with these turns. Returns how many crossing roads it met. */
static int drive(struct traffic_params *p, const struct map *map, struct lane lane, const int turns[CHOSEN_TURNS])
{
    bool ascends = is_ascending(lane.heading);
    int road = ascends ? 0 : map->n_roads - 1, at = ascends ? 0 : p->side - 1, met = 0;
    while (road >= 0 && road < map->n_roads) {
        int turn = met < CHOSEN_TURNS ? turns[met] : STRAIGHT;
        met++;
        if (turn == STRAIGHT) {
            road += ascends ? 1 : -1;
            continue;
        }
        struct lane next = lane_of(map, road, (lane.heading + (turn == RIGHT ? 1 : HEADINGS - 1)) % HEADINGS);
        follow(p, lane, at, next.line);
        /* The cell where the lanes meet begins the next stretch; the road left behind counts from where it is met. */
        int left_behind = lane.line == map->first[0] || (!map->is_one_way && lane.line == map->first[0] + 1) ? 0 : 1;
        at = lane.line;
        lane = next;
        ascends = is_ascending(lane.heading);
        road = left_behind + (ascends ? 1 : -1);
    }
    follow(p, lane, at, ascends ? p->side : -1);
    return met;
}

static int add_route(struct traffic_params *p, const struct map *map, struct lane entry, const int turns[CHOSEN_TURNS])
{
    struct traffic_route *route = &p->route[p->n_routes++];
    route->start = (int16_t)p->n_places;
    int met = drive(p, map, entry, turns);
    route->length = (int16_t)(p->n_places - route->start);
    return met;
}

void traffic_build(struct traffic_params *p)
{
    p->side = (int32_t)p->dim + (p->difficulty == MAP_EASY);
    const struct map map = find_map(p);
    mark_codes(p, &map);
    p->n_entries = map.n_entries;
    p->n_routes = p->n_places = 0;
    for (int entry = 0; entry < map.n_entries; entry++) {
        p->first_route[entry] = (int16_t)p->n_routes;
        for (int first = STRAIGHT; first < (map.is_one_way ? 1 : TURNS); first++)
            for (int second = STRAIGHT; second < TURNS; second++)
                if (add_route(p, &map, map.entry[entry], (const int[]){first, second}) == 1)
                    break; /* it left the map: there is no second turn */
    }
    p->first_route[map.n_entries] = (int16_t)p->n_routes;
}
