# The simulation of the delivery protocol: tests/sim links several rooms. `make sim SEEDS=1000` runs that many worlds.
LINKS_test_sim := base wire actor broker learner math net envs
LINKS_test_sim_catches := base wire actor broker learner math net envs
LINKS_test_actor_link := base wire actor math net envs
LINKS_test_late_joiner := base wire actor broker math net envs

SIM_SRC := $(filter-out tests/sim/test_%,$(wildcard tests/sim/*.c))
SIM_OBJ := $(patsubst %.c,$(B)/%.o,$(SIM_SRC))
$(SIM_OBJ): $(B)/%.o: %.c $(call include_stamps,tests)
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS_ALL) -I. $(call includes,tests) -MMD -MP -c -o $@ $<
$(B)/tests/sim/test_sim $(B)/tests/sim/test_sim_catches: $(SIM_OBJ)
$(B)/tests/sim/test_sim $(B)/tests/sim/test_sim_catches: LDFLAGS += $(SIM_OBJ)

# Calls between rooms that the mutation tests break on purpose.
SIM_WRAPS := ledger_gone ledger_seen schema_copy_checked fetcher_create orders_may_publish_after actor_link_drain save_schedule_is_due
build/%/tests/sim/test_sim_catches: LDFLAGS += $(foreach s,$(SIM_WRAPS),-Wl,--wrap=$(s))

SEEDS ?= 1000
.PHONY: sim
sim:
	$(Q)$(MAKE) --no-print-directory PROFILE=release build/release/tests/sim/test_sim
	SEEDS=$(SEEDS) build/release/tests/sim/test_sim
