# The simulation of the delivery protocol: tests/sim links several rooms. `make sim SEEDS=500` runs that many worlds of each mode.
LINKS_test_sim := base wire actor broker learner math net envs
LINKS_test_sim_catches := base wire actor broker learner math net envs
LINKS_test_actor_link := base wire actor math net envs
LINKS_test_late_joiner := base wire actor broker math net envs

# Calls between rooms that the mutation tests break on purpose.
SIM_WRAPS := ledger_gone ledger_seen schema_copy_checked fetcher_create orders_may_publish_after
build/%/tests/sim/test_sim_catches: LDFLAGS += $(foreach s,$(SIM_WRAPS),-Wl,--wrap=$(s))

SEEDS ?= 500
.PHONY: sim
sim:
	$(Q)$(MAKE) --no-print-directory PROFILE=release build/release/tests/sim/test_sim
	SEEDS=$(SEEDS) build/release/tests/sim/test_sim
