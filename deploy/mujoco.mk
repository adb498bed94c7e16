# MuJoCo's models as text in the program, and the one file that calls the library, rebuilt when the library comes or goes.
MUJOCO_MODELS := $(sort $(wildcard envs/models/*.xml))
$(B)/gen/mujoco_models.c: $(MUJOCO_MODELS) deploy/mujoco.mk
	$(Q)mkdir -p $(@D) && { echo '#include "envs/mujoco.h"'; echo 'const struct mujoco_model_text mujoco_model_texts[] = {'; \
	for f in $(MUJOCO_MODELS); do n=$${f##*/}; echo "    {\"$${n%.xml}\","; \
	sed 's/[\\"]/\\&/g; s/.*/     "&\\n"/' $$f; echo '    },'; done; \
	echo '    {0},'; echo '};'; } > $@
$(B)/gen/mujoco_models.o: $(B)/gen/mujoco_models.c $(call include_stamps,envs)
	$(Q)$(CC) $(CFLAGS_ALL) $(call includes,envs) -MMD -MP -c -o $@ $<
$(B)/libenvs.a: $(B)/gen/mujoco_models.o

.PHONY: look-for-mujoco
$(B)/gen/mujoco: look-for-mujoco
	$(Q)mkdir -p $(@D) && [ "$$(cat $@ 2>/dev/null)" = $(MUJOCO) ] || echo $(MUJOCO) > $@
$(B)/envs/mujoco_library.o: $(B)/gen/mujoco
$(B)/envs/mujoco_library.o: CFLAGS += $(if $(filter yes,$(MUJOCO)),-DTESTUDO_MUJOCO)

# What a step costs beside the library's own: tests/bench/mujoco_alone.c.
.PHONY: bench-mujoco
bench-mujoco: $(if $(filter yes,$(MUJOCO)),$(B)/tests/bench/mujoco_alone)
	$(if $(filter yes,$(MUJOCO)),$(Q)$<,$(error install libmujoco-dev first))
$(B)/tests/bench/mujoco_alone.o: tests/bench/mujoco_alone.c $(call include_stamps,tests)
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS_ALL) $(call includes,tests) -MMD -MP -c -o $@ $<
$(B)/tests/bench/mujoco_alone: $(B)/tests/bench/mujoco_alone.o $(call libs,base envs)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $< -Wl,--start-group $(call libs,base envs) -Wl,--end-group $(LIBS)
