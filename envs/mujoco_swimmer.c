/* The many-agent swimmer: a chain of rods in a viscous fluid, seen from above, as MJCF for any number of driven joints.
 *
 * n joints join n + 1 rods of length 1, radius 0.1 and density 1000 in a fluid of density 4000 and viscosity 0.1. The first rod
 * slides in x and y and turns freely; the others turn by at most 100 degrees, torque 150 N m at action 1. Every second inner joint
 * turns the other way round, as published: signs +, +, -, +, -, ..., and + for the last. Nothing collides. With n = 2 it is Gym's
 * swimmer (Coulom 2002). */
#include <stdio.h>

#include "envs/mujoco.h"

static const char *const head =
    "<mujoco model=\"swimmer\">\n"
    "  <compiler angle=\"degree\" inertiafromgeom=\"true\"/>\n"
    "  <option timestep=\"0.01\" integrator=\"RK4\" density=\"4000\" viscosity=\"0.1\"/>\n"
    "  <default>\n"
    "    <geom type=\"capsule\" size=\"0.1\" density=\"1000\" contype=\"0\" conaffinity=\"0\" condim=\"1\"/>\n"
    "    <joint type=\"hinge\" armature=\"0.1\" range=\"-100 100\"/>\n"
    "    <motor ctrllimited=\"true\" ctrlrange=\"-1 1\" gear=\"150\"/>\n"
    "  </default>\n"
    "  <worldbody>\n"
    "    <body name=\"rod\">\n"
    "      <joint name=\"root x\" type=\"slide\" axis=\"1 0 0\" limited=\"false\"/>\n"
    "      <joint name=\"root y\" type=\"slide\" axis=\"0 1 0\" limited=\"false\"/>\n"
    "      <joint name=\"root angle\" axis=\"0 0 1\" limited=\"false\"/>\n"
    "      <geom fromto=\"1.5 0 0 0.5 0 0\"/>\n";

static int turns(int link, int links)
{
    return link == 0 || link == links - 1 || link % 2 == 1 ? 1 : -1;
}

int mujoco_write_swimmer(int links, char *text, size_t size, struct err *err)
{
    size_t used = 0;
#define PRINT(...) (used += used < size ? (size_t)snprintf(text + used, size - used, __VA_ARGS__) : 0)
    PRINT("%s", head);
    for (int i = 0; i < links; i++)
        PRINT("<body name=\"rod %d\" pos=\"%s 0 0\"><joint name=\"rot%d\" axis=\"0 0 %d\" limited=\"true\"/>"
              "<geom fromto=\"0 0 0 -1 0 0\"/>\n",
              i, i ? "-1" : "0.5", i, turns(i, links));
    for (int i = 0; i <= links; i++)
        PRINT("</body>");
    PRINT("\n  </worldbody>\n  <actuator>\n");
    for (int i = 0; i < links; i++)
        PRINT("<motor joint=\"rot%d\"/>\n", i);
    PRINT("  </actuator>\n</mujoco>\n");
#undef PRINT
    return used < size ? 0 : err_set(err, ERR_LIMIT, "a swimmer of %d links is too long: its model takes %zu bytes", links, used);
}
