# Texts that the program carries: an environment's rules are the comment at the head of its file (with that of NAME_observe.c, where the
# observation is told apart); the replay page and the dashboard are pages.
AS_STRING = sed 's/\\/\\\\/g; s/"/\\"/g; s/^/    "/; s/$$/\\n"/'
AS_HEAD = sed '/\*\//q' $(1) | sed 's|^/\* \{0,1\}||; s|^ \* \{0,1\}||; s| *\*/.*$$||' | $(AS_STRING)
$(B)/gen/env_rules.c: $(SRC_envs) deploy/texts.mk
	$(Q)mkdir -p $(@D) && { echo '#include "envs/registry.h"'; echo 'const struct env_rules env_rules[] = {'; \
	for f in $$(grep -l '^const struct env_ops env_' $(SRC_envs)); do \
	for n in $$(sed -n 's/^const struct env_ops env_\([a-z0-9_]*\) = {.*/\1/p' $$f); do \
	echo "    {\"$$n\","; $(call AS_HEAD,$$f); echo "    ,"; \
	if [ -f $${f%.c}_observe.c ]; then $(call AS_HEAD,$${f%.c}_observe.c); else echo "    0"; fi; echo "    },"; done; done; \
	echo "    {0, 0, 0},"; echo "};"; } > $@
$(B)/gen/env_rules.o: $(B)/gen/env_rules.c $(call include_stamps,envs)
	$(Q)$(CC) $(CFLAGS_ALL) $(call includes,envs) -MMD -MP -c -o $@ $<
$(B)/gen/replay_page.c: deploy/pictures/replay.html deploy/texts.mk
	$(Q)mkdir -p $(@D) && { echo '#include "deploy/pictures/replay_page.h"'; echo 'const char replay_page[] ='; \
	$(AS_STRING) $<; echo "    ;"; } > $@
$(B)/gen/replay_page.o: $(B)/gen/replay_page.c $(call include_stamps,deploy)
	$(Q)$(CC) $(CFLAGS_ALL) $(call includes,deploy) -MMD -MP -c -o $@ $<
$(B)/gen/dashboard.c: broker/dashboard.html deploy/texts.mk
	$(Q)mkdir -p $(@D) && { echo '#include "broker/dashboard.h"'; echo 'const char dashboard_page[] ='; \
	$(AS_STRING) $<; echo "    ;"; } > $@
$(B)/gen/dashboard.o: $(B)/gen/dashboard.c $(call include_stamps,broker)
	$(Q)$(CC) $(CFLAGS_ALL) $(call includes,broker) -MMD -MP -c -o $@ $<
