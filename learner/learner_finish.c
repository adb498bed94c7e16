/* The end of a run in the learner process: see learner_internal.h and completion.h. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "learner/completion.h"
#include "learner/learner_internal.h"

#define FAREWELL_US 300000 /* after the end the actors are told for a moment (they leave by themselves), then we go, too */
#define NOBODY_US 3000000  /* how long a broker is looked for to tell it of an end that lies back */

static int describe(const struct learner *learner, struct completion *completion)
{
    char *text = recipe_text(learner->recipe);
    if (!text)
        return ERR_NOMEM;
    *completion = (struct completion){.results = learner_results_name(learner),
                                      .recipe = hash_bytes(text, strlen(text)),
                                      .source_steps = learner->source ? learner->source_steps : 0};
    free(text);
    return 0;
}

void learner_note_complete(struct learner *learner)
{
    struct completion completion;
    struct err err = {.text = "out of memory"};
    if (learner->options->mode != LEARNER_EVAL && /* asked for anew each time */
        (describe(learner, &completion) || completion_write(learner->options->run, &completion, &err)))
        log_warning("a learner that is started again will evaluate again: %s", err.text);
}

bool learner_was_complete(struct learner *learner)
{
    struct completion completion;
    learner->is_complete = learner->options->mode != LEARNER_EVAL && !describe(learner, &completion) &&
                           completion_holds(learner->options->run, &completion);
    if (learner->is_complete) {
        const char *steps = safetensors_metadata(learner->restored, "steps");
        learner->status.steps = learner->status.start_steps = steps ? strtoll(steps, NULL, 10) : 0;
        log_notice("run was complete before, nothing is left to do steps=%" PRId64, learner->status.steps);
    }
    return learner->is_complete;
}

void learner_finish(struct learner *learner)
{
    learner->stage = STAGE_DONE;
    learner->status.phase = "done"; /* the last word to the broker says so */
    learner_link_finish(learner->link, learner->now);
    learner->is_finish_told = true;
    learner->finish_us = learner->now;
}

void learner_tend_finish(struct learner *learner)
{
    bool is_heard = learner_link_state(learner->link) == LEARNER_READY;
    if (!learner->is_finish_told)
        return;
    if (learner->is_complete && !is_heard) { /* actors that missed the end wait to be told */
        if (learner->now - learner->finish_us > NOBODY_US)
            learner_stop(learner, learner->result);
        return;
    }
    if (learner->is_complete && !learner->heard_us)
        learner->heard_us = learner->now;
    if (learner->now - (learner->is_complete ? learner->heard_us : learner->finish_us) > FAREWELL_US)
        learner_stop(learner, learner->result);
}
