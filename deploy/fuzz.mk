# Fuzzing (clang's libFuzzer) of everything that decodes bytes from the network or a disk, and replay of the committed inputs.
#   make fuzz FUZZ_SECONDS=600   every target for that long, new inputs kept in build/fuzz/corpus
#   make fuzz-replay             tests/fuzz/corpus through all targets under ASan and UBSan; part of make test
#   make fuzz-seeds              writes the seeds of tests/fuzz/corpus anew
#   make fuzz-merge              adds to tests/fuzz/corpus what build/fuzz/corpus covers beyond it

FUZZ_SECONDS ?= 60
FUZZ_NAMES := pack manifest schema frame envelope orders description chunk safetensors recipe \
    broker actor_link learner_link map segment
# Single objects of rooms whose libraries need more than clang should build; of a part in several files all of them. HTTP is
# libmicrohttpd's to read, not ours.
FUZZ_ROOMS := base net wire envs actor learner broker
FUZZ_SRC := common/net/safetensors.c actor/actor_link.c $(wildcard actor/link_*.c) \
    $(addprefix learner/,learner_link.c ledger.c intake.c misfit.c segments.c) $(wildcard learner/orders*.c) \
    $(addprefix broker/,waiters.c stats.c monitor.c history.c verdict.c text.c) $(wildcard broker/core*.c) \
    $(addprefix envs/smac_,map.c layout.c units.c)
FUZZ_OBJ = $(patsubst %.c,$(B)/%.o,$(FUZZ_SRC)) $(B)/gen/smac_maps.o
FUZZ_LIBS = $(FUZZ_OBJ) $(B)/libwire.a $(B)/libbase.a
FUZZ_INCLUDES = -I. $(foreach r,$(FUZZ_ROOMS),-I$(B)/include/$(r))
FUZZ_LINK = -Wl,--start-group $(FUZZ_LIBS) -Wl,--end-group $(LIBS)
FUZZ_LIMITS := -rss_limit_mb=1024 -malloc_limit_mb=256 -max_len=16384 -timeout=10

.PHONY: fuzz-replay fuzz-seeds fuzz-merge fuzz-run fuzz-programs
fuzz:
	$(Q)command -v clang >/dev/null || { echo 'make fuzz needs clang and libclang-rt-14-dev' >&2; exit 1; }
	$(Q)$(MAKE) --no-print-directory CC=clang PROFILE=fuzz fuzz-programs
	$(Q)$(MAKE) --no-print-directory CC=clang PROFILE=fuzz fuzz-run
fuzz-programs: $(FUZZ_NAMES:%=$(B)/tests/fuzz/fuzz_%)
fuzz-run: $(FUZZ_NAMES:%=fuzz-run-%)
fuzz-run-%: $(B)/tests/fuzz/fuzz_%
	$(call say,FUZZ,$* for $(FUZZ_SECONDS) s)
	$(Q)mkdir -p build/fuzz/corpus/$* build/fuzz/found
	$(Q)$< $(FUZZ_LIMITS) -max_total_time=$(FUZZ_SECONDS) -print_final_stats=1 -artifact_prefix=build/fuzz/found/$*- \
	    build/fuzz/corpus/$* tests/fuzz/corpus/$* >build/fuzz/$*.log 2>&1 || { tail -40 build/fuzz/$*.log; exit 1; }
	$(Q)grep -E 'stat::(number_of_executed_units|new_units_added|peak_rss_mb)' build/fuzz/$*.log

fuzz-merge:
	$(Q)for t in $(FUZZ_NAMES); do build/fuzz/tests/fuzz/fuzz_$$t -merge=1 -max_len=512 tests/fuzz/corpus/$$t build/fuzz/corpus/$$t 2>/dev/null; done

fuzz-replay:
	$(Q)$(MAKE) --no-print-directory PROFILE=san build/san/tests/fuzz/replay
	$(Q)build/san/tests/fuzz/replay tests/fuzz/corpus
fuzz-seeds:
	$(Q)$(MAKE) --no-print-directory PROFILE=san build/san/tests/fuzz/seeds
	$(Q)build/san/tests/fuzz/seeds tests/fuzz/corpus

$(B)/tests/fuzz/%.o: tests/fuzz/%.c $(foreach r,$(FUZZ_ROOMS),$(B)/include/$(r)/.made)
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS_ALL) $(FUZZ_INCLUDES) -MMD -MP -c -o $@ $<
$(B)/tests/fuzz/driver_%.o: tests/fuzz/driver.c tests/fuzz/fuzz.h
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS_ALL) $(FUZZ_INCLUDES) -DFUZZ_TARGET=fuzz_$* -c -o $@ $<
$(B)/tests/fuzz/fuzz_%: $(B)/tests/fuzz/fuzz_%.o $(B)/tests/fuzz/driver_%.o $(FUZZ_LIBS)
	$(call say,LINK,$@)
	$(Q)$(CC) -fsanitize=fuzzer,address,undefined -pthread -o $@ $< $(@D)/driver_$*.o $(FUZZ_LINK)
$(B)/tests/fuzz/replay: $(B)/tests/fuzz/replay.o $(FUZZ_NAMES:%=$(B)/tests/fuzz/fuzz_%.o) $(FUZZ_LIBS)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $(filter-out $(FUZZ_LIBS),$^) $(FUZZ_LINK)
$(B)/tests/fuzz/seeds: $(B)/tests/fuzz/seeds.o $(FUZZ_LIBS)
	$(call say,LINK,$@)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $< $(FUZZ_LINK)
