/* SMAC combat: the unit types.
 *
 * Figures of the first nine: SMAClite's unit files, which follow the public unit statistics of StarCraft II, Legacy of the Void,
 * at "faster" speed. The last four do not occur there; their figures are those of the game at version 4.10, which SMAC was made
 * for (in-game data, same speed setting). Left out of them: the reaper's regeneration out of combat and its grenade, the
 * overseer's changelings. Sizes of air units are those of their selection circle.
 *
 * sight is what SMACv2 gives each type; it plays no part unless env.ranges=unit. Where SMACv2 names none, the game's. */
#include <math.h>
#include <string.h>

#include "envs/smac.h"

#define BOTH (GROUND | AIR)
#define MELEE 0.1 /* SMAClite's range of melee weapons */

const struct smac_type smac_types[SMAC_KINDS] = {
    [MARINE] = {"marine", 'M', WEAPON_SHOT, GROUND, BOTH, LIGHT | BIOLOGICAL, .hits = 1, .hp = 45, .damage = 6, .cooldown = 0.61,
                .range = 5, .scan = 5, .speed = 3.15, .radius = 0.375, .sight = 9},
    [MARAUDER] = {"marauder", 'R', WEAPON_SHOT, GROUND, GROUND, ARMORED | BIOLOGICAL, ARMORED, .hits = 1, .hp = 125, .armor = 1,
                  .damage = 10, .bonus = 10, .cooldown = 1.07, .range = 6, .scan = 5, .speed = 3.15, .radius = 0.5625, .sight = 10},
    [MEDIVAC] = {"medivac", 'H', WEAPON_HEAL, AIR, GROUND, ARMORED | MECHANICAL, .hp = 150, .armor = 1, .range = 4, .scan = 5,
                 .speed = 3.5, .radius = 0.75, .energy = 200, .energy_at_start = 50, .sight = 11},
    [STALKER] = {"stalker", 'S', WEAPON_SHOT, GROUND, BOTH, ARMORED | MECHANICAL, ARMORED, .hits = 1, .hp = 80, .shield = 80,
                 .armor = 1, .damage = 13, .bonus = 5, .cooldown = 1.34, .range = 6, .scan = 5, .speed = 4.13, .radius = 0.625,
                 .sight = 10},
    [ZEALOT] = {"zealot", 'Z', WEAPON_SHOT, GROUND, GROUND, LIGHT | BIOLOGICAL, .hits = 2, .hp = 100, .shield = 50, .armor = 1,
                .damage = 8, .cooldown = 0.86, .range = MELEE, .scan = 5, .speed = 3.15, .radius = 0.5, .sight = 9},
    [COLOSSUS] = {"colossus", 'C', WEAPON_BEAM, GROUND, GROUND, ARMORED | MECHANICAL | MASSIVE, LIGHT, .hits = 2, .hp = 200,
                  .shield = 150, .armor = 1, .damage = 10, .bonus = 5, .cooldown = 1.07, .range = 7, .scan = 5, .speed = 3.15,
                  .radius = 1, .sight = 10},
    [ZERGLING] = {"zergling", 'L', WEAPON_SHOT, GROUND, GROUND, LIGHT | BIOLOGICAL, .hits = 1, .hp = 35, .damage = 5,
                  .cooldown = 0.497, .range = MELEE, .scan = 5, .speed = 4.13, .radius = 0.375, .hp_regen = 0.38, .sight = 8},
    [BANELING] = {"baneling", 'B', WEAPON_BLAST, GROUND, GROUND, BIOLOGICAL, .hits = 1, .hp = 30, .damage = 80, .cooldown = 1,
                  .range = 0.25, .scan = 5, .speed = 3.15, .radius = 0.375, .hp_regen = 0.38, .sight = 8},
    [SPINE_CRAWLER] = {"spine_crawler", 'T', WEAPON_SHOT, GROUND, GROUND, ARMORED | BIOLOGICAL | STRUCTURE, ARMORED, .hits = 1,
                       .hp = 300, .armor = 2, .damage = 25, .bonus = 5, .cooldown = 1.32, .range = 7, .scan = 10, .radius = 0.5,
                       .hp_regen = 0.38, .sight = 11},
    [HYDRALISK] = {"hydralisk", 'Y', WEAPON_SHOT, GROUND, BOTH, LIGHT | BIOLOGICAL, .hits = 1, .hp = 90, .damage = 12,
                   .cooldown = 0.59, .range = 5, .scan = 5, .speed = 3.15, .radius = 0.625, .hp_regen = 0.38, .sight = 9},
    [ROACH] = {"roach", 'A', WEAPON_SHOT, GROUND, GROUND, ARMORED | BIOLOGICAL, .hits = 1, .hp = 145, .armor = 1, .damage = 16,
               .cooldown = 1.43, .range = 4, .scan = 5, .speed = 3.15, .radius = 0.625, .hp_regen = 0.38, .sight = 9},
    [REAPER] = {"reaper", 'P', WEAPON_SHOT, GROUND, GROUND, LIGHT | BIOLOGICAL, .hits = 2, .hp = 60, .damage = 4, .cooldown = 0.79,
                .range = 5, .scan = 5, .speed = 5.25, .radius = 0.375, .sight = 9},
    [OVERSEER] = {"overseer", 'O', WEAPON_NONE, AIR, 0, ARMORED | BIOLOGICAL, .hp = 200, .armor = 1, .scan = 5, .speed = 2.62,
                  .radius = 1, .hp_regen = 0.38, .sight = 11},
};

int smac_find_kind(const char *name, size_t length)
{
    for (int kind = 0; kind < SMAC_KINDS; kind++)
        if (strlen(smac_types[kind].name) == length && !memcmp(smac_types[kind].name, name, length))
            return kind;
    return -1;
}

double smac_rounded(double x)
{
    return (float)x;
}

double smac_fused(double a, double b, double c, double d)
{
    return fma(c, d, a * b);
}
