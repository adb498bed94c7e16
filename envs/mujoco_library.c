/* The only file that calls MuJoCo. Built with TESTUDO_MUJOCO when the Makefile finds its header; otherwise opening the
 * environment fails with a line that says what to install, and the rest stays as it is.
 *
 * Threads. Loading is under a lock; a model is never changed or freed afterwards, so all threads read it freely. mjData is scratch
 * of one thread, freed when the thread ends. What a step depends on, qpos, qvel, control and the solver's warm start, is
 * written into the scratch before it, and everything else in mjData is computed from that anew: the same state gives the same bytes
 * onward in any thread, whatever the scratch held before. (Time is not part of it: no model here depends on it.) */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "envs/mujoco.h"

#define POSITION_MAX 1e6 /* beyond these, a simulation has blown up; a state that says so is refused */
#define ACCELERATION_MAX 1e10

bool mujoco_is_sane(const struct mujoco_sizes *sizes, const double *number, bool has_force)
{
    int moving = sizes->nq + sizes->nv, all = moving + sizes->nv + (has_force ? 6 * sizes->nbody : 0);
    bool is_good = true;
    for (int i = 0; i < all; i++)
        is_good &= fabs(number[i]) <= (i < moving ? POSITION_MAX : ACCELERATION_MAX); /* false for NaN */
    return is_good;
}

#ifdef TESTUDO_MUJOCO

#include <mujoco/mujoco.h>
#include <pthread.h>

#define MODELS_MAX 64

const char *const mujoco_needs = NULL;

static struct loaded {
    mjModel *model;
    char *xml;
    double timestep;
    struct mujoco_sizes sizes;
} models[MODELS_MAX];
static int n_models;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_key_t scratch_key;
static _Thread_local mjData **scratch; /* [MODELS_MAX] */

/* MuJoCo calls these instead of printing to a file and waiting for a key. A warning is a number of d->warning, looked at after each
 * step; an error is one of memory or a bug. */
static void ignore_warning(const char *text)
{
    (void)text;
}

static void stop_on_error(const char *text)
{
    assert_failed("MuJoCo", 0, text);
}

static void free_scratch(void *data)
{
    for (int i = 0; i < MODELS_MAX; i++)
        if (((mjData **)data)[i])
            mj_deleteData(((mjData **)data)[i]);
    free(data);
}

static void start_library(void)
{
    mju_user_warning = ignore_warning;
    mju_user_error = stop_on_error;
    ASSERT(!pthread_key_create(&scratch_key, free_scratch));
}

static mjData *scratch_of(int model)
{
    if (!scratch) {
        scratch = calloc(MODELS_MAX, sizeof *scratch);
        ASSERT(scratch && !pthread_setspecific(scratch_key, scratch));
    }
    if (!scratch[model]) {
        scratch[model] = mj_makeData(models[model].model);
        ASSERT(scratch[model]);
    }
    return scratch[model];
}

/* Loading */

static mjModel *parse(const char *xml, char *reason, int size)
{
    size_t length = strlen(xml);
    mjVFS *files = malloc(sizeof *files);
    mjModel *model = NULL;
    if (!files)
        return NULL;
    mj_defaultVFS(files);
#if mjVERSION_HEADER < 300
    if (!mj_makeEmptyFileVFS(files, "model.xml", (int)length))
        memcpy(files->filedata[mj_findFileVFS(files, "model.xml")], xml, length);
#else
    mj_addBufferVFS(files, "model.xml", xml, (int)length);
#endif
    model = mj_loadXML("model.xml", files, reason, size);
    mj_deleteVFS(files);
    free(files);
    return model;
}

static int add_model(const char *name, const char *xml, double timestep, struct err *err)
{
    char reason[256] = "out of memory";
    if (n_models == MODELS_MAX)
        return err_set(err, ERR_LIMIT, "cannot load %s: %d models are open already", name, MODELS_MAX);
    struct loaded *loaded = &models[n_models];
    loaded->model = parse(xml, reason, sizeof reason);
    loaded->xml = strdup(xml);
    if (!loaded->model || !loaded->xml)
        return err_set(err, ERR_FORMAT, "cannot load the model of %s: %s", name, reason);
    loaded->model->opt.timestep = loaded->timestep = timestep;
    loaded->sizes = (struct mujoco_sizes){loaded->model->nq, loaded->model->nv, loaded->model->nu, loaded->model->nbody};
    return n_models++;
}

static int find_or_add(const char *name, const char *xml, double timestep, struct err *err)
{
    for (int i = 0; i < n_models; i++)
        if (models[i].timestep == timestep && !strcmp(models[i].xml, xml))
            return i;
    return add_model(name, xml, timestep, err);
}

int mujoco_load(const char *name, const char *xml, double timestep, int *model, struct mujoco_sizes *sizes, struct err *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, start_library);
    pthread_mutex_lock(&lock);
    int r = find_or_add(name, xml, timestep, err);
    pthread_mutex_unlock(&lock);
    if (r < 0)
        return r;
    *model = r;
    *sizes = models[r].sizes;
    scratch_of(r);
    return 0;
}

/* Numbers: qpos [nq], qvel [nv], warm start [nv], forces [6 nbody]. */

static void put_state(const mjModel *m, const double *number, mjData *d)
{
    size_t nv = (size_t)m->nv;
    memcpy(d->qpos, number, (size_t)m->nq * sizeof *number);
    memcpy(d->qvel, number + m->nq, nv * sizeof *number);
    memcpy(d->qacc_warmstart, number + m->nq + m->nv, nv * sizeof *number);
}

static void take_state(const mjModel *m, const mjData *d, bool has_force, double *number)
{
    size_t nv = (size_t)m->nv;
    memcpy(number, d->qpos, (size_t)m->nq * sizeof *number);
    memcpy(number + m->nq, d->qvel, nv * sizeof *number);
    memcpy(number + m->nq + m->nv, d->qacc_warmstart, nv * sizeof *number);
    if (has_force)
        memcpy(number + m->nq + 2 * m->nv, d->cfrc_ext, 6 * (size_t)m->nbody * sizeof *number);
}

static void clear_warnings(mjData *d)
{
    for (int i = 0; i < mjNWARNING; i++)
        d->warning[i].number = 0;
}

static bool has_warning(const mjData *d)
{
    return d->warning[mjWARN_BADQPOS].number || d->warning[mjWARN_BADQVEL].number || d->warning[mjWARN_BADQACC].number ||
           d->warning[mjWARN_BADCTRL].number;
}

void mujoco_initial(int model, double *qpos)
{
    const mjModel *m = models[model].model;
    memcpy(qpos, m->qpos0, (size_t)m->nq * sizeof *qpos);
}

/* The torso is body 1. */
static double torso_of(const mjData *d)
{
    return d->xpos[3];
}

void mujoco_settle(int model, double *number, bool has_force, double *torso_x)
{
    const mjModel *m = models[model].model;
    mjData *d = scratch_of(model);
    mj_resetData(m, d);
    put_state(m, number, d);
    mj_normalizeQuat(m, d->qpos); /* version 2 does this in mj_forward, version 3 does not */
    mj_forward(m, d);
    take_state(m, d, false, number);
    if (has_force)
        memset(number + m->nq + 2 * m->nv, 0, 6 * (size_t)m->nbody * sizeof *number);
    if (torso_x)
        *torso_x = torso_of(d);
}

bool mujoco_advance(int model, double *number, const double *control, int substeps, bool has_force, double *torso_x)
{
    const mjModel *m = models[model].model;
    mjData *d = scratch_of(model);
    double kept[MUJOCO_NUMBERS_MAX];
    size_t bytes = (size_t)(m->nq + 2 * m->nv + (has_force ? 6 * m->nbody : 0)) * sizeof *number;
    put_state(m, number, d);
    memcpy(d->ctrl, control, (size_t)m->nu * sizeof *control);
    clear_warnings(d);
    for (int i = 0; i < substeps; i++)
        mj_step(m, d);
    if (has_force)
        mj_rnePostConstraint(m, d);
    memcpy(kept, number, bytes);
    take_state(m, d, has_force, number);
    if (has_warning(d) || !mujoco_is_sane(&models[model].sizes, number, has_force) || !(fabs(torso_of(d)) <= POSITION_MAX)) {
        memcpy(number, kept, bytes);
        mj_resetData(m, d);
        return false;
    }
    if (torso_x)
        *torso_x = torso_of(d);
    return true;
}

int mujoco_pose(int model, const double *number, struct mujoco_limb *limbs, int max)
{
    const mjModel *m = models[model].model;
    mjData *d = scratch_of(model);
    int count = 0;
    put_state(m, number, d);
    mj_kinematics(m, d);
    for (int g = 0; g < m->ngeom && count < max; g++) {
        bool is_capsule = m->geom_type[g] == mjGEOM_CAPSULE;
        if (!is_capsule && m->geom_type[g] != mjGEOM_SPHERE)
            continue;
        struct mujoco_limb *limb = &limbs[count++];
        limb->radius = m->geom_size[3 * g];
        for (int i = 0; i < 3; i++) { /* a capsule lies along its z, the matrix's last column */
            double half = is_capsule ? m->geom_size[3 * g + 1] * d->geom_xmat[9 * g + 3 * i + 2] : 0;
            limb->from[i] = d->geom_xpos[3 * g + i] - half;
            limb->to[i] = d->geom_xpos[3 * g + i] + half;
        }
    }
    return count;
}

#else

const char *const mujoco_needs = "libmujoco-dev";

int mujoco_load(const char *name, const char *xml, double timestep, int *model, struct mujoco_sizes *sizes, struct err *err)
{
    (void)name, (void)xml, (void)timestep, (void)model, (void)sizes;
    return err_set(err, ERR_STATE,
                   "cannot open environment mujoco: this program was built without MuJoCo; install %s and build again",
                   mujoco_needs);
}

/* Never reached: without mujoco_load no environment of this kind opens. */
void mujoco_initial(int model, double *qpos)
{
    (void)model, (void)qpos;
    ASSERT(!"built without MuJoCo");
}

void mujoco_settle(int model, double *number, bool has_force, double *torso_x)
{
    (void)model, (void)number, (void)has_force, (void)torso_x;
    ASSERT(!"built without MuJoCo");
}

bool mujoco_advance(int model, double *number, const double *control, int substeps, bool has_force, double *torso_x)
{
    (void)model, (void)number, (void)control, (void)substeps, (void)has_force, (void)torso_x;
    ASSERT(!"built without MuJoCo");
    return false;
}

int mujoco_pose(int model, const double *number, struct mujoco_limb *limbs, int max)
{
    (void)model, (void)number, (void)limbs, (void)max;
    ASSERT(!"built without MuJoCo");
    return 0;
}

#endif
