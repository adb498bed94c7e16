# Programs for looking at one part in isolation; `bin/testudo bench` is what users run.
.PHONY: local-train
local-train: $(B)/tests/bench/local_train
$(B)/tests/bench/local_train.o: tests/bench/local_train.c $(call include_stamps,tests)
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS_ALL) $(call includes,tests) -MMD -MP -c -o $@ $<
$(B)/tests/bench/local_train: $(B)/tests/bench/local_train.o $(call libs,base math net wire envs actor learner)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $< -Wl,--start-group $(call libs,base math net wire envs actor learner) -Wl,--end-group $(LIBS)

# What MIR3 and its rivals add to their backbones' updates; a minute or two on one core.
.PHONY: bench-overhead
bench-overhead: $(B)/tests/bench/overhead
	$(Q)$<
$(B)/tests/bench/overhead.o: tests/bench/overhead.c $(call include_stamps,tests)
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS_ALL) $(call includes,tests) -MMD -MP -c -o $@ $<
$(B)/tests/bench/overhead: $(B)/tests/bench/overhead.o $(call libs,base math net wire envs actor learner)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $< -Wl,--start-group $(call libs,base math net wire envs actor learner) -Wl,--end-group $(LIBS)

# What the broker costs against a bare ZeroMQ proxy, with a thousand actors, with a learner that stalls, and what statistics cost.
.PHONY: bench-broker
bench-broker: bin/testudo $(B)/tests/bench/broker_hop
	$(Q)for t in tcp ipc; do for b in 65536 262144 1048576; do $(B)/tests/bench/broker_hop hop $$b $$t || exit 1; done; done
	$(Q)$(B)/tests/bench/broker_hop actors 1000 65536 && $(B)/tests/bench/broker_hop stall 1048576 && $(B)/tests/bench/broker_hop statistics 65536
HOP_OBJ := $(patsubst %.c,$(B)/%.o,$(sort $(wildcard tests/bench/broker_hop*.c)))
$(HOP_OBJ): $(B)/%.o: %.c $(call include_stamps,tests)
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS_ALL) $(call includes,tests) -MMD -MP -c -o $@ $<
$(B)/tests/bench/broker_hop: $(HOP_OBJ) $(call libs,base wire)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $(HOP_OBJ) -Wl,--start-group $(call libs,base wire) -Wl,--end-group $(LIBS)
